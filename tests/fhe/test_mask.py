"""Mask words are what their definition says, wherever one starts."""

from __future__ import annotations

import numpy as np
from Crypto.Cipher import AES
from hypothesis import given
from hypothesis import strategies as st

from fhe.mask import mask

SEED = bytes(range(16))


def test_mask_words_are_aes_of_little_endian_counters() -> None:
    """Polynomial p holds the encryptions of the counters from p * N/2, as little-endian words."""
    counters = b"".join(i.to_bytes(16, "little") for i in range(3 * 32, 5 * 32))
    expected = np.frombuffer(AES.new(SEED, AES.MODE_ECB).encrypt(counters), "<u8").reshape(2, 64)
    assert np.array_equal(mask(SEED, 3, 2, 64), expected)


@given(first=st.integers(0, 2**40), polys=st.integers(1, 5), cut=st.integers(0, 5))
def test_a_mask_can_be_made_in_any_parts(first: int, polys: int, cut: int) -> None:
    """Making polynomials one by one, in two parts or at once gives the same words."""
    whole = mask(SEED, first, polys, 32)
    cut = min(cut, polys)
    parts = [mask(SEED, first, cut, 32), mask(SEED, first + cut, polys - cut, 32)]
    assert np.array_equal(np.concatenate(parts), whole)
    out = np.zeros((polys, 32), np.uint64)
    assert mask(SEED, first, polys, 32, out) is out
    assert np.array_equal(out, whole)


def test_seeds_give_unrelated_masks() -> None:
    """Half of all bits differ between two seeds."""
    a, b = mask(SEED, 0, 4, 2048), mask(SEED[::-1], 0, 4, 2048)
    share = np.unpackbits((a ^ b).view(np.uint8)).mean()
    assert abs(share - 0.5) < 6 * 0.5 / np.sqrt(a.size * 64)
