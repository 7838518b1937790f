"""Variances of sums of dependent noises, case by case, with a variance of 1 for fresh noise and 100 for a lookup's."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from fhe.circuit.circuit import Linear, Lookup
from fhe.circuit.codec import MAX_CIRCUIT_BYTES, encode
from fhe.compile.digits.stages import Stages, WireSum, linear
from fhe.noise.classes import row_variances
from fhe.profiles import insecure_test_profile
from tests.support.encrypted_tables import TableWithKeys, sparse
from tests.support.equal_noise import TABLE, WIDTH, LookupStage, Row, X, circuit

PROFILE = insecure_test_profile()
OTHER = tuple(1 - entry for entry in TABLE)
BIT: Row = {0: 1}
LOOKUP = 100.0


def nothing(entries: int) -> float:
    """What packing adds where nothing is selected."""
    raise AssertionError(entries)


def last(world: TableWithKeys, stages: Sequence[LookupStage], weights: Sequence[int], bits: int = 3) -> float:
    """The variance of the output."""
    return row_variances(circuit(world, stages, weights, bits), PROFILE, 1.0, LOOKUP, nothing)[-1][0]


def test_inputs_and_lookups_of_different_values_are_independent(world: TableWithKeys) -> None:
    """Squares of weights add over different sources, and over inputs at the width to which they are shifted."""
    stage = LookupStage([X, {0: 1, 1: 1}, {1: 1, 2: 2}], [(0, TABLE), (1, TABLE), (2, OTHER)])
    assert last(world, [stage], [1, 2, -3]) == (1 + 4 + 9) * LOOKUP
    found = row_variances(circuit(world, [stage], [1, 2, -3]), PROFILE, 1.0, LOOKUP, nothing)
    assert found[0] == [21 * 4.0**24, 2 * 4.0**24, 5 * 4.0**24]


@pytest.mark.parametrize(("weights", "variance"), [((1, 1), 4), ((2, 3), 25), ((1, -1), 0), ((3, -1), 4)])
def test_equal_lookups_are_one_with_all_their_weights(
    world: TableWithKeys, weights: tuple[int, int], variance: float
) -> None:
    """Stated twice, in one row's lookups or in an equal row's, the weights add with their signs."""
    for stage in (LookupStage([X], [(0, TABLE), (0, TABLE)]), LookupStage([X, X], [(0, TABLE), (1, TABLE)])):
        assert last(world, [stage], weights) == variance * LOOKUP


@pytest.mark.parametrize(
    "stage",
    [
        LookupStage([X], [(0, TABLE), (0, OTHER)]),
        LookupStage([{0: 1, 1: 2}, {0: 1, 1: 2}, X], [(0, TABLE), (1, TABLE)], [0, 1, 0]),
        LookupStage([{0: 1, 1: 1}, {0: 2, 1: 2}, X], [(0, TABLE), (1, TABLE)]),
        LookupStage([{0: 1, 1: -1}, {0: -1, 1: 1}, X], [(0, TABLE), (1, TABLE)], [1, 1, 0]),
    ],
    ids=["another table", "another bias", "twice the value", "the negative value"],
)
def test_deviations_of_one_mask_add(world: TableWithKeys, stage: LookupStage) -> None:
    """Whatever the signs of the weights: correlations from -1 to 1 occur."""
    assert last(world, [stage], [1, 1]) == 4 * LOOKUP
    assert last(world, [stage], [2, -1]) == 9 * LOOKUP


def test_equal_words_in_different_layers_are_one_ciphertext(world: TableWithKeys) -> None:
    """A lookup that a later layer repeats, with entries eight times as large at three bits more, is the first again."""
    first, later = LookupStage([X], [(0, TABLE)]), LookupStage([X], [(0, tuple(8 * entry for entry in TABLE))])
    made = circuit(world, [first, later], [1])
    both = sparse(4, np.array([[0, 0, 0, 8, -1], [0, 0, 0, 8, 1]]), np.zeros(2, np.int64))
    joined = replace(made, layers=(*made.layers[:-1], both))
    assert row_variances(joined, PROFILE, 1.0, LOOKUP, nothing)[-1] == [0, 32.0**2 * LOOKUP]


def test_values_that_hidden_lookups_tell_apart_are_apart(world: TableWithKeys) -> None:
    """Sources that read hidden lookups of different values have masks of their own, and their lookups' squares add."""
    hidden = LookupStage([X, {0: 1, 1: 1}, {1: 1, 2: 1}], [(0, TABLE), (1, TABLE), (2, TABLE), (2, OTHER)])
    later = LookupStage([{3: 1, 4: 2}, {3: 1, 5: 2}, {3: 1, 6: 2}], [(0, TABLE), (1, TABLE), (2, TABLE)])
    assert last(world, [hidden, later], [1, 1, 0]) == 2 * LOOKUP
    assert last(world, [hidden, later], [0, 1, 1]) == 4 * LOOKUP, "two tables of one hidden value may have one mask"


