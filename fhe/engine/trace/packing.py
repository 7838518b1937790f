"""All words of one packed ciphertext in a line, each of which follows from words before it: docs/trace.md, section 9.

A slot has what one bit of the key adds: its digits, transformed, and the subtotals with them. The values that are
packed stand before all slots; what is summed is joined behind them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from fhe.arrays import F64, U64
from fhe.engine.gadget import digits
from fhe.engine.reference import SUBTOTAL
from fhe.engine.trace.names import depth
from fhe.engine.trace.slots import Slots, Tape
from fhe.engine.trace.tape import as_words, side_by_side
from fhe.engine.transform import Complex, add, join, levels, multiply, split, to_words
from fhe.evaluation_key import packing_gadget
from fhe.profile import EncryptionProfile


@dataclass(frozen=True)
class PackingShape(Slots):
    """Where everything is, in words. N, L levels of the packing gadget."""

    size: int
    levels: int
    depth: int  # splits of a transform

    @classmethod
    def of(cls, profile: EncryptionProfile) -> PackingShape:
        """Of a profile: all packed ciphertexts have one shape."""
        return cls(profile.polynomial_size, packing_gadget(profile).levels, depth(profile))

    @property
    def stage(self) -> int:
        """Words of a stage of one bit."""
        return self.levels * self.size

    @property
    def most(self) -> int:
        """Words of one bit."""
        return (self.depth + 1) * self.stage + 2 * self.size

    @cached_property
    def bits_at(self) -> int:
        """After the words of the values: the first bit's slot."""
        return self.after(0, self.size * (self.size + 1))

    @property
    def totals_at(self) -> int:
        """After all bits."""
        return self.bits_at + self.size * self.slot

    @cached_property
    def joins_at(self) -> int:
        """After the totals."""
        return self.after(self.totals_at, self.groups * 2 * self.size)

    @property
    def groups(self) -> int:
        """Subtotals of a sum."""
        return self.size // SUBTOTAL

    @cached_property
    def slots(self) -> int:
        """How many there are."""
        return self.after(self.joins_at, (self.depth + 1) * 2 * self.size) // self.slot

    def stage_at(self, bit: int, stage: int) -> int:
        """After so many splits of a bit's digits; behind the last one its subtotals."""
        return self.bits_at + bit * self.slot + stage * self.stage

    def subtotal_at(self, bit: int) -> int:
        """Of both columns with this bit: column, point, part."""
        return self.stage_at(bit, self.depth + 1)

    def total_at(self, group: int) -> int:
        """The sum with this group, in the same order."""
        return self.totals_at + group * 2 * self.size

    def join_at(self, joins: int) -> int:
        """After so many joins of both columns. Without any, the last total."""
        return self.joins_at + (joins - 1) * 2 * self.size if joins else self.total_at(self.groups - 1)

    def out_at(self, word: int) -> tuple[int, bool]:
        """A word of the ciphertext: its mask, then its body."""
        return self.join_at(self.depth + 1) + word, False


