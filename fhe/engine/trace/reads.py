"""Which words a word of a lookup's line is judged from, in the order in which the contract reads them.

`contracts/src/dispute/LineRules.sol` is what judges; docs/trace.md, section 8, has its rules. Whoever proves a word
false shows the leaves of these.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from fhe.engine.trace.tape import TapeShape
from fhe.engine.transform import levels
from fhe.profile import EncryptionProfile

Where = Literal["line", "term", "keyswitch", "points", "tests", "roots", "datum"]


@dataclass(frozen=True)
class ReadPlace:
    """A word under one of the roots. `term`: number of a term of the value; `datum`: term * (N + 1) + word."""

    where: Where
    index: int


@dataclass(frozen=True)
class Reads:
    """Of one lookup: its shape, its test polynomial's number, and the turns that rotate."""

    profile: EncryptionProfile
    shape: TapeShape
    table: int
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
        term = place // (self.shape.size + 1)
        if term < self.shape.terms:
            yield ReadPlace("term", term)
            yield ReadPlace("datum", place)

    def _sum(self, place: int) -> Iterator[ReadPlace]:
        s = self.shape
        word, term = divmod(place, s.terms + 1)
        if word <= s.size and term:
            yield ReadPlace("line", s.sums_at + place - 1)
            yield ReadPlace("line", (term - 1) * (s.size + 1) + word)
            yield ReadPlace("term", term - 1)

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
            yield ReadPlace("keyswitch", ((k - 1) * count + level) * (s.steps + 1) + word)

    def _small(self, index: int) -> Iterator[ReadPlace]:
        s = self.shape
        if index >= s.start_at:
            place = index - s.start_at
            if s.size <= place < 2 * s.size:
                yield ReadPlace("line", s.turns_at + s.steps)
                turned = (place - s.size + self.turns[s.steps]) % s.size
                yield ReadPlace("tests", self.table * s.size + turned)
            return
        k = (index - s.small_at) % s.part
        if k > s.steps:
            return
        if index < s.lost_at:
            yield ReadPlace("line", s.switch_at + k * (s.size + 1) + s.size)
        elif index < s.turns_at:
            if k:
                yield ReadPlace("line", s.small_at + k - 1)
                yield ReadPlace("line", s.lost_at + k - 1)
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
            yield from self._digit(step, place) if stage == 0 else self._node(step, stage, stage - 1, place)
        elif inside < s.last_at:
            join, place = divmod(inside - before, 2 * s.size)
            if join == 0:
                yield from self._product(step, place)
            else:
                yield from self._node(step, s.depth + 1 + join, s.depth - join, place)
        elif inside < s.last_at + 2 * s.size:
            column, coefficient = divmod(inside - s.last_at, s.size)
            part, point = divmod(coefficient, s.size // 2)
            yield ReadPlace("line", s.stage_at(step, 2 * s.depth + 1) + 2 * (column * s.size // 2 + point) + part)
        else:
            place = inside - s.last_at - 2 * s.size
            yield ReadPlace("line", s.step_at(step) + place)
            yield ReadPlace("line", s.steps_at + step * s.slot + s.last_at + place)

    def _digit(self, step: int, place: int) -> Iterator[ReadPlace]:
        s, half = self.shape, self.shape.size // 2
        point, part = divmod(place, 2)
        polynomial, place = divmod(point, half)
        place += part * half
        state = s.step_at(step) + polynomial // s.levels * s.size
        yield ReadPlace("line", s.turns_at + step)
        yield ReadPlace("line", state + (place - self.turns[step]) % s.size)
        yield ReadPlace("line", state + place)

    def _node(self, step: int, stage: int, number: int, place: int) -> Iterator[ReadPlace]:
        half = self.shape.size // 2
        level = levels(half)[number]
        polynomial, inside = divmod(place // 2, half)
        node = inside // (level.radix * level.width)
        first = polynomial * half + node * level.radix * level.width + inside % level.width
        state = self.shape.stage_at(step, stage - 1)
        for k in range(level.radix):
            yield ReadPlace("line", state + 2 * (first + k * level.width))
        for k in range(1, level.radix):
            yield ReadPlace("roots", 2 * (int(level.angles[node]) * k % (4 * half)))

    def _product(self, step: int, place: int) -> Iterator[ReadPlace]:
        s, half = self.shape, self.shape.size // 2
        column, point = divmod(place // 2, half)
        for k in range(2 * s.levels):
            yield ReadPlace("line", s.stage_at(step, s.depth) + 2 * (k * half + point))
            row, level = divmod(k, s.levels)
            key = ((step * s.levels + level) * 2 + row) * 2 + column
            yield ReadPlace("points", key * s.size + 2 * point)
