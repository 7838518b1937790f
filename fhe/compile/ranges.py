"""The range of every value of a circuit, from the circuit alone.

Bits of one column are ordered ("value >= 5" implies "value >= 3"), so plain interval arithmetic would think that a
difference of two bits can be -1. Values that depend on few bits are therefore run through all combinations of the
intervals of codes that those bits tell apart, which is exact; a sum that depends on too many is cut into parts that
share no column where possible, and into groups of wires that share most where not, and the parts' ranges are added,
which is never less than the truth. The work is bounded whatever the circuit; beyond it, intervals are all there is.
Values of a circuit of digits count modulo a power of two: what they can be is in `fhe.compile.residues`.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np

from fhe.arrays import I64
from fhe.circuit.circuit import Circuit, Input, Linear, Lookup, Selection
from fhe.circuit.clear import negacyclic
from fhe.compile.residues import Bounds, Residues

Cone = Mapping[str, frozenset[int]]  # the bits that a wire depends on: bin numbers by column
MOST_CELLS = 4_096  # that one enumeration may have
MOST_WORK = 1 << 31  # values computed for one circuit, some seconds; 100 trees of depth six take about half
PER_TERM = 512  # what one term costs besides its values, in values
PER_CALL = 1 << 16  # what one enumeration costs besides its terms, in values
PER_GROUP = 1 << 10  # what one comparison of a wire with a group costs, in values
EXACT = 1 << 62  # sums of 64-bit integers are exact below
LATEST = 64  # groups of wires that a further wire may join


@dataclass(frozen=True, eq=False)
class _Wire:
    """Where a wire comes from: input `row` (layer -1), or lookup `row` of a layer."""

    layer: int
    row: int
    cone: Cone | None  # None: it depends on an affine code, or on more bits than one enumeration takes
    bounds: Bounds


Term = tuple[_Wire, int]  # a wire and its weight


@dataclass(frozen=True, eq=False)
class WireStates:
    """What wires are that are there after some layer and are read later, in groups free of one another.

    `after` is the number of that layer, a Lookup; each group has wires and all combinations (states, wires) of values.
    """

    after: int
    inputs: tuple[int, ...]  # wires that are inputs of the circuit, which no group has
    groups: tuple[tuple[list[int], I64], ...]

    @property
    def combinations(self) -> int:
        """Of all groups together."""
        return math.prod(len(values) for _, values in self.groups)


# of every Linear: bounds, bits that are always zero, and how far off its box a value may be; of every Lookup of a sum
# of digits: what is read after it; of every Linear of digits: bounds before they count modulo anything
_Found = tuple[list[list[Bounds]], list[list[int]], list[list[int]], list[WireStates], list[list[Bounds]]]
_known: WeakKeyDictionary[Circuit, tuple[tuple[Bounds, ...], _Found]] = WeakKeyDictionary()


def value_bounds(circuit: Circuit, ranges: Sequence[Bounds]) -> list[list[Bounds]]:
    """Bounds of every value of every Linear, given those of the inputs.

    Those that lookups of a circuit of digits read count modulo 2^(width + 1), from 0 on. They are kept as long as the
    circuit is, since its check and its leak report both ask for them.
    """
    return [list(layer) for layer in _found(circuit, ranges)[0]]


def zero_bits(circuit: Circuit, ranges: Sequence[Bounds]) -> list[list[int]]:
    """Of a circuit of digits: how many of its lowest bits are always zero, of every value of every Linear."""
    return [list(layer) for layer in _found(circuit, ranges)[1]]


def wire_states(circuit: Circuit, ranges: Sequence[Bounds]) -> list[WireStates]:
    """Of a circuit of digits that sums: what later layers read after each of its lookups, where that is little."""
    return list(_found(circuit, ranges)[3])


def strays(circuit: Circuit, ranges: Sequence[Bounds]) -> list[list[int]]:
    """Of a circuit of digits: how far off the box that it is read in every value of every Linear may be."""
    return [list(layer) for layer in _found(circuit, ranges)[2]]


def whole_bounds(circuit: Circuit, ranges: Sequence[Bounds]) -> list[list[Bounds]]:
    """Of a circuit of digits: bounds of every value of every Linear, before it counts modulo 2^(width + 1)."""
    return [list(layer) for layer in _found(circuit, ranges)[4]]


def _found(circuit: Circuit, ranges: Sequence[Bounds]) -> _Found:
    kept = _known.get(circuit)
    if kept is None or kept[0] != tuple(ranges):
        _known[circuit] = kept = tuple(ranges), _value_bounds(circuit, ranges)
    return kept[1]


def _value_bounds(circuit: Circuit, ranges: Sequence[Bounds]) -> _Found:
    wires = [_input(number, wire, ranges[number]) for number, wire in enumerate(circuit.inputs)]
    enumeration = _Enumeration(circuit, wires)
    residues = Residues(circuit, ranges) if circuit.centred else None
    found: list[list[Bounds]] = []
    zeros: list[list[int]] = []
    off: list[list[int]] = []
    states: list[WireStates] = []
    whole: list[list[Bounds]] = []
    width = 0
    for number, layer in enumerate(circuit.layers):
        if isinstance(layer, Linear):
            width, bounds = layer.width, [enumeration.row(layer, row) for row in range(len(layer.bias))]
            if residues:
                bounds, own, stray = residues.linear(layer, bounds)
                whole.append(residues.whole_bounds())
                zeros.append(own)
                off.append(stray)
            found.append(bounds)
        else:
            if residues:
                reached = residues.lookup(layer, width)
            else:
                assert isinstance(layer, Lookup)
                reached = _reached(layer, found[-1])
            wires += [_lookup(circuit, number, row, wires, own) for row, own in enumerate(reached)]
            if residues and circuit.block:
                states += _read_after(circuit, number, len(wires), residues)
    return found, zeros, off, states, whole


def _read_after(circuit: Circuit, number: int, wires: int, residues: Residues) -> list[WireStates]:
    """What is read after a Lookup of what is there by then; nothing where it tells too many combinations apart."""
    later = [layer.columns for layer in circuit.layers[number + 1 :] if isinstance(layer, Linear)]
    read = [wire for wire in np.unique(np.concatenate(later)).tolist() if wire < wires]
    inputs = tuple(wire for wire in read if wire < len(circuit.inputs))
    lookups = [wire for wire in read if wire >= len(circuit.inputs)]
    if len(lookups) > MOST_CELLS:
        return []
    found = WireStates(number, inputs, tuple(residues.states(lookups)))
    return [found] if found.combinations <= MOST_CELLS else []


def _reached(layer: Lookup, values: list[Bounds]) -> list[Bounds]:
    """The range of each lookup's results, from those of the values before."""
    found = []
    for source, table in zip(layer.source.tolist(), layer.tables, strict=True):
        low, high = max(values[source][0], 0), min(values[source][1], len(table) - 1)
        reached = table[low : high + 1] if low <= high else table
        found.append((int(reached.min()), int(reached.max())))
    return found


