"""What a row is to the published values that a circuit reads: variables that are free of one another, and their states.

The columns of a source whose states are all known are one variable; else a column's code is one, and its bits are one.
A published value is a function of one variable, a product of two values of one or two.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from app.protocol.data.dataset import Codebook
from app.protocol.policy.linear_forms import AFFINE, Wire
from fhe.arrays import I64
from fhe.circuit.circuit import Input
from fhe.states import joint_sources

Key = tuple[str, str]


class Variables:
    """The variables that some inputs read."""

    def __init__(self, inputs: Sequence[Input], codebook: Codebook, *, ends: bool) -> None:
        """With `ends`, of a code its least and greatest alone; the square of a code is then a variable by itself."""
        self._columns = {column.name: column for column in codebook.columns}
        self._joint = {name: states for name, states in joint_sources(codebook).items() if states.whole}
        self._ends = ends
        products = {product.name: product for product in codebook.products}
        wires: list[list[Wire]] = []
        for each in inputs:
            if (product := products.get(each.column)) is not None:
                wires.append([(f.column, AFFINE if f.edge is None else f.edge) for f in product.factors])
            else:
                wires.append([(each.column, AFFINE if each.encoding == "affine" else each.index)])
        self._read: dict[Key, set[Wire]] = {}
        for own in wires:
            for wire in own:
                self._read.setdefault(self._key(wire), set()).add(wire)
        squares = [self._square(own) for own in wires]
        values: dict[Key, dict[Wire, I64]] = {}
        factors: list[list[tuple[Key, I64]]] = []
        for own, square in zip(wires, squares, strict=True):
            if square:
                key = (own[0][0], "square")
                factors.append([(key, np.array([0, self._levels(own[0][0]) - 1], np.int64) ** 2)])
                continue
            part: dict[Key, I64] = {}
            for wire in own:
                key = self._key(wire)
                if key not in values:
                    values[key] = self._states(key)
                part[key] = part[key] * values[key][wire] if key in part else values[key][wire]
            factors.append(list(part.items()))
        keys = list(dict.fromkeys(key for each in factors for key, _ in each))
        numbers = {key: number for number, key in enumerate(keys)}
        self._factors = [[(numbers[key], value) for key, value in each] for each in factors]
        self.reads = [[number for number, _ in each] for each in self._factors]  # variables of each input
        self.counts = [0] * len(keys)  # states of each variable
        for factor in self._factors:
            for number, value in factor:
                self.counts[number] = len(value)

    @property
    def combinations(self) -> int:
        """How many states all variables have together."""
        return math.prod(self.counts)

    def greatest(self, wire: int) -> int:
        """The greatest value of an input; none is below 0."""
        return math.prod(int(value.max()) for _, value in self._factors[wire])

    def parts(self, among: Sequence[int] | None = None, wires: Sequence[int] | None = None) -> list[list[int]]:
        """Variables (of `among`) in groups of which no input (of `wires`) reads two."""
        chosen = list(range(len(self.counts))) if among is None else list(among)
        group = {each: {each} for each in chosen}
        for wire in range(len(self.reads)) if wires is None else wires:
            own = [each for each in self.reads[wire] if each in group]
            if len(own) > 1 and group[own[0]] is not group[own[1]]:
                group[own[0]] |= group[own[1]]
                for each in group[own[1]]:
                    group[each] = group[own[0]]
        return [sorted(each) for each in {id(each): each for each in group.values()}.values()]

    def wires_of(self, part: Sequence[int]) -> list[int]:
        """The inputs that read these variables, and no others."""
        chosen = set(part)
        return [wire for wire, reads in enumerate(self.reads) if set(reads) <= chosen]

    def inputs(self, part: Sequence[int], fixed: Mapping[int, int] | None = None) -> I64:
        """The inputs (states, inputs) in all states of `part`, with others `fixed`; anything where others are read."""
        grids = np.meshgrid(*(np.arange(self.counts[each]) for each in part), indexing="ij") if part else []
        size = grids[0].size if part else 1
        places = {each: grid.ravel() for each, grid in zip(part, grids, strict=True)}
        places |= {each: np.full(size, state) for each, state in (fixed or {}).items()}
        found = np.zeros((size, len(self._factors)), np.int64)
        for wire, factors in enumerate(self._factors):
            if all(number in places for number, _ in factors):
                found[:, wire] = np.prod([value[places[number]] for number, value in factors], axis=0)
        return found

    def _key(self, wire: Wire) -> Key:
        column, index = wire
        source = self._columns[column].reads
        return (source, "") if source in self._joint else (column, "affine" if index == AFFINE else "bins")

    def _square(self, wires: Sequence[Wire]) -> bool:
        """Whether a product is a code times itself of which the ends alone are looked at."""
        return len(wires) > 1 and wires[0] == wires[1] and self._ends and self._key(wires[0])[1] == "affine"

    def _levels(self, column: str) -> int:
        affine = self._columns[column].affine
        return 1 if affine is None else affine.levels

    def _states(self, key: Key) -> dict[Wire, I64]:
        """Each wire's value (states,) in every state that the inputs tell apart."""
        name, encoding = key
        wires = sorted(self._read[key])
        if not encoding:
            rows = np.unique(np.array([self._joint[name].wire(wire) for wire in wires], np.int64).T, axis=0)
            return {wire: rows[:, number] for number, wire in enumerate(wires)}
        if encoding == "bins":  # bit i is there from edge i on: a code reaches the bits up to some edge
            reached = np.arange(len(wires) + 1)
            return {wire: (number < reached).astype(np.int64) for number, wire in enumerate(wires)}
        levels = self._levels(name)
        return {wires[0]: np.array([0, levels - 1] if self._ends else np.arange(levels), np.int64)}
