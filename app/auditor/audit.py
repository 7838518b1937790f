"""Re-checking a job, fact by fact, in the order in which it was lived.

Rules: every digest that the chain names is recomputed from bytes; every file that the job read is read whole and its
Merkle root compared; commitments are recomputed from the salts that reveals carry, in the chain's order
(`app.auditor.rounds`); an order that states its program states its circuit's (`app.auditor.disputes`); the circuit is
evaluated again and every executor's receipt compared with ours; the sealed result must name this very job; the
custodian's decision must carry its signature and the offer's policy, say what the release costs each person as public
records give it, and stand in the chain of its dataset's decisions; where that policy leaves the release to the owner,
the owner's yes must come before it. The checks go on after a wrong fact: an
auditor wants to see all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.auditor.approval import owners_word, said
from app.auditor.charge import charge, place
from app.auditor.disputes import disputes, program
from app.auditor.report import AuditCheck, AuditReport, CheckStatus, Finding
from app.auditor.rounds import agreement, commitments, in_order
from app.execution.ended import days_since_end
from app.execution.execute import Evaluation, check_receipt, evaluation_digest, execute
from app.execution.inputs import JobInputs, load_circuit, load_manifest, load_policy
from app.execution.key_roots import KeyRootsKept
from app.protocol.documents import MAX_DOCUMENT_BYTES
from app.protocol.errors import BadReceipt, DarkroomError, NotFound, TryAgain
from app.protocol.ids import Digest, TxHash
from app.protocol.market.entities import RESULT_KEPT_DAYS, ZERO, Job
from app.protocol.market.receipt import Decision, Receipt, SealedResult
from app.protocol.plural import plural
from app.storage.cid import digest_to_cid
from fhe.circuit.compatible import check_compatible, check_evaluator
from fhe.compile.check import check as check_circuit_statically
from fhe.merkle import builder
from fhe.profiles import find

if TYPE_CHECKING:
    from app.chain.market import Event, Market
    from app.execution.checkpoint import Checkpoints
    from app.execution.key_roots import RootsOf
    from app.execution.runner import BlockRunner
    from app.protocol.data.dataset import EncodedFile
    from app.protocol.ports import Progress, Store
    from fhe.engine.core import BackendName
    from fhe.profile import EncryptionProfile

BLOCK = 8 << 20
NEVER = -1000  # log2 of a probability below which its figure says nothing more


@dataclass
class Auditor:
    """One audit of one job."""

    market: Market
    store: Store
    threads: int = 1
    progress: Progress | None = None
    find_profile: Callable[[str], EncryptionProfile] = find
    backend: BackendName = "auto"
    runner: BlockRunner | None = None  # who computes blocks of rows; None for this process
    checkpoints: Checkpoints | None = None  # where blocks are kept, so that the audit may go on another time
    roots_of: RootsOf | None = None  # what is kept of evaluation keys; None: nothing

    def audit(self, number: int) -> AuditReport:
        """The report on job `number`. Errors: NotFound when there is no such job."""
        job = self.market.job(number)
        checks = tuple(self._checks(job))
        return AuditReport(self.market.chain_id, self.market.address, number, job.state.name.lower(), checks)

    def _checks(self, job: Job) -> Iterator[AuditCheck]:
        events = self._events(job)
        source = {event.name: event.tx for event in events}
        record = self.market.dataset_version(job.dataset, job.version)
        manifest_cid, circuit_cid = digest_to_cid(record.manifest), digest_to_cid(job.circuit)

        yield self._check(
            "license", "the job was opened and paid for", source.get("JobOpened", ""), lambda: self._license(job)
        )
        manifest = profile = None

        def the_manifest() -> Finding:
            nonlocal manifest, profile
            manifest = load_manifest(self.store, record)
            profile = self.find_profile(manifest.table.profile)
            return CheckStatus.CONFIRMED, record.manifest, f"{plural(record.rows, 'row')}, key epoch {record.epoch}"

        yield self._check("manifest", "the manifest is the one on chain", manifest_cid, the_manifest)
        circuit = None

        def the_circuit() -> Finding:
            nonlocal circuit
            circuit = load_circuit(self.store, job.circuit)
            said = f"{plural(len(circuit.inputs), 'input')}, {plural(len(circuit.outputs), 'output')}"
            if circuit.block:
                blocks = plural(circuit.result_rows(job.rows), "block")
                said += f", summed in {blocks} of at most {plural(circuit.block, 'row')}"
            return CheckStatus.CONFIRMED, job.circuit, said

        yield self._check("circuit", "the circuit is the one that was ordered", circuit_cid, the_circuit)
        if manifest is None or profile is None or circuit is None:
            return
        facts = JobInputs(
            self.market.chain_id,
            self.market.address,
            job,
            record,
            manifest,
            circuit,
            profile,
        )
        yield self._check("bounds", "values and noise stay in bounds", circuit_cid, lambda: self._bounds(facts))
        if job.program != ZERO:
            claim = "the order states the program that its circuit has"
            roots_of = self.roots_of or KeyRootsKept(self.store)
            stated = source.get("ProgramStated", "")
            yield self._check("program", claim, stated, lambda: program(self.market, facts, roots_of))
        yield from self._files(facts)
        yield from self._commitments(job, events)
        execution = None

        def the_execution() -> Finding:
            nonlocal execution
            execution = execute(
                facts,
                self.store,
                threads=self.threads,
                progress=self.progress,
                backend=self.backend,
                runner=self.runner,
                checkpoints=self.checkpoints,
            )
            digest = execution.receipt.digest
            if job.receipt == ZERO:
                return CheckStatus.OPEN, digest, "no result was agreed on yet"
            status = CheckStatus.CONFIRMED if digest == job.receipt else CheckStatus.WRONG
            return status, digest, f"{execution.receipt.output_bytes} bytes of output recomputed"

        yield self._check(
            "result", "re-execution gives the agreed result", source.get("JobComputed", ""), the_execution
        )
        if execution is not None:
            yield from self._receipts(events, execution)
            yield from disputes(self.market, events, execution.receipt.digest)
        yield from self._word(facts, events)
        yield from self._release(facts, source)
        if self.checkpoints is not None:
            self.checkpoints.forget(evaluation_digest(facts))

    def _events(self, job: Job) -> list[Event]:
        last = job.closed_block or self.market.block_number
        said = (event for event in self.market.events(job.opened_block, last) if event.args.get("job") == job.id)
        return in_order(list(said))

    def _check(self, fact: str, claim: str, source: str, find: Callable[[], Finding]) -> AuditCheck:
        try:
            status, digest, detail = find()
        except TryAgain as error:
            status, digest, detail = CheckStatus.OPEN, "", str(error)
        except DarkroomError as error:
            status, digest, detail = CheckStatus.WRONG, "", str(error)
        return AuditCheck(fact, claim, source, digest, status, detail)

    def _license(self, job: Job) -> Finding:
        held = self.market.license(job.license)
        same = (held.buyer, held.dataset) == (job.buyer, job.dataset)
        return CheckStatus.CONFIRMED if same else CheckStatus.WRONG, "", f"license {held.id} of {held.buyer}"

    def _bounds(self, inputs: JobInputs) -> Finding:
        check_compatible(inputs.circuit, inputs.table.profile, inputs.table.codebook.digest)
        check_evaluator(inputs.circuit, inputs.table.evaluator)
        report = check_circuit_statically(inputs.circuit, inputs.table.codebook, inputs.profile)
        likely = f"2^{report.log2_failure:.0f}" if report.log2_failure > NEVER else f"below 2^{NEVER}"
        return CheckStatus.CONFIRMED, "", f"failure probability {likely} for each output"

    def _files(self, inputs: JobInputs) -> Iterator[AuditCheck]:
        used = set(inputs.circuit.files)
        for number, shard in enumerate(inputs.table.shards):
            files = [file for file in shard.files if (file.column, file.encoding) in used]

            def the_files(files: list[EncodedFile] = files) -> Finding:
                wrong = [file.column for file in files if self._root(file.cid) != file.root]
                status = CheckStatus.WRONG if wrong else CheckStatus.CONFIRMED
                detail = f"wrong: {', '.join(wrong)}" if wrong else plural(len(files), "file")
                return status, inputs.dataset.data_root, detail

            claim = f"the encrypted columns of shard {number} are under the data root"
            yield self._check("files", claim, digest_to_cid(inputs.dataset.manifest), the_files)

    def _root(self, cid: str) -> str:
        root, size = builder(), self.store.size(cid)
        for start in range(0, size, BLOCK):
            root.update(self.store.read(cid, start, min(BLOCK, size - start), limit=BLOCK))
        return root.root()

    def _commitments(self, job: Job, events: list[Event]) -> Iterator[AuditCheck]:
        yield from commitments(job.id, events, self.market)
        source = next((event.tx for event in reversed(events) if event.name == "JobComputed"), "")
        claim = "the agreed receipt is what enough executors revealed"
        yield self._check("agreement", claim, source, lambda: agreement(job, events))

    def _receipts(self, events: list[Event], execution: Evaluation) -> Iterator[AuditCheck]:
        for event in events:
            if event.name != "Revealed":
                continue
            who, digest = event.args["provider"], event.args["receipt"]

            def the_receipt(digest: Digest = digest) -> Finding:
                data = self.store.read(digest_to_cid(digest), limit=MAX_DOCUMENT_BYTES)
                check_receipt(Receipt.from_bytes(data), execution.receipt)
                self._compare(execution)
                return CheckStatus.CONFIRMED, digest, "equal to our own, byte for byte"

            yield self._check("receipt", f"the receipt of {who} is true", event.tx, the_receipt)

    def _compare(self, execution: Evaluation) -> None:
        """Whether the store has the output that re-execution gives. Errors: BadReceipt, NotFound, BadBlock."""
        cid, size = execution.receipt.output, execution.receipt.output_bytes
        for start in range(0, size, BLOCK):
            length = min(BLOCK, size - start)
            if self.store.read(cid, start, length, limit=BLOCK) != execution.output[start : start + length]:
                raise BadReceipt("The stored output is not what re-execution gives.")

    def _word(self, inputs: JobInputs, events: list[Event]) -> Iterator[AuditCheck]:
        """Only of jobs whose policy asks for the owner's word, and of those on which it was said all the same."""
        digest, word, manual = self.market.license(inputs.job.license).policy, said(events), None

        def the_policy() -> Finding:
            nonlocal manual
            manual = load_policy(self.store, inputs.manifest, digest).approval == "manual"
            return CheckStatus.CONFIRMED, digest, "manual approval" if manual else "automatic approval"

        found = self._check(
            "policy", "the policy is the one that the license was sold under", digest_to_cid(digest), the_policy
        )
        if manual is None:
            yield found
        elif manual or word:
            claim = "the release keeps to the owner's word"
            yield self._check(
                "word", claim, word.tx if word else "", lambda: owners_word(inputs.job, events, manual=manual)
            )

    def _release(self, inputs: JobInputs, source: dict[str, TxHash]) -> Iterator[AuditCheck]:
        job = inputs.job
        tx = source.get("JobReleased") or source.get("JobRefused") or ""
        yield self._check(
            "decision", "the decision is the custodian's, under the offer's policy", tx, lambda: self._decision(inputs)
        )
        if job.decision != ZERO:
            yield self._check(
                "charge", "what it says that it costs follows from public records", tx, lambda: self._charge(inputs)
            )
            yield self._check(
                "place",
                "the decision stands in the chain of its dataset's decisions",
                tx,
                lambda: place(self.market, job),
            )
        if job.sealed != ZERO or not job.state.terminal:
            yield self._check(
                "sealed", "the sealed result is this job's, for this buyer", tx, lambda: self._sealed(inputs)
            )

    def _decision(self, inputs: JobInputs) -> Finding:
        from app.chain.wallet.account import digest_signer

        job = inputs.job
        if job.decision == ZERO:
            return CheckStatus.OPEN, "", "not decided yet"
        decision = self._said(job)
        unsigned = decision.model_copy(update={"signature": ""})
        signer = digest_signer(unsigned.digest, decision.signature)
        policy = self.market.license(job.license).policy
        said = (decision.chain_id, decision.market, decision.job, decision.receipt, decision.policy)
        known = (inputs.chain_id, inputs.market, job.id, job.receipt, policy)
        ended = (decision.outcome, decision.reason) == ("refuse" if job.sealed == ZERO else "release", job.reason)
        holds = signer == inputs.dataset.custodian and said == known and ended
        detail = f"{decision.outcome} {decision.released or decision.reason}".strip()
        return CheckStatus.CONFIRMED if holds else CheckStatus.WRONG, job.decision, detail

    def _said(self, job: Job) -> Decision:
        return Decision.from_bytes(self.store.read(digest_to_cid(job.decision), limit=MAX_DOCUMENT_BYTES))

    def _charge(self, inputs: JobInputs) -> Finding:
        policy = load_policy(self.store, inputs.manifest, self.market.license(inputs.job.license).policy)
        return charge(self.market, self.store, inputs, policy, self._said(inputs.job))

    def _sealed(self, inputs: JobInputs) -> Finding:
        job = inputs.job
        if job.sealed == ZERO:
            return CheckStatus.OPEN, "", "not released yet"
        sealed = SealedResult.from_bytes(self.store.read(digest_to_cid(job.sealed), limit=MAX_DOCUMENT_BYTES))
        try:
            size = self.store.size(sealed.ciphertext_cid)
        except NotFound:
            ago = days_since_end(self.market, job.id, self.market.finalized_block, self.market.now())
            if ago is None or ago < RESULT_KEPT_DAYS or sealed.context != inputs.seal_context:
                raise
            return CheckStatus.CONFIRMED, job.sealed, f"its ciphertext is kept no more: the job ended {ago} days ago"
        right = sealed.context == inputs.seal_context and size == sealed.ciphertext_bytes
        return CheckStatus.CONFIRMED if right else CheckStatus.WRONG, job.sealed, f"{size} bytes of ciphertext"
