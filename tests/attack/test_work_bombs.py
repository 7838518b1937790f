"""Small documents that would take much time or memory to judge."""

from __future__ import annotations

import time
import tracemalloc

import numpy as np
import pytest

from app.protocol.data.dataset import Affine, Codebook, ColumnCode
from app.protocol.errors import TooLarge
from fhe.circuit.circuit import Circuit, Input, Linear, Lookup, Readout
from fhe.circuit.codec import MAX_CIRCUIT_BYTES, encode
from fhe.compile.check import check
from fhe.leakage import MOST_WORK, leakage_of, sample_outputs
from fhe.profiles import REFERENCE

COLUMNS, EDGES = 12, 32
BOOK = Codebook(
    columns=tuple(
        ColumnCode(
            name=f"c{number}",
            dtype="int",
            affine=Affine(low=0.0, step=1.0, levels=256),
            bins=tuple(float(edge) for edge in range(EDGES)),
            declared=True,
        )
        for number in range(COLUMNS)
    )
)


def forest(lookups: int, outputs: int) -> Circuit:
    """Lookups of three bits each, each output the sum of its share of them."""
    rng = np.random.default_rng(1)
    inputs = tuple(Input(f"c{column}", "bins", edge) for column in range(COLUMNS) for edge in range(EDGES))
    reads = np.array([rng.choice(len(inputs), 3, replace=False) for _ in range(lookups)])
    reads[: len(inputs) // 3] = rng.permutation(len(inputs)).reshape(-1, 3)
    first = Linear(
        3,
        3 * np.arange(lookups + 1),
        np.sort(reads, axis=1).reshape(-1),
        np.tile([4, 2, 1], lookups),
        np.zeros(lookups, np.int64),
    )
    tables = Lookup(10, np.arange(lookups), rng.integers(0, 2, (lookups, 8)))
    ends = np.linspace(0, lookups, outputs + 1).astype(np.int64)
    last = Linear(
        10,
        ends,
        len(inputs) + np.arange(lookups),
        np.ones(lookups, np.int64),
        np.zeros(outputs, np.int64),
    )
    names = tuple(f"o{number}" for number in range(outputs))
    return Circuit(REFERENCE.digest, BOOK.digest, inputs, (first, tables, last), names, Readout("value"))


def test_the_largest_circuit_is_judged_in_little_memory() -> None:
    """A circuit that fills a document runs on the sample within seconds and 160 MB, once for all who read it."""
    circuit = forest(4500, 60)
    assert len(encode(circuit)) > 0.85 * MAX_CIRCUIT_BYTES
    tracemalloc.start()
    began = time.process_time()
    sampled = sample_outputs(circuit, BOOK)
    taken = time.process_time() - began
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 160e6
    assert taken < 15
    assert sample_outputs(circuit, BOOK) is sampled


def test_outputs_without_end_are_refused_by_the_limit() -> None:
    """Thousands of outputs on a sample would take minutes: refused before anything runs, with the limit's number."""
    circuit = forest(2000, 2000)
    began = time.process_time()
    with pytest.raises(TooLarge, match=f"limit of {MOST_WORK:,}"):
        leakage_of(circuit, BOOK)
    assert time.process_time() - began < 1
    check(circuit, BOOK, REFERENCE)  # nothing else is wrong with it
