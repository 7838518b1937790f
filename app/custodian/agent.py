"""The custodian's agent: takes each computed job as far as it can go now, and may be killed anywhere.

Order of one job: facts, the owner's word, reservation, verification, decryption, seal, store, chain. A reason found
before the decryption becomes a signed refusal; after it nothing can be refused any more, so that no refusal depends on
the data, unless the owner denies the job on the chain, which then takes no release.
What is not there yet (an object, a final block, another process's lease) leaves the job for the next time.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from functools import partial

from app.custodian import budget
from app.custodian.decision import Verify, refuse, release, signed
from app.custodian.evidence import Evidence, Execute, FindProfile, Limits, gather, verified_output
from app.custodian.ledger import OPEN, Claim, Ledger, Record, State
from app.custodian.noise import Noise, discrete_laplace
from app.custodian.opening import open_output
from app.custodian.readout import read_out
from app.custodian.seams import Chain, KeysOf, Sign, Witness, unwatched
from app.custodian.vault import keep, recall
from app.protocol.documents import sha256
from app.protocol.errors import AlreadyReleased, DarkroomError, Reverted, TryAgain
from app.protocol.market import Approval, Job, JobState
from app.protocol.reasons import Reason
from app.protocol.release import check_facts, check_shape
from app.protocol.seams import Store
from app.seal.result import Result, seal_result
from app.storage.content import file_cid
from fhe.profiles import find


@dataclass(frozen=True)
class Outcome:
    """What became of a job this time: a ledger state, or `waiting` with the cause."""

    job: int
    what: str
    detail: str = ""


class CustodianAgent:
    """One custodian of one market. `execute` re-executes a job; `sign` signs decisions."""

    def __init__(
        self,
        chain: Chain,
        store: Store,
        keys: KeysOf,
        ledger: Ledger,
        sign: Sign,
        *,
        execute: Execute,
        limits: Limits | None = None,
        threads: int = 2,
        noise: Noise = discrete_laplace,
        find_profile: FindProfile = find,
        witness: Witness = unwatched,
    ) -> None:
        self._chain, self._store, self._keys, self._ledger, self._sign = chain, store, keys, ledger, sign
        self._execute, self._limits, self._threads, self._noise = execute, limits or Limits(), threads, noise
        self._find_profile, self._step = find_profile, witness

    @property
    def ledger(self) -> Ledger:
        """Where everything is written down."""
        return self._ledger

    def process(self, number: int) -> Outcome:
        """Take one job as far as it goes now. Errors of chain and store leave as they are; the job stays claimable."""
        job = self._chain.job(number)
        if job.state is not JobState.COMPUTED:
            return self._settle(job, self._ledger.record(number))
        if not self._chain.final(job):
            return Outcome(number, "waiting", "its result, or the owner's word on it, is not final on the chain yet")
        self._step("claim")
        claim = self._ledger.claim(number, job.dataset)
        record = self._ledger.record(number)
        if claim is None or record is None:
            return Outcome(number, record.state if record else "waiting", "another process works on it, or it is over")
        try:
            return self._advance(claim, record, job)
        except DarkroomError:
            self._leave(claim)
            raise

    def _advance(self, claim: Claim, record: Record, job: Job) -> Outcome:
        if record.state in (State.SEALED, State.SENT):
            denied = job.approval is Approval.DENIED
            return self._refuse(claim, job, Reason.NOT_APPROVED) if denied else self._publish(claim)
        if record.state is State.REFUSING:
            return self._send_refusal(claim)
        evidence = self._gather(job)
        if isinstance(evidence, Reason):
            return self._refuse(claim, job, evidence)
        facts = evidence.facts
        reason = check_facts(facts) or check_shape(facts.policy, facts.leak, job.rows, facts.dataset.rows)
        if reason is None and job.approval is Approval.DENIED:
            reason = Reason.NOT_APPROVED
        if reason is not None:
            return self._refuse(claim, job, reason, facts.verify)
        if facts.policy.approval == "manual" and job.approval is not Approval.APPROVED:
            self._ledger.hold(claim)
            return Outcome(job.id, "waiting", "the owner has to approve it")
        return self._release(claim, evidence)

    def _release(self, claim: Claim, evidence: Evidence) -> Outcome:
        facts, job = evidence.facts, evidence.facts.job
        self._step("reserve")
        samples = budget.samples_of(evidence.work.circuit, facts.table.codebook)
        grant = self._ledger.reserve(claim, job.dataset, partial(budget.decide, facts, samples), samples)
        if isinstance(grant, Reason):
            return self._refuse(claim, job, grant, facts.verify)
        self._step("verify")
        output = verified_output(evidence, self._store, self._execute)
        if isinstance(output, Reason):
            return self._refuse(claim, job, output, facts.verify)
        secret = self._keys(facts.dataset.manifest).open(facts.table.epoch)
        query = grant.entry.query
        kept = self._ledger.kept_answer(query) if grant.again else None
        self._step("count")
        most = None if kept else self._limits.decryptions_per_epoch
        over = self._ledger.verified(claim, job.dataset, facts.table.epoch, most)
        if over is not None:
            return self._refuse(claim, job, over, facts.verify)
        answer = None
        if kept is not None:
            result = Result.from_bytes(recall(secret, query, kept))
        else:
            self._step("decrypt")
            values = open_output(secret, evidence.work, self._store, output, threads=self._threads)
            readout = evidence.work.circuit.readout
            result = read_out(values, readout, facts.leak, facts.policy, job, self._noise)
            if grant.entry.micro_epsilon or result.values.nbytes <= self._limits.kept_answer_bytes:
                answer = (query, keep(secret, query, result.to_bytes()))
        self._step("seal")
        document, ciphertext = seal_result(evidence.work.seal_context, result, file_cid)
        decision = signed(release(facts, grant), self._sign)
        self._step("keep")
        self._ledger.sealed(
            claim,
            document=document.to_bytes(),
            ciphertext=ciphertext,
            decision=decision.to_bytes(),
            answer=answer,
        )
        return self._publish(claim)

    def _publish(self, claim: Claim) -> Outcome:
        """Send what is sealed; the same bytes however often."""
        record = self._ledger.record(claim.job)
        assert record is not None
        assert record.document is not None
        assert record.ciphertext is not None
        assert record.decision is not None
        self._step("send")
        self._ledger.sending(claim)
        for name, data in (("result", record.ciphertext), ("document", record.document), ("decision", record.decision)):
            self._step(f"store {name}")
            self._store.put(data)
        self._step("release")
        try:
            tx = self._chain.release(claim.job, sha256(record.document), sha256(record.decision))
        except (AlreadyReleased, Reverted):
            return self._settle(self._chain.job(claim.job), record, claim)
        self._step("record")
        self._ledger.done(claim, tx)
        return Outcome(claim.job, State.DONE, tx)

    def _refuse(self, claim: Claim, job: Job, reason: Reason, verify: Verify = "self") -> Outcome:
        self._step("decide")
        held = self._chain.license(job.license)
        said = refuse(self._chain.chain_id, self._chain.address, job, held.policy, verify, reason)
        self._ledger.refusing(claim, reason, signed(said, self._sign).to_bytes())
        return self._send_refusal(claim)

    def _send_refusal(self, claim: Claim) -> Outcome:
        record = self._ledger.record(claim.job)
        assert record is not None
        assert record.decision is not None
        self._step("store refusal")
        self._store.put(record.decision)
        self._step("refuse")
        try:
            tx = self._chain.refuse(claim.job, record.reason, sha256(record.decision))
        except (AlreadyReleased, Reverted):
            return self._settle(self._chain.job(claim.job), record, claim)
        self._step("record refusal")
        self._ledger.refused(claim, tx)
        return Outcome(claim.job, State.REFUSED, record.reason)

    def _settle(self, job: Job, record: Record | None, claim: Claim | None = None) -> Outcome:
        """Write down what the chain says of a job that is not, or no longer, waiting for the custodian."""
        if record is None or record.state not in OPEN:
            return Outcome(job.id, record.state if record else "waiting", f"the chain says {job.state.name.lower()}")
        if not job.state.terminal and job.state is not JobState.RELEASED:
            return Outcome(job.id, "waiting", f"the chain says {job.state.name.lower()}")
        claim = claim or self._ledger.claim(job.id, job.dataset)
        if claim is None:
            return Outcome(job.id, record.state, "another process works on it")
        if record.document is not None and job.sealed == sha256(record.document):
            self._ledger.sending(claim)
            self._ledger.done(claim, "")
            return Outcome(job.id, State.DONE, "the chain had it already")
        if record.state is State.REFUSING and record.decision is not None and job.decision == sha256(record.decision):
            self._ledger.refused(claim, "")
            return Outcome(job.id, State.REFUSED, record.reason)
        self._ledger.drop(claim, job.state.name.lower())
        return Outcome(job.id, State.DROPPED, f"the chain says {job.state.name.lower()}")

    def step(self) -> list[Outcome]:
        """Every job that waits for this custodian, or that the ledger has not brought to an end, once."""
        numbers = {job.id for job in self._chain.computed()} | {r.job for r in self._ledger.records(*OPEN)}
        return [self._try(number) for number in sorted(numbers)]

    def _try(self, number: int) -> Outcome:
        try:
            return self.process(number)
        except DarkroomError as error:
            return Outcome(number, "failed", str(error))

    def _gather(self, job: Job) -> Evidence | Reason:
        self._step("gather")
        record = self._chain.dataset_version(job.dataset, job.version)
        return gather(
            self._chain,
            self._store,
            job,
            find_profile=self._find_profile,
            epochs=self._keys(record.manifest).epochs(),
            decryptions=partial(self._ledger.decryptions, job.dataset),
            limits=self._limits,
        )

    def _leave(self, claim: Claim) -> None:
        """Let another attempt begin at once, unless somebody has begun one already."""
        with contextlib.suppress(TryAgain):
            self._ledger.give_up(claim)
