"""What the benchmark of scale computes: a linear job on ten million encrypted rows, lookups under the real profile."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from app.execution.inputs import JobInputs, load_circuit
from app.protocol.data import merkle
from app.protocol.data.dataset import EncryptedTable
from app.protocol.data.description import DatasetCard, FileCheck
from app.protocol.data.manifest import Manifest, read_manifest, write_manifest
from app.protocol.documents import sha256
from app.protocol.ids import Address, Digest, Seconds
from app.protocol.market.entities import ZERO, DatasetRecord, Job, JobState
from app.protocol.market.receipt import OutputPolicy
from app.protocol.ports import Progress
from app.storage.cid import digest_to_cid
from app.storage.folder import BlockStore
from benchmarks import columns
from fhe.arrays import I64
from fhe.circuit.circuit import Circuit, Input, Linear, Lookup, Readout
from fhe.circuit.codec import encode
from fhe.engine import vectors
from fhe.keys.secret_keys import SecretKeys
from fhe.profiles import REFERENCE

NOBODY = Address("0x" + "0" * 40)
JOB = "job.json"
WEIGHTS = np.arange(1, columns.COLUMNS + 1) * 3 - 40


def random_secret() -> SecretKeys:
    """Keys of the reference profile, of uniform bits: what is measured does not depend on whose they are."""
    rng = np.random.default_rng()
    bits = [rng.integers(0, 2, size).astype(np.uint8) for size in (REFERENCE.polynomial_size, REFERENCE.lwe_dimension)]
    return SecretKeys(REFERENCE.digest, 1, *bits)


def linear(folder: Path, rows: int, secret: SecretKeys, progress: Progress) -> JobInputs:
    """A weighted sum of thirty columns of `rows` rows, published into the store of a folder."""
    store, book = BlockStore(folder / "store"), columns.codebook()
    table, _ = columns.publish(rows, book, secret, store, progress)
    layer = Linear(
        27, np.array([0, columns.COLUMNS]), np.arange(columns.COLUMNS), WEIGHTS.astype(np.int64), np.array([7])
    )
    inputs = tuple(Input(column.name, "affine") for column in book.columns)
    circuit = Circuit(REFERENCE.digest, book.digest, inputs, (layer,), ("y",), Readout("value"))
    return _keep(folder, table, circuit, rows)


def lookups(folder: Path, rows: int, secret: SecretKeys) -> JobInputs:
    """One lookup a row, with a key of uniform words, which costs what a real one does (`app.provider.speed`)."""
    store, book = BlockStore(folder / "store"), columns.codebook()
    codes: I64 = np.random.default_rng(3).integers(0, 2, (rows, columns.COLUMNS))
    table, _ = columns.publish(rows, book, secret, store, lambda *_: None, codes)
    case = next(case for case in vectors.vectors().cases if case.name == REFERENCE.name)
    key = vectors.key_of(case.model_copy(update={"packing": False}))
    cid = store.put_pieces(key.stream())
    table = table.model_copy(update={"evaluation_key": cid, "epoch": key.epoch})
    layers = (
        Linear(3, np.array([0, 1]), np.array([0]), np.array([1]), np.zeros(1, np.int64)),
        Lookup(10, np.zeros(1, np.int64), np.array([[3, -1, 4, 1, -5, 9, -2, 6]], np.int64)),
        Linear(10, np.array([0, 1]), np.array([1]), np.array([1]), np.zeros(1, np.int64)),
    )
    circuit = Circuit(REFERENCE.digest, book.digest, (Input("column 0", "affine"),), layers, ("y",), Readout("value"))
    return _keep(folder, table, circuit, rows)


def _keep(folder: Path, table: EncryptedTable, circuit: Circuit, rows: int) -> JobInputs:
    store = BlockStore(folder / "store")
    root = merkle.data_root([file.root for file in table.shards[0].files])
    table = table.model_copy(update={"data_root": root})
    card = DatasetCard(
        title="scale", description="scale", license="CC0-1.0", creator="benchmark", published="2026-01-01", keywords=()
    )
    files = [file for shard in table.shards for file in shard.files]
    size = 8 * REFERENCE.polynomial_size  # whole-file hashes play no part in what is measured
    checks = tuple(FileCheck(bytes=file.polys * size, sha256=Digest("0" * 64)) for file in files)
    manifest = write_manifest(Manifest(card=card, table=table, policy=OutputPolicy(), preview=None, checks=checks))
    store.put(manifest)
    store.put(encode(circuit))
    facts = {"manifest": sha256(manifest), "circuit": sha256(encode(circuit)), "rows": rows}
    (folder / JOB).write_text(json.dumps(facts), "utf-8")
    return opened(folder)


def opened(folder: Path) -> JobInputs:
    """The job of a folder, in any process."""
    facts, store = json.loads((folder / JOB).read_text("utf-8")), BlockStore(folder / "store")
    digest = Digest(facts["manifest"])
    manifest = read_manifest(store.read(digest_to_cid(digest), limit=1 << 20), store=store)
    table = manifest.table
    record = DatasetRecord(
        id=1,
        owner=NOBODY,
        custodian=NOBODY,
        manifest=digest,
        data_root=table.data_root,
        profile=table.profile,
        rows=table.rows,
        version=1,
        epoch=table.epoch,
        tombstoned=False,
    )
    job = Job(
        id=1,
        license=1,
        dataset=1,
        buyer=NOBODY,
        state=JobState.ASSIGNED,
        circuit=Digest(facts["circuit"]),
        first_row=0,
        rows=facts["rows"],
        sealing_key="",
        units=1,
        replicas=1,
        executions=(),
        receipt=ZERO,
        sealed=ZERO,
        decision=ZERO,
        deadline=Seconds(0),
        opened_block=1,
        version=1,
    )
    return JobInputs(31337, NOBODY, job, record, manifest, load_circuit(store, job.circuit), REFERENCE)
