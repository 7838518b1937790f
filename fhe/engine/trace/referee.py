"""One word of a state from words of earlier states, by scalars alone: what a contract that judges a dispute computes.

It is written from docs/trace.md without the engine's arrays. Every step reads at most 4 L + 4 words (L levels of the
bootstrap gadget), but for roots of unity, which are constants.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fhe.engine.roots import roots
from fhe.engine.trace.names import StateName, depth, parse
from fhe.engine.transform import levels
from fhe.profile import EncryptionProfile, Gadget

MASK = (1 << 64) - 1
Words = Callable[[str], Sequence[int]]  # the words of an earlier state, by its name
Point = tuple[float, float]


@dataclass(frozen=True)
class Referee:
    """The rules of one lookup. `words` gives states that both parties agree on."""

    profile: EncryptionProfile
    words: Words
    centred: bool = False

    def word(self, name: str, index: int) -> int:
        """Word `index` of a state. Errors: BadInput for no name; IndexError for no word; ValueError for an input."""
        parsed = parse(name, self.profile)
        match parsed.kind:
            case "switch":
                return self._switch(parsed.numbers[0], index)
            case "small":
                return self._at(f"switch/{index}", self.profile.polynomial_size)
            case "lost":
                return self._lost(index)
            case "turns":
                return self._turn(index)
            case "step":
                return self._step(parsed.numbers[0], index)
            case "stage":
                step, stage = parsed.numbers
                return self._stage(step, stage, index)
            case "key-stage":
                return self._key_stage(parsed, index)
            case "out":
                return self._out(index)
            case _:
                raise ValueError(f"{name} is given, not computed")

    def _at(self, name: str, index: int) -> int:
        return int(self.words(name)[index])

    def _switch(self, word: int, index: int) -> int:
        if index == 0:
            return self._at("in", self.profile.polynomial_size) if word == self.profile.lwe_dimension else 0
        total = self._at(f"switch/{word}", index - 1)
        for level, digit in enumerate(cut(self._at("in", index - 1), self.profile.keyswitch)):
            total -= digit * self._at(f"keyswitch/{index - 1}/{level}", word)
        return total & MASK

    def _lost(self, index: int) -> int:
        if index == 0:
            return 0
        word = self._at("small", index - 1)
        unit = 64 - (2 * self.profile.polynomial_size).bit_length() + 1
        return self._at("lost", index - 1) + word - (self._switched(word) << unit) & MASK

    def _turn(self, index: int) -> int:
        word = self._at("small", index)
        if self.centred and index == self.profile.lwe_dimension:
            word -= signed(self._at("lost", index)) >> 1
        return self._switched(word & MASK)

    def _switched(self, word: int) -> int:
        turn = 2 * self.profile.polynomial_size
        return ((word >> 64 - turn.bit_length()) + 1 >> 1) % turn

    def _turned(self, state: str, row: int, place: int, exponent: int) -> int:
        """Coefficient `place` of X^exponent times polynomial number `row` of a state."""
        size = self.profile.polynomial_size
        source = (place - exponent) % (2 * size)
        value = self._at(state, row * size + source % size)
        return -value & MASK if source >= size else value

    def _step(self, step: int, index: int) -> int:
        size, last = self.profile.polynomial_size, 2 * depth(self.profile) + 2
        if step == 0:
            return 0 if index < size else self._turned("test", 0, index - size, -self._at("turns", self.steps))
        return self._at(f"step/{step - 1}", index) + self._at(f"step/{step - 1}/stage/{last}", index) & MASK

    @property
    def steps(self) -> int:
        """Steps of the rotation, and the place of the body among the turns."""
        return self.profile.lwe_dimension

    def _stage(self, step: int, stage: int, index: int) -> int:
        half, height = self.profile.polynomial_size // 2, depth(self.profile)
        point, part = divmod(index, 2)
        before = f"step/{step}/stage/{stage - 1}"
        if stage == 0:
            return self._digit(step, *divmod(point, half), part)
        if stage <= height:
            return bits(self._split(before, stage - 1, point)[part])
        if stage == height + 1:
            return bits(self._product(step, before, *divmod(point, half))[part])
        if stage <= 2 * height + 1:
            return bits(self._join(before, 2 * height + 1 - stage, point)[part])
        column, place = divmod(index, 2 * half)
        part, place = divmod(place, half)
        return to_word(double(self._at(before, 2 * (column * half + place) + part)))

    def _digit(self, step: int, polynomial: int, place: int, part: int) -> int:
        row, level = divmod(polynomial, self.profile.bootstrap.levels)
        place += part * (self.profile.polynomial_size // 2)
        state = f"step/{step}"
        moved = self._turned(state, row, place, self._at("turns", step))
        word = moved - self._at(state, row * self.profile.polynomial_size + place) & MASK
        return bits(float(cut(word, self.profile.bootstrap)[level]))

    def _node(self, state: str, number: int, point: int) -> tuple[list[Point], list[Point], int]:
        """The points of the node that a point belongs to, its twiddles t, t^2, t^3 (or t), and the point's block."""
        half = self.profile.polynomial_size // 2
        level = levels(half)[number]
        polynomial, place = divmod(point, half)
        node, inside = divmod(place, level.radix * level.width)
        block, row = divmod(inside, level.width)
        first = polynomial * half + node * level.radix * level.width + row
        points = [self._point(state, first + k * level.width) for k in range(level.radix)]
        real, imaginary = roots(4 * half)
        angles = [int(level.angles[node]) * power % (4 * half) for power in range(1, level.radix)]
        return points, [(float(real[a]), float(imaginary[a])) for a in angles], block

    def _point(self, state: str, point: int) -> Point:
        return double(self._at(state, 2 * point)), double(self._at(state, 2 * point + 1))

    def _split(self, before: str, number: int, point: int) -> Point:
        return splitted(*self._node(before, number, point))

    def _join(self, before: str, number: int, point: int) -> Point:
        return joined(*self._node(before, number, point))

    def _product(self, step: int, before: str, column: int, place: int) -> Point:
        half, count, height = self.profile.polynomial_size // 2, self.profile.bootstrap.levels, depth(self.profile)
        total: Point | None = None
        for row in range(2):
            for level in range(count):
                key = self._point(f"key/{step}/{level}/{row}/{column}/stage/{height}", place)
                term = times(self._point(before, (row * count + level) * half + place), key)
                total = term if total is None else plus(total, term)
        assert total is not None
        return total

    def _key_stage(self, parsed: StateName, index: int) -> int:
        *which, stage = parsed.numbers
        name, half = "key/" + "/".join(map(str, which)), self.profile.polynomial_size // 2
        point, part = divmod(index, 2)
        if stage == 0:
            return bits(float(signed(self._at(name, point + part * half))) * (2.0**-64 / half))
        return bits(self._split(f"{name}/stage/{stage - 1}", stage - 1, point)[part])

    def _out(self, index: int) -> int:
        size, state = self.profile.polynomial_size, f"step/{self.steps}"
        if index in (0, size):
            return self._at(state, index)
        return -self._at(state, size - index) & MASK


