"""One word of a packed ciphertext's line from the words that it reads, by scalars: what a contract that judges it
computes. Written from docs/trace.md, section 9, without the engine's arrays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fhe.engine.reference import SUBTOTAL
from fhe.engine.roots import roots
from fhe.engine.trace.packing import PackingShape
from fhe.engine.trace.reads import point_at
from fhe.engine.trace.referee import MASK, Point, bits, cut, double, joined, splitted, times, to_word
from fhe.engine.transform import levels
from fhe.evaluation_key import packing_gadget
from fhe.profile import EncryptionProfile

Pair = tuple[int, int]


@dataclass(frozen=True)
class PackingReferee:
    """The rules of one line. What is read are the words of `PackingReads.of`, but the program's and the roots of unity,
    each with the one behind it, which is the imaginary part where it is a point's.
    """

    profile: EncryptionProfile
    shape: PackingShape

    def word(self, index: int, words: Sequence[Pair]) -> int:
        """What word `index` follows to be; it is behind those of the values."""
        s = self.shape
        if index < s.bits_at or not words:
            return 0
        if index < s.totals_at:
            bit, inside = divmod(index - s.bits_at, s.slot)
            stage, place = divmod(inside, s.stage)
            return self._stage(stage, place, words) if stage <= s.depth else self._subtotal(bit, inside, words)
        if index < s.joins_at:
            return bits(sum((double(word) for word, _ in words), 0.0))
        joins, place = divmod(index - s.joins_at, 2 * s.size)
        if joins == s.depth:
            return (sum(word for word, _ in words[1:]) - to_word(double(words[0][0]))) & MASK
        point = place // 2 % (s.size // 2)
        if joins + 1 < s.depth:
            point = point_at(levels(s.size // 2)[s.depth - 2 - joins], point)
        return bits(joined(_points(words), *self._node(s.depth - 1 - joins, point))[place % 2])

    def _stage(self, stage: int, place: int, words: Sequence[Pair]) -> int:
        s, half = self.shape, self.shape.size // 2
        if stage == 0:
            return bits(float(cut(words[0][0], packing_gadget(self.profile))[place // s.size]))
        point = place // 2 // s.levels
        if stage < s.depth:
            point = point_at(levels(half)[stage], place // 2 % half)
        return bits(splitted(_points(words), *self._node(stage - 1, point))[place % 2])

    def _subtotal(self, bit: int, inside: int, words: Sequence[Pair]) -> int:
        total, rest = 0.0, list(words)
        if bit % SUBTOTAL:
            total = double(rest.pop(0)[0])
        points = _points(rest)
        for level in range(self.shape.levels):
            total += times(points[level], points[self.shape.levels + level])[inside % 2]
        return bits(total)

    def _node(self, number: int, point: int) -> tuple[list[Point], int]:
        """Twiddles of the node of a level that a point is of, and the point's block in it."""
        level, turn = levels(self.shape.size // 2)[number], 2 * self.shape.size
        node, inside = divmod(point, level.radix * level.width)
        real, imaginary = roots(turn)
        angles = [int(level.angles[node]) * power % turn for power in range(1, level.radix)]
        return [(float(real[a]), float(imaginary[a])) for a in angles], inside // level.width


def _points(words: Sequence[Pair]) -> list[Point]:
    return [(double(re), double(im)) for re, im in words]
