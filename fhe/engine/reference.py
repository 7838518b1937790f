"""The canonical bootstrap in readable NumPy: the definition, and the fallback where there is no native core.

docs/canonical-evaluator.md numbers the steps. Everything is batched over its first axis and no result depends on the
batch it was computed in.
"""

from __future__ import annotations

import numpy as np

from fhe.arrays import I64, U64
from fhe.engine.gadget import centre, digits, rotate, switch_modulus
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
        accumulator[:, 1] = rotate(polynomials[which], -turns[:, -1] % (2 * size))
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
        packing = self._packing_words
        if packing is None:
            raise ValueError("pack() needs a packing key")
        size = self._profile.polynomial_size
        columns = np.zeros((size, size), np.uint64)
        columns[:, : len(lwe)] = lwe[:, :-1].T
        zero = np.zeros(size // 2), np.zeros(size // 2)
        totals: list[Complex] = [zero, zero]
        for start in range(0, size, SUBTOTAL):
            bits = slice(start, start + SUBTOTAL)
            re, im = points(digits(columns[bits], packing_gadget(self._profile)).astype(np.float64))
            parts = key_points(packing.masks(start, start + SUBTOTAL)), key_points(packing.bodies[bits])
            for c, (key_re, key_im) in enumerate(parts):
                subtotal = zero
                for bit in range(SUBTOTAL):
                    for level in range(len(re)):
                        digit = re[level, bit], im[level, bit]
                        subtotal = add(subtotal, multiply(digit, (key_re[bit, level], key_im[bit, level])))
                totals[c] = add(totals[c], subtotal)
        out = np.zeros((2, size), np.uint64)
        out[1, : len(lwe)] = lwe[:, -1]
        for c, total in enumerate(totals):
            inverse(*total)
            out[c] -= to_words(*total)
        return out
