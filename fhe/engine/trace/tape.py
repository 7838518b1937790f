"""All words of one lookup in one line, each of which follows from words before it: docs/trace.md, section 8.

The line is cut in slots of one size, which are computed one at a time; of the others only the hash is kept. Whoever
holds another line differs from it in a first word, and that word is false by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256

import numpy as np

from app.protocol.ids import Digest
from app.protocol.market.disputes import ProvenLeaf
from fhe.arrays import F64, U64
from fhe.engine.gadget import digits, rotate
from fhe.engine.hashing import root_of
from fhe.engine.trace.lookup import LookupTrace
from fhe.engine.trace.names import depth
from fhe.engine.transform import Complex, add, join, levels, multiply, split, to_words
from fhe.profile import EncryptionProfile

LEAF = 16  # words


@dataclass(frozen=True)
class TapeShape:
    """Where everything is, in words. n steps, N, L levels of the bootstrap gadget, T terms of the value looked up."""

    steps: int
    size: int
    levels: int
    depth: int  # splits of a transform
    terms: int

    @classmethod
    def of(cls, profile: EncryptionProfile, terms: int) -> TapeShape:
        """Of a lookup under a profile."""
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
    def slot_depth(self) -> int:
        """log2 of a slot's leaves."""
        most = max(self.last_at + 4 * self.size, 3 * self.part + 2 * self.size)
        return max(3, (-(-most // LEAF) - 1).bit_length())

    @property
    def slot(self) -> int:
        """Words of a slot."""
        return LEAF << self.slot_depth

    def _after(self, start: int, words: int) -> int:
        return start + -(-words // self.slot) * self.slot

    @cached_property
    def sums_at(self) -> int:
        """After the words of the wires that the value reads."""
        return self._after(0, self.terms * (self.size + 1))

    @cached_property
    def switch_at(self) -> int:
        """After the totals of the value's words."""
        return self._after(self.sums_at, (self.size + 1) * (self.terms + 1))

    @cached_property
    def small_at(self) -> int:
        """After the totals of the keyswitch."""
        return self._after(self.switch_at, (self.steps + 1) * (self.size + 1))

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

    @property
    def top(self) -> int:
        """Levels of the tree above slots."""
        return (self.slots - 1).bit_length()

    @property
    def tree(self) -> int:
        """Levels of the whole tree."""
        return self.top + self.slot_depth

    def out_at(self, word: int) -> tuple[int, bool]:
        """The word of the last step that word number `word` of the result is, and whether it is negated."""
        last = self.step_at(self.steps)
        return (last + word, False) if word in (0, self.size) else (last + self.size - word, True)


class LookupTape:
    """The line of one lookup. `wires`: the words (T, N + 1) that the value reads, with `weights` and `bias`."""

    def __init__(self, trace: LookupTrace, points: U64, wires: U64, weights: U64, bias: int) -> None:
        """`trace`: of the value; `points` as `KeyTables.points`."""
        self.shape = TapeShape.of(trace.profile, len(wires))
        self._trace, self._points, self._wires, self._weights, self._bias = trace, points, wires, weights, bias
        self._hashes: list[bytes] | None = None
        self._tree: tuple[int, list[list[bytes]]] | None = None

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

    def word(self, index: int) -> int:
        """One word."""
        return int(self.slot(index // self.shape.slot)[index % self.shape.slot])

    def turns(self) -> tuple[int, ...]:
        """The turns of all steps and of the body."""
        inside = self.shape.turns_at - self.shape.small_at
        words = self.slot(self.shape.small_at // self.shape.slot)[inside : inside + self.shape.steps + 1]
        return tuple(words.tolist())

    def out(self, word: int) -> int:
        """A word of the result."""
        place, negated = self.shape.out_at(word)
        found = self.word(place)
        return -found % (1 << 64) if negated else found

    @property
    def root(self) -> Digest:
        """Of the whole line, filled up with zeros to a power of two of leaves."""
        return Digest(self.node(0, 0).hex())

    def node(self, level: int, number: int) -> bytes:
        """The hash of a node, `level` levels below the root."""
        if level <= self.shape.top:
            return self._top[level][number]
        slot, inside = number >> level - self.shape.top, number & (1 << level - self.shape.top) - 1
        return self._inside(slot)[level - self.shape.top][inside]

    def children(self, level: int, node: int, bits: int) -> tuple[Digest, ...]:
        """The hashes `bits` levels below a node."""
        return tuple(Digest(self.node(level + bits, (node << bits) + k).hex()) for k in range(1 << bits))

    def path(self, level: int, node: int) -> tuple[Digest, ...]:
        """What leads from a node to the root."""
        return tuple(Digest(self.node(level - up, node >> up ^ 1).hex()) for up in range(level))

    def leaves(self, level: int, node: int) -> bytes:
        """The bytes below a node that lies inside a slot."""
        count = 1 << self.shape.tree - level
        first = node * count * LEAF
        words = self.slot(first // self.shape.slot)[first % self.shape.slot :][: count * LEAF]
        return words.astype("<u8").tobytes()

    def opening(self, index: int) -> ProvenLeaf:
        """The leaf that has a word, and its path."""
        leaf, tree = index // LEAF, self.shape.tree
        return ProvenLeaf(self.leaves(tree, leaf), self.path(tree, leaf))

    @cached_property
    def _top(self) -> list[list[bytes]]:
        shape = self.shape
        hashes = [bytes.fromhex(root_of(self.slot(number).astype("<u8").tobytes())) for number in range(shape.slots)]
        empty = bytes.fromhex(root_of(bytes(8 * shape.slot)))
        levels_up = [hashes + [empty] * ((1 << shape.top) - shape.slots)]
        while len(levels_up[0]) > 1:
            levels_up.insert(0, _up(levels_up[0]))
        return levels_up

    def _inside(self, slot: int) -> list[list[bytes]]:
        if self._tree is None or self._tree[0] != slot:
            data = self.slot(slot).astype("<u8").tobytes()
            found = [[sha256(b"\x00" + data[at : at + 128]).digest() for at in range(0, len(data), 128)]]
            while len(found[0]) > 1:
                found.insert(0, _up(found[0]))
            self._tree = slot, found
        return self._tree[1]

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
        stages = [_words(re, im)]
        for level in levels(size // 2):
            split(re, im, level)
            stages.append(_words(re, im))
        re, im = self._products(step, re, im)
        stages.append(_words(re, im))
        for level in levels(size // 2)[::-1]:
            join(re, im, level)
            stages.append(_words(re, im))
        added = to_words(re, im).reshape(-1)
        self._trace.reached(step + 1, before + added.reshape(2, size))
        return np.concatenate([*stages, added, before.reshape(-1) + added])

    def _products(self, step: int, re: F64, im: F64) -> Complex:
        points = self._points[step].view(np.float64).reshape(self.shape.levels, 2, 2, -1, 2)
        columns = []
        for column in range(2):
            total: Complex | None = None
            for row in range(2):
                for level in range(self.shape.levels):
                    key = points[level, row, column]
                    term = multiply((re[row, level], im[row, level]), (key[:, 0], key[:, 1]))
                    total = term if total is None else add(total, term)
            assert total is not None
            columns.append(total)
        return np.stack([real for real, _ in columns]), np.stack([imaginary for _, imaginary in columns])


def _up(level: list[bytes]) -> list[bytes]:
    return [sha256(b"\x01" + level[k] + level[k + 1]).digest() for k in range(0, len(level), 2)]


def _words(re: F64, im: F64) -> U64:
    return np.stack([re, im], -1).reshape(-1).view(np.uint64)
