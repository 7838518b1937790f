"""The custodian's agent: takes each computed job as far as it can go now, and may be killed anywhere.

Order of one job: facts, the owner's word, what the chain released meanwhile, reservation, verification, decryption,
seal, the decision on the chain's own history, chain, store. What is sealed leaves for the store only once the chain has
the release for good, so that nothing leaves that the chain does not know, and nothing that a reorganisation would give
back the money for. A reason is found before the decryption; after it only
what others released meanwhile, the owner's denial or a missing circuit refuses, never what was decrypted.
What is not there yet (an object, a final block, another process's lease) leaves the job for later, and whatever goes
wrong with one job, down to a lack of memory or disk, is kept with that job and tried again at growing intervals.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping
from functools import partial

from app.custodian.attempts import Outcome, Watch, described, idle, is_stale, pause_after
from app.custodian.court import Court, NoCourt, open_until, oppose, unobjected_output
from app.custodian.decision import refuse, release, signed
from app.custodian.decryption import decrypt_output
from app.custodian.evidence import Execute, FindProfile, Judgement, JudgementLimits, load_judgement, verified_output
from app.custodian.follow import Follower
from app.custodian.ledger import OPEN, Claim, DecisionState, Ledger, LedgerRecord
from app.custodian.noise import Noise, discrete_laplace
from app.custodian.ports import CustodianChain, KeySourceOf, RowKeySource, Sign, StepHook, no_hook
from app.custodian.readout import read_out
from app.custodian.settling import settle_licenses
from app.custodian.unlocked_keys import keep, recall
from app.execution.execute import Evaluation
from app.execution.reporting import reported
from app.execution.tracing import Spans, no_spans
from app.policy import judge
from app.protocol.documents import sha256
from app.protocol.errors import AlreadyReleased, BadDocument, DarkroomError, NotFound, Reverted, TryAgain
from app.protocol.market.entities import ZERO, Approval, Job, JobState
from app.protocol.policy.reasons import Reason
from app.protocol.policy.rules import check_case, check_shape
from app.protocol.ports import Stopped, Store
from app.protocol.vocabulary import Verification
from app.seal.result import Result, seal_result, seals
from app.storage.content import file_cid
from fhe.profiles import find

LAST_CHANCE = 900  # seconds, at most, before a job's deadline from which a circuit that no store has is refused
SENDS = 8  # times that a decision is taken anew because another one came first
REORG_PATIENCE = 60  # seconds for which a node may lag behind what this custodian saw
FINAL_AFTER = 86_400  # seconds after which a release is not lost any more
EVENTS_KEPT = 90 * 86_400  # seconds for which the ledger tells how a job went that is over
CHORES_EVERY = 600  # seconds


class CustodianAgent:
    """One custodian of one market. `execute` re-executes a job; `sign` signs decisions; `row_keys` names rows."""

    def __init__(
        self,
        chain: CustodianChain,
        store: Store,
        keys: KeySourceOf,
        ledger: Ledger,
        sign: Sign,
        *,
        execute: Execute,
        row_keys: RowKeySource | None = None,
        limits: JudgementLimits | None = None,
        threads: int = 2,
        noise: Noise = discrete_laplace,
        find_profile: FindProfile = find,
        hook: StepHook = no_hook,
        charge_missing: bool = False,
        spans: Spans = no_spans,
        court: Court | None = None,
    ) -> None:
        self._span, self._court = spans, court or NoCourt()
        self._chain, self._store, self._keys, self._ledger, self._sign = chain, store, keys, ledger, sign
        self._execute, self._limits, self._threads, self._noise = execute, limits or JudgementLimits(), threads, noise
        self._find_profile, self._step, self._row_keys = find_profile, hook, row_keys
        self._follower = Follower(chain, store, ledger, find_profile, charge_missing)
        self._stopping, self._chores_at = threading.Event(), 0

    @property
    def ledger(self) -> Ledger:
        """Where everything is written down."""
        return self._ledger

    def stop(self) -> None:
        """End the present step soon, also in the middle of a re-execution; the job goes on another time."""
        self._stopping.set()

    def follow(self, dataset: int) -> int:
        """Charge what the chain released on a dataset and the ledger does not know; how many jobs those were.

        Errors: Unavailable while the public records of one of them are out of reach.
        """
        return self._follower.follow(dataset)

    def follow_all(self) -> dict[int, int]:
        """`follow` every dataset of this custodian: how many jobs were learned of, by dataset."""
        return {dataset: self.follow(dataset) for dataset in self._chain.own_datasets()}

    def process(self, number: int) -> Outcome:
        """Take one job as far as it goes now. Errors leave as they are, and are kept with the job for a next try."""
        job, record = self._chain.job(number), self._ledger.record(number)
        if self._court.play(job):
            return Outcome(number, "waiting", "a contract is judging its result")
        if job.state is not JobState.COMPUTED:
            return self._settle(job, record)
        if not self._chain.final(job):
            return Outcome(number, "waiting", "its result, or the owner's word on it, is not final on the chain yet")
        if record is not None and record.state not in OPEN and record.changed < self._ledger.now() - REORG_PATIENCE:
            self._ledger.reopen(number)  # the chain forgot what was done
        self._step("claim")
        claim = self._ledger.claim(number, job.dataset)
        record = self._ledger.record(number)
        if claim is None or record is None:
            return idle(number, record)
        try:
            return self._advance(claim, record, job)
        except Exception as error:
            self._leave(claim, record, job, error)
            raise

    def _advance(self, claim: Claim, record: LedgerRecord, job: Job) -> Outcome:
        if record.state is DecisionState.REFUSING:
            return self._send_refusal(claim, job)
        if job.approval is Approval.DENIED and record.state in (DecisionState.SEALED, DecisionState.SENT):
            return self._refuse(claim, job, Reason.NOT_APPROVED)
        evidence = self._gather(job)
        if isinstance(evidence, Reason):
            return self._refuse(claim, job, evidence)
        if record.state in (DecisionState.SEALED, DecisionState.SENT):
            if not seals(record.document, job.receipt):  # executors lost it in a dispute after it was decrypted
                return self._refuse(claim, job, Reason.WRONG_RECEIPT)
            samples = judge.samples_of(evidence.work.circuit, evidence.facts.table.codebook)
            return self._publish(claim, evidence, samples)
        facts = evidence.facts
        reason = check_case(facts) or check_shape(
            facts.policy, facts.leak, job.rows, facts.dataset.rows, facts.bootstraps
        )
        if reason is None and job.approval is Approval.DENIED:
            reason = Reason.NOT_APPROVED
        if reason is not None:
            return self._refuse(claim, job, reason, facts.policy.verify)
        if facts.policy.approval == "manual" and job.approval is not Approval.APPROVED:
            self._ledger.hold(claim)
            return Outcome(job.id, "waiting", "the owner has to approve it")
        if facts.policy.row_keys:  # before anything is charged or decrypted
            self._naming().check(facts.dataset.manifest, facts.policy.row_keys)
        until = open_until(evidence, self._court, self._store)
        if until is not None and self._ledger.now() < until:
            self._ledger.give_up(claim)
            return Outcome(job.id, "waiting", f"anybody may object to its result until {until}")
        return self._release(claim, evidence, record, unobjected=until is not None)

    def _release(self, claim: Claim, evidence: Judgement, record: LedgerRecord, *, unobjected: bool) -> Outcome:
        facts, job = evidence.facts, evidence.facts.job
        verify = facts.policy.verify
        self._step("follow")
        self.follow(job.dataset)
        self._step("reserve")
        samples = judge.samples_of(evidence.work.circuit, facts.table.codebook)
        grant = self._ledger.reserve(claim, job.dataset, partial(judge.decide, facts, samples), samples)
        if isinstance(grant, Reason):
            return self._refuse(claim, job, grant, verify)
        self._step("verify")
        with self._span(job.id, "verify"):
            against = partial(self._oppose, claim, job, record.contested)
            agreed = unobjected_output(evidence, self._store) if unobjected else None
            watch = Watch(self._ledger, claim, job, self._stopping)
            output = agreed or verified_output(evidence, self._store, self._execute, watch, against)
        if output is None:
            return Outcome(job.id, "contested", "re-execution gives another result; it does not stand unanswered")
        if isinstance(output, Reason):
            return self._refuse(claim, job, output, verify)
        secret = self._keys(facts.dataset.manifest).open(facts.table.epoch)
        query, noisy = grant.entry.query, facts.policy.epsilon_micro_per_job > 0
        kept = self._ledger.kept_answer(query) if grant.again else None
        if grant.again and noisy and kept is None:
            raise BadDocument("The ledger lacks an answer that it promised to repeat.", "Restore it from a copy.")
        self._step("count")
        most = None if kept else self._limits.decryptions_per_epoch
        over = self._ledger.verified(claim, job.dataset, facts.table.epoch, most)
        if over is not None:
            return self._refuse(claim, job, over, verify)
        answer = None
        if kept is not None:
            result = Result.from_bytes(recall(secret, query, kept))
        else:
            self._step("decrypt")
            with self._span(job.id, "decrypt"):
                values = decrypt_output(secret, evidence.work, self._store, output, threads=self._threads)
            circuit, persons = evidence.work.circuit, facts.table.rows_per_person
            result = read_out(values, circuit.readout, facts.leak, facts.policy, job, self._noise, persons, circuit.mix)
            if noisy or result.values.nbytes <= self._limits.kept_answer_bytes:
                answer = (query, keep(secret, query, result.to_bytes()))
        if width := facts.policy.row_keys:  # last, so that no answer that is kept has them
            keys = self._naming().read(secret, facts.dataset.manifest, job.first_row, job.rows)
            result = result.with_keys(keys, width)
        self._step("seal")
        with self._span(job.id, "seal"):
            document, ciphertext = seal_result(evidence.work.seal_context, result, file_cid)
        self._step("keep")
        repeatable = answer is not None or kept is not None or not noisy
        sealed = {"document": document.to_bytes(), "ciphertext": ciphertext}
        self._ledger.sealed(claim, **sealed, answer=answer, repeatable=repeatable)
        return self._publish(claim, evidence, samples)

    def _publish(self, claim: Claim, evidence: Judgement, samples: Mapping[str, bytes]) -> Outcome:
        """Send what is sealed, with a decision that holds for exactly the head that it is sent with."""
        facts, job = evidence.facts, evidence.facts.job
        decide = partial(judge.decide, facts, samples)
        for _ in range(SENDS):
            self._step("decide")
            self.follow(job.dataset)
            grant, head = self._ledger.decide(claim, job.dataset, decide)
            if isinstance(grant, Reason):
                return self._refuse(claim, job, grant, facts.policy.verify)
            if grant is None:
                return Outcome(job.id, "waiting", "its query was answered meanwhile; it is served that answer")
            decision = signed(release(facts, grant), self._sign).to_bytes()
            self._step("send")
            self._ledger.sending(claim, decision)
            record = self._ledger.record(job.id)
            assert record is not None
            assert record.document is not None
            for name, data in (("document", record.document), ("decision", decision)):
                self._step(f"store {name}")
                self._store.put(data)
            self._step("release")
            try:
                with self._span(job.id, "release"):
                    tx = self._chain.release(job.id, sha256(record.document), sha256(decision), head)
            except (AlreadyReleased, Reverted) as error:
                if is_stale(error):
                    continue
                return self._settle(self._chain.job(job.id), record, claim)
            self._ledger.released(claim, tx)
            return self._hand_over(claim, record, self._chain.job(job.id), tx)
        raise TryAgain(f"Other decisions on dataset {job.dataset} keep coming first.", "Try again.")

    def _hand_over(self, claim: Claim, record: LedgerRecord, job: Job, tx: str) -> Outcome:
        """The chain has the release: once it is final the buyer may have the result. Before that a reorganisation could
        take it back, and with it the payment for what would be public already.
        """
        if job.sealed == ZERO or not self._chain.release_final(job):
            self._ledger.give_up(claim)
            return Outcome(claim.job, "waiting", "its release is not final on the chain yet")
        self._step("store result")
        if record.ciphertext is not None:
            with self._span(claim.job, "store result"):
                self._store.put(record.ciphertext)
        self._step("record")
        self._ledger.done(claim, tx)
        return Outcome(claim.job, DecisionState.DONE, tx or "the chain had it already")

    def _oppose(self, claim: Claim, job: Job, contested: bool, own: Evaluation) -> bool:
        """Whether something was done about a wrong result, so that it does not stand: `app.custodian.court.oppose`."""
        self._step("contest")
        done = oppose(self._court, self._chain, job, own, asked=contested)
        if done:
            self._ledger.contested(claim, others=done == "asked")
        return done is not None

    def _refuse(self, claim: Claim, job: Job, reason: Reason, verify: Verification = "self") -> Outcome:
        self._step("refuse with reason")
        held = self._chain.license(job.license)
        said = refuse(self._chain.chain_id, self._chain.address, job, held.policy, verify, reason)
        self._ledger.refusing(claim, reason, signed(said, self._sign).to_bytes())
        return self._send_refusal(claim, job)

    def _send_refusal(self, claim: Claim, job: Job) -> Outcome:
        """A refusal gives nothing away, so it may be sent on whatever the chain's newest decision is."""
        record = self._ledger.record(claim.job)
        assert record is not None
        assert record.decision is not None
        self._step("store refusal")
        self._store.put(record.decision)
        self._step("refuse")
        for _ in range(SENDS):
            head = self._chain.decision_head(job.dataset)
            try:
                with self._span(claim.job, "refuse"):
                    tx = self._chain.refuse(claim.job, record.reason, sha256(record.decision), head)
            except (AlreadyReleased, Reverted) as error:
                if is_stale(error):
                    continue
                return self._settle(self._chain.job(claim.job), record, claim)
            self._step("record refusal")
            self._ledger.refused(claim, tx)
            return Outcome(claim.job, DecisionState.REFUSED, record.reason)
        raise TryAgain(f"Other decisions on dataset {job.dataset} keep coming first.", "Try again.")

    def _settle(self, job: Job, record: LedgerRecord | None, claim: Claim | None = None) -> Outcome:
        """Write down what the chain says of a job that is not, or no longer, waiting for the custodian."""
        if record is None or record.state not in OPEN:
            return Outcome(job.id, record.state if record else "waiting", f"the chain says {job.state.name.lower()}")
        if not job.state.terminal and job.state is not JobState.RELEASED:
            return Outcome(job.id, "waiting", f"the chain says {job.state.name.lower()}")
        claim = claim or self._ledger.claim(job.id, job.dataset)
        if claim is None:
            return Outcome(job.id, record.state, "another process works on it")
        if record.document is not None and job.sealed == sha256(record.document):
            return self._hand_over(claim, record, job, record.tx)
        if record.state is DecisionState.REFUSING and record.decision and job.decision == sha256(record.decision):
            self._ledger.refused(claim, "")
            return Outcome(job.id, DecisionState.REFUSED, record.reason)
        self._ledger.drop(claim, job.state.name.lower())
        return Outcome(job.id, DecisionState.DROPPED, f"the chain says {job.state.name.lower()}")

    def step(self, report: Callable[[Outcome], None] | None = None) -> list[Outcome]:
        """Every job that waits for this custodian, or that the ledger has not brought to an end, once.

        `report` hears of each outcome when it is there; all of them are returned in the end.
        """
        outcomes = reported(self._outcomes(), report)
        self._chores()
        return outcomes

    def _outcomes(self) -> Iterator[Outcome]:
        unread: list[Outcome] = []
        waiting = self._chain.computed(lambda job, error: unread.append(Outcome(job, "failed", described(error))))
        numbers = {job.id for job in waiting} | {record.job for record in self._ledger.records(*OPEN)}
        yield from unread
        for number in sorted(numbers):
            if self._stopping.is_set():
                return
            yield self._try(number)

    def _try(self, number: int) -> Outcome:
        try:
            return self.process(number)
        except Stopped:
            return Outcome(number, "waiting", "the custodian was stopped")
        except Exception as error:  # noqa: BLE001 - one job's trouble must not keep the others waiting
            return Outcome(number, "failed", described(error))

    def _chores(self) -> None:
        """What is not urgent: licenses that are over, ciphertexts that nobody needs any more."""
        now = self._ledger.now()
        if self._stopping.is_set() or now < self._chores_at + CHORES_EVERY:
            return
        self._chores_at = now
        with contextlib.suppress(DarkroomError):  # they come around again
            self._ledger.tidy(now - FINAL_AFTER, now - EVENTS_KEPT)
            settle_licenses(self._chain, self._ledger, self._follower)

    def _gather(self, job: Job) -> Judgement | Reason:
        self._step("gather")
        record = self._chain.dataset_version(job.dataset, job.version)
        return load_judgement(
            self._chain,
            self._store,
            job,
            find_profile=self._find_profile,
            epochs=self._keys(record.manifest).epochs(),
            decryptions=partial(self._ledger.decryptions, job.dataset),
            limits=self._limits,
            program_of=self._court.program,
            last_chance=bool(job.deadline) and self._ledger.now() >= self._last_chance(job),
        )

    def _last_chance(self, job: Job) -> int:
        """From when on a circuit that no store has is refused: never before three quarters of the time are over."""
        return job.deadline - min(LAST_CHANCE, (job.deadline - self._ledger.seen_at(job.id)) // 4)

    def _naming(self) -> RowKeySource:
        if self._row_keys is None:
            raise NotFound("This custodian has no row keys.", "Restore the folder persons from a backup.")
        return self._row_keys

    def _leave(self, claim: Claim, record: LedgerRecord, job: Job, error: Exception) -> None:
        """Note what went wrong and when to try again, unless somebody has begun another attempt already."""
        with contextlib.suppress(Exception):  # a ledger that cannot be written either: its lease ends by itself
            if isinstance(error, Stopped):
                self._ledger.give_up(claim)
                return
            now, last = self._ledger.now(), self._last_chance(job)
            at = now + pause_after(record.attempts)
            self._ledger.failed(claim, described(error), last if now < last < at else at)
