"""What the values of a circuit of digits can be, and by which power of two all of them divide.

A value that is read in digits is a *root*: a sum over wires, without its constant. Every lookup that reads nothing else
is a function of it, kept as a row over all values that the root can have, and so are sums of such lookups and of a
multiple of the root:
that "x less its bit 3 is below 8, modulo 16" or "x less its lowest four bits is a multiple of 16" is found by running
through the root's values, whatever the tables are. A root's values are all integers of its range that leave the
remainder that its wires' values leave; of a range that is too wide, all remainders modulo 2^`MOST_BITS`. What depends
on several roots is a root itself. The work is bounded whatever the circuit; beyond it a range and a remainder are all
that is known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from fhe.arrays import I64
from fhe.circuit.circuit import Circuit, Linear, Lookup, Selection
from fhe.circuit.clear import negacyclic, round_to

Bounds = tuple[int, int]  # least and largest value, both inclusive
MOST_BITS = 20  # of a root whose values are run through
MOST_WORK = 1 << 29  # values computed for one circuit: seconds
MOST_KEPT = 1 << 25  # values of lookups that are kept: 128 MiB
MANY = 1 << 13  # states of a wire: more than anyone runs through
CONSTANT = 1 << 62  # the modulus of a remainder that says everything


@dataclass(frozen=True, eq=False)
class _Root:
    terms: Mapping[int, int]  # weight of each wire
    values: I64
    exact: bool  # else its values count modulo 2^MOST_BITS


@dataclass(frozen=True, eq=False)
class _Fact:
    """Of a wire, or of a value of a Linear: its range, value = remainder modulo a power of two, and perhaps a root."""

    bounds: Bounds
    remainder: int
    modulus: int
    root: _Root | None = None
    values: I64 | None = None  # for each of the root's; of a lookup 32-bit integers, which last long


class Residues:
    """Takes a circuit's layers in order: `linear`, then `lookup` of the layer after it, and so on."""

    def __init__(self, circuit: Circuit, ranges: Sequence[Bounds]) -> None:
        self._wires = [_Fact(pair, 0, 1) for pair in ranges]
        self._rows: list[_Fact] = []  # of the Linear before, as a lookup reads them
        self._whole: list[_Fact] = []  # and before they count modulo 2^(width + 1)
        self._roots: dict[frozenset[tuple[int, int]], _Root] = {}
        self._last = circuit.layers[-1]
        self._boxes = {
            id(layer): (1 << layer.width) >> after.bits()
            for layer, after in zip(circuit.layers[::2], circuit.layers[1::2])
            if isinstance(layer, Linear) and not isinstance(after, Linear) and circuit.shared
        }
        self._work, self._kept = MOST_WORK, MOST_KEPT

    def linear(self, layer: Linear, intervals: Sequence[Bounds]) -> tuple[list[Bounds], list[int], list[int]]:
        """(range, number of lowest bits that are always zero, how far off) of each value, as the next lookup reads it.

        `intervals` are ranges of the sums before they count modulo 2^(width + 1), which the last layer's do not. Where
        rotations are shared a value is read as the nearest multiple of a box, and may be off by less than half a one.
        """
        rows = [self._row(layer, row, interval) for row, interval in enumerate(intervals)]
        self._whole = rows
        if layer is not self._last:
            rows = [_wrapped(fact, 2 << layer.width) for fact in rows]
        self._rows = rows
        read = [_read(fact, layer.width, self._boxes.get(id(layer), 1)) for fact in rows]
        return [bounds for bounds, _, _ in read], [zeros for _, zeros, _ in read], [off for _, _, off in read]

    def whole_bounds(self) -> list[Bounds]:
        """The range of each value of the last Linear taken, before it counts modulo 2^(width + 1)."""
        return [fact.bounds for fact in self._whole]

    def lookup(self, layer: Lookup | Selection, width: int) -> list[Bounds]:
        """The range of each lookup's results; `width` is that of the layer before."""
        rows = self._rows
        if isinstance(layer, Selection):
            found = [self._select(rows[source], own, width) for source, own in zip(layer.source, layer.entries)]
        else:
            found = [self._look_up(rows[source], table, width) for source, table in zip(layer.source, layer.tables)]
        self._wires += found
        return [fact.bounds for fact in found]

    def states(self, wires: Sequence[int]) -> list[tuple[list[int], I64]]:
        """What these wires can be, in groups that are taken to be free of one another: each group's wires, and every
        combination (states, wires) of their values. Lookups that are functions of one root are a group.
        """
        groups: dict[int, list[int]] = {}
        for wire in wires:
            fact = self._wires[wire]
            groups.setdefault(-1 - wire if fact.values is None else id(fact.root), []).append(wire)
        found = []
        for own in groups.values():
            facts = [self._wires[wire] for wire in own]
            if facts[0].values is None:
                low, high = facts[0].bounds
                high = min(high, low + MANY)  # beyond, there are too many to be run through
                found.append((own, np.arange(low, high + 1, dtype=np.int64)[:, None]))
                continue
            place = np.zeros(len(facts[0].values), np.int64)  # which combination each of the root's values has
            for fact in facts:
                assert fact.values is not None
                place = np.unique(place * (fact.bounds[1] - fact.bounds[0] + 1) + fact.values - fact.bounds[0],
                                  return_inverse=True)[1]  # fmt: skip
            first = np.unique(place, return_index=True)[1]
            columns = [fact.values[first] for fact in facts if fact.values is not None]
            found.append((own, np.stack(columns, axis=1).astype(np.int64)))
        return found

    def _row(self, layer: Linear, row: int, interval: Bounds) -> _Fact:
        part = slice(layer.indptr[row], layer.indptr[row + 1])
        terms = dict(zip(layer.columns[part].tolist(), layer.values[part].tolist(), strict=True))
        bias = int(layer.bias[row])
        roots = {id(fact.root): fact.root for fact in map(self._wires.__getitem__, terms) if fact.root is not None}
        for root in roots.values():
            of_root = {wire: weight for wire, weight in terms.items() if self._wires[wire].root is root}
            others = {wire: weight for wire, weight in terms.items() if wire not in of_root}
            times = _times(others, root)
            if times is not None and self._spend(len(root.values) * (len(of_root) + 1)):
                values = root.values * times + bias
                for wire, weight in of_root.items():
                    own = self._wires[wire].values
                    assert own is not None
                    values += weight * own.astype(np.int64)
                return self._function(root, values, layer.width, interval)
        return self._new(terms, bias, layer.width, interval)

    def _new(self, terms: Mapping[int, int], bias: int, width: int, interval: Bounds) -> _Fact:
        """A value that becomes a root, or was one before."""
        known = self._roots.get(frozenset(terms.items()))
        if known is not None:
            return self._function(known, known.values + bias, width, interval)
        remainder, modulus = 0, CONSTANT
        for wire, weight in terms.items():
            fact = self._wires[wire]
            remainder += weight * fact.remainder
            modulus = min(modulus, fact.modulus * (weight & -weight))
        remainder %= modulus
        low, high = interval[0] - bias, interval[1] - bias
        exact = (high - low) // modulus < 1 << MOST_BITS
        first = low + (remainder - low) % modulus if exact else remainder
        if (exact and first > high) or not (exact or modulus < 1 << MOST_BITS):
            return _Fact(interval, (remainder + bias) % modulus, modulus)
        values = np.arange(first, high + 1 if exact else 1 << MOST_BITS, modulus, np.int64)
        if not self._spend(len(values)):
            return _Fact(interval, (remainder + bias) % modulus, modulus)
        root = self._roots[frozenset(terms.items())] = _Root(terms, values, exact)
        return self._function(root, values + bias, width, interval)

    def _function(self, root: _Root, values: I64, width: int, interval: Bounds) -> _Fact:
        if root.exact:
            return _told(root, values)
        if width < MOST_BITS:
            return _Fact(interval, *_remainder(values, 1 << MOST_BITS), root, values)
        return _Fact(interval, *_remainder(values, 1 << MOST_BITS))

    def _look_up(self, source: _Fact, table: I64, width: int) -> _Fact:
        self._kept -= 0 if source.values is None else len(source.values)
        if source.values is None or source.root is None or self._kept < 0:
            inside = source.bounds[0] >= 0 and source.bounds[1] < 1 << width
            reached = table if inside else np.concatenate([table, -table])
            return _Fact((int(reached.min()), int(reached.max())), *_remainder(reached, CONSTANT))
        return _kept(_told(source.root, negacyclic(table[None], width, source.values[None])[0]))

    def _select(self, source: _Fact, entries: I64, width: int) -> _Fact:
        among, root = [self._whole[entry] for entry in entries], source.root
        self._kept -= 0 if source.values is None else len(source.values)
        if root is not None and source.values is not None and root.exact and self._kept >= 0:
            known = [_values_of(fact, root) for fact in among]
            alike = [values for values in known if values is not None]
            if len(alike) == len(among) and self._spend(len(source.values) * len(among)):
                places = np.arange(1, len(among) + 1)[None]  # an entry's number, and its sign
                told = negacyclic(places, width, source.values[None])[0]
                chosen = np.take_along_axis(np.stack(alike), np.abs(told)[None] - 1, axis=0)[0]
                return _kept(_told(root, np.sign(told) * chosen))
        low, high = min(fact.bounds[0] for fact in among), max(fact.bounds[1] for fact in among)
        inside = source.bounds[0] >= 0 and source.bounds[1] < 1 << width
        return _Fact((low, high) if inside else (min(low, -high), max(high, -low)), 0, 1)

    def _spend(self, work: int) -> bool:
        self._work -= work
        return self._work >= 0


