"""The provider's agent: looks for jobs it was drawn for and moves each one as far as it can go now.

For every job: evaluate, remember receipt, salt and output on disk, commit; when all executors have committed, publish
output and receipt in the store, reveal. Nothing is published before the reveal, so that no other executor can copy the
answer. A job that cannot be evaluated, or that pays for less work than it takes, is declined before the commitment,
which keeps the stake. So is one whose order states a program that is not its circuit's, and one that would not be
ready by its deadline, by the measured speed and what else is in progress. While a long job is computed, what the others
wait for is sent; a move that is due in a dispute comes before everything. `step` may be repeated, may be killed
anywhere, and ends soon after `stop`: each effect is on the chain, or done again.

Long because the order in which one job's steps stand to those of all others is one rule.
"""

from __future__ import annotations

import threading
import time
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from app.chain.live import FILE
from app.dispute.player import Player
from app.execution.checkpoint import Checkpoints
from app.execution.execute import evaluation_digest, execute
from app.execution.inputs import load_job_inputs
from app.execution.key_roots import KeyRootsKept
from app.execution.program import check_program
from app.execution.reporting import reported
from app.execution.tracing import Spans, no_spans
from app.protocol.errors import BadBlock, BadInput, DarkroomError, NotAllowed, NotFound, Reverted, TryAgain
from app.protocol.ids import Digest
from app.protocol.market.entities import ZERO, Execution, Job, JobState
from app.protocol.ports import Stopped
from app.provider.actions import Action, Computing, Done
from app.provider.attempts import FILE as ATTEMPTS_FILE
from app.provider.attempts import Attempts
from app.provider.collect import leftovers, remove
from app.provider.fetches import Fetches
from app.provider.journal import Journal, JournalEntry
from app.provider.own_results import OwnResults
from app.provider.plan import too_late, turn
from app.storage.cid import digest_to_cid
from fhe.circuit.codec import MAX_CIRCUIT_BYTES
from fhe.circuit.cost import cost
from fhe.engine.conformance import self_test
from fhe.engine.core import BackendName

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from app.chain.market import Market
    from app.chain.wallet.account import Account
    from app.execution.runner import BlockRunner
    from app.protocol.ports import Progress, Store

LOOK_SECONDS = 20.0  # between looks at the other jobs while one is computed
MOST_FAULTS = 3  # of a kind nobody expects, in a row, before a job is declined
MOST_DEATHS = 5  # processes that end while they compute a job, in a row, before it is declined
DRAW_SECONDS = 2.0  # for which a look waits for the block that a draw needs; a later look draws
TURN_SECONDS = 3.0  # between the providers that may draw a job, so that one of them pays the gas and not all
LAST_MOMENT = 900  # seconds before a deadline at which waiting for what is out of reach ends
MISSING_PART = 4  # of the time to commit, a quarter: for so long what no store has is waited for


