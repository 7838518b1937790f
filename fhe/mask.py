"""The public mask words of packed ciphertexts, from a 16-byte seed.

Word pair j of a file is the AES-128 encryption, under the seed, of the counter j as 16 little-endian bytes; polynomial
p holds the pairs from p * N/2. It is the CTR key stream, made in ECB mode because that is several times faster in
pycryptodome, and any polynomial can be had without those before it.
"""

from __future__ import annotations

import numpy as np
from Crypto.Cipher import AES

from fhe.arrays import U64

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