def _times(terms: Mapping[int, int], root: _Root) -> int | None:
    """How many times a root some terms are; None where they are no multiple, or one that 64 bits do not hold."""
    if not terms:
        return 0
    if terms.keys() != root.terms.keys():
        return None
    wire = next(iter(terms))
    times = terms[wire] // root.terms[wire]
    if any(weight != times * root.terms[wire] for wire, weight in terms.items()):
        return None
    return times if abs(times) * max(abs(int(root.values[0])), abs(int(root.values[-1]))) < CONSTANT else None


def _told(root: _Root, values: I64) -> _Fact:
    return _Fact((int(values.min()), int(values.max())), *_remainder(values, CONSTANT), root, values)


def _kept(fact: _Fact) -> _Fact:
    """The same with values of 32 bits, as lookups have them; without where they do not fit."""
    if fact.values is None or max(-fact.bounds[0], fact.bounds[1]) >= 1 << 31:
        return replace(fact, root=None, values=None)
    return replace(fact, values=fact.values.astype(np.int32))


def _values_of(fact: _Fact, root: _Root) -> I64 | None:
    """A value for each of a root's, where that is known."""
    if fact.values is not None and fact.root is root:
        return fact.values
    constant = fact.bounds[0] == fact.bounds[1]
    return np.full(len(root.values), fact.bounds[0], np.int64) if constant else None