def test_a_table_of_half_turns_has_no_mask(world: TableWithKeys) -> None:
    """-2^width everywhere is half a turn, which no rotation changes: what it is added to keeps its mask."""
    hidden = LookupStage([X, {1: 1}, {2: 1}], [(1, (-32,) * 8), (2, (0,) * 8)])
    later = LookupStage([X, {**X, 3: 1}, {**X, 4: 1}], [(0, TABLE), (1, TABLE), (2, TABLE)])
    assert last(world, [hidden, later], [1, 1, 1]) == 9 * LOOKUP


def test_a_circuit_as_large_as_a_document_takes_seconds(world: TableWithKeys) -> None:
    """Sixteen stages of lookups of the stage before, some equal, with a sum over all."""
    rng, lookups, layers, wires = np.random.default_rng(3), 660, list[Linear | Lookup](), 3
    for _ in range(16):
        reads = rng.integers(max(0, wires - lookups), wires, lookups)
        rows = np.arange(lookups)
        layers.append(Linear(1, np.arange(lookups + 1), reads, np.ones(lookups, np.int64), 0 * rows))
        layers.append(Lookup(1, rows, rng.integers(0, 2, (lookups, 2))))
        wires += lookups
    layers.append(Linear(1, np.array([0, wires]), np.arange(wires), np.ones(wires, np.int64), np.zeros(1, np.int64)))
    made = replace(circuit(world, [LookupStage([X], [(0, TABLE)])], [1]), layers=tuple(layers))
    assert len(encode(made)) > 0.9 * MAX_CIRCUIT_BYTES
    began = time.process_time()
    assert row_variances(made, PROFILE, 1.0, LOOKUP, nothing)[-1][0] > wires * LOOKUP
    assert time.process_time() - began < 10


def test_what_reads_different_selections_is_independent(world: TableWithKeys) -> None:
    """A constant that all select among makes no noise alike; what each selects and its entries stay one noise."""
    stages = Stages(6)
    bits = [WireSum(((wire, 1),)) for wire in range(6)]
    tables = stages.look_up(bits[:3], 3, [[entry - 1 for entry in TABLE]] * 3, WIDTH)
    chosen = stages.select(
        [bit * (1 << WIDTH - 1) for bit in bits[3:]], WIDTH, [[each, WireSum((), 9)] for each in tables]
    )
    after = stages.look_up(chosen, WIDTH, [[1, 0] * 4] * 3, WIDTH)
    for sums, variance in ((chosen, 3 * 3), (after, 3), ([chosen[0], tables[0]], (3**0.5 + 1) ** 2)):
        layers = [*stages.layers, linear([sum(sums, WireSum())], WIDTH)]
        inputs = circuit(world, [LookupStage([X], [(0, TABLE)])], [1], 6)
        made = replace(inputs, layers=tuple(layers), centred=True, shared=True)
        found = row_variances(made, PROFILE, 1.0, LOOKUP, lambda entries: LOOKUP)[-1][0]
        assert found == pytest.approx(variance * LOOKUP)
