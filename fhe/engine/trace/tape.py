"""All words of one lookup in one line, each of which follows from words before it: docs/trace.md, section 8.

The line is cut in slots of one size, which are computed one at a time; of the others only some hashes are kept. Whoever
holds another line differs from it in a first word, and that word is false by itself. Points of a stage stand in the
order in which the next one reads them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from fhe.arrays import F64, U64
from fhe.engine.gadget import digits, rotate
from fhe.engine.trace.lookup import LookupTrace
from fhe.engine.trace.names import depth
from fhe.engine.trace.slots import LEAF, Slots, Tape
from fhe.engine.transform import Complex, Level, add, join, levels, multiply, split, to_words
from fhe.profile import EncryptionProfile


@dataclass(frozen=True)
class TapeShape(Slots):
    """Where everything is, in words. n steps, N, L levels of the bootstrap gadget, room for T terms."""

    steps: int
    size: int
    levels: int
    depth: int  # splits of a transform
    terms: int

    @classmethod
    def of(cls, profile: EncryptionProfile, terms: int) -> TapeShape:
        """Of lookups of a program whose values have at most so many terms."""
        return cls(profile.lwe_dimension, profile.polynomial_size, profile.bootstrap.levels, depth(profile), terms)

    @property
    def stage(self) -> int:
        """Words of a stage before the products."""
        return 2 * self.levels * self.size

    @property
    def last_at(self) -> int:
        """In a step's slot, the words to be added; behind them what comes out."""
        return (self.depth + 1) * (self.stage + 2 * self.size)

    @property
    def part(self) -> int:
        """Words in which `small`, `lost` and `turns` each stand."""
        return -(-(self.steps + 1) // LEAF) * LEAF

    @cached_property
    def most(self) -> int:
        """Words that a slot has to hold."""
        return max(self.last_at + 4 * self.size, 3 * self.part + 2 * self.size)

    @cached_property
    def sums_at(self) -> int:
        """After the words of the wires that the value reads."""
        return self.after(0, self.terms * (self.size + 1))

    @cached_property
    def switch_at(self) -> int:
        """After the totals of the value's words."""
        return self.after(self.sums_at, (self.size + 1) * (self.terms + 1))

    @cached_property
    def small_at(self) -> int:
        """After the totals of the keyswitch."""
        return self.after(self.switch_at, (self.steps + 1) * (self.size + 1))

    @property
    def lost_at(self) -> int:
        """After `small`."""
        return self.small_at + self.part

    @property
    def turns_at(self) -> int:
        """After `lost`."""
        return self.lost_at + self.part

    @property
    def start_at(self) -> int:
        """`step/0`, after `turns`."""
        return self.turns_at + self.part

    @property
    def steps_at(self) -> int:
        """The first step's slot."""
        return self.small_at + self.slot

    def step_at(self, step: int) -> int:
        """`step/i`."""
        return self.start_at if step == 0 else self.steps_at + (step - 1) * self.slot + self.last_at + 2 * self.size

    def stage_at(self, step: int, stage: int) -> int:
        """`step/i/stage/s`."""
        before = min(stage, self.depth + 1) * self.stage + max(0, stage - self.depth - 1) * 2 * self.size
        return self.steps_at + step * self.slot + before

    @property
    def slots(self) -> int:
        """How many there are."""
        return self.steps_at // self.slot + self.steps

    def out_at(self, word: int) -> tuple[int, bool]:
        """The word of the last step that word number `word` of the result is, and whether it is negated."""
        last = self.step_at(self.steps)
        return (last + word, False) if word in (0, self.size) else (last + self.size - word, True)


class LookupTape(Tape):
    """The line of one lookup. `wires`: the words (T, N + 1) that the value reads, with `weights` and `bias`; zeros
    where it has fewer terms than there is room for.
    """

    shape: TapeShape

    def __init__(self, trace: LookupTrace, points: U64, wires: U64, weights: U64, bias: int) -> None:
        """`trace`: of the value; `points` as `KeyTables.points`."""
        super().__init__()
        self.shape = TapeShape.of(trace.profile, len(wires))
        self._trace, self._points, self._wires, self._weights, self._bias = trace, points, wires, weights, bias

    def slot(self, number: int) -> U64:
        """The words of a slot. Slots of steps that are asked for in order cost one step each."""
        shape, out = self.shape, np.zeros(self.shape.slot, np.uint64)
        start = number * shape.slot
        if number >= shape.slots:
            return out
        if start >= shape.steps_at:
            words = self._step((start - shape.steps_at) // shape.slot)
        elif start == shape.small_at:
            words = self._small()
        elif start >= shape.switch_at:
            words = self._switched(start - shape.switch_at)
        elif start >= shape.sums_at:
            words = self._part(self._sums, start - shape.sums_at)
        else:
            words = self._part(self._wires.reshape(-1), start)
        out[: len(words)] = words
        return out

    def turns(self) -> tuple[int, ...]:
        """The turns of all steps and of the body."""
        data, _ = self._inside(self.shape.small_at // self.shape.slot)
        inside = self.shape.turns_at - self.shape.small_at
        return tuple(np.frombuffer(data, "<u8")[inside : inside + self.shape.steps + 1].tolist())

    @cached_property
    def _sums(self) -> U64:
        terms = np.zeros((self.shape.size + 1, self.shape.terms + 1), np.uint64)
        terms[-1, 0] = self._bias
        terms[:, 1:] = (self._wires * self._weights[:, None]).T
        totals: U64 = np.cumsum(terms, axis=1, dtype=np.uint64)
        return totals.reshape(-1)

    def _part(self, words: U64, start: int) -> U64:
        return words[start : start + self.shape.slot]

    def _switched(self, start: int) -> U64:
        row = self.shape.size + 1
        first, last = start // row, min(self.shape.steps, (start + self.shape.slot - 1) // row)
        words = np.concatenate([self._trace.state(f"switch/{word}") for word in range(first, last + 1)])
        return words[start - first * row :][: self.shape.slot]

    def _small(self) -> U64:
        out = np.zeros(self.shape.slot, np.uint64)
        parts = (("small", self.shape.small_at), ("lost", self.shape.lost_at), ("turns", self.shape.turns_at),
                 ("step/0", self.shape.start_at))  # fmt: skip
        for name, place in parts:
            words = self._trace.state(name)
            out[place - self.shape.small_at :][: len(words)] = words
        return out

    def _step(self, step: int) -> U64:
        """All stages of a step one after the other, then the words to be added, then what comes out."""
        profile, size = self._trace.profile, self.shape.size
        before = self._trace.state(f"step/{step}").reshape(2, size)
        turn = self._trace.state("turns").view(np.int64)[step : step + 1]
        cut = digits(rotate(before[None], turn)[0] - before, profile.bootstrap).astype(np.float64).transpose(1, 0, 2)
        re, im = cut[..., : size // 2].copy(), cut[..., size // 2 :].copy()
        order = levels(size // 2)
        stages = [side_by_side(re, im, order[0])]
        for level, after in pairwise(order):
            split(re, im, level)
            stages.append(side_by_side(re, im, after))
        split(re, im, order[-1])
        stages.append(np.stack([re, im], -1).reshape(2 * self.shape.levels, -1, 2).swapaxes(0, 1).reshape(-1))
        re, im = self._products(step, re, im)
        stages.append(side_by_side(re, im, order[-1]))
        for level, after in zip(order[:0:-1], order[-2::-1], strict=True):
            join(re, im, level)
            stages.append(side_by_side(re, im, after))
        join(re, im, order[0])
        stages.append(np.stack([re, im], -1).reshape(-1))
        added = to_words(re, im).reshape(-1)
        out = before.reshape(-1) + added
        self._trace.known(step + 1, out.reshape(2, size))
        return np.concatenate([*(as_words(each) for each in stages), added, out])

    def _products(self, step: int, re: F64, im: F64) -> Complex:
        points = self._points[step].view(np.float64)  # column, point, row, level, part
        columns = []
        for column in range(2):
            total: Complex | None = None
            for row in range(2):
                for level in range(self.shape.levels):
                    key = points[column, :, row, level]
                    term = multiply((re[row, level], im[row, level]), (key[:, 0], key[:, 1]))
                    total = term if total is None else add(total, term)
            assert total is not None
            columns.append(total)
        return np.stack([real for real, _ in columns]), np.stack([imaginary for _, imaginary in columns])


def side_by_side(re: F64, im: F64, level: Level) -> F64:
    """Points (..., H) where the nodes of a level have theirs side by side."""
    both = np.stack([re, im], -1)
    found: F64 = both.reshape(-1, level.radix, level.width, 2).swapaxes(1, 2).reshape(-1)
    return found


def as_words(numbers: F64) -> U64:
    """The bits of doubles."""
    return np.ascontiguousarray(numbers).view(np.uint64)