def _input(number: int, wire: Input, bounds: Bounds) -> _Wire:
    cone = {wire.column: frozenset([wire.index])} if wire.encoding == "bins" else None
    return _Wire(-1, number, cone, bounds)


def _lookup(circuit: Circuit, number: int, row: int, wires: Sequence[_Wire], reached: Bounds) -> _Wire:
    linear, layer = circuit.layers[number - 1], circuit.layers[number]
    if isinstance(layer, Selection):
        return _Wire(number, row, None, reached)
    assert isinstance(linear, Linear)
    assert isinstance(layer, Lookup)
    cone = _joint([wire.cone for wire, _ in _terms(linear, int(layer.source[row]), wires)])
    return _Wire(number, row, cone, reached)


def _terms(layer: Linear, row: int, wires: Sequence[_Wire]) -> list[Term]:
    part = slice(layer.indptr[row], layer.indptr[row + 1])
    pairs = zip(layer.columns[part].tolist(), layer.values[part].tolist(), strict=True)
    return [(wires[column], weight) for column, weight in pairs]


def _joint(cones: Sequence[Cone | None]) -> Cone | None:
    """Everything that some wires depend on; None when that is too much."""
    joint: dict[str, frozenset[int]] = {}
    size = 1
    for cone in cones:
        if cone is None:
            return None
        for column, bins in cone.items():
            before = joint.get(column, frozenset())
            joint[column] = before | bins
            size = size // (len(before) + 1) * (len(joint[column]) + 1)
        if size > MOST_CELLS:
            return None
    return joint


def _cells(cone: Cone) -> int:
    return math.prod(len(bins) + 1 for bins in cone.values())


def _apart(terms: list[Term]) -> list[list[Term]]:
    """Terms that share a column, directly or through others, together; those without a cone by themselves."""
    parent: dict[str, str] = {}

    def root(column: str) -> str:
        while parent.setdefault(column, column) != column:
            parent[column] = column = parent[parent[column]]
        return column

    for wire, _ in terms:
        first, *others = wire.cone or ("",)
        for column in others:
            parent[root(column)] = root(first)
    together: dict[str, list[Term]] = {}
    alone = []
    for term in terms:
        cone = term[0].cone
        if not cone:  # unknown, or a constant's
            alone.append([term])
        else:
            together.setdefault(root(next(iter(cone))), []).append(term)
    return [*alone, *together.values()]


