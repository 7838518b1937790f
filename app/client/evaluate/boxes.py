"""A model on bits as boxes: sets of cells of a few columns, on each of which it says the same.

The cells of the columns that a circuit reads are a grid; the circuit is run on all of it in the clear. The grid is then
cut, column by column, into groups of cells on which the rest is equal, as a decision diagram is: a tree of depth three
gives about its leaves, whatever columns it reads.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from app.client.ask.cells import AskedColumn, AskedTable
from fhe.arrays import I64
from fhe.circuit.circuit import Circuit
from fhe.circuit.clear import evaluate_clear

MOST_CELLS = 2048  # of a grid
MOST_BOXES = 512

Box = Mapping[str, frozenset[int]]  # by column, in which of its cells


@dataclass(frozen=True)
class Grid:
    """All that a circuit tells apart: groups of cells by column, and its outputs on every combination of them."""

    columns: tuple[str, ...]
    groups: tuple[tuple[frozenset[int], ...], ...]
    outputs: I64  # (combinations, outputs), the last column's groups fastest

    @property
    def shape(self) -> tuple[int, ...]:
        """Groups of each column."""
        return tuple(len(each) for each in self.groups)


def grid_of(circuit: Circuit, table: AskedTable) -> Grid | None:
    """The grid of a circuit that reads bits alone; None for one that reads codes, or tells too many cells apart."""
    read: dict[str, list[int]] = {}
    for wire in circuit.inputs:
        column = table[wire.column]
        if not isinstance(column, AskedColumn) or (wire.encoding == "affine" and not _one_bit(column)):
            return None
        read.setdefault(column.name, []).append(0 if wire.encoding == "affine" else wire.index)
    groups = {name: _groups(sorted(set(edges)), len(table[name].cells)) for name, edges in read.items()}
    size = math.prod(len(each) for each in groups.values())
    if size > MOST_CELLS:
        return None
    places = np.meshgrid(*(np.arange(len(each)) for each in groups.values()), indexing="ij")
    by_name = {name: place.ravel() for name, place in zip(groups, places, strict=True)}
    inputs = np.empty((size, len(circuit.inputs)), np.int64)
    for number, wire in enumerate(circuit.inputs):
        edge = 0 if wire.encoding == "affine" else wire.index
        reached = np.array([int(min(group) > edge) for group in groups[table[wire.column].name]])
        inputs[:, number] = reached[by_name[table[wire.column].name]]
    return Grid(tuple(groups), tuple(groups.values()), evaluate_clear(circuit, inputs))


def boxes_of(grid: Grid, values: I64) -> list[tuple[int, Box]] | None:
    """(value, box) of boxes that exclude one another and together hold the grid; `values` (combinations,).

    None for too many.
    """
    found: list[tuple[int, Box]] = []
    for value, box in _cut(values.reshape(grid.shape), list(range(len(grid.columns))), grid, {}):
        found.append((value, box))
        if len(found) > MOST_BOXES:
            return None
    return found


def _cut(values: I64, axes: list[int], grid: Grid, box: dict[str, frozenset[int]]) -> Iterator[tuple[int, Box]]:
    first = values.flat[0]
    if (values == first).all():
        yield int(first), dict(box)
        return
    best: tuple[int, dict[bytes, list[int]]] | None = None
    for at in range(len(axes)):
        alike: dict[bytes, list[int]] = {}
        for place, part in enumerate(np.moveaxis(values, at, 0)):
            alike.setdefault(part.tobytes(), []).append(place)
        if len(alike) > 1 and (best is None or len(alike) < len(best[1])):
            best = at, alike
    assert best is not None
    at, alike = best
    name, rest = grid.columns[axes[at]], [axis for number, axis in enumerate(axes) if number != at]
    for places in alike.values():
        cells = frozenset[int]().union(*(grid.groups[axes[at]][place] for place in places))
        part = np.ascontiguousarray(np.moveaxis(values, at, 0)[places[0]])
        yield from _cut(part, rest, grid, {**box, name: cells})


def _one_bit(column: AskedColumn) -> bool:
    """Whether a column's code is the bit of its only edge: 0 below it and 1 above."""
    return column.affine is not None and column.affine.levels == 2 and len(column.cells) == 2


def _groups(edges: list[int], cells: int) -> tuple[frozenset[int], ...]:
    """Cells that no bit of these edges tells apart; bit e is "cell above e"."""
    ends = [0, *(edge + 1 for edge in edges), cells]
    return tuple(frozenset(range(low, high)) for low, high in pairwise(ends))
