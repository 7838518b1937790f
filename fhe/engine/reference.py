"""The canonical bootstrap in readable NumPy: the definition, and the fallback where there is no native core.

docs/canonical-evaluator.md numbers the steps. Everything is batched over its first axis and no result depends on the
batch it was computed in.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fhe.arrays import I64, U64
from fhe.engine.gadget import boxed, centre, digits, rotate, switch_modulus, table_polynomials
from fhe.engine.transform import Complex, add, inverse, key_points, multiply, points, to_words
from fhe.evaluation_key import EvaluationKey, packing_gadget
from fhe.profile import EncryptionProfile

KEY_ROWS = 256  # coefficients of the keyswitch key in one matrix product
SUBTOTAL = 32  # bits of the packing key in one subtotal


class ReferenceCore:
    """Keyswitch, bootstrap and packing for one evaluation key. Implements `fhe.engine.core.Core`."""

    name = "reference"
    batch = 512

    def __init__(self, profile: EncryptionProfile, key: EvaluationKey) -> None:
        key.check(profile)
        self._profile = profile
        self._words, self._switch_words, self._packing_words = key.bootstrap, key.keyswitch, key.packing
        self._points: Complex | None = None

    def keyswitch(self, lwe: U64) -> U64:
        """LWE ciphertexts (batch, N + 1) under the GLWE key -> (batch, n + 1) under the LWE key."""
        profile, key = self._profile, self._switch_words
        out = np.zeros((len(lwe), profile.lwe_dimension + 1), np.uint64)
        out[:, -1] = lwe[:, -1]
        cut = digits(lwe[:, :-1], profile.keyswitch).view(np.uint64)
        for start in range(0, profile.polynomial_size, KEY_ROWS):
            rows = slice(start, start + KEY_ROWS)
            for level in range(profile.keyswitch.levels):
                out -= cut[level, :, rows] @ key[rows, level]
        return out

    def bootstrap(self, small: U64, polynomials: U64, which: I64, *, centred: bool = False, bodies: int = 1) -> U64:
        """Look up: (batch, n + 1) -> (batch, N + bodies), with test polynomial `polynomials[which[b]]`."""
        size = self._profile.polynomial_size
        turns = switch_modulus(centre(small, size) if centred else small, size)
        accumulator = np.zeros((len(small), 2, size), np.uint64)
        start = rotate(polynomials[which], -turns[:, -1] % (2 * size))
        accumulator[:, 3 - polynomials.ndim :] = start.reshape(len(small), -1, size)
        for step in range(self._profile.lwe_dimension):
            moved = rotate(accumulator, turns[:, step])
            cut = digits(moved - accumulator, self._profile.bootstrap)
            accumulator += self._product(step, cut)
        out = np.empty((len(small), size + bodies), np.uint64)
        out[:, 0], out[:, 1:size] = accumulator[:, 0, 0], np.uint64(0) - accumulator[:, 0, :0:-1]
        out[:, size:] = accumulator[:, 1, :: size // bodies]
        return out

    def _product(self, step: int, cut: I64) -> U64:
        """External product: digits (levels, batch, 2, N) by the key of one step -> words (batch, 2, N)."""
        key_re, key_im = self._bootstrap_points()
        re, im = points(cut.astype(np.float64))
        columns = []
        for column in range(2):
            total: Complex | None = None
            for row in range(2):
                for level in range(len(cut)):
                    at = step, level, row, column
                    term = multiply((re[level, :, row], im[level, :, row]), (key_re[at], key_im[at]))
                    total = term if total is None else add(total, term)
            assert total is not None
            inverse(*total)
            columns.append(to_words(*total))
        return np.stack(columns, 1)

    def _bootstrap_points(self) -> Complex:
        if self._points is None:
            self._points = key_points(self._words)
        return self._points

    def pack(self, lwe: U64) -> U64:
        """At most N ciphertexts (count, N + 1) -> one RLWE ciphertext (2, N) whose coefficient i is the i-th value.

        (mask, body) = (0, sum b_i X^i) - sum over bits j and levels l of D_jl(X) times the key's P_jl, where D_jl has
        digit l of a_ij at X^i. Products are summed as transformed points, j outer, l inner, in subtotals of `SUBTOTAL`
        bits: one long sum would add rounding errors of its own size.
        """
        size = self._profile.polynomial_size
        columns = np.zeros((1, size, size), np.uint64)
        columns[0, :, : len(lwe)] = lwe[:, :-1].T
        out = np.zeros((2, size), np.uint64)
        out[1, : len(lwe)] = lwe[:, -1]
        out -= self._packed(columns, lambda key: key)[0]
        return out

    def pack_tables(self, lwe: U64) -> U64:
        """Entries (batch, E, N + 1) -> encrypted test polynomials (batch, 2, N).

        As `pack`, of entry i at coefficient i N/E, with a key that is spread over boxes beforehand.
        """
        size = self._profile.polynomial_size
        width = size // lwe.shape[1]
        columns = np.zeros((len(lwe), size, size), np.uint64)
        columns[:, :, ::width] = lwe[:, :, :-1].transpose(0, 2, 1)
        out = np.zeros((len(lwe), 2, size), np.uint64)
        out[:, 1] = table_polynomials(lwe[:, :, -1].view(np.int64), 63, size)
        out -= self._packed(columns, lambda key: boxed(key, width))
        return out

    def _packed(self, columns: U64, spread: Callable[[U64], U64]) -> U64:
        """The packing keyswitch's sums (batch, 2, N) of columns (batch, N, N): of key bit, then of coefficient."""
        packing = self._packing_words
        if packing is None:
            raise ValueError("packing needs a packing key")
        batch, size, _ = columns.shape
        zero = np.zeros((batch, size // 2)), np.zeros((batch, size // 2))
        totals: list[Complex] = [zero, zero]
        for start in range(0, size, SUBTOTAL):
            bits = slice(start, start + SUBTOTAL)
            re, im = points(digits(columns[:, bits], packing_gadget(self._profile)).astype(np.float64))
            words = packing.masks(start, start + SUBTOTAL), packing.bodies[bits]
            for c, (key_re, key_im) in enumerate(key_points(spread(part)) for part in words):
                subtotal = zero
                for bit in range(SUBTOTAL):
                    for level in range(len(re)):
                        digit = re[level, :, bit], im[level, :, bit]
                        subtotal = add(subtotal, multiply(digit, (key_re[bit, level], key_im[bit, level])))
                totals[c] = add(totals[c], subtotal)
        for total in totals:
            inverse(*total)
        return np.stack([to_words(*total) for total in totals], axis=1)
