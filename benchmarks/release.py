"""What a release costs a custodian: a linear job of 100,000 rows and 30 columns at the reference profile.

`verify_us_per_row`: re-execution from the block store, with every byte checked, up to the receipt's digest.
`decrypt_us_per_row`: output bytes to integers, masks derived from the public seeds included.
`seal_ms`: rounding, the result's bytes, HPKE to the buyer's key, and the CID, for the whole job.
`decide_ms`: the leak report and the policy's rules, with 15 forms released before.
Each is the median of several repetitions on all cores, with the key's table prepared anew every time.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from app.custodian.decryption import decrypt_output
from app.custodian.readout import read_out
from app.execution.execute import execute
from app.execution.inputs import JobInputs
from app.policy.judge import decide
from app.protocol.data.description import DatasetCard
from app.protocol.data.manifest import Manifest
from app.protocol.ids import Address, Digest, Seconds
from app.protocol.market.entities import ZERO, DatasetRecord, Job, JobState, License
from app.protocol.market.receipt import OutputPolicy
from app.protocol.policy.bits import MICRO
from app.protocol.policy.leakage import Released
from app.protocol.policy.rules import Grant, ReleaseCase
from app.protocol.ports import Progress
from app.seal.hpke import private_key
from app.seal.result import open_result, seal_result
from app.storage.content import file_cid
from app.storage.folder import BlockStore
from benchmarks import columns
from benchmarks.machine import cores
from fhe.circuit.circuit import Circuit, Input, Linear, Readout
from fhe.circuit.codec import digest
from fhe.keys.secret_keys import SecretKeys
from fhe.leakage import leakage_of
from fhe.profiles import REFERENCE

ROWS = 100_000
LEVELS = 64
REPEATS = 7
PRIVATE = bytes(range(1, 33))
NOBODY = "0x" + "0" * 40


def run(progress: Progress) -> dict[str, Any]:
    """All figures, in one run of some seconds."""
    rng = np.random.default_rng(columns.SEED)
    bits = [rng.integers(0, 2, n).astype(np.uint8) for n in (REFERENCE.polynomial_size, REFERENCE.lwe_dimension)]
    secret = SecretKeys(REFERENCE.digest, 1, *bits)
    circuit = _circuit(rng)
    with tempfile.TemporaryDirectory() as folder:
        store = BlockStore(Path(folder))
        facts = _facts(circuit, secret, store, progress)
        policy, leak = (
            OutputPolicy(
                release="score", levels=LEVELS, micro_bits_per_license=1000 * MICRO, micro_bits_per_person=1000 * MICRO
            ),
            leakage_of(circuit, facts.table.codebook),
        )
        verify_s, executed = _median(lambda: execute(facts, store, threads=cores()))
        decrypt_s, values = _median(lambda: decrypt_output(secret, facts, store, executed.output, threads=cores()))
        expected = columns.codes(ROWS).astype(np.int64) @ circuit.layers[0].values  # type: ignore[union-attr]
        if not np.array_equal(values[0], expected):
            raise AssertionError("the decrypted outputs are not the circuit's")

        def seal() -> Any:
            result = read_out(values, circuit.readout, leak, policy, facts.job, lambda given, _: given)
            return seal_result(facts.seal_context, result, file_cid)

        seal_s, (document, ciphertext) = _median(seal)
        opened = open_result(document, ciphertext, PRIVATE, facts.seal_context)
        if np.abs(opened.values - expected).max() > leak.ranges[0] // LEVELS:
            raise AssertionError("the buyer opens something else than the rounded outputs")
        decide_s, _ = _median(lambda: _decide(circuit, facts, policy, rng))
    return {
        "rows": ROWS,
        "verify_us_per_row": verify_s / ROWS * 1e6,
        "decrypt_us_per_row": decrypt_s / ROWS * 1e6,
        "seal_ms": seal_s * 1e3,
        "decide_ms": decide_s * 1e3,
        "sealed_bytes": len(ciphertext),
    }


def _median(work: Callable[[], Any]) -> tuple[float, Any]:
    times, result = [], None
    for _ in range(REPEATS):
        start = time.perf_counter()
        result = work()
        times.append(time.perf_counter() - start)
    return statistics.median(times), result


def _circuit(rng: np.random.Generator) -> Circuit:
    weights = rng.integers(40, 128, columns.COLUMNS) * rng.choice([-1, 1], columns.COLUMNS)
    layer = Linear(27, np.array([0, columns.COLUMNS]), np.arange(columns.COLUMNS), weights, np.zeros(1, np.int64))
    inputs = tuple(Input(column.name, "affine") for column in columns.codebook().columns)
    return Circuit(REFERENCE.digest, columns.codebook().digest, inputs, (layer,), ("score",), Readout("value"))


def _facts(circuit: Circuit, secret: SecretKeys, store: BlockStore, progress: Progress) -> JobInputs:
    table, _ = columns.publish(ROWS, columns.codebook(), secret, store, progress)
    card = DatasetCard(title="benchmark", description="benchmark", license="-", creator="-", published="2026-01-01")
    manifest = Manifest(card=card, table=table, policy=OutputPolicy(), preview=None, checks=())
    dataset = DatasetRecord(
        1, Address(NOBODY), Address(NOBODY), Digest("1" * 64), table.data_root, table.profile, ROWS, 1, 1, False
    )
    public = private_key(PRIVATE).public_key().export_key(format="raw")
    job = Job(
        id=1, license=1, dataset=1, buyer=Address(NOBODY), state=JobState.COMPUTED, circuit=digest(circuit),
        first_row=0,
        rows=ROWS, sealing_key=public.hex(), units=1, replicas=2, executions=(), receipt=ZERO, sealed=ZERO,
        decision=ZERO, deadline=Seconds(0), opened_block=1,
    )  # fmt: skip
    return JobInputs(1, NOBODY, job, dataset, manifest, circuit, REFERENCE)


def _decide(circuit: Circuit, facts: JobInputs, policy: OutputPolicy, rng: np.random.Generator) -> None:
    codebook = facts.table.codebook
    leak = leakage_of(circuit, codebook)
    earlier = [leakage_of(_circuit(rng), codebook).forms for _ in range(14)]
    history = [
        Released(n, 1, 1, 0, ROWS, "score", forms, (), MICRO, str(n)) for n, forms in enumerate(earlier, start=2)
    ]
    license = License(
        1, 1, 1, Address(NOBODY), Seconds(0), Seconds(1), 1, ROWS, policy.digest, False, policy.micro_bits_per_license
    )
    judged = ReleaseCase(
        1, NOBODY, facts.job, license, facts.dataset, facts.table, policy, leak, True, frozenset((1,)), 0, 1
    )
    verdict = decide(judged, {}, history, lambda _: None)
    if not isinstance(verdict, Grant):
        raise TypeError(f"the benchmark's job was refused: {verdict}")
