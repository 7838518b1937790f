"""The packing key's points: what a dispute about a packed ciphertext reads of the key; docs/trace.md, section 9."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from app.protocol.ids import Digest
from app.protocol.market.disputes import ProvenLeaf
from fhe.arrays import U64
from fhe.engine.hashing import builder, prove
from fhe.engine.transform import key_points
from fhe.evaluation_key import PackingKey

LEAF_WORDS = 16
AT_ONCE = 32  # bits of the key


class PackingPoints:
    """Points of a packing key as words (N, 2, H, L, 2): bit, column, point, level, part. Worked out where asked for, of
    some bits at a time: under the reference profile they are 128 MiB.
    """

    def __init__(self, key: PackingKey) -> None:
        self._key = key
        self.bits, self.levels, self.size = key.bodies.shape
        self._bit_words = 2 * self.levels * self.size

    def of(self, start: int, stop: int) -> U64:
        """Of bits [start, stop): (bits, 2, H, L, 2)."""
        words = np.stack([self._key.masks(start, stop), self._key.bodies[start:stop]], 1)  # bit, column, level
        re, im = key_points(words)
        return np.ascontiguousarray(np.stack([re, im], -1).swapaxes(2, 3)).view(np.uint64)

    @cached_property
    def root(self) -> Digest:
        """Their root."""
        found = builder()
        for start in range(0, self.bits, AT_ONCE):
            found.update(self.of(start, min(self.bits, start + AT_ONCE)).astype("<u8").tobytes())
        return found.root()

    def opened(self, index: int) -> ProvenLeaf:
        """The leaf that has word `index`, and its path."""
        data, path = prove(self._read, 8 * self.bits * self._bit_words, index // LEAF_WORDS)
        return ProvenLeaf(data, tuple(Digest(each) for each in path))

    def _read(self, start: int, length: int) -> bytes:
        size = 8 * self._bit_words
        first, last = start // size, -(-(start + length) // size)
        data = self.of(first, last).astype("<u8").tobytes()
        return data[start - first * size :][:length]
