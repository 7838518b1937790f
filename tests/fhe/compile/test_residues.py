"""What is proven of values that are read in digits holds on every row, and what cannot be proven is refused."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.protocol.errors import MessageOverflow
from fhe.arrays import I64
from fhe.circuit.circuit import Circuit, Linear, Lookup, Readout
from fhe.circuit.clear import evaluate_clear, negacyclic
from fhe.compile.check import check
from fhe.compile.digits.stages import Stages, WireSum, linear
from fhe.compile.ranges import value_bounds, zero_bits
from tests.support.encrypted_tables import EDGES, TableWithKeys
from tests.support.wide_circuits import sign_circuit, wide_circuit

EVERY = np.array(list(product(range(EDGES + 1), repeat=3)), np.int64)  # all rows that a small table can have


def values_read(circuit: Circuit) -> list[I64]:
    """Every value of every Linear on all rows, as the layer after it reads it: (values, rows)."""
    wires, found, width = list(EVERY.T), [], 0
    for layer in circuit.layers:
        if isinstance(layer, Linear):
            rows = [
                sum((weight * wires[column] for column, weight in zip(*own, strict=True)), np.full(len(EVERY), bias))
                for own, bias in zip(_rows(layer), layer.bias, strict=True)
            ]
            width, mask = layer.width, (2 << layer.width) - 1
            found.append(np.stack(rows) if layer is circuit.layers[-1] else np.stack(rows) & mask)
        else:
            assert isinstance(layer, Lookup)
            wires += list(negacyclic(layer.tables, width, found[-1][layer.source]))
    return found


def _rows(layer: Linear) -> list[tuple[I64, I64]]:
    parts = [slice(*ends) for ends in zip(layer.indptr, layer.indptr[1:], strict=False)]
    return [(layer.columns[part], layer.values[part]) for part in parts]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_bounds_and_zero_bits_hold_on_every_row(world: TableWithKeys, data: st.DataObject) -> None:
    """Random circuits of up to three stages, sensible or not: what is said of each value is true of all 729 rows."""
    stages, values = Stages(3), [WireSum(((0, 1), (1, 3), (2, -5)), data.draw(st.integers(-9, 9)))]
    for _ in range(data.draw(st.integers(1, 3))):
        width, width_out = data.draw(st.integers(1, 7)), data.draw(st.integers(7, 9))
        bits = data.draw(st.integers(0, min(3, width)))
        entry = st.integers(-(1 << width_out), (1 << width_out) - 1)
        entries = data.draw(st.sampled_from([entry, st.sampled_from([-16, 16]), entry.map(lambda x: x & -8)]))
        tables = [data.draw(st.lists(entries, min_size=1 << bits, max_size=1 << bits)) for _ in values]
        wires = stages.look_up(values, width, tables, width_out, negacyclic=data.draw(st.booleans()))
        weight = st.sampled_from([-4, -1, 1, 2])
        values = [*values, values[0] + wires[0] * data.draw(weight), wires[-1] * data.draw(weight) + wires[0] + 8]
    values = [value for value in values if value.terms] or [WireSum(((0, 1),))]
    circuit = wide_circuit(
        world,
        Readout("value"),
        [f"v{n}" for n in range(len(values))],
        [*stages.layers, linear(values, 12)],
        centred=True,
    )
    ranges = [(0, EDGES)] * 3
    for own, bounds, zeros in zip(
        values_read(circuit), value_bounds(circuit, ranges), zero_bits(circuit, ranges), strict=True
    ):
        for value, (low, high), bits in zip(own, bounds, zeros, strict=True):
            assert low <= value.min() <= value.max() <= high
            assert not (value & ((1 << min(bits, 40)) - 1)).any()


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"tables": np.full((1, 4), -1), "negacyclic": True}, "lower ones"),  # two bits of what has three
        ({"negacyclic": False}, "can reach"),  # an ordinary table where the padding bit is in use
    ],
)
def test_a_value_between_two_boxes_or_beyond_the_table_is_refused(
    world: TableWithKeys, change: dict[str, Any], what: str
) -> None:
    """What a lookup would answer by its noise, or by the padding bit unasked, is no circuit that anyone runs."""
    circuit = sign_circuit(world, (3, 5, -9), 7, 10)
    check(circuit, world.table.codebook, world.profile)
    lookup = circuit.layers[1]
    assert isinstance(lookup, Lookup)
    wrong = replace(circuit, layers=(circuit.layers[0], replace(lookup, **change), *circuit.layers[2:]))
    with pytest.raises(MessageOverflow, match=what):
        check(wrong, world.table.codebook, world.profile)


@pytest.mark.parametrize("stage", [1, 3, 5, 7])
def test_a_digit_taken_away_wrongly_is_noticed(world: TableWithKeys, stage: int) -> None:
    """One wrong entry in any stage leaves bits where none should be: neither check nor clear run passes."""
    circuit = sign_circuit(world, (3, 5, -9), 7, 10)
    check(circuit, world.table.codebook, world.profile)
    lookup = circuit.layers[stage]
    assert isinstance(lookup, Lookup)
    tables = lookup.tables.copy()
    tables[0, 3] += 5
    wrong = replace(
        circuit, layers=(*circuit.layers[:stage], replace(lookup, tables=tables), *circuit.layers[stage + 1 :])
    )
    with pytest.raises(MessageOverflow):
        check(wrong, world.table.codebook, world.profile)
    with pytest.raises(MessageOverflow):
        evaluate_clear(wrong, EVERY)


def test_signs_are_right_on_every_row(world: TableWithKeys) -> None:
    """Of all 729 rows, at every width from the narrowest that holds the sum to 14 bits."""
    sums = EVERY @ np.array([3, 5, -9]) + 7
    for width in range(7, 15):
        circuit = sign_circuit(world, (3, 5, -9), 7, width)
        check(circuit, world.table.codebook, world.profile)
        assert np.array_equal(evaluate_clear(circuit, EVERY)[:, 0], np.where(sums < 0, 1, -1))


def test_a_lookup_of_a_constant_has_a_range_too(world: TableWithKeys) -> None:
    """Beside others that depend on affine codes: such a circuit once ended its check with no typed error."""
    stages = Stages(3)
    wires = stages.look_up([WireSum(((0, 1), (1, 1), (2, 1))), WireSum((), 3)], 5, [range(32), range(32)], 8)
    layers = [*stages.layers, linear([wires[0] + wires[1]], 8)]
    circuit = wide_circuit(world, Readout("value"), ["sum"], layers)
    assert value_bounds(circuit, [(0, EDGES)] * 3)[-1] == [(3, 3 * EDGES + 3)]
