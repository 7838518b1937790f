"""Which words a word of a lookup's line is judged from, in the order in which the contract reads them.

`contracts/src/dispute/LineRules.sol` is what judges; docs/trace.md, section 8, has its rules. Whoever proves a word
false shows the leaves of these.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from fhe.engine.trace.tape import TapeShape
from fhe.engine.transform import Level, levels
from fhe.profile import EncryptionProfile

Where = Literal["line", "program", "keyswitch", "points", "tests", "roots", "datum", "packing"]


@dataclass(frozen=True)
class ReadPlace:
    """A word under one of the roots. `datum`: term * (N + 1) + word."""

    where: Where
    index: int


@dataclass(frozen=True)
class Record:
    """What the program says of a lookup. `places`: of its record and its value's."""

    places: tuple[int, int]
    table: int
    terms: int
    term_at: Callable[[int], int]  # places of the value's terms


@dataclass(frozen=True)
class Reads:
    """Of one lookup: its shape, what the program says of it, and the turns that rotate."""

    profile: EncryptionProfile
    shape: TapeShape
    record: Record
    turns: tuple[int, ...]

    def of(self, index: int) -> Iterator[ReadPlace]:
        """What word `index` is judged from; nothing for words that are zero or given."""
        s = self.shape
        if index < s.sums_at:
            yield from self._wire(index)
        elif index < s.switch_at:
            yield from self._sum(index - s.sums_at)
        elif index < s.small_at:
            yield from self._switched(index - s.switch_at)
        elif index < s.steps_at:
            yield from self._small(index)
        else:
            yield from self._step(*divmod(index - s.steps_at, s.slot))

    def _wire(self, place: int) -> Iterator[ReadPlace]:
        yield from self._record()
        term = place // (self.shape.size + 1)
        if term < self.record.terms:
            yield self._term(term)
            yield ReadPlace("datum", place)

    def _record(self) -> Iterator[ReadPlace]:
        for place in self.record.places:
            yield ReadPlace("program", place)

    def _term(self, term: int) -> ReadPlace:
        return ReadPlace("program", self.record.term_at(term))

    def _sum(self, place: int) -> Iterator[ReadPlace]:
        s = self.shape
        word, term = divmod(place, s.terms + 1)
        if word > s.size:
            return
        if term:
            yield ReadPlace("line", s.sums_at + place - 1)
            yield from self._record()
            if term <= self.record.terms:
                yield self._term(term - 1)
                yield ReadPlace("line", (term - 1) * (s.size + 1) + word)
        elif word == s.size:
            yield from self._record()

    def _input(self, word: int) -> ReadPlace:
        return ReadPlace("line", self.shape.sums_at + word * (self.shape.terms + 1) + self.shape.terms)

    def _switched(self, place: int) -> Iterator[ReadPlace]:
        s = self.shape
        word, k = divmod(place, s.size + 1)
        if word > s.steps:
            return
        if k == 0:
            if word == s.steps:
                yield self._input(s.size)
            return
        yield ReadPlace("line", s.switch_at + place - 1)
        yield self._input(k - 1)
        count = self.profile.keyswitch.levels
        for level in range(count):
            yield ReadPlace("keyswitch", (word * s.size + k - 1) * count + level)

    def _small(self, index: int) -> Iterator[ReadPlace]:
        s = self.shape
        if index >= s.start_at:
            place = index - s.start_at
            if s.size <= place < 2 * s.size:
                yield ReadPlace("line", s.turns_at + s.steps)
                turned = (place - s.size + self.turns[s.steps]) % s.size
                yield from self._record()
                yield ReadPlace("tests", self.record.table * s.size + turned)
            return
        k = (index - s.small_at) % s.part
        if k > s.steps:
            return
        if index < s.lost_at:
            yield ReadPlace("line", s.switch_at + k * (s.size + 1) + s.size)
        elif index < s.turns_at:
            if k:
                yield ReadPlace("line", s.lost_at + k - 1)
                yield ReadPlace("line", s.small_at + k - 1)
        else:
            yield ReadPlace("line", s.small_at + k)
            yield ReadPlace("line", s.lost_at + k)

    def _step(self, step: int, inside: int) -> Iterator[ReadPlace]:
        s = self.shape
        if step >= s.steps or inside >= s.last_at + 4 * s.size:
            return
        before = (s.depth + 1) * s.stage
        if inside < before:
            stage, place = divmod(inside, s.stage)
            polynomial, point = self._point_of(stage, place // 2)
            if stage == 0:
                yield from self._digit(step, polynomial, point + place % 2 * s.size // 2)
            else:
                before_at = s.stage_at(step, stage - 1) + polynomial * s.size
                yield from node_reads(s.size, before_at, stage - 1, point)
        elif inside < s.last_at:
            join, place = divmod(inside - before, 2 * s.size)
            if join == 0:
                yield from self._product(step, place)
            else:
                column, point = divmod(place // 2, s.size // 2)
                if join < s.depth:
                    point = point_at(levels(s.size // 2)[s.depth - 1 - join], point)
                yield from node_reads(s.size, s.stage_at(step, s.depth + join) + column * s.size, s.depth - join, point)
        elif inside < s.last_at + 2 * s.size:
            column, coefficient = divmod(inside - s.last_at, s.size)
            part, point = divmod(coefficient, s.size // 2)
            yield ReadPlace("line", s.stage_at(step, 2 * s.depth + 1) + 2 * (column * s.size // 2 + point) + part)
        else:
            place = inside - s.last_at - 2 * s.size
            yield ReadPlace("line", s.step_at(step) + place)
            yield ReadPlace("line", s.steps_at + step * s.slot + s.last_at + place)

    def _point_of(self, stage: int, index: int) -> tuple[int, int]:
        """The polynomial that a point of a stage before the products is of, and which of its points it is."""
        s = self.shape
        if stage == s.depth:
            point, polynomial = divmod(index, 2 * s.levels)
            return polynomial, point
        polynomial, place = divmod(index, s.size // 2)
        return polynomial, point_at(levels(s.size // 2)[stage], place)

    def _digit(self, step: int, polynomial: int, place: int) -> Iterator[ReadPlace]:
        s = self.shape
        state = s.step_at(step) + polynomial // s.levels * s.size
        yield ReadPlace("line", s.turns_at + step)
        yield ReadPlace("line", state + (place - self.turns[step]) % s.size)
        yield ReadPlace("line", state + place)

    def _product(self, step: int, place: int) -> Iterator[ReadPlace]:
        s, half, count = self.shape, self.shape.size // 2, 2 * self.shape.levels
        column, point = divmod(place // 2, half)
        for k in range(count):
            yield ReadPlace("line", s.stage_at(step, s.depth) + 2 * (point * count + k))
        for k in range(count):
            yield ReadPlace("points", 2 * (((2 * step + column) * half + point) * count + k))


def point_at(level: Level, place: int) -> int:
    """Which point of a polynomial stands at a place, where the points of each node of a level stand together."""
    node, inside = divmod(place, level.radix * level.width)
    return node * level.radix * level.width + inside % level.radix * level.width + inside // level.radix


def node_reads(size: int, state: int, number: int, place: int) -> Iterator[ReadPlace]:
    """The points of the node of level `number` that a point is of, side by side in the polynomial at `state`; then its
    twiddles.
    """
    level = levels(size // 2)[number]
    node = place // (level.radix * level.width)
    first = (node * level.width + place % level.width) * level.radix
    for k in range(level.radix):
        yield ReadPlace("line", state + 2 * (first + k))
    for k in range(1, level.radix):
        yield ReadPlace("roots", 8 * int(level.angles[node]) + 2 * k)