def splitted(x: Sequence[Point], t: Sequence[Point], block: int) -> Point:
    """A point of a node after its split: of its points x before, with twiddles t."""
    if len(x) == 2:
        u = times(x[1], t[0])
        return plus(x[0], u) if block == 0 else minus(x[0], u)
    u1, u2, u3 = (times(x[k + 1], t[k]) for k in range(3))
    s, d, p, q = plus(x[0], u2), minus(x[0], u2), plus(u1, u3), minus(u1, u3)
    return (plus(s, p), plus_i(d, q), minus(s, p), minus_i(d, q))[block]


def joined(y: Sequence[Point], t: Sequence[Point], block: int) -> Point:
    """A point of a node after its join."""
    if len(y) == 2:
        return plus(y[0], y[1]) if block == 0 else times_conjugate(minus(y[0], y[1]), t[0])
    s, d, p, q = plus(y[0], y[2]), minus(y[0], y[2]), plus(y[1], y[3]), minus(y[1], y[3])
    sums = (plus(s, p), minus_i(d, q), minus(s, p), plus_i(d, q))
    return sums[0] if block == 0 else times_conjugate(sums[block], t[block - 1])


def add_term(total: int, weight: int, shift: int, word: int) -> int:
    """A linear value's running total after one more term: section 6 of docs/canonical-evaluator.md."""
    return total + (weight << shift) * word & MASK


def cut(word: int, gadget: Gadget) -> list[int]:
    """Signed digits, the least significant first: section 2 of docs/canonical-evaluator.md."""
    base, count = gadget.base_log, gadget.levels
    offset = (1 << 63 - base * count) + sum(1 << 63 - base * level for level in range(count))
    moved = word + offset & MASK
    fields = (moved >> 64 - base * (count - level) for level in range(count))
    return [(field & (1 << base) - 1) - (1 << base - 1) for field in fields]


def signed(word: int) -> int:
    """A word as a two's-complement integer."""
    return word - (1 << 64) if word >> 63 else word


def double(word: int) -> float:
    """The binary64 number of these 64 bits."""
    return float(struct.unpack("<d", struct.pack("<Q", word))[0])


def bits(number: float) -> int:
    """The 64 bits of a binary64 number."""
    return int(struct.unpack("<Q", struct.pack("<d", number))[0])


def to_word(turns: float) -> int:
    """The fraction of a turn times 2^64, ties to even."""
    return round((turns - round(turns)) * 2.0**64) & MASK


def times(x: Point, t: Point) -> Point:
    """x t"""
    return x[0] * t[0] - x[1] * t[1], x[0] * t[1] + x[1] * t[0]


def times_conjugate(x: Point, t: Point) -> Point:
    """x conj(t)"""
    return x[0] * t[0] + x[1] * t[1], x[1] * t[0] - x[0] * t[1]


def plus(x: Point, y: Point) -> Point:
    """x + y"""
    return x[0] + y[0], x[1] + y[1]


def minus(x: Point, y: Point) -> Point:
    """x - y"""
    return x[0] - y[0], x[1] - y[1]


def plus_i(x: Point, y: Point) -> Point:
    """x + i y"""
    return x[0] - y[1], x[1] + y[0]


def minus_i(x: Point, y: Point) -> Point:
    """x - i y"""
    return x[0] + y[1], x[1] - y[0]
