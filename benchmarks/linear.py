"""A logistic regression over 30 encrypted columns: ours, Concrete ML's compiled circuit, TenSEAL's CKKS vectors.

The model, its integer weights and the codes are the same for all three, and every result is checked. `us_per_row` is
the slower of ours on 8,192 and on 1,000,000 rows held in memory; Concrete runs batches of 128 rows, TenSEAL vectors of
4,096 rows.

`job_rows_per_s` is a provider's and a verifier's whole work on 1,000,000 rows in a fresh process: read every block from
the store and check it against its CID, evaluate bodies, expand and combine masks, serialize; `peak_rss_mb` is that
process's memory. `copy_rows_per_s` copies the same bytes in memory, which bounds anything that reads them.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from app.execution.source import StoreSource
from app.protocol.data.dataset import EncryptedTable
from app.protocol.ports import Progress
from app.storage.folder import BlockStore
from benchmarks import columns, rivals
from benchmarks.machine import cores
from fhe.arrays import U64
from fhe.ciphertexts.decrypt_linear import decrypt_linear
from fhe.circuit.circuit import Circuit, Input
from fhe.circuit.codec import encode
from fhe.engine.linear import evaluate_bodies
from fhe.keys.secret_keys import SecretKeys, generate
from fhe.profiles import REFERENCE

SMALL, LARGE = 8_192, 1_000_000
STEPS = columns.COLUMNS + 6


def run(progress: Progress) -> dict[str, Any]:
    """All figures, in one run of about a minute."""
    work = columns.work()
    secret, _ = generate(REFERENCE, 1)
    progress(1, STEPS)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store = BlockStore(folder / "blocks")
        table, bytes_per_value = columns.publish(
            LARGE, work.codebook, secret, store, lambda done, _: progress(1 + done, STEPS)
        )
        (folder / "table").write_bytes(table.to_bytes())
        (folder / "circuit").write_bytes(encode(work.compiled.circuit))
        memory = InMemory(StoreSource(table, REFERENCE, store), table, work.compiled.circuit.inputs)
        small, _ = _ours(work, secret, table, memory, SMALL, 50)
        large, decrypt_s = _ours(work, secret, table, memory, LARGE, 5)
        copy_s = memory.copy_seconds()
        del memory
        progress(STEPS - 3, STEPS)
        job = _job(folder)
    progress(STEPS - 2, STEPS)
    sample = columns.codes(rivals.TENSEAL_ROWS).astype(np.int64)
    concrete = rivals.concrete(work.compiled.model, sample, compress=False)
    progress(STEPS - 1, STEPS)
    tenseal = rivals.tenseal(work.weights, work.bias, sample, cores())
    progress(STEPS, STEPS)
    ours = max(small / SMALL, large / LARGE) * 1e6
    return {
        "us_per_row": ours,
        "us_per_row_8192": small / SMALL * 1e6,
        "us_per_row_1000000": large / LARGE * 1e6,
        "concrete_us_per_row": concrete.evaluate_us_per_row,
        "tenseal_us_per_row": tenseal.evaluate_us_per_row,
        "ratio_vs_concrete": concrete.evaluate_us_per_row / ours,
        "ratio_vs_tenseal": tenseal.evaluate_us_per_row / ours,
        "decrypt_us_per_row": decrypt_s / LARGE * 1e6,
        "job_rows_per_s": LARGE / job["seconds"],
        "bytes_per_value": bytes_per_value,
        "copy_rows_per_s": LARGE / copy_s,
        "peak_rss_mb": job["peak_rss_mb"],
    }


def _ours(
    work: columns.Work, secret: SecretKeys, table: EncryptedTable, source: InMemory, rows: int, repeats: int
) -> tuple[float, float]:
    """Seconds to evaluate the first `rows` rows, and to open the result, which must equal the clear one."""
    circuit: Circuit = work.compiled.circuit
    bodies: U64 = np.empty((1, rows), np.uint64)

    def evaluate() -> None:
        evaluate_bodies(circuit, REFERENCE, table, source, 0, rows, threads=cores(), out=bodies)

    seconds = rivals.fastest(evaluate, repeats)
    start = time.perf_counter()
    outputs = decrypt_linear(secret, REFERENCE, circuit, table, source, 0, rows, bodies, threads=cores())
    opening = time.perf_counter() - start
    if not np.array_equal(outputs[0], columns.codes(LARGE)[:rows].astype(np.int64) @ work.weights + work.bias):
        raise AssertionError("an encrypted result differs from the clear one")
    return seconds, opening


def _job(folder: Path) -> dict[str, float]:
    """Seconds and peak memory of a provider's process."""
    command = [sys.executable, "-m", "benchmarks.linear_job", str(folder)]
    found: dict[str, float] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return found


class InMemory:
    """A table's bodies held in memory, so that evaluation alone is timed."""

    def __init__(self, stored: StoreSource, table: EncryptedTable, inputs: tuple[Input, ...]) -> None:
        self._stored = stored
        polys = table.shards[0].files[0].polys
        self._bodies = {wire: stored.bodies(wire, 0, range(polys)) for wire in inputs}

    def bodies(self, input: Input, shard: int, chunks: range) -> U64:
        """A view of the words of shard 0."""
        assert shard == 0
        return self._bodies[input][chunks.start : chunks.stop]

    def mask(self, input: Input, shard: int, chunks: range) -> U64:
        """Mask words, expanded from the seed."""
        return self._stored.mask(input, shard, chunks)

    def copy_seconds(self) -> float:
        """Seconds to copy all bodies once, on as many threads as evaluation uses."""
        targets = {wire: np.empty_like(words) for wire, words in self._bodies.items()}

        def copy() -> None:
            with ThreadPoolExecutor(cores()) as pool:
                list(pool.map(lambda wire: np.copyto(targets[wire], self._bodies[wire]), self._bodies))

        return rivals.fastest(copy, 5)
