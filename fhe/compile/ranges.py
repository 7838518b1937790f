"""The range of every value of a circuit, from the circuit alone.

Bits of one column are ordered ("value >= 5" implies "value >= 3"), so plain interval arithmetic would think that a
difference of two bits can be -1. Values that depend on few bits are therefore run through all combinations of the
intervals of codes that those bits tell apart, which is exact; a sum that depends on too many is cut into parts that
share no column where possible, and into groups of wires that share most where not, and the parts' ranges are added,
which is never less than the truth.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fhe.circuit import Circuit, Input, Linear, Lookup

I64 = npt.NDArray[np.int64]
Bounds = tuple[int, int]  # least and largest value, both inclusive
Cone = Mapping[str, frozenset[int]]  # the bits that a wire depends on: bin numbers by column
MOST_CELLS = 4_096  # that one enumeration may have
LATEST = 64  # groups of wires that a further wire may join


@dataclass(frozen=True, eq=False)
class _Wire:
    """Where a wire comes from: an input, or lookup `row` of `layer`."""

    layer: int
    row: int
    cone: Cone | None  # None: it depends on an affine code
    bounds: Bounds


def value_bounds(circuit: Circuit, ranges: Sequence[Bounds]) -> list[list[Bounds]]:
    """Bounds of every value of every Linear, given those of the inputs."""
    wires = [_input(number, wire, ranges[number]) for number, wire in enumerate(circuit.inputs)]
    found: list[list[Bounds]] = []
    for number, layer in enumerate(circuit.layers):
        if isinstance(layer, Linear):
            found.append([_row(circuit, layer, row, wires) for row in range(len(layer.bias))])
            before, linear = len(wires), layer
        else:
            wires += [
                _lookup(number, layer, row, linear, wires[:before], found[-1]) for row in range(len(layer.source))
            ]
    return found


def _input(number: int, wire: Input, bounds: Bounds) -> _Wire:
    cone = {wire.column: frozenset([wire.index])} if wire.encoding == "bins" else None
    return _Wire(-1, number, cone, bounds)


def _lookup(
    number: int, layer: Lookup, row: int, linear: Linear, wires: Sequence[_Wire], values: list[Bounds]
) -> _Wire:
    source = int(layer.source[row])
    table = layer.tables[row]
    low, high = max(values[source][0], 0), min(values[source][1], len(table) - 1)
    reached = table[low : high + 1] if low <= high else table
    part = linear.columns[linear.indptr[source] : linear.indptr[source + 1]]
    return _Wire(number, row, _joint([wires[c].cone for c in part]), (int(reached.min()), int(reached.max())))


def _joint(cones: Sequence[Cone | None]) -> Cone | None:
    joint: dict[str, frozenset[int]] = {}
    for cone in cones:
        if cone is None:
            return None
        for column, bins in cone.items():
            joint[column] = joint.get(column, frozenset()) | bins
    return joint


def _row(circuit: Circuit, layer: Linear, row: int, wires: Sequence[_Wire]) -> Bounds:
    part = slice(layer.indptr[row], layer.indptr[row + 1])
    low = high = int(layer.bias[row])
    for terms in _parts([(wires[c], int(w)) for c, w in zip(layer.columns[part], layer.values[part])]):
        least, most = _part_bounds(circuit, terms)
        low, high = low + least, high + most
    return low, high


def _parts(terms: list[tuple[_Wire, int]]) -> list[list[tuple[_Wire, int]]]:
    """Terms that share a column, together."""
    groups: list[tuple[set[str], list[tuple[_Wire, int]]]] = []
    alone = [[term] for term in terms if term[0].cone is None]
    for term in terms:
        if term[0].cone is None:
            continue
        columns, members = set(term[0].cone), [term]
        apart = []
        for known, others in groups:
            if known & columns:
                columns |= known
                members = others + members
            else:
                apart.append((known, others))
        groups = [*apart, (columns, members)]
    return alone + [members for _, members in groups]


def _part_bounds(circuit: Circuit, terms: list[tuple[_Wire, int]]) -> Bounds:
    cone = _joint([wire.cone for wire, _ in terms])
    if cone is None or _cells(cone) > MOST_CELLS:
        pieces = _pieces(terms)
        if len(pieces) > 1:
            bounds = [_part_bounds(circuit, piece) for piece in pieces]
            return sum(low for low, _ in bounds), sum(high for _, high in bounds)
        ends = [sorted((weight * wire.bounds[0], weight * wire.bounds[1])) for wire, weight in terms]
        return sum(low for low, _ in ends), sum(high for _, high in ends)
    bits = _grid(cone)
    known: dict[tuple[int, int], I64] = {}
    values = sum(weight * _values(circuit, wire.layer, wire.row, bits, known) for wire, weight in terms)
    return int(np.min(values)), int(np.max(values))


def _pieces(terms: list[tuple[_Wire, int]]) -> list[list[tuple[_Wire, int]]]:
    """Bits by column; other wires with those that they share most bits with, as far as one enumeration goes."""
    columns: dict[str, list[tuple[_Wire, int]]] = {}
    groups: list[tuple[Cone | None, list[tuple[_Wire, int]]]] = []
    for term in terms:
        cone = term[0].cone
        if term[0].layer < 0 and cone is not None:
            columns.setdefault(next(iter(cone)), []).append(term)
            continue
        best = min(
            range(max(0, len(groups) - LATEST), len(groups)), key=lambda g: _growth(groups[g][0], cone), default=None
        )
        if best is None or _growth(groups[best][0], cone) >= 1:
            groups.append((cone, [term]))
        else:
            known, members = groups[best]
            groups[best] = (_joint([known, cone]), [*members, term])
    return [*columns.values(), *(members for _, members in groups)]


def _growth(group: Cone | None, cone: Cone | None) -> float:
    """Cells of both together, relative to the product of their own: below 1 when they share bits."""
    if group is None or cone is None:
        return 1.0
    share = math.prod(
        (len(group[column] | bins) + 1) / ((len(group[column]) + 1) * (len(bins) + 1))
        for column, bins in cone.items()
        if column in group
    )
    return share if share * _cells(group) * _cells(cone) <= MOST_CELLS else 1.0


def _cells(cone: Cone) -> int:
    return math.prod(len(bins) + 1 for bins in cone.values())


def _grid(cone: Cone) -> dict[tuple[str, int], I64]:
    """Each bit's value on every combination of intervals of codes, (cells,)."""
    columns = sorted(cone)
    grids = np.meshgrid(*(np.arange(len(cone[column]) + 1) for column in columns), indexing="ij")
    return {
        (column, index): (grid.ravel() > place).astype(np.int64)
        for column, grid in zip(columns, grids)
        for place, index in enumerate(sorted(cone[column]))
    }


