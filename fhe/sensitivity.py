"""How far all outputs of a circuit together can move when one row changes: what differential privacy scales noise to.

The L1 distance of the outputs of two rows, at most, over all codes that the codebook allows. Noise on the sum over rows
is scaled to it, and nothing else about the data is used. Cells that exclude one another (the bins of a histogram, the
groups of a table) move by one down and one up, whatever their number, where adding up each output's own range would
count every cell.

- One linear layer: a row's outputs are a sum of parts, one a column and encoding, each a function of one code. The
  greatest distance of a part is found over all its codes, and the parts' add up. What is derived from a source with
  places (a one-hot code, buckets) is one part: a value has one place.
- Lookups: where what the circuit reads tells few combinations apart, its outputs on all of them.
- Else: the sum of the outputs' ranges.

None of these is less than the truth, and the least of what is known is taken.
"""

from __future__ import annotations

import math

import numpy as np

from app.protocol.data.dataset import Codebook
from app.protocol.policy.linear_forms import AFFINE
from fhe.arrays import I64
from fhe.circuit.circuit import Circuit, Input, Linear
from fhe.circuit.clear import evaluate_clear
from fhe.states import joint_sources

MOST_CELLS = 4_096  # combinations of what is read that are run through
MOST_VALUES = 1 << 22  # cells times outputs
MOST_PAIRS = 1 << 27  # pairs of distinct cells times outputs: under a second


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
    columns = {column.name: column for column in codebook.columns}
    joint = {name: own for name, own in joint_sources(codebook).items() if own.whole}
    placed: dict[str, list[int]] = {}
    total, bits = 0, dict[str, list[int]]()
    for number, wire in enumerate(circuit.inputs):
        affine, source = columns[wire.column].affine, columns[wire.column].reads
        if source in joint:
            placed.setdefault(source, []).append(number)
        elif wire.encoding == "bins":
            bits.setdefault(wire.column, []).append(number)
        elif affine is not None:
            total += (affine.levels - 1) * int(np.abs(weights[number]).sum())
    for numbers in bits.values():  # bit i is there from edge i on: a code reaches the bits up to some edge
        ordered = sorted(numbers, key=lambda number: circuit.inputs[number].index)
        steps = np.zeros((len(ordered) + 1, len(layer.bias)), np.int64)
        np.cumsum(weights[ordered], axis=0, out=steps[1:])
        total += diameter(steps)
    for source, numbers in placed.items():  # one place at a time, whatever is derived of it
        wires = [circuit.inputs[number] for number in numbers]
        index = (AFFINE if wire.encoding == "affine" else wire.index for wire in wires)
        states = np.array([joint[source].wire((w.column, i)) for w, i in zip(wires, index, strict=True)], np.int64)
        total += diameter(states.T @ weights[numbers])
    return total


def _cells(circuit: Circuit, codebook: Codebook) -> I64 | None:
    """The inputs (cells, inputs) on every combination of what they tell apart; None where that is too many.

    A column's code and its bits are taken as if they were free of each other, which is never fewer combinations.
    """
    levels = {column.name: column.affine.levels for column in codebook.columns if column.affine}
    bits: dict[str, list[int]] = {}
    for wire in circuit.inputs:
        if wire.encoding == "bins":
            bits.setdefault(wire.column, []).append(wire.index)
    edges = {column: sorted(indices) for column, indices in bits.items()}
    sizes = {(column, "bins"): len(indices) + 1 for column, indices in edges.items()}
    sizes |= {(wire.column, "affine"): levels[wire.column] for wire in circuit.inputs if wire.encoding == "affine"}
    if math.prod(sizes.values()) > MOST_CELLS:
        return None
    grids = np.meshgrid(*(np.arange(size) for size in sizes.values()), indexing="ij")
    place = {key: grid.ravel() for key, grid in zip(sizes, grids, strict=True)}

    def value(wire: Input) -> I64:
        at = place[wire.column, wire.encoding]
        return at if wire.encoding == "affine" else (at > edges[wire.column].index(wire.index)).astype(np.int64)

    return np.stack([value(wire) for wire in circuit.inputs], axis=1)
