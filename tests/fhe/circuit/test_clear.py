"""Running a circuit in the clear: the same values in blocks of any size, in bounded memory."""

from __future__ import annotations

import numpy as np
import pytest

import fhe.circuit.clear
from app.protocol.errors import BadInput, MessageOverflow
from app.protocol.ids import Digest
from fhe.arrays import I64
from fhe.circuit.circuit import Circuit, Input, Linear, Lookup, Readout
from fhe.circuit.clear import block_rows, evaluate_clear


def drawn(rng: np.random.Generator, width: int = 5) -> tuple[Circuit, I64, I64]:
    """A circuit of two stages with empty rows in its maps, inputs, and the outputs by dense matrices."""
    inputs = rng.integers(0, 2, (50, 4))
    layers: list[Linear | Lookup] = []
    wires, values = inputs, inputs[:, :0]
    for _ in range(2):
        dense = rng.integers(0, 2, (4, wires.shape[1])) * (rng.random((4, 1)) < 0.7)
        dense = np.minimum(dense, (dense.cumsum(axis=1) <= 3).astype(np.int64))
        layers.append(mapped := linear(3, dense, rng.integers(0, 4, 4)))
        values = wires @ dense.T + mapped.bias
        source, tables = rng.integers(0, 4, 6), rng.integers(0, 2, (6, 8))
        layers.append(Lookup(width, source, tables))
        wires = np.concatenate([wires, tables[np.arange(6), values[:, source]]], axis=1)
    dense = rng.integers(-1, 2, (3, wires.shape[1]))
    layers.append(linear(width, dense, np.array([0, 1, -1])))
    columns = tuple(Input(f"c{number}", "bins", 0) for number in range(4))
    circuit = Circuit(Digest("00" * 32), Digest("11" * 32), columns, tuple(layers), ("a", "b", "c"), Readout("argmax"))
    return circuit, inputs, wires @ dense.T + [0, 1, -1]


def linear(width: int, dense: I64, bias: I64) -> Linear:
    """A Linear from a dense matrix, whose rows may be empty."""
    row, column = np.nonzero(dense)
    ends = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=len(dense)))])
    return Linear(width, ends, column, dense[row, column], bias)


@pytest.mark.parametrize("seed", range(10))
def test_blocks_of_rows_change_nothing(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole, in blocks that leave a rest and row by row, the outputs are those of dense matrices."""
    circuit, inputs, expected = drawn(np.random.default_rng(seed))
    for cells in (1 << 21, 16 * 21, 1):
        monkeypatch.setattr(fhe.circuit.clear, "CELLS", cells)
        assert np.array_equal(evaluate_clear(circuit, inputs), expected)
    assert block_rows(circuit) == 1


def test_no_rows_give_no_outputs() -> None:
    """An empty table has an empty result of the right width."""
    circuit, inputs, _ = drawn(np.random.default_rng(0))
    assert evaluate_clear(circuit, inputs[:0]).shape == (0, 3)


def test_a_value_out_of_range_is_refused_in_any_block(monkeypatch: pytest.MonkeyPatch) -> None:
    """A row in a later block whose value does not fit is refused, as is a table of another width."""
    circuit, inputs, _ = drawn(np.random.default_rng(1))
    monkeypatch.setattr(fhe.circuit.clear, "CELLS", 16 * 5)
    wrong = inputs.copy()
    wrong[40] = 100
    with pytest.raises(MessageOverflow, match="layer 0"):
        evaluate_clear(circuit, wrong)
    with pytest.raises(BadInput, match="4 inputs"):
        evaluate_clear(circuit, inputs[:, :3])
