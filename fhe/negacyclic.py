"""Exact products with a binary key in Z[X] / (X^N + 1) modulo 2^64, by floating-point Fourier transforms.

A word a is split into signed limbs, a = low + 2^32 high with |low|, |high| <= 2^31. A limb's product with a key of N
bits is an integer below 2^31 N. It is computed as one complex transform of N/2 points (halves folded to p0 + i p1,
twisted by exp(i pi j / N)) and rounded to the nearest integer, which is exact while the error stays below 1/2:
Brent, Percival and Zimmermann ("Error bounds on complex floating-point multiplication", 2007, section 3) bound it by

    |x| |y| ((1 + e)^(3m) (1 + e sqrt 5)^(3m + 4) (1 + e)^(3m + 3) - 1),   e = 2^-53, m = log2(N/2),

here with our three twists added. |x| <= 2^31 sqrt N and |y| <= sqrt N give 2^42 * 139 * 2^-53 < 0.07 for N = 2048.

The native core (pack.c) does the same by the canonical transform, some 17 times faster. Its roots of unity are
correctly rounded and a radix-4 split multiplies once where two radix-2 levels multiply twice, with no twist besides, so
the bound holds for it too. Both are exact, hence equal; NumPy's is for small sizes and machines without the core.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from app.protocol.errors import Unavailable
from fhe.arrays import C128, U64
from fhe.engine.native import library

BLOCK = 16  # polynomials at a time, so that the work stays in the second-level cache
MAX_SIZE = 2048  # the largest N that the bound above was worked out for


class KeyProduct:
    """Multiplies by one secret binary polynomial. It holds the key; never print or keep it longer than needed."""

    def __init__(self, bits: npt.NDArray[np.uint8], lanes: int | None = None) -> None:
        """`bits` is (N,), of zeros and ones, N a power of two up to 2048.

        `lanes` chooses a vector width of the native core, 0 NumPy (for tests); the default is the fastest there is.
        """
        size = len(bits)
        if size > MAX_SIZE or size < 4 or size & (size - 1):
            raise ValueError("a key polynomial has a power of two of coefficients, 4 to 2048")
        self._half = size // 2
        self.lanes = native_lanes(size) if lanes is None else lanes
        if self.lanes:
            self._library, self._plan = library.load(self.lanes), library.plan_of(size, self.lanes)
            self._points = library.aligned_doubles(size)
            flat = np.ascontiguousarray(bits, np.uint8)
            _check(self._library.darkroom_binary_key(self._plan, flat.ctypes.data, self._points.ctypes.data))
            return
        self._twist: C128 = np.exp(1j * np.pi * np.arange(self._half) / size)
        folded = bits[: self._half] + 1j * bits[self._half :]
        self._spectrum: C128 = np.fft.fft(folded * self._twist)

    def __repr__(self) -> str:
        return f"KeyProduct(size={2 * self._half})"

    def __call__(self, words: U64) -> U64:
        """The product words * key mod (X^N + 1, 2^64), for words u64 (polys, N)."""
        if self.lanes:
            words, whole = np.ascontiguousarray(words), library.aligned_words(*words.shape)
            at = self._points.ctypes.data, words.ctypes.data, whole.ctypes.data
            _check(self._library.darkroom_times_key(self._plan, *at, len(words)))
            return whole
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


def native_lanes(size: int) -> int:
    """The native core's vector width for polynomials of `size` coefficients; 0 where it cannot be had."""
    try:
        return library.lanes_for(size)
    except Unavailable:
        return 0


def _check(code: int) -> None:
    if code:
        raise MemoryError("the native core found no memory")
