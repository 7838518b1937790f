"""Covering one tree with as few lookups as possible, exactly.

The tree's function is a sum over disjoint places (nodes with the box of codes that lead to them). A lookup can serve a
place v when its message tells the rows of v apart, and among them the leaves under v:

    message = R * (number of the place's conditions that hold) + state under v,    R = number of states,

which needs R * (conditions + 1) <= 8, or 16 where small-key bits are all that it reads; a column that is both above and
under v may be a digit of its own, with one more state for "outside". Of 8, a bottom node under up to three conditions
fits (R = 2), and so does a depth-2 tree (R = 8).
Conditions are per column: an interval of one column's codes is one condition, however many splits made it.

What costs nothing: any function of a single column (affine in bits), so also every leaf under one condition; and a
constant may be moved up the tree (`shift`), so that in each pair of sides the constant of one is free.

Deeper places get an anchor: a node above them whose indicator is itself a lookup (a first stage) and then counts as
one condition. Of two sibling anchors one is looked up; the other is their parent's indicator minus that one.

`Cover` finds the cheapest combination by dynamic programming over (place, anchor, shift).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Literal

import numpy as np

from fhe.arrays import I64
from fhe.compile.ir import PACKED, AffineExpr, Bit, TableExpr, TableSizes, constant, interval, tabulate, total, wire
from fhe.compile.trees.graph import Leaf, Node

Box = dict[int, tuple[int, int]]  # column: low <= code < high; columns without an entry are free
NEVER = 1 << 30  # the cost of what no lookup can do


@dataclass(frozen=True, eq=False)
class PathPlace:
    """A node and the rows that reach it."""

    node: Node
    box: Box
    sides: tuple[PathPlace, ...] = ()
    values: frozenset[int] = frozenset()  # of the leaves under it
    cuts: Mapping[int, frozenset[int]] = field(default_factory=dict)  # of the splits under it


@dataclass(frozen=True)
class Choice:
    """What to do at a place, and the bootstraps that it and everything under it cost."""

    cost: int
    how: Literal["nothing", "indicate", "embed", "halve", "pair", "below", "above", "shift"]
    shift: int | None = None  # the constant to move up, for "shift"


def place(node: Node, levels: Sequence[int], box: Box | None = None) -> PathPlace:
    """The places of a one-output tree."""
    box = box or {}
    if isinstance(node, Leaf):
        return PathPlace(node, box, (), frozenset(node.values))
    low, high = box.get(node.column, (0, levels[node.column]))
    below = place(node.below, levels, {**box, node.column: (low, node.cut)})
    above = place(node.above, levels, {**box, node.column: (node.cut, high)})
    cuts = {column: below.cuts.get(column, frozenset()) | above.cuts.get(column, frozenset())
            for column in {*below.cuts, *above.cuts}}  # fmt: skip
    cuts[node.column] = cuts.get(node.column, frozenset()) | {node.cut}
    return PathPlace(node, box, (below, above), below.values | above.values, cuts)


class Cover:
    """The cheapest lookups for one tree of one output."""

    def __init__(self, tree: Node, levels: Sequence[int], sizes: TableSizes = PACKED) -> None:
        self._levels, self._sizes = levels, sizes
        self._root = place(tree, levels)
        self._choices: dict[tuple[int, int, int | None, bool], Choice] = {}
        self._indicators: dict[int, AffineExpr] = {}

    def lower(self) -> tuple[int, AffineExpr]:
        """(bootstraps, the tree's value); the cost is at least NEVER when no two stages can do it."""
        choice = self._best(self._root, None, None)
        if choice.cost >= NEVER:
            return choice.cost, constant(0)
        parts: list[AffineExpr] = []
        self._emit(self._root, None, 0, parts)
        return choice.cost, total((part, 1) for part in parts)

    # --- choosing ---------------------------------------------------------------------------------------------------

    def _best(self, v: PathPlace, anchor: PathPlace | None, shift: int | None) -> Choice:
        """The cheapest way to compute [row in v] * (value - shift), with constants moved up where that helps."""
        key = (id(v), id(anchor), shift if shift in v.values else None, True)
        if key not in self._choices:
            self._choices[key] = self._choose(v, anchor, key[2])
        return self._choices[key]

    def _choose(self, v: PathPlace, anchor: PathPlace | None, shift: int | None) -> Choice:
        free, possible = self._is_affine(v, anchor), self._conditions(v, anchor) < self._entries(anchor)
        indicate = 0 if free else 1 if possible else NEVER
        if isinstance(v.node, Leaf):
            return Choice(0, "nothing") if shift is not None else Choice(indicate, "indicate")
        best = self._core(v, anchor, shift)
        for other in sorted(v.values):
            moved = self._core(v, anchor, other)
            if moved.cost + indicate < best.cost:
                best = Choice(moved.cost + indicate, "shift", other)
        return best

    def _core(self, v: PathPlace, anchor: PathPlace | None, shift: int | None) -> Choice:
        """The same, with the constant as it is."""
        key = (id(v), id(anchor), shift if shift in v.values else None, False)
        if key not in self._choices:
            self._choices[key] = min(self._options(v, anchor, key[2]), key=lambda choice: choice.cost)
        return self._choices[key]

    def _options(self, v: PathPlace, anchor: PathPlace | None, shift: int | None) -> list[Choice]:
        plain = [self._best(side, anchor, shift).cost for side in v.sides]
        options = [Choice(sum(plain), "halve")]  # first, so that it wins where one column decides and all is affine
        if self._digits(v, anchor)[0] <= self._entries(anchor):
            options.append(Choice(1, "embed"))
        if min(options, key=lambda choice: choice.cost).cost <= 1:
            return options  # an anchor is a lookup by itself
        anchored = [self._best(side, side, shift).cost if self._may_anchor(side) else NEVER for side in v.sides]
        if anchor is v or self._is_affine(v, None):
            options.append(Choice(1 + min(anchored[0], plain[0]) + min(anchored[1], plain[1]), "pair"))
        options.append(Choice(1 + anchored[0] + plain[1], "below"))
        options.append(Choice(1 + plain[0] + anchored[1], "above"))
        return options

    def _may_anchor(self, v: PathPlace) -> bool:
        return not isinstance(v.node, Leaf) and 1 < len(v.box) < self._sizes.first

    def _entries(self, anchor: PathPlace | None) -> int:
        """Of a table that reads an anchor's indicator, which is a table itself, or none."""
        return self._sizes.first if anchor is None else self._sizes.second

    def _is_affine(self, v: PathPlace, anchor: PathPlace | None) -> bool:
        return anchor is None and len(v.box) <= 1

    def _narrowed(self, v: PathPlace, anchor: PathPlace | None) -> list[int]:
        """Columns on which v says more than its anchor."""
        known = anchor.box if anchor else {}
        return sorted(column for column, bounds in v.box.items() if known.get(column) != bounds)

    def _conditions(self, v: PathPlace, anchor: PathPlace | None) -> int:
        return len(self._narrowed(v, anchor)) + (anchor is not None)

    def _digits(self, v: PathPlace, anchor: PathPlace | None) -> tuple[int, tuple[int, ...]]:
        """(size of the smallest message for v, the columns above v that become digits with an "outside")."""
        above = self._narrowed(v, anchor)
        counted = self._conditions(v, anchor)
        both = [column for column in above if column in v.cuts]
        if math.prod(len(cuts) + 1 for cuts in v.cuts.values()) > self._entries(anchor):
            return NEVER, ()
        sizes = []
        for count in range(len(both) + 1):
            for digits in combinations(both, count):
                states = math.prod(len(cuts) + 1 + (column in digits) for column, cuts in v.cuts.items())
                sizes.append((states * (counted - count + 1), digits))
        return min(sizes)

    # --- building ---------------------------------------------------------------------------------------------------

    def _emit(self, v: PathPlace, anchor: PathPlace | None, shift: int, parts: list[AffineExpr]) -> None:
        choice = self._best(v, anchor, shift if v is not self._root else None)
        if choice.how == "indicate":
            assert isinstance(v.node, Leaf)
            parts.append(self._indicator(v, anchor, v.node.values[0] - shift))
        elif choice.how == "shift":
            assert choice.shift is not None
            parts.append(self._indicator(v, anchor, choice.shift - shift))
            self._build(self._core(v, anchor, choice.shift), v, anchor, choice.shift, parts)
        elif choice.how != "nothing":
            self._build(choice, v, anchor, shift, parts)

    def _build(
        self, choice: Choice, v: PathPlace, anchor: PathPlace | None, shift: int, parts: list[AffineExpr]
    ) -> None:
        if choice.how == "embed":
            parts.append(self._embedded(v, anchor, shift))
            return
        anchors = [anchor, anchor]
        if choice.how == "pair":
            self._know_sides(v)
            for number, side in enumerate(v.sides):
                if self._may_anchor(side) and self._best(side, side, shift).cost < self._best(side, anchor, shift).cost:
                    anchors[number] = side
        elif choice.how in ("below", "above"):
            number = int(choice.how == "above")
            self._know(v.sides[number])
            anchors[number] = v.sides[number]
        for side, its in zip(v.sides, anchors):
            self._emit(side, its, shift, parts)

    def _know(self, v: PathPlace) -> AffineExpr:
        """The indicator of a place as an Affine, by one lookup of the first stage unless it is affine already."""
        if id(v) not in self._indicators:
            conditions = total((self._condition(column, v.box[column]), 1) for column in v.box)
            self._indicators[id(v)] = (
                wire(self._table(conditions, lambda codes: _inside(v.box, codes), {})) if len(v.box) > 1
                else conditions if v.box else constant(1)
            )  # fmt: skip
        return self._indicators[id(v)]

    def _table(
        self, form: AffineExpr, value: Callable[[Mapping[int, I64]], I64], more: Mapping[int, Iterable[int]]
    ) -> TableExpr:
        return tabulate(form, value, more, self._sizes.of(form))

    def _know_sides(self, v: PathPlace) -> None:
        """The indicators of both sides of a known place, for one lookup."""
        one, other = sorted(v.sides, key=lambda side: len(side.box))
        self._indicators.setdefault(id(other), total([(self._know(v), 1), (self._know(one), -1)]))

    def _condition(self, column: int, bounds: tuple[int, int]) -> AffineExpr:
        return interval(column, *bounds, self._levels[column])

    def _counted(self, v: PathPlace, anchor: PathPlace | None, without: Sequence[int] = ()) -> AffineExpr:
        """How many conditions of v hold, its anchor's indicator being one of them."""
        parts = [self._condition(c, v.box[c]) for c in self._narrowed(v, anchor) if c not in without]
        if anchor is not None:
            parts.append(self._know(anchor))
        return total((part, 1) for part in parts)

    def _indicator(self, v: PathPlace, anchor: PathPlace | None, weight: int) -> AffineExpr:
        """weight * [row in v]."""
        if weight == 0:
            return constant(0)
        conditions = self._counted(v, anchor)
        if self._is_affine(v, anchor):
            return (conditions if v.box else constant(1)) * weight
        return wire(self._table(conditions, lambda codes: weight * _inside(v.box, codes), {}))

    def _embedded(self, v: PathPlace, anchor: PathPlace | None, shift: int) -> AffineExpr:
        """[row in v] * (value - shift), by one lookup."""
        _, outside = self._digits(v, anchor)
        parts, stride = [], 1
        for column, cuts in sorted(v.cuts.items()):
            digit = total((wire(Bit(column, cut)), 1) for cut in cuts)
            states = len(cuts) + 1
            if column in outside:  # 0 outside the box, 1 .. states inside
                low, high = v.box[column]
                digit += wire(Bit(column, low)) if low > 0 else constant(1)
                digit += wire(Bit(column, high), -states) if high < self._levels[column] else constant(0)
                states += 1
            parts.append((digit, stride))
            stride *= states
        parts.append((self._counted(v, anchor, outside), stride))

        def value(codes: Mapping[int, I64]) -> I64:
            return _inside(v.box, codes) * (_value(v.node, codes) - shift)

        return wire(self._table(total(parts), value, v.cuts))


def _inside(box: Box, codes: Mapping[int, I64]) -> I64:
    rows = len(next(iter(codes.values())))
    result = np.ones(rows, bool)
    for column, (low, high) in box.items():
        result &= (codes[column] >= low) & (codes[column] < high)
    return result.astype(np.int64)


def _value(node: Node, codes: Mapping[int, I64]) -> I64:
    """The tree's value on each row of codes."""
    if isinstance(node, Leaf):
        return np.full(len(next(iter(codes.values()))), node.values[0], np.int64)
    return np.where(codes[node.column] < node.cut, _value(node.below, codes), _value(node.above, codes))
