"""How far all outputs of a circuit together can move when one row changes: what differential privacy scales noise to.

The L1 distance of the outputs of two rows, at most, over all codes that the codebook allows. Noise on the sum over rows
is scaled to it, and nothing else about the data is used. Cells that exclude one another (the bins of a histogram, the
groups of a table) move by one down and one up, whatever their number, where adding up each output's own range would
count every cell.

- One linear layer: a row's outputs are a sum of parts, one a column and encoding (or a source of which several columns
  are derived), each a function of one code. A part's greatest distance is found over its codes, and the parts' add up.
- Lookups: where what the circuit reads tells few combinations apart, its outputs on all of them.
- Else: the sum of the outputs' ranges.

None of these is less than the truth, and the least of what is known is taken.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from app.protocol.data.dataset import Codebook
from app.protocol.policy.linear_forms import AFFINE
from fhe.arrays import I64
from fhe.circuit.circuit import Circuit, Linear
from fhe.circuit.clear import evaluate_clear
from fhe.states import joint_sources

MOST_CELLS = 4_096  # combinations of what is read that are run through
MOST_VALUES = 1 << 22  # cells times outputs
MOST_PAIRS = 1 << 26  # pairs of distinct cells times outputs: under half a second


def l1_sensitivity(circuit: Circuit, codebook: Codebook, ranges: int) -> int:
    """The greatest L1 distance of the outputs of two rows, or more. `ranges`: the sum of the outputs' ranges."""
    if len(circuit.layers) == 1:
        return min(ranges, _linear(circuit, codebook))
    cells = _cells(circuit, codebook)
    if cells is None or len(cells) * len(circuit.outputs) > MOST_VALUES:
        return ranges
    return min(ranges, diameter(evaluate_clear(circuit, cells)))


def diameter(points: I64) -> int:
    """The greatest L1 distance of two of these points (points, dimensions), or up to twice that where there are many.

    For many, twice the greatest distance from one of them: no two are farther apart.
    """
    distinct = np.unique(points, axis=0)
    if len(distinct) ** 2 * distinct.shape[1] > MOST_PAIRS:
        return 2 * int(np.abs(distinct - distinct[len(distinct) // 2]).sum(axis=1).max())
    return max(int(np.abs(distinct - one).sum(axis=1).max()) for one in distinct)


def _linear(circuit: Circuit, codebook: Codebook) -> int:
    layer = circuit.layers[0]
    assert isinstance(layer, Linear)
    weights = np.zeros((len(circuit.inputs), len(layer.bias)), np.int64)
    weights[layer.columns, np.repeat(np.arange(len(layer.bias)), np.diff(layer.indptr))] = layer.values
    # a linear part is farthest from itself at the ends of its codes
    return sum(diameter(values @ weights[wires]) for wires, values in _parts(circuit, codebook, ends=True))


def _cells(circuit: Circuit, codebook: Codebook) -> I64 | None:
    """The inputs (cells, inputs) on every combination of what they tell apart; None where that is too many."""
    parts = list(_parts(circuit, codebook, ends=False))
    if math.prod(len(values) for _, values in parts) > MOST_CELLS:
        return None
    grids = np.meshgrid(*(np.arange(len(values)) for _, values in parts), indexing="ij")
    found = np.empty((grids[0].size, len(circuit.inputs)), np.int64)
    for grid, (wires, values) in zip(grids, parts, strict=True):
        found[:, wires] = values[grid.ravel()]
    return found


def _parts(circuit: Circuit, codebook: Codebook, *, ends: bool) -> Iterator[tuple[list[int], I64]]:
    """(inputs, their values (states, inputs)) of parts of a row that are taken as free of one another.

    The columns of a source whose states are all known are one part; else a column's code is one, and its bits are one.
    With `ends`, of a code its least and greatest alone.
    """
    columns = {column.name: column for column in codebook.columns}
    joint = {name: states for name, states in joint_sources(codebook).items() if states.whole}
    together: dict[tuple[str, str], list[int]] = {}
    for number, wire in enumerate(circuit.inputs):
        source = columns[wire.column].reads
        together.setdefault((source, "") if source in joint else (wire.column, wire.encoding), []).append(number)
    for (name, encoding), wires in together.items():
        inputs = [circuit.inputs[number] for number in wires]
        if not encoding:
            places = [(wire.column, AFFINE if wire.encoding == "affine" else wire.index) for wire in inputs]
            yield wires, np.unique(np.array([joint[name].wire(place) for place in places], np.int64).T, axis=0)
        elif encoding == "bins":  # bit i is there from edge i on: a code reaches the bits up to some edge
            order = np.argsort(np.argsort([wire.index for wire in inputs]))
            yield wires, (order < np.arange(len(inputs) + 1)[:, None]).astype(np.int64)
        else:
            affine = columns[name].affine
            levels = 1 if affine is None else affine.levels
            yield wires, np.array([0, levels - 1] if ends else np.arange(levels), np.int64)[:, None]