def _growth(group: Cone, cone: Cone) -> float:
    """Cells of both together, relative to the product of their own: below 1 when they share bits."""
    share = math.prod(
        (len(group[column] | bins) + 1) / ((len(group[column]) + 1) * (len(bins) + 1))
        for column, bins in cone.items()
        if column in group
    )
    return share if share * _cells(group) * _cells(cone) <= MOST_CELLS else 1.0


class _TooMuch(Exception):
    """The work allowed is used up."""


class _Enumeration:
    """Bounds of sums over wires, by running through cells."""

    def __init__(self, circuit: Circuit, wires: list[_Wire]) -> None:
        self._circuit, self._wires, self._left = circuit, wires, MOST_WORK

    def row(self, layer: Linear, row: int) -> Bounds:
        """Bounds of one value of a Linear."""
        low = high = int(layer.bias[row])
        for part in _apart(_terms(layer, row, self._wires)):
            cone = _joint([wire.cone for wire, _ in part])
            pieces = [part]
            if cone is None and part[0][0].cone:
                with contextlib.suppress(_TooMuch):  # then the interval of the whole part is all there is
                    pieces = self._pieces(part)
            for terms in pieces:
                least, most = self._bounds(terms)
                low, high = low + least, high + most
        return low, high

    def _spend(self, work: int) -> None:
        """Errors: _TooMuch when the work allowed is used up."""
        self._left -= work
        if self._left < 0:
            raise _TooMuch

    def _pieces(self, terms: list[Term]) -> list[list[Term]]:
        """Bits by column; other wires with those that they share most bits with, as far as one enumeration goes.

        Errors: _TooMuch.
        """
        columns: dict[str, list[Term]] = {}
        groups: list[tuple[Cone, list[Term]]] = []
        for term in terms:
            wire, cone = term[0], term[0].cone
            assert cone is not None
            if wire.layer < 0:
                columns.setdefault(next(iter(cone)), []).append(term)
                continue
            self._spend(PER_GROUP * min(LATEST, len(groups)))
            late = range(max(0, len(groups) - LATEST), len(groups))
            growth, best = min(((_growth(groups[g][0], cone), g) for g in late), default=(1.0, -1))
            joint = _joint([groups[best][0], cone]) if growth < 1 else None
            if joint is None:
                groups.append((cone, [term]))
            else:
                groups[best] = (joint, [*groups[best][1], term])
        return [*columns.values(), *(members for _, members in groups)]

    def _bounds(self, terms: list[Term]) -> Bounds:
        ends = [sorted((weight * wire.bounds[0], weight * wire.bounds[1])) for wire, weight in terms]
        interval = sum(low for low, _ in ends), sum(high for _, high in ends)
        cone = _joint([wire.cone for wire, _ in terms])
        if not cone or max(-interval[0], interval[1]) >= EXACT:
            return interval
        try:
            self._spend(PER_CALL)
            values = self._sum(terms, np.zeros(_cells(cone), np.int64), _grid(cone), {})
        except _TooMuch:
            return interval
        return int(values.min()), int(values.max())

    def _sum(
        self, terms: list[Term], start: I64, bits: Mapping[tuple[str, int], I64], known: dict[tuple[int, int], I64]
    ) -> I64:
        """start + the sum of weight * wire on every cell. Errors: _TooMuch."""
        for wire, weight in terms:
            self._spend(len(start) + PER_TERM)
            start += weight * self._values(wire, bits, known)
        return start

    def _values(self, wire: _Wire, bits: Mapping[tuple[str, int], I64], known: dict[tuple[int, int], I64]) -> I64:
        """A wire's value on every cell."""
        if wire.layer < 0:
            own = self._circuit.inputs[wire.row]
            return bits[own.column, own.index]
        at = wire.layer, wire.row
        if at not in known:
            linear, lookup = self._circuit.layers[wire.layer - 1], self._circuit.layers[wire.layer]
            assert isinstance(linear, Linear)
            assert isinstance(lookup, Lookup)
            source = int(lookup.source[wire.row])
            start = np.full(len(next(iter(bits.values()))), linear.bias[source], np.int64)
            message = self._sum(_terms(linear, source, self._wires), start, bits, known)
            table = lookup.tables[wire.row]
            if self._circuit.centred:
                known[at] = negacyclic(table[None], linear.width, message[None])[0]
            else:
                known[at] = table[np.clip(message, 0, len(table) - 1)]  # what is beyond is refused by itself
        return known[at]


def _grid(cone: Cone) -> dict[tuple[str, int], I64]:
    """Each bit's value on every combination of intervals of codes, (cells,)."""
    columns = sorted(cone)
    grids = np.meshgrid(*(np.arange(len(cone[column]) + 1) for column in columns), indexing="ij")
    return {
        (column, index): (grid.ravel() > place).astype(np.int64)
        for column, grid in zip(columns, grids, strict=True)
        for place, index in enumerate(sorted(cone[column]))
    }
