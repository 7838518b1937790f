"""How far outputs can move when one row changes: never less than the truth, two for cells that exclude one another."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhe import sensitivity as module
from fhe.circuit.circuit import Circuit, Input, Linear, Readout
from fhe.circuit.clear import evaluate_clear
from fhe.compile.check import check, worst_failure
from fhe.compile.sums import sum_circuit
from fhe.leakage import leakage_of
from fhe.profiles import REFERENCE
from tests.support.custody import EDGES, NAMES, codebook, linear_circuit, tree_circuit
from tests.support.encrypted_tables import sparse

BOOK = codebook(bins=True)


def histogram(columns: tuple[int, ...]) -> Circuit:
    """The cells of each column's bins: differences of neighbouring bits."""
    inputs = tuple(Input(NAMES[c], "bins", e) for c in columns for e in range(len(EDGES)))
    rows = []
    for at in range(len(columns)):
        for cell in range(len(EDGES) + 1):
            row = np.zeros(len(inputs), np.int64)
            if cell:
                row[at * len(EDGES) + cell - 1] = 1
            if cell < len(EDGES):
                row[at * len(EDGES) + cell] = -1
            rows.append(row)
    bias = np.array([int(i % (len(EDGES) + 1) == 0) for i in range(len(rows))], np.int64)
    names = tuple(f"y{i}" for i in range(len(rows)))
    return Circuit(
        REFERENCE.digest, BOOK.digest, inputs, (sparse(27, np.array(rows), bias),), names, Readout("value"), 2048
    )


def test_cells_that_exclude_one_another_move_by_two() -> None:
    """One row leaves one cell and enters another: a histogram of any number of cells, and two of them by four."""
    assert leakage_of(histogram((0,)), BOOK).sensitivity == 2
    assert leakage_of(histogram((0, 3)), BOOK).sensitivity == 4
    assert sum(leakage_of(histogram((0,)), BOOK).ranges) == 8


@settings(max_examples=50, deadline=None)
@given(st.lists(st.lists(st.integers(-9, 9), min_size=3, max_size=3), min_size=1, max_size=3))
def test_a_linear_circuit_moves_as_far_as_its_rows_differ(weights: list[list[int]]) -> None:
    """Against all pairs of rows at the ends of their codes, where a linear map is farthest from itself."""
    if not any(any(row) for row in weights):
        return
    circuit = linear_circuit(weights, bins=True)
    ends = np.array(list(itertools.product((0, 255), repeat=len(circuit.inputs))), np.int64)
    found = evaluate_clear(circuit, ends)
    most = max(int(np.abs(found - one).sum(axis=1).max()) for one in found)
    assert most <= module.l1_sensitivity(circuit, BOOK, 10**12) == most_by_column(circuit)


def most_by_column(circuit: Circuit) -> int:
    layer = circuit.layers[0]
    assert isinstance(layer, Linear)
    return 255 * int(np.abs(layer.values).sum())


def test_lookups_are_run_on_all_their_cells() -> None:
    """A table of two far values moves by their distance; beyond what can be run through the ranges stand."""
    circuit = tree_circuit([(0, 1), (1, 2), (2, 3)], [5, 0, 0, 0, 0, 0, 0, 905], REFERENCE)
    assert module.l1_sensitivity(circuit, BOOK, 1000) == 905
    assert module.l1_sensitivity(circuit, BOOK, 7) == 7


def test_the_distance_of_many_points_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where pairs are too many, twice the distance from one point: never less, at most twice."""
    points = np.random.default_rng(3).integers(-50, 50, (300, 4))
    exact = module.diameter(points)
    monkeypatch.setattr(module, "MOST_PAIRS", 1)
    rough = module.diameter(points)
    assert exact <= rough <= 2 * exact


def test_blocks_are_as_long_as_width_and_noise_allow() -> None:
    """Whole chunks; one chunk more would leave the width, or fail too often."""
    circuit = sum_circuit(linear_circuit([[1, 1, 0, 0, 0, 0, 0, 3]], bins=True), BOOK, REFERENCE)
    assert circuit.block % 2048 == 0
    assert circuit.block * 255 * 5 < 1 << 27 <= (circuit.block + 2048) * 255 * 5
    assert check(circuit, BOOK, REFERENCE).log2_failure < -128
    noisy = REFERENCE.model_copy(update={"glwe_variance": 2.0**-81})
    other = sum_circuit(replace(linear_circuit([[1]], bins=True), profile=noisy.digest), BOOK, noisy)
    assert worst_failure(other, noisy)[2] <= -128 < worst_failure(replace(other, block=other.block + 2048), noisy)[2]
    few = sum_circuit(tree_circuit([(0, 1), (1, 2), (2, 3)], [900] * 8, REFERENCE), BOOK, REFERENCE)
    assert few.block == 1
