"""Layers of a circuit in the making, and integer sums over its wires."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from app.protocol.errors import TooLarge
from fhe.circuit.circuit import Layer, Linear, Lookup, Selection, rotating
from fhe.circuit.codec import MAX_LAYERS


@dataclass(frozen=True)
class WireSum:
    """A constant and a sum of weighted wires, by wire, no zeros."""

    terms: tuple[tuple[int, int], ...] = ()
    constant: int = 0

    def __add__(self, other: WireSum | int) -> WireSum:
        if isinstance(other, int):
            return WireSum(self.terms, self.constant + other)
        weights = dict(self.terms)
        for wire, weight in other.terms:
            weights[wire] = weights.get(wire, 0) + weight
        kept = tuple(sorted((wire, weight) for wire, weight in weights.items() if weight))
        return WireSum(kept, self.constant + other.constant)

    def __mul__(self, factor: int) -> WireSum:
        terms = tuple((wire, weight * factor) for wire, weight in self.terms if factor)
        return WireSum(terms, self.constant * factor)

    def __sub__(self, other: WireSum | int) -> WireSum:
        return self + other * -1


def sums_of(layer: Linear) -> list[WireSum]:
    """The values of a Linear."""
    pairs = list(zip(layer.columns.tolist(), layer.values.tolist(), strict=True))
    parts = pairwise(layer.indptr.tolist())
    return [
        WireSum(tuple(pairs[start:stop]), bias) for (start, stop), bias in zip(parts, layer.bias.tolist(), strict=True)
    ]


def linear(sums: Sequence[WireSum], width: int) -> Linear:
    """The Linear with these values."""
    flat = [term for each in sums for term in each.terms]
    return Linear(
        width,
        np.cumsum([0, *(len(each.terms) for each in sums)], dtype=np.int64),
        np.array([wire for wire, _ in flat], np.int64),
        np.array([weight for _, weight in flat], np.int64),
        np.array([each.constant for each in sums], np.int64),
    )


class Stages:
    """Grows a circuit by lookups, one stage after another."""

    def __init__(self, inputs: int, layers: Iterable[Layer] = ()) -> None:
        """`layers`: what is there already, up to a Lookup."""
        self.layers: list[Layer] = list(layers)
        self._wires = inputs + sum(len(layer.source) for layer in rotating(self.layers))

    def look_up(
        self,
        sums: Sequence[WireSum],
        width: int,
        tables: Sequence[Sequence[int]],
        width_out: int,
        *,
        negacyclic: bool = False,
    ) -> list[WireSum]:
        """Table i of sum i, each read at `width`. Errors: TooLarge for a stage more than a circuit has."""
        distinct = list(dict.fromkeys(sums))
        source = np.array([distinct.index(each) for each in sums], np.int64)
        lookup = Lookup(width_out, source, np.array([list(table) for table in tables], np.int64), negacyclic)
        return self._add(linear(distinct, width), lookup)

    def select(
        self, sums: Sequence[WireSum], width: int, entries: Sequence[Sequence[WireSum]], *, negacyclic: bool = False
    ) -> list[WireSum]:
        """Of each sum, read at `width` by as many bits as its entries need: the entry it tells, as a wire of `width`.

        Errors: TooLarge for a stage more than a circuit has.
        """
        distinct = list(dict.fromkeys([*sums, *(entry for own in entries for entry in own)]))
        place = {each: number for number, each in enumerate(distinct)}
        source = np.array([place[each] for each in sums], np.int64)
        among = np.array([[place[entry] for entry in own] for own in entries], np.int64)
        return self._add(linear(distinct, width), Selection(width, source, among, negacyclic))

    def _add(self, before: Linear, layer: Lookup | Selection) -> list[WireSum]:
        self.layers += [before, layer]
        if len(self.layers) >= MAX_LAYERS:
            raise TooLarge(
                f"This takes more than the {MAX_LAYERS // 2} stages of lookups that a circuit has.",
                "Use a smaller model: fewer bits (n_bits), or fewer stages.",
            )
        first, self._wires = self._wires, self._wires + len(layer.source)
        return [WireSum(((wire, 1),)) for wire in range(first, self._wires)]
