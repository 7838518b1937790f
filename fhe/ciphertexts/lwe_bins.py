"""Bins under the small key: an LWE ciphertext for each bit and row, its mask a public seed, its body 2 bytes.

body = the highest 16 bits, rounded half up, of <mask, key> + bit * 2^(63 - BIN_WIDTH) + noise, modulo 2^64, with the
profile's LWE key of n bits and its noise (docs/canonical-evaluator.md, section 13). Noise is made in units of 2^16, far
below both its deviation (2^47 at the reference) and the rounding of the body.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from app.protocol.errors import Unavailable
from fhe.arrays import I64, U8, U16, U64
from fhe.circuit.circuit import BIN_WIDTH
from fhe.engine.lwe_values import BODY_BITS
from fhe.engine.native import library
from fhe.gaussian import add_noise, generator
from fhe.mask import lwe_masks
from fhe.profile import EncryptionProfile

NOISE_UNIT = 16  # log2 of the unit in which noise is made
BLOCK = 512  # ciphertexts at a time where there is no native core: 3 MiB of masks


class KeySums:
    """Sums mask words over one secret LWE key. It holds the key; never print or keep it longer than needed."""

    def __init__(self, bits: U8, *, native: bool | None = None) -> None:
        """`bits` is (n,), of zeros and ones. `native` chooses what computes (for tests)."""
        self._dimension = len(bits)
        self._key: U64 = np.zeros(len(bits) + len(bits) % 2, np.uint64)
        self._key[: len(bits)] = np.uint64(0) - bits.astype(np.uint64)
        self.native = has_aes() if native is None else native

    def __repr__(self) -> str:
        return f"KeySums(dimension={self._dimension})"

    def __call__(self, seed: bytes, first: int, count: int) -> U64:
        """<mask, key> (count,) of LWE ciphertexts [first, first + count) of a file."""
        out = np.empty(count, np.uint64)
        if self.native:
            core, pairs = library.mask_sum(), len(self._key) // 2
            assert core is not None
            core.darkroom_key_sums(seed, first, count, pairs, self._key.ctypes.data, out.ctypes.data)
            return out
        for start in range(0, count, BLOCK):
            masks = lwe_masks(seed, first + start, min(BLOCK, count - start), self._dimension)
            out[start : start + BLOCK] = (masks & self._key[: self._dimension]).sum(axis=1, dtype=np.uint64)
        return out


@cache
def has_aes() -> bool:
    """Whether the native core is there and the processor has the instructions that it needs."""
    try:
        return library.mask_sum() is not None
    except Unavailable:
        return False


def noise_name(profile: EncryptionProfile) -> str:
    """What noise is made by here (`fhe.gaussian.generator`)."""
    return generator(profile.polynomial_size, _variance(profile))


def bodies_of(
    sums: KeySums, profile: EncryptionProfile, seed: bytes, noise_seed: bytes, first_poly: int, bits: I64
) -> U16:
    """Bodies (polys, N) of bits (polys, N), as the chunks from `first_poly` of a file."""
    polys, size = bits.shape
    words = np.zeros(bits.shape, np.uint64)
    add_noise(words, noise_seed, first_poly, _variance(profile))
    words <<= np.uint64(NOISE_UNIT)
    words += sums(seed, first_poly * size, polys * size).reshape(bits.shape)
    words += bits.view(np.uint64) << np.uint64(63 - BIN_WIDTH)
    words += np.uint64(1 << (63 - BODY_BITS))
    return (words >> np.uint64(64 - BODY_BITS)).astype(np.uint16)


def _variance(profile: EncryptionProfile) -> float:
    return profile.lwe_variance * 4.0**-NOISE_UNIT
