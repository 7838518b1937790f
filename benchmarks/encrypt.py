"""Encryption of 8-bit values on the owner's machine: packed columns, Concrete's client, TenSEAL's CKKS vectors.

`us_per_value` is ours on a million rows of 30 columns, all cores, seeds, masks, key products and noise included.
Concrete encrypts batches of 128 rows, with and without seeded ciphertexts; the faster time and the smaller size count.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from app.protocol.ports import Progress
from benchmarks import columns, rivals
from benchmarks.machine import cores
from fhe.ciphertexts.packing import Encryptor
from fhe.keys.secret_keys import generate
from fhe.profiles import REFERENCE

ROWS = 1_000_000
REPEATS = 3


def run(progress: Progress) -> dict[str, Any]:
    """Microseconds a value, ours and theirs, in one run."""
    steps = 2 + REPEATS
    secret, _ = generate(REFERENCE, 1)
    polys = -(-ROWS // REFERENCE.polynomial_size)
    values = np.zeros((polys, REFERENCE.polynomial_size), np.int64)
    values.ravel()[:ROWS] = columns.codes(ROWS)[:, 0]
    seconds = []
    with Encryptor(secret, REFERENCE, cores()) as encryptor:
        for repeat in range(REPEATS):
            start = time.perf_counter()
            for _ in range(columns.COLUMNS):
                encryptor.file().encrypt(0, values)
            seconds.append(time.perf_counter() - start)
            progress(repeat + 1, steps)
    ours = min(seconds) / (ROWS * columns.COLUMNS) * 1e6
    work = columns.work()
    sample = columns.codes(rivals.TENSEAL_ROWS).astype(np.int64)
    both = [rivals.concrete(work.compiled.model, sample, compress=compress) for compress in (False, True)]
    concrete_us = min(timing.encrypt_us_per_value for timing in both)
    progress(steps - 1, steps)
    tenseal = rivals.tenseal(work.weights, work.bias, sample, cores())
    progress(steps, steps)
    return {
        "us_per_value": ours,
        "concrete_us_per_value": concrete_us,
        "tenseal_us_per_value": tenseal.encrypt_us_per_value,
        "ratio_vs_concrete": concrete_us / ours,
        "ratio_vs_tenseal": tenseal.encrypt_us_per_value / ours,
        "concrete_bytes_per_value": min(timing.bytes_per_value for timing in both),
        "tenseal_bytes_per_value": tenseal.bytes_per_value,
        "values": ROWS * columns.COLUMNS,
    }
