"""Jobs on a small encrypted table in a store on disk, which other processes open too."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from app.execution.inputs import JobInputs, load_circuit, load_evaluation_key
from app.protocol.data.manifest import read_manifest
from app.protocol.documents import sha256
from app.protocol.ids import Address, Digest, Seconds
from app.protocol.market.entities import ZERO, DatasetRecord, JobState
from app.protocol.market.entities import Job as JobRecord
from app.storage.cid import digest_to_cid
from app.storage.folder import BlockStore
from fhe.circuit.circuit import Circuit
from fhe.circuit.codec import encode
from fhe.engine.blocks import BlockSize
from fhe.evaluation_key import EvaluationKey
from fhe.profile import EncryptionProfile
from fhe.profiles import insecure_test_profile
from tests.support.custody import BUYER, BUYER_PUBLIC, OWNER, EncryptedDataset, linear_circuit, tree_circuit

PROFILE = insecure_test_profile(polynomial_size=64)
SMALL = BlockSize(linear_words=64, lookup_units=1)


@dataclass(frozen=True)
class StoredJob:
    """What evaluates, and the store that it reads, which is the folder `store` in a folder."""

    folder: Path
    inputs: JobInputs

    @property
    def store(self) -> BlockStore:
        """The store."""
        return BlockStore(self.folder / "store")

    @property
    def key(self) -> EvaluationKey:
        """The dataset's."""
        return load_evaluation_key(self.store, self.inputs.table, self.inputs.profile)


def lookup_job(folder: Path, rows: int) -> StoredJob:
    """One lookup a row."""
    circuit = tree_circuit([(0, 3), (1, 2), (4, 5)], [3, -1, 4, 1, -5, 9, -2, 6], PROFILE)
    return _made(EncryptedDataset(folder, rows=rows, insecure=PROFILE, packing=True), circuit, rows)


def linear_job(folder: Path, rows: int) -> StoredJob:
    """Two outputs of eight columns."""
    circuit = linear_circuit([[17, -4, 9, 30, 2, 8, -11, 5], [1] * 8], profile=PROFILE, bins=True)
    return _made(EncryptedDataset(folder, rows=rows, insecure=PROFILE), circuit, rows)


def _made(world: EncryptedDataset, circuit: Circuit, rows: int) -> StoredJob:
    data = encode(circuit)
    world.store.put(data)
    facts = {"manifest": world.records[1].manifest, "circuit": sha256(data), "rows": rows}
    (world.folder / "job.json").write_text(json.dumps(facts))
    return opened(world.folder)


def opened(folder: Path, profile: EncryptionProfile = PROFILE) -> StoredJob:
    """The job of a folder, in any process."""
    facts, store = json.loads((folder / "job.json").read_text()), BlockStore(folder / "store")
    manifest = read_manifest(store.read(digest_to_cid(Digest(facts["manifest"])), limit=1 << 20), store=store)
    table = manifest.table
    record = DatasetRecord(
        id=1, owner=Address(OWNER), custodian=Address(OWNER), manifest=Digest(facts["manifest"]),
        data_root=table.data_root, profile=table.profile, rows=table.rows, version=1, epoch=1, tombstoned=False,
    )  # fmt: skip
    job = JobRecord(
        id=1, license=1, dataset=1, buyer=Address(BUYER), state=JobState.ASSIGNED, circuit=Digest(facts["circuit"]),
        first_row=0, rows=facts["rows"], sealing_key=BUYER_PUBLIC, units=1, replicas=2, executions=(), receipt=ZERO,
        sealed=ZERO, decision=ZERO, deadline=Seconds(0), opened_block=1, version=1,
    )  # fmt: skip
    circuit = load_circuit(store, job.circuit)
    return StoredJob(folder, JobInputs(31337, OWNER, job, record, manifest, circuit, profile))