def _wrapped(fact: _Fact, modulus: int) -> _Fact:
    """The same modulo 2^(width + 1)."""
    low, high = fact.bounds
    if fact.values is not None and fact.root is not None:
        return _told(fact.root, fact.values & (modulus - 1))
    bounds = (low, high) if low >= 0 and high < modulus else (0, modulus - 1)
    modulus = min(fact.modulus, modulus)
    return _Fact(bounds, fact.remainder % modulus, modulus)


def _remainder(values: I64, most: int) -> tuple[int, int]:
    """(remainder, modulus): the largest power of two, up to `most`, modulo which all of these are equal."""
    differences = int(np.bitwise_or.reduce(values ^ values[0])) | most
    modulus = differences & -differences
    return int(values[0]) % modulus, modulus


def _read(fact: _Fact, width: int, box: int) -> tuple[Bounds, int, int]:
    """(range, lowest bits that are zero, how far off) of a value that is read in boxes."""
    if fact.values is None or box == 1 or _zeros(fact) >= box.bit_length() - 1:
        return fact.bounds, _zeros(fact), 0
    nearest, off = round_to(fact.values, width, box)
    most = int(np.abs(off).max())
    if most == box // 2:
        return fact.bounds, _zeros(fact), 0
    return (int(nearest.min()), int(nearest.max())), box.bit_length() - 1, most


def _zeros(fact: _Fact) -> int:
    """How many of the lowest bits are always zero."""
    least = fact.remainder | fact.modulus
    return (least & -least).bit_length() - 1
