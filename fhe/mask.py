"""The public mask words of packed ciphertexts, from a 16-byte seed.

Word pair j of a file is the AES-128 encryption, under the seed, of the counter j as 16 little-endian bytes; polynomial
p holds the pairs from p * N/2. It is the CTR key stream, made in ECB mode because that is several times faster in
pycryptodome, and any polynomial can be had without those before it.
"""

from __future__ import annotations

from functools import cache
from typing import Protocol

import numpy as np
from Crypto.Cipher import AES

from app.protocol.errors import Unavailable
from fhe.arrays import I64, U64
from fhe.engine.native import library

SEED_BYTES = 16


def mask(seed: bytes, first_poly: int, polys: int, size: int, out: U64 | None = None) -> U64:
    """Mask words u64 (polys, size) of polynomials [first_poly, first_poly + polys), each of `size` coefficients.

    `out`, if given, is a C-contiguous array of that shape to fill.
    """
    words = np.empty((polys, size), "<u8") if out is None else out
    pairs = words.reshape(-1, 2)
    start = first_poly * size // 2
    pairs[:, 0] = np.arange(start, start + len(pairs), dtype=np.uint64)
    pairs[:, 1] = 0
    view = pairs.reshape(-1).view(np.uint8).data
    AES.new(seed, AES.MODE_ECB).encrypt(view, output=view)  # block by block, so in place is safe
    return words


def lwe_masks(seed: bytes, first: int, count: int, dimension: int) -> U64:
    """Mask words u64 (count, n) of LWE ciphertexts [first, first + count) of a file, n = `dimension`.

    Ciphertext k has the words from k m, m being n or, where that is odd, n + 1.
    """
    return mask(seed, first, count, dimension + dimension % 2)[:, :dimension]


class AddMask(Protocol):
    """Adds weighted mask words of one file to sums, without writing them anywhere; modulo 2^64."""

    def __call__(self, seed: bytes, first_word: int, weights: U64, rows: I64, sums: U64) -> None:
        """`sums[rows[t]] += weights[t] * words` for each t: C-contiguous sums u64 (outputs, words), an even number of
        words from the even `first_word` of the file on.
        """


@cache
def native_add_mask(kind: int | None = None) -> AddMask | None:
    """The native core's, with one (1) or two (2) blocks an instruction, by default the best that this processor has;
    None where it has none, or there is no core. What it adds equals what `mask` gives.
    """
    try:
        core = library.mask_sum()
    except Unavailable:
        return None
    best = 0 if core is None else int(core.darkroom_has_aes())
    chosen = best if kind is None else kind
    if core is None or chosen > best:
        return None

    def add(seed: bytes, first_word: int, weights: U64, rows: I64, sums: U64) -> None:
        if len(seed) != SEED_BYTES or first_word % 2 or sums.shape[1] % 2 or not sums.flags.c_contiguous:
            raise ValueError("mask words come in pairs, under a seed of 16 bytes, into contiguous sums")
        factors, places = np.ascontiguousarray(weights, np.uint64), np.ascontiguousarray(rows, np.int64)
        if len(factors) != len(places) or (len(places) and not 0 <= places.min() <= places.max() < len(sums)):
            raise ValueError("each weight has one row of the sums")
        addresses = factors.ctypes.data, places.ctypes.data, len(places), sums.ctypes.data
        core.darkroom_mask_sum(chosen, seed, first_word // 2, sums.shape[1] // 2, *addresses, sums.shape[1])

    return add
