"""The provider's agent: looks for jobs it was drawn for and moves each one as far as it can go now.

For every job: evaluate, remember receipt, salt and output on disk, commit; when all executors have committed, publish
output and receipt in the store, reveal. Nothing is published before the reveal, so that no other executor can copy the
answer. A job that cannot be evaluated, or that pays for less work than it takes, is declined before the commitment,
which keeps the stake. `step` may be repeated and may be killed anywhere: each effect is on the chain, or done again.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.chain.live import FILE
from app.execution.execute import execute
from app.execution.facts import gather
from app.protocol.errors import BadInput, DarkroomError, Reverted, TryAgain, VerificationFailed
from app.protocol.market import ZERO, Job, JobState
from app.provider.journal import Entry, Journal
from fhe.cost import cost
from fhe.engine.conformance import self_test
from fhe.engine.core import BackendName

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.chain.account import Account
    from app.chain.market import Market, Sent
    from app.protocol.seams import Progress, Store

LAST_MOMENT = 900  # seconds before a deadline at which waiting for what is missing ends


class Done(StrEnum):
    """What an agent did to a job."""

    COMMITTED = "committed"
    REVEALED = "revealed"
    DECLINED = "declined"
    DREW = "drew"
    FAILED = "failed"  # it could not


@dataclass(frozen=True)
class Action:
    """One thing the agent did, or could not do."""

    job: int
    what: Done
    detail: str = ""
    sent: Sent[Any] | None = None


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
    ) -> None:
        """`device`: "cpu", "cuda", or "auto" for a GPU that passes its self-test, with the CPU behind it."""
        self._market, self._store, self._account = market, store, account
        self._threads, self._keep_drawing, self._device = threads, keep_drawing, device
        self._journal = Journal(folder / "jobs")
        self._live = market.live_jobs(folder / FILE)

    def step(self, progress: Progress | None = None) -> list[Action]:
        """Move every job of this provider as far as it goes now; what was done."""
        return list(self._steps(progress))

    def _steps(self, progress: Progress | None) -> Iterator[Action]:
        for number in self._live.ids():
            try:
                yield from self._advance(self._market.job(number), progress)
            except DarkroomError as error:
                yield Action(number, Done.FAILED, str(error))

    def _advance(self, job: Job, progress: Progress | None) -> Iterator[Action]:
        me = self._account.address
        mine = next((part for part in job.executions if part.provider == me), None)
        if mine is None or mine.out:
            if self._keep_drawing and job.state in (JobState.OPEN, JobState.DISPUTED):
                yield from self._draw(job)
            return
        if job.state is not JobState.ASSIGNED or mine.receipt != ZERO:
            return
        if mine.commitment == ZERO:
            try:
                entry = self._journal.get(job.id) or self._evaluate(job, progress)
            except (BadInput, VerificationFailed, TryAgain) as error:
                if isinstance(error, TryAgain) and self._market.now() < job.deadline - LAST_MOMENT:
                    raise  # what is out of reach now may come; silence at the deadline would cost the stake
                yield Action(job.id, Done.DECLINED, str(error), self._market.decline(self._account, job.id))
                return
            promised = self._market.commit(self._account, job.id, entry.receipt, entry.salt)
            yield Action(job.id, Done.COMMITTED, entry.receipt, promised)
            job = self._market.job(job.id)
        if job.revealing:
            entry = self._journal.get(job.id) or self._evaluate(job, progress)
            for data in self._journal.outputs(job.id):
                self._store.put(data)
            shown = self._market.reveal(self._account, job.id, entry.receipt, entry.salt)
            yield Action(job.id, Done.REVEALED, entry.receipt, shown)

    def _evaluate(self, job: Job, progress: Progress | None) -> Entry:
        tested(self._threads, self._device)
        facts = gather(self._market, self._store, job.id)
        needed = cost(facts.circuit, facts.profile, job.rows).units
        if needed > job.units:
            raise BadInput(f"Job {job.id} takes {needed} units of work and pays for {job.units}.", "Quote it again.")
        execution = execute(facts, self._store, threads=self._threads, progress=progress, backend=self._device)
        return self._journal.remember(job.id, execution.receipt, execution.output)

    def _draw(self, job: Job) -> Iterator[Action]:
        try:
            yield Action(job.id, Done.DREW, sent=self._market.draw(self._account, job.id))
        except TryAgain:
            return
        except Reverted:
            if self._market.job(job.id).state is job.state:
                raise  # else another one was faster


@cache
def tested(threads: int, device: BackendName) -> None:
    """Compute known answers once a process, before any digest is committed to.

    Errors: VerificationFailed; Unavailable where `device` is "cuda" and there is none.
    """
    self_test(device, threads)
