"""The facts of one job, from the chain and content-addressed objects only, each checked before it is used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from app.protocol.data.dataset import EncryptedTable
from app.protocol.data.manifest import Manifest, read_manifest
from app.protocol.documents import MAX_DOCUMENT_BYTES
from app.protocol.errors import BadDocument, BadKey
from app.protocol.ids import Digest
from app.protocol.market.entities import DatasetRecord, Job
from app.protocol.market.receipt import OutputPolicy, SealContext
from app.protocol.ports import Store
from app.storage.cid import digest_to_cid
from fhe.circuit.circuit import Circuit
from fhe.circuit.codec import MAX_CIRCUIT_BYTES, decode
from fhe.circuit.compatible import check_dataset
from fhe.evaluation_key import EvaluationKey
from fhe.profile import EncryptionProfile
from fhe.profiles import find

MAX_MANIFEST_BYTES = 1 << 20


class ChainRecords(Protocol):
    """What a job's facts are read from: the chain."""

    @property
    def chain_id(self) -> int:
        """EIP-155 identifier of the chain."""

    @property
    def address(self) -> str:
        """EIP-55 address of the job contract."""

    def job(self, id: int) -> Job:
        """Errors: NotFound."""

    def dataset_version(self, id: int, version: int) -> DatasetRecord:
        """The dataset as of `version`. Errors: NotFound."""


@dataclass(frozen=True)
class JobInputs:
    """Everything that evaluation of a job depends on."""

    chain_id: int
    market: str
    job: Job
    dataset: DatasetRecord
    manifest: Manifest
    circuit: Circuit
    profile: EncryptionProfile

    @property
    def table(self) -> EncryptedTable:
        """The encrypted table that the job reads."""
        return self.manifest.table

    @property
    def seal_context(self) -> SealContext:
        """What a sealed result of this job must say it is."""
        return seal_context(self.chain_id, self.market, self.job, self.dataset.manifest)


def load_manifest(store: Store, record: DatasetRecord) -> Manifest:
    """The manifest that the chain names. Errors: NotFound, BadBlock, BadDocument."""
    data = store.read(digest_to_cid(record.manifest), limit=MAX_MANIFEST_BYTES)
    manifest = read_manifest(data, store=store)
    table = manifest.table
    said = (table.data_root, table.profile, table.rows, table.epoch)
    if said != (record.data_root, record.profile, record.rows, record.epoch):
        raise BadDocument(
            f"The manifest of dataset {record.id} says another data root, profile, row count or epoch than the chain.",
            "Do not use this dataset; tell its owner.",
        )
    return manifest


def load_policy(store: Store, manifest: Manifest, digest: Digest) -> OutputPolicy:
    """The policy of this digest: the manifest's own, or an offer's. Errors: NotFound, BadBlock, BadDocument."""
    if manifest.policy.digest == digest:
        return manifest.policy
    return OutputPolicy.from_bytes(store.read(digest_to_cid(digest), limit=MAX_DOCUMENT_BYTES))


def load_circuit(store: Store, digest: Digest) -> Circuit:
    """The circuit of this digest. Errors: NotFound, BadBlock, BadDocument, TooLarge."""
    return decode(store.read(digest_to_cid(digest), limit=MAX_CIRCUIT_BYTES))


def load_job_inputs(records: ChainRecords, store: Store, number: int) -> JobInputs:
    """The facts of job `number`. Errors: NotFound, BadBlock, BadDocument, BadModel, TooLarge."""
    job = records.job(number)
    dataset = records.dataset_version(job.dataset, job.version)
    manifest = load_manifest(store, dataset)
    circuit = load_circuit(store, job.circuit)
    check_dataset(circuit, manifest.table)
    profile = find(manifest.table.profile)
    return JobInputs(records.chain_id, records.address, job, dataset, manifest, circuit, profile)


def load_evaluation_key(store: Store, table: EncryptedTable, profile: EncryptionProfile) -> EvaluationKey:
    """The dataset's public evaluation key. Errors: BadKey, NotFound, BadBlock."""
    if table.evaluation_key is None:
        raise BadKey(
            "This dataset publishes no evaluation key, so circuits with lookups cannot run on it.",
            "Use a linear or additive model, or ask the owner to publish a key.",
        )
    return EvaluationKey.fetch(store, table.evaluation_key, profile, table.epoch)


def seal_context(chain_id: int, market: str, job: Job, manifest: Digest) -> SealContext:
    """What a sealed result of this job must say it is, from what the chain says alone.

    `market` is the job contract's address, `manifest` the manifest's digest in the dataset version of the job.
    """
    return SealContext(
        chain_id=chain_id,
        market=market,
        job=job.id,
        license=job.license,
        buyer=job.buyer,
        sealing_key=job.sealing_key,
        manifest=manifest,
        circuit=job.circuit,
        receipt=job.receipt,
    )
