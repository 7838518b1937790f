"""Evidence about one job: its facts from chain and store, and the output that may be decrypted.

Nothing here trusts an API: every object is fetched by a digest or CID that the chain, or an object so fetched, names.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from app.custodian.ports import CustodianChain
from app.execution.execute import Evaluation
from app.execution.inputs import JobInputs, load_circuit, load_manifest, load_policy
from app.protocol.documents import MAX_DOCUMENT_BYTES
from app.protocol.errors import BadBlock, BadDocument, BadInput, NotFound, RowsOutsideDataset, VerificationFailed
from app.protocol.ids import Digest
from app.protocol.market.entities import ZERO, Job
from app.protocol.market.receipt import Receipt
from app.protocol.policy.reasons import Reason
from app.protocol.policy.rules import ReleaseCase, check_execution
from app.protocol.ports import Progress, Store
from app.seal.hpke import usable
from app.storage.cid import digest_to_cid
from fhe.circuit.compatible import compatible
from fhe.circuit.cost import cost
from fhe.compile.check import check
from fhe.leakage import leakage_of
from fhe.profile import EncryptionProfile

Execute = Callable[[JobInputs, Progress], Evaluation]
FindProfile = Callable[[str], EncryptionProfile]


@dataclass(frozen=True)
class JudgementLimits:
    """Bounds of a custodian, with units."""

    decryptions_per_epoch: int = 100_000  # jobs
    kept_answer_bytes: int = 8 << 20  # of an answer without noise that is kept to be served again


@dataclass(frozen=True)
class Judgement:
    """What rules and decryption need of one job."""

    facts: ReleaseCase
    work: JobInputs


def load_judgement(
    chain: CustodianChain,
    store: Store,
    job: Job,
    *,
    find_profile: FindProfile,
    epochs: frozenset[int],
    decryptions: Callable[[int], int],
    limits: JudgementLimits,
    last_chance: bool = False,
    program_of: Callable[[JobInputs], Digest] = lambda work: ZERO,
) -> Judgement | Reason:
    """The evidence for a computed job, or the reason why it cannot be judged.

    `decryptions` counts the jobs decrypted in an epoch; at the `last_chance` a circuit that no store has is a reason.
    `program_of` gives what an order states where a contract can judge results; it is asked only of one that states one.
    Errors: NotFound, BadBlock, BadDocument (manifest).
    """
    dataset, held = chain.dataset_version(job.dataset, job.version), chain.license(job.license)
    manifest = load_manifest(store, dataset)
    profile = find_profile(manifest.table.profile)
    try:
        policy = load_policy(store, manifest, held.policy)
    except BadDocument:
        return Reason.POLICY_INVALID  # sold under rules that this version does not know: they have to be offered anew
    try:
        circuit = load_circuit(store, job.circuit)
        if not compatible(circuit, profile.digest, manifest.table.codebook.digest):
            return Reason.WRONG_CIRCUIT
    except (NotFound, BadBlock):
        if not last_chance:
            raise
        return Reason.UNAVAILABLE
    except BadDocument:
        return Reason.WRONG_CIRCUIT
    except BadInput:
        return Reason.CIRCUIT_UNSAFE
    try:
        check(circuit, manifest.table.codebook, profile)
        leak = leakage_of(circuit, manifest.table.codebook)
    except BadDocument:
        return Reason.WRONG_CIRCUIT
    except BadInput:
        return Reason.CIRCUIT_UNSAFE
    try:
        mandate = chain.mandate(job.buyer)
    except VerificationFailed:
        return Reason.MANDATE_UNREADABLE
    work = JobInputs(chain.chain_id, chain.address, job, dataset, manifest, circuit, profile)
    facts = ReleaseCase(
        chain_id=chain.chain_id,
        market=chain.address,
        job=job,
        license=held,
        dataset=dataset,
        table=manifest.table,
        policy=policy,
        leak=leak,
        usable_key=usable(job.sealing_key),
        epochs=epochs,
        decryptions=decryptions(manifest.table.epoch),
        max_decryptions=limits.decryptions_per_epoch,
        bootstraps=cost(circuit, profile, job.rows).bootstraps,
        mandate=mandate,
        program=ZERO if job.program == ZERO else program_of(work),
    )
    return Judgement(facts, work)


def verified_output(
    evidence: Judgement,
    store: Store,
    execute: Execute,
    progress: Progress,
    oppose: Callable[[Evaluation], bool] = lambda own: False,
) -> bytes | memoryview | Reason | None:
    """The output bytes that rules 5 and 6 allow to decrypt, or why not. Nothing is decrypted here.

    `progress` is told how far re-execution is, and ends it by raising. Where it gives another result `oppose` is asked
    first; None where it did something about it. Errors: NotFound and BadBlock where an object is out of reach; a
    missing object is not the buyer's fault.
    """
    facts = evidence.facts
    try:
        execution = execute(evidence.work, progress)
    except (BadInput, RowsOutsideDataset):
        return Reason.CIRCUIT_UNSAFE
    agreed = _receipt(store, facts.job.receipt) if facts.policy.verify == "both" else None
    reason = check_execution(facts, execution.receipt.digest, agreed)
    if reason is Reason.OUTPUT_MISMATCH and oppose(execution):
        return None
    return execution.output if reason is None else reason


def _receipt(store: Store, digest: Digest) -> Receipt | None:
    """The receipt of this digest; None when these bytes are no receipt. Errors: NotFound, BadBlock."""
    data = store.read(digest_to_cid(digest), limit=MAX_DOCUMENT_BYTES)
    try:
        return Receipt.from_bytes(data)
    except BadDocument:
        return None