def _values(
    circuit: Circuit, layer: int, row: int, bits: Mapping[tuple[str, int], I64], known: dict[tuple[int, int], I64]
) -> I64:
    """A wire's value on every cell."""
    if (layer, row) not in known:
        known[layer, row] = (
            _input_values(circuit, row, bits) if layer < 0 else _looked_up(circuit, layer, row, bits, known)
        )
    return known[layer, row]


def _input_values(circuit: Circuit, row: int, bits: Mapping[tuple[str, int], I64]) -> I64:
    return bits[circuit.inputs[row].column, circuit.inputs[row].index]


def _looked_up(
    circuit: Circuit, layer: int, row: int, bits: Mapping[tuple[str, int], I64], known: dict[tuple[int, int], I64]
) -> I64:
    linear, lookup = circuit.layers[layer - 1], circuit.layers[layer]
    assert isinstance(linear, Linear)
    assert isinstance(lookup, Lookup)
    source = int(lookup.source[row])
    message = np.full(len(next(iter(bits.values()))), linear.bias[source], np.int64)
    part = slice(linear.indptr[source], linear.indptr[source + 1])
    for wire, weight in zip(linear.columns[part].tolist(), linear.values[part].tolist()):
        message += weight * _values(circuit, *_origin(circuit, wire), bits, known)
    inside = np.clip(message, 0, lookup.tables.shape[1] - 1)  # a message out of range is refused by itself
    found: I64 = lookup.tables[row][inside]
    return found


def _origin(circuit: Circuit, wire: int) -> tuple[int, int]:
    """(layer, row) of a wire number; layer -1 for inputs."""
    if wire < len(circuit.inputs):
        return -1, wire
    wire -= len(circuit.inputs)
    for number, layer in enumerate(circuit.layers):
        if isinstance(layer, Lookup):
            if wire < len(layer.source):
                return number, wire
            wire -= len(layer.source)
    raise IndexError(wire)
