"""Costs are exact integers that follow from the circuit, the profile and the rows."""

from __future__ import annotations

import numpy as np

from app.protocol.ids import Digest
from fhe.circuit.circuit import Circuit, Input, Linear, Lookup, Readout
from fhe.circuit.cost import UNIT, bootstrap_work, cost, keyswitch_work
from fhe.profiles import ONE_LEVEL, REFERENCE
from tests.support.tables import codebook, linear_circuit


def test_a_linear_circuit_costs_its_weights() -> None:
    """Thirty weights on a million rows: thirty million word operations, 8 bytes a value in and out."""
    circuit = linear_circuit(np.ones((1, 30), np.int64), np.array([0]), codebook(30), REFERENCE)
    found = cost(circuit, REFERENCE, 1_000_000)
    assert (found.multiply_adds, found.bootstraps, found.keyswitches) == (30_000_000, 0, 0)
    assert found.bytes_in == 30 * 489 * 2048 * 8
    assert found.bytes_out == 8_000_000
    assert found.units == -(-30_000_000 // UNIT)
    assert cost(circuit, REFERENCE, 1).units == 1


def test_zero_weights_cost_nothing() -> None:
    """Columns and weights that are zero are neither read nor counted."""
    weights = np.array([[1, 0, 2], [0, 0, 3]])
    circuit = linear_circuit(weights, np.array([0, 0]), codebook(3), REFERENCE)
    found = cost(circuit, REFERENCE, 2048)
    assert found.multiply_adds == 3 * 2048
    assert found.bytes_in == 2 * 2048 * 8
    assert found.bytes_out == 2 * 2048 * 8


def test_lookups_cost_a_keyswitch_and_a_bootstrap_each() -> None:
    """Two lookups a row: their counts, and units dominated by the bootstraps, more with two levels than with one."""
    layer = Linear(3, np.array([0, 1, 3]), np.array([0, 0, 1]), np.array([1, 1, 2]), np.array([0, 0]))
    lookup = Lookup(8, np.array([0, 1]), np.zeros((2, 8), np.int64))
    last = Linear(8, np.array([0, 2]), np.array([2, 3]), np.array([1, 1]), np.array([0]))
    circuit = Circuit(
        Digest("0" * 64),
        Digest("0" * 64),
        (Input("a", "bins"), Input("b", "bins")),
        (layer, lookup, last),
        ("y",),
        Readout("value"),
    )
    found = cost(circuit, REFERENCE, 10)
    assert (found.bootstraps, found.keyswitches) == (20, 20)
    assert found.multiply_adds == 10 * (2 * 3 + 2 * 2049)
    assert found.bytes_out == 10 * 2049 * 8
    total = found.multiply_adds + 20 * (bootstrap_work(REFERENCE) + keyswitch_work(REFERENCE))
    assert found.units == -(-total // UNIT)
    assert cost(circuit, ONE_LEVEL, 10).units < found.units