class ProviderAgent:
    """One bonded provider."""

    def __init__(
        self,
        market: Market,
        store: Store,
        account: Account,
        folder: Path,
        *,
        threads: int,
        keep_drawing: bool = True,
        device: BackendName = "auto",
        units_per_second: float | None = None,
        in_turn: bool = False,
        pays: Callable[[int], bool] = lambda fee: True,
        runner: BlockRunner | None = None,
        spans: Spans = no_spans,
    ) -> None:
        """`device`: "cpu", "cuda", or "auto" for a GPU that passes its self-test, with the CPU behind it.

        `units_per_second` is the measured speed (app.provider.speed); without one no job is declined for lack of time.
        With `in_turn` a draw waits for those whose turn comes first (app.provider.plan). A drawn job whose fee does not
        `pay` for its own gas any more is declined. `runner` computes blocks of rows; without one this process does.
        """
        self._market, self._store, self._account = market, store, account
        self._threads, self._keep_drawing, self._device = threads, keep_drawing, device
        self._rate, self._in_turn, self._pays = units_per_second, in_turn, pays
        self._drawable: dict[int, tuple[JobState, float]] = {}  # since when, by the monotonic clock, in which state
        self._stopping, self._span = threading.Event(), spans
        self._runner = runner
        self.running: list[Job] = []  # the market's jobs that were not over at the last look
        self.computing: Computing | None = None
        own = market.folder(folder)
        self._journal = Journal(own / "jobs", self._salt)
        self._own = OwnResults(market, self._journal)
        self._checkpoints = Checkpoints(own / "blocks")
        self._circuits = Fetches(lambda digest: store.read(digest_to_cid(digest), limit=MAX_CIRCUIT_BYTES))
        self._player, self._roots_of = Player(market, store, account), KeyRootsKept(store, own / "roots")
        self._live, self._attempts = market.live_jobs(own / FILE), Attempts(own / ATTEMPTS_FILE)

    def stop(self) -> None:
        """End the step that is under way before its next block of rows; from any thread, and for good."""
        self._stopping.set()

    def sweep(self) -> int:
        """Forget the salts and outputs of jobs that are over and final for days; of how many. Errors: Unavailable.

        Blocks of evaluations that nobody goes on with are forgotten too.
        """
        self._checkpoints.sweep()
        own = {"": self._journal}
        return sum(1 for _ in remove(leftovers(self._market, own), own))

    def step(self, progress: Progress | None = None, report: Callable[[Action], None] | None = None) -> list[Action]:
        """Move every job of this provider as far as it goes now; what was done.

        `report` hears of each action when it is done; all of them are returned in the end.
        """
        return reported(self._steps(progress), report)

    def _steps(self, progress: Progress | None) -> Iterator[Action]:
        unread: list[Action] = []
        running = self._market.live(
            self._live.ids(), lambda job, error: unread.append(Action(job, Done.FAILED, str(error)))
        )
        yield from unread
        self.running = running
        for job in running:  # silence in a dispute costs the stake, and its windows are short
            yield from self._hear(job)
        self._drawable = {job.id: self._drawable[job.id] for job in running if job.id in self._drawable}
        self._own.keep({job.id for job in running})
        if not unread:
            self._attempts.keep({job.id for job in running})
        # What takes long comes last, and of that what failed before, and first what has to be ready first.
        running = sorted(running, key=lambda job: (self._to_compute(job), self._attempts.count(job.id), job.deadline))
        waiting = [job for job in running if self._to_compute(job)]
        self._circuits.want([job.circuit for job in waiting if self._attempts.due(job.id)])
        for job in running[: len(running) - len(waiting)]:
            if self._stopping.is_set():
                return
            if self._concerns(job) and self._attempts.due(job.id):
                yield from self._try(job.id, progress)
        began, failed = time.monotonic(), False
        self._circuits.settle(self._stopping)
        yield from self._give_back(waiting)
        for job in waiting:
            if self._stopping.is_set() or (failed and time.monotonic() - began >= LOOK_SECONDS):
                return  # what no store has takes long to be missed: the next look begins with what is due
            if self._attempts.due(job.id) and self._circuits.answered(job.circuit):
                for action in self._try(job.id, progress):
                    failed |= action.what is Done.FAILED
                    yield action

    def _try(self, number: int, progress: Progress | None) -> Iterator[Action]:
        """One job, whose failure is its own: a full disk, or too little memory for it, does not end the others."""
        try:
            yield from self._advance(self._market.job(number), progress)
            self._attempts.forget(number)
        except Stopped:
            return
        except Exception as error:  # noqa: BLE001 - whatever one job meets must not take the others along
            self._attempts.failed(number, _why(error))
            yield Action(number, Done.FAILED, _why(error))

    def _hear(self, job: Job) -> Iterator[Action]:
        """Play the disputes about a job that this provider revealed a result of, and challenge results that differ."""
        mine = self._mine(job)
        known = mine is not None and mine.receipt != ZERO and job.state in (JobState.COMPUTED, JobState.DISPUTED)
        if not known or job.program == ZERO or not self._attempts.due(job.id):
            return
        try:
            for played in self._player.moves(job):
                yield Action(job.id, Done.PLAYED, played.said, played.sent)
                job = self._market.job(job.id)
            own = self._journal.evaluation(job.id) if self._kept(job) is not None else None
            for each in self._player.accusations(job, own) if own is not None else ():
                opened = self._player.accuse(job, each)
                yield Action(job.id, Done.CHALLENGED, opened.said, opened.sent)
        except Exception as error:  # noqa: BLE001 - as in `_try`
            self._attempts.failed(job.id, _why(error))
            yield Action(job.id, Done.FAILED, _why(error))

    def _give_back(self, waiting: list[Job], before: float = 0) -> Iterator[Action]:
        """Decline what costs more than it pays, and what would not be ready in time after `before` units of work."""
        unpaid = [job for job in waiting if (mine := self._mine(job)) is not None and not self._pays(mine.fee)]
        rest = [job for job in waiting if job not in unpaid]
        late: list[Job] = []
        if self._rate is not None:
            late = too_late(rest, self._rate, self._market.now(), before=before, done=self._share)
        for why, jobs in (
            ("Its fee does not cover the gas any more.", unpaid),
            ("It would not be ready by its deadline.", late),
        ):
            for job in jobs:
                try:
                    yield Action(job.id, Done.DECLINED, why, self._market.decline(self._account, job.id))
                except DarkroomError as error:
                    yield Action(job.id, Done.FAILED, str(error))

    def _share(self, job: Job) -> float:
        """Which part of a job is computed already, as far as that can be told without waiting for a store."""
        if not self._checkpoints or not self._circuits.came(job.circuit):
            return 0.0
        try:
            return self._checkpoints.share(evaluation_digest(load_job_inputs(self._market, self._store, job.id)))
        except Exception:  # noqa: BLE001 - whatever is wrong with one job is told when it is its turn
            return 0.0

    def _mine(self, job: Job) -> Execution | None:
        """This provider's part in a job that it is not out of."""
        return next((part for part in job.executions if part.provider == self._account.address and not part.out), None)

    def waits_for_me(self, job: Job) -> bool:
        """Whether this provider has to commit or reveal before the job's deadline, and has not."""
        mine = self._mine(job)
        if mine is None or job.state is not JobState.ASSIGNED or mine.receipt != ZERO:
            return False
        return job.revealing or mine.commitment == ZERO

    def _concerns(self, job: Job) -> bool:
        """Whether there is anything to do now, by the look's batch; else it is not asked for alone."""
        if job.state in (JobState.OPEN, JobState.DISPUTED) and self._keep_drawing:
            return True
        mine = self._mine(job)
        if mine is None or job.state is not JobState.ASSIGNED or mine.receipt != ZERO:
            return False
        return mine.commitment == ZERO or job.revealing or self._kept(job) is None

    def _to_compute(self, job: Job) -> bool:
        """Whether this provider still has to compute it."""
        mine = self._mine(job)
        if mine is None or job.state is not JobState.ASSIGNED or mine.commitment != ZERO or mine.receipt != ZERO:
            return False
        return self._kept(job) is None

    def _kept(self, job: Job) -> JournalEntry | None:
        """What was computed of this very order."""
        mine = self._mine(job)
        return self._own.of(job, committed=mine is not None and mine.commitment != ZERO)

    def _advance(self, job: Job, progress: Progress | None) -> Iterator[Action]:
        mine = self._mine(job)
        if job.state in (JobState.OPEN, JobState.DISPUTED) and self._keep_drawing:
            yield from self._draw(job)  # also of a job whose draw found this provider and goes on
        if mine is None or job.state is not JobState.ASSIGNED or mine.receipt != ZERO:
            return
        if mine.commitment == ZERO:
            meanwhile: list[Action] = []
            try:
                self._circuits.check(job.circuit)
                kept = self._kept(job)
                entry = kept or self._evaluate(job, self._between(progress, job, meanwhile))
            except Stopped:
                raise
            except Exception as error:
                yield from meanwhile
                if self._may_pass(job, error) and self._market.now() < job.deadline - LAST_MOMENT:
                    raise  # what is out of reach now may come; silence at the deadline would cost the stake
                yield Action(job.id, Done.DECLINED, _why(error), self._market.decline(self._account, job.id))
                return
            yield from meanwhile
            if kept is None and self._kept(self._market.job(job.id)) is None:
                return  # its number belongs to another order by now, which the next look computes
            with self._span(job.id, "commit"):
                promised = self._market.commit(self._account, job.id, entry.receipt, entry.salt)
            yield Action(job.id, Done.COMMITTED, entry.receipt, promised)
            job = self._market.job(job.id)
        elif self._kept(job) is None:
            self._evaluate(job, self._between(progress, job, []))  # committed to by another machine, which may be gone
        if job.revealing:
            entry = self._committed(job)
            with self._span(job.id, "reveal"):
                for path in self._journal.files(job.id):
                    self._store.put_file(path)
                shown = self._market.reveal(self._account, job.id, entry.receipt, entry.salt)
            yield Action(job.id, Done.REVEALED, entry.receipt, shown)

    def _salt(self, job: int, receipt: Digest) -> str:
        """The same for every process of this account, whatever became of a journal."""
        return self._account.derive(f"salt:{self._market.chain_id}:{self._market.address}:{job}:{receipt}")

    def _committed(self, job: Job) -> JournalEntry:
        """What this account committed to, on whichever machine. Errors: NotAllowed where that is not known here."""
        entry, promised = self._journal.get(job.id), self._mine(job)
        assert entry is not None
        assert promised is not None
        for salt in (entry.salt, self._salt(job.id, entry.receipt)):
            said = self._market.commitment(job.id, self._account.address, entry.receipt, salt)
            if said == promised.commitment:
                return JournalEntry(entry.receipt, salt)
        raise NotAllowed(
            f"This account committed to another receipt or salt of job {job.id} than those that are here.",
            "Let the process go on that committed, or bring its journal: darkroom provider import.",
        )

    def _may_pass(self, job: Job, error: Exception) -> bool:
        """Whether the same job may be evaluated later: an object may come, a wrong block may come right from elsewhere,
        a full disk be emptied. What is wrong with the job itself stays; what no store has is given up early.
        """
        if isinstance(error, NotFound):
            return self._market.now() < job.deadline - self._market.commit_window() * (MISSING_PART - 1) // MISSING_PART
        if isinstance(error, TryAgain | BadBlock):
            return True
        if isinstance(error, DarkroomError):
            return False
        return self._attempts.count(job.id) < MOST_FAULTS

    def _between(self, progress: Progress | None, computed: Job, done: list[Action]) -> Progress:
        """Progress of one job that now and then looks at the others."""
        looked = time.monotonic()

        def told(part: int, whole: int) -> None:
            nonlocal looked
            if self._stopping.is_set():
                raise Stopped
            self.computing = Computing(computed.id, part, whole)
            if progress is not None:
                progress(part, whole)
            if time.monotonic() - looked >= LOOK_SECONDS:
                done.extend(self._meanwhile(computed, computed.units * (whole - part) / whole))
                looked = time.monotonic()

        return told

    def _meanwhile(self, computed: Job, left: float) -> Iterator[Action]:
        """While a job is computed, of which so many units are left: send what others that are computed are ready for,
        since a reveal's window may be shorter; and decline at once what was drawn since and would not be ready in time.
        """
        self.running = self._market.live(self._live.ids(), lambda _job, _error: None)
        others = [job for job in self.running if job.id != computed.id]
        for job in others:
            yield from self._hear(job)
        yield from self._give_back([job for job in others if self._to_compute(job)], left)
        for job in others:
            if self._kept(job) is not None:
                yield from self._try(job.id, None)

    def _evaluate(self, job: Job, progress: Progress) -> JournalEntry:
        if self._attempts.of(job.id).deaths >= MOST_DEATHS:
            raise BadInput(f"Job {job.id} ended {MOST_DEATHS} processes that computed it.", "Give it more memory.")
        tested(self._threads, self._device)
        with self._span(job.id, "fetch"):
            facts = load_job_inputs(self._market, self._store, job.id)
        check_program(facts, self._roots_of)
        needed = cost(facts.circuit, facts.profile, job.rows).units
        if needed > job.units:
            raise BadInput(f"Job {job.id} takes {needed} units of work and pays for {job.units}.", "Quote it again.")
        name = evaluation_digest(facts)
        began = self._checkpoints.share(name)

        def told(part: int, whole: int) -> None:
            progress(part, whole)
            if self._attempts.count(job.id) and self._checkpoints.share(name) > began:
                self._attempts.forget(job.id)  # it gets on, however often its processes end

        with self._attempts.computing(job.id), self._span(job.id, "evaluate"):
            execution = execute(
                facts,
                self._store,
                threads=self._threads,
                progress=told,
                backend=self._device,
                runner=self._runner,
                checkpoints=self._checkpoints,
            )
        entry = self._journal.remember(job.id, execution.receipt, execution.output)
        self._checkpoints.forget(name)
        self.computing = None
        return entry

    def _draw(self, job: Job) -> Iterator[Action]:
        if self._in_turn and not self._its_turn(job):
            return
        try:
            with self._span(job.id, "draw"):
                sent = self._market.draw(self._account, job.id, patience=DRAW_SECONDS)
            yield Action(job.id, Done.DREW, sent=sent)
        except TryAgain:
            return
        except Reverted as error:
            suspended = error.reason == "JobSuspended"  # until a dispute about it is over
            if not suspended and self._market.job(job.id).state is job.state:
                raise  # else another one was faster

    def _its_turn(self, job: Job) -> bool:
        """Whether those before this provider have had their time to draw this job in this state."""
        state, since = self._drawable.get(job.id, (job.state, time.monotonic()))
        if state is not job.state:
            since = time.monotonic()
        self._drawable[job.id] = job.state, since
        place = turn(job.id, self._account.address, self._market.providers())
        return time.monotonic() - since >= place * TURN_SECONDS


def _why(error: Exception) -> str:
    return str(error) if isinstance(error, DarkroomError) else f"An unexpected fault: {type(error).__name__}."


@cache
def tested(threads: int, device: BackendName) -> None:
    """Compute known answers once a process, before any digest is committed to.

    Errors: VerificationFailed; Unavailable where `device` is "cuda" and there is none.
    """
    self_test(device, threads)
