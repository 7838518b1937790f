"""Which words a word of a packed ciphertext's line is judged from, in the order in which the contract reads them.

`contracts/src/dispute/PackingRules.sol` is what judges; docs/trace.md, section 9, has its rules.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from fhe.engine.reference import SUBTOTAL
from fhe.engine.trace.packing import PackingShape
from fhe.engine.trace.reads import ReadPlace, node_reads, point_at
from fhe.engine.transform import levels


@dataclass(frozen=True)
class PackingReads:
    """Of packed ciphertexts of one shape. Reading the root of the key's points comes first where a rule reads it."""

    shape: PackingShape
    root_at: int  # place of the root of the key's points in the program

    def of(self, index: int) -> Iterator[ReadPlace]:
        """What word `index` is judged from; nothing for words that are zero, and for those of the values."""
        s = self.shape
        if s.bits_at <= index < s.totals_at:
            yield from self._bit(*divmod(index - s.bits_at, s.slot))
        elif s.totals_at <= index < s.joins_at:
            yield from self._total(*divmod(index - s.totals_at, 2 * s.size))
        elif index >= s.joins_at:
            yield from self._join(*divmod(index - s.joins_at, 2 * s.size))

    def _bit(self, bit: int, inside: int) -> Iterator[ReadPlace]:
        s = self.shape
        stage, place = divmod(inside, s.stage)
        if stage > s.depth:
            yield from self._subtotal(bit, inside - (s.depth + 1) * s.stage)
            return
        level, point = self._point_of(stage, place // 2)
        if stage == 0:
            yield self._value(point + place % 2 * s.size // 2, bit)
        else:
            yield from node_reads(s.size, s.stage_at(bit, stage - 1) + level * s.size, stage - 1, point)

    def _value(self, value: int, word: int) -> ReadPlace:
        return ReadPlace("line", value * (self.shape.size + 1) + word)

    def _point_of(self, stage: int, index: int) -> tuple[int, int]:
        """The level that a point of a stage is of, and which of its points it is."""
        s = self.shape
        if stage == s.depth:
            point, level = divmod(index, s.levels)
            return level, point
        level, place = divmod(index, s.size // 2)
        return level, point_at(levels(s.size // 2)[stage], place)

    def _subtotal(self, bit: int, place: int) -> Iterator[ReadPlace]:
        s, half = self.shape, self.shape.size // 2
        if place >= 2 * s.size:
            return
        column, point = divmod(place // 2, half)
        if bit % SUBTOTAL:
            yield ReadPlace("line", s.subtotal_at(bit - 1) + place)
        for level in range(s.levels):
            yield ReadPlace("line", s.stage_at(bit, s.depth) + 2 * (point * s.levels + level))
        yield ReadPlace("program", self.root_at)
        for level in range(s.levels):
            yield ReadPlace("packing", 2 * (((2 * bit + column) * half + point) * s.levels + level))

    def _total(self, group: int, place: int) -> Iterator[ReadPlace]:
        s = self.shape
        if group >= s.groups:
            return
        if group:
            yield ReadPlace("line", s.total_at(group - 1) + place)
        yield ReadPlace("line", s.subtotal_at((group + 1) * SUBTOTAL - 1) + place)

    def _join(self, joins: int, place: int) -> Iterator[ReadPlace]:
        """A state after `joins` + 1 joins, or the words that come out."""
        s, half = self.shape, self.shape.size // 2
        if joins > s.depth:
            return
        if joins == s.depth:
            column, coefficient = divmod(place, s.size)
            part, point = divmod(coefficient, half)
            yield ReadPlace("line", s.join_at(s.depth) + 2 * (column * half + point) + part)
            if column:
                yield self._value(coefficient, s.size)
            return
        column, point = divmod(place // 2, half)
        if joins + 1 < s.depth:
            point = point_at(levels(half)[s.depth - 2 - joins], point)
        yield from node_reads(s.size, s.join_at(joins) + column * s.size, s.depth - 1 - joins, point)
