"""Output ciphertexts on their way to a compact result, in bounded memory but for the result itself."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from fhe.arrays import U32, U64
from fhe.circuit.circuit import Linear
from fhe.engine.core import Core
from fhe.engine.output import PACKED_BITS, OutputStage, lwe_bits, round_words
from fhe.profile import EncryptionProfile


class CiphertextSink(Protocol):
    """Takes output ciphertexts in row-major order."""

    def add(self, ciphertexts: U64) -> None:
        """Take (rows, outputs, N + 1); of a single row, any number of its next outputs."""


class Results(CiphertextSink, Protocol):
    """Makes a result of them."""

    def output(self, rows: int, last: Linear) -> OutputStage:
        """Everything taken, once all rows are."""


class LweResults:
    """Results as one rounded LWE ciphertext a value."""

    def __init__(self, profile: EncryptionProfile, values: int) -> None:
        self._bits, self._size = lwe_bits(profile), profile.polynomial_size
        self._words: U32 = np.empty((values, self._size + 1), np.uint32)
        self._filled = 0

    def add(self, ciphertexts: U64) -> None:
        """Take (rows, outputs, N + 1)."""
        flat = ciphertexts.reshape(-1, self._size + 1)
        self._words[self._filled : self._filled + len(flat)] = round_words(flat, self._bits)
        self._filled += len(flat)

    def output(self, rows: int, last: Linear) -> OutputStage:
        """Everything taken."""
        return OutputStage("lwe", rows, len(last.bias), last.width, self._size, self._bits, self._words)


class PackedResults:
    """Results as RLWE ciphertexts of N values, by a packing keyswitch whenever N values are there."""

    def __init__(self, core: Core, profile: EncryptionProfile, values: int) -> None:
        self._core, self._size, self._left = core, profile.polynomial_size, values
        self._pending: U64 = np.empty((min(values, self._size), self._size + 1), np.uint64)
        self._filled, self._packed = 0, list[U32]()

    def add(self, ciphertexts: U64) -> None:
        """Take (rows, outputs, N + 1)."""
        flat = ciphertexts.reshape(-1, self._size + 1)
        while len(flat):
            count = min(len(flat), len(self._pending) - self._filled)
            self._pending[self._filled : self._filled + count] = flat[:count]
            self._filled, flat, self._left = self._filled + count, flat[count:], self._left - count
            if self._filled == len(self._pending) or not self._left:
                words = round_words(self._core.pack(self._pending[: self._filled]), PACKED_BITS)
                words[1, self._filled :] = 0  # coefficients that hold no value are not sent
                self._packed.append(words.astype(np.uint32))
                self._filled = 0

    def output(self, rows: int, last: Linear) -> OutputStage:
        """Everything taken."""
        words = np.stack(self._packed)
        return OutputStage("packed", rows, len(last.bias), last.width, self._size, PACKED_BITS, words)
