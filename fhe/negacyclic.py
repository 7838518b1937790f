"""Exact products with a binary key in Z[X] / (X^N + 1) modulo 2^64, by floating-point Fourier transforms.

A word a is split into signed limbs, a = low + 2^32 high with |low|, |high| <= 2^31. A limb's product with a key of N
bits is an integer below 2^31 N. It is computed as one complex transform of N/2 points (halves folded to p0 + i p1,
twisted by exp(i pi j / N)) and rounded to the nearest integer, which is exact while the error stays below 1/2:
Brent, Percival and Zimmermann ("Error bounds on complex floating-point multiplication", 2007, section 3) bound it by

    |x| |y| ((1 + e)^(3m) (1 + e sqrt 5)^(3m + 4) (1 + e)^(3m + 3) - 1),   e = 2^-53, m = log2(N/2),

here with our three twists added. |x| <= 2^31 sqrt N and |y| <= sqrt N give 2^42 * 139 * 2^-53 < 0.07 for N = 2048.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fhe.arrays import C128, U64

BLOCK = 16  # polynomials at a time, so that the work stays in the second-level cache
MAX_SIZE = 2048  # the largest N that the bound above was worked out for


class KeyProduct:
    """Multiplies by one secret binary polynomial. It holds the key; never print or keep it longer than needed."""

    def __init__(self, bits: npt.NDArray[np.uint8]) -> None:
        """`bits` is (N,), of zeros and ones, N a power of two up to 2048."""
        size = len(bits)
        if size > MAX_SIZE or size < 4 or size & (size - 1):
            raise ValueError("a key polynomial has a power of two of coefficients, 4 to 2048")
        self._half = size // 2
        self._twist: C128 = np.exp(1j * np.pi * np.arange(self._half) / size)
        folded = bits[: self._half] + 1j * bits[self._half :]
        self._spectrum: C128 = np.fft.fft(folded * self._twist)

    def __repr__(self) -> str:
        return f"KeyProduct(size={2 * self._half})"

    def __call__(self, words: U64) -> U64:
        """The product words * key mod (X^N + 1, 2^64), for words u64 (polys, N)."""
        out = np.empty(words.shape, np.uint64)
        for start in range(0, len(words), BLOCK):
            out[start : start + BLOCK] = self._block(words[start : start + BLOCK])
        return out

    def _block(self, words: U64) -> U64:
        half = self._half
        low = words.astype(np.uint32).view(np.int32)
        high = (words >> np.uint64(32)).astype(np.uint32).view(np.int32) + (low < 0).astype(np.float64)
        folded = np.empty((2, len(words), half), np.complex128)
        for limb, part in enumerate((low, high)):
            folded[limb].real = part[:, :half]
            folded[limb].imag = part[:, half:]
        folded *= self._twist
        spectrum = np.fft.fft(folded, axis=-1)
        spectrum *= self._spectrum
        product = np.fft.ifft(spectrum, axis=-1)
        product *= self._twist.conj()
        out = np.empty(words.shape, np.int64)
        for part, value in ((out[:, :half], product.real), (out[:, half:], product.imag)):
            whole = np.rint(value).astype(np.int64)
            part[:] = whole[0] + (whole[1] << 32)
        return out.view(np.uint64)