class PackingTape(Tape):
    """The line of the packing keyswitch of some values (M <= N, N + 1)."""

    shape: PackingShape

    def __init__(
        self, profile: EncryptionProfile, values: Callable[[], U64], points: Callable[[int, int], U64]
    ) -> None:
        """`values` are worked out when the first slot is asked for; `points`: as `PackingPoints.of`."""
        super().__init__()
        self.shape = PackingShape.of(profile)
        self._gadget, self._packed, self._points = packing_gadget(profile), values, points
        self._last = -1, _nothing(self.shape.size)  # a bit, and the subtotals with it
        self._key = -1, np.zeros(0, np.uint64)  # a group, and its bits' points
        self._ends: dict[int, F64] = {}  # a group's subtotals

    def slot(self, number: int) -> U64:
        """The words of a slot. Slots of bits that are asked for in order cost one bit each."""
        shape, out = self.shape, np.zeros(self.shape.slot, np.uint64)
        start = number * shape.slot
        if start < shape.bits_at:
            words = self._values.reshape(-1)[start : start + shape.slot]
        elif start < shape.totals_at:
            words = self._bit((start - shape.bits_at) // shape.slot)
        elif start < shape.joins_at:
            words = as_words(self._totals.reshape(-1)[start - shape.totals_at :][: shape.slot])
        else:
            words = self._joined[start - shape.joins_at :][: shape.slot]
        out[: len(words)] = words
        return out

    @cached_property
    def _values(self) -> U64:
        """Filled up with zeros (N, N + 1)."""
        found, values = np.zeros((self.shape.size, self.shape.size + 1), np.uint64), self._packed()
        found[: len(values)] = values
        return found

    def _bit(self, bit: int) -> U64:
        stages = self._stages(bit)
        points = stages[-1].reshape(-1, self.shape.levels, 2)
        parts = [*stages, self._subtotals(bit, points).reshape(-1)]
        return np.concatenate([as_words(each) for each in parts])

    def _stages(self, bit: int) -> list[F64]:
        half, order = self.shape.size // 2, levels(self.shape.size // 2)
        cut = digits(self._values[:, bit], self._gadget).astype(np.float64)  # (levels, N)
        re, im = cut[:, :half].copy(), cut[:, half:].copy()
        stages = [side_by_side(re, im, order[0])]
        for level, after in pairwise(order):
            split(re, im, level)
            stages.append(side_by_side(re, im, after))
        split(re, im, order[-1])
        return [*stages, np.stack([re, im], -1).swapaxes(0, 1).reshape(-1)]

    def _subtotals(self, bit: int, points: F64 | None = None) -> F64:
        """Of both columns with this bit (2, H, 2), from the last ones that are known of its group."""
        first = bit // SUBTOTAL * SUBTOTAL
        done, total = self._last
        if not first <= done <= bit:
            done, total = first - 1, _nothing(self.shape.size)
        for number in range(done + 1, bit + 1):
            own = points if points is not None and number == bit else self._stages(number)[-1]
            total = self._added(number, total, own.reshape(-1, self.shape.levels, 2))
        self._last = bit, total
        if bit == first + SUBTOTAL - 1:
            self._ends[bit // SUBTOTAL] = total
        return total

    def _added(self, bit: int, total: F64, own: F64) -> F64:
        group = bit // SUBTOTAL
        if self._key[0] != group:
            self._key = group, self._points(group * SUBTOTAL, (group + 1) * SUBTOTAL)
        key = self._key[1][bit % SUBTOTAL].view(np.float64)  # column, point, level, part
        sums: Complex = total[..., 0], total[..., 1]
        for level in range(self.shape.levels):
            digit = own[None, :, level, 0], own[None, :, level, 1]
            sums = add(sums, multiply(digit, (key[:, :, level, 0], key[:, :, level, 1])))
        return np.stack(sums, -1)

    @cached_property
    def _totals(self) -> F64:
        """After each group (groups, 2, H, 2)."""
        total, found = _nothing(self.shape.size), list[F64]()
        for group in range(self.shape.groups):
            end = self._ends.get(group)
            if end is None:
                end = self._subtotals((group + 1) * SUBTOTAL - 1)
            total = total + end
            found.append(total)
        return np.stack(found)

    @cached_property
    def _joined(self) -> U64:
        total, order = self._totals[-1], levels(self.shape.size // 2)
        re, im = total[..., 0].copy(), total[..., 1].copy()
        stages = []
        for level, after in zip(order[:0:-1], order[-2::-1], strict=True):
            join(re, im, level)
            stages.append(side_by_side(re, im, after))
        join(re, im, order[0])
        stages.append(np.stack([re, im], -1).reshape(-1))
        out = np.uint64(0) - to_words(re, im)
        out[1] += self._values[:, -1]
        return np.concatenate([*(as_words(each) for each in stages), out.reshape(-1)])


def _nothing(size: int) -> F64:
    return np.zeros((2, size // 2, 2))
