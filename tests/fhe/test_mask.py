"""Mask words are what their definition says, wherever one starts."""

from __future__ import annotations

import numpy as np
import pytest
from Crypto.Cipher import AES
from hypothesis import given
from hypothesis import strategies as st

from fhe.engine.mask_sums import native_add_mask
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


@pytest.mark.parametrize("kind", [1, 2])
@given(
    first=st.integers(0, 2**62),
    pairs=st.integers(1, 70),
    terms=st.integers(0, 4),
    seed=st.binary(min_size=16, max_size=16),
)
def test_a_fused_sum_is_the_sum_of_weighted_masks(kind: int, first: int, pairs: int, terms: int, seed: bytes) -> None:
    """Whatever instructions compute it: AES of the counters, times each weight, into the row of each, modulo 2^64;
    rows that are not named stay as they were.
    """
    add = native_add_mask(kind)
    if add is None:
        pytest.skip("this processor has no such instructions")
    chance = np.random.default_rng(first + pairs)
    seed = chance.bytes(16)
    sums = chance.integers(0, 2**64, (3, 2 * pairs), np.uint64)
    weights, rows = chance.integers(0, 2**64, terms, np.uint64), chance.integers(0, 2, terms)
    expected = sums.copy()
    words = mask(seed, first, pairs, 2).reshape(-1)
    for weight, row in zip(weights, rows, strict=True):
        expected[row] += weight * words
    add(seed, 2 * first, weights, rows, sums)
    assert np.array_equal(sums, expected)


def test_a_fused_sum_stays_inside_its_arrays() -> None:
    """What native code would write elsewhere is refused before."""
    add = native_add_mask()
    if add is None:
        pytest.skip("this processor has no such instructions")
    sums, one = np.zeros((2, 8), np.uint64), np.ones(1, np.uint64)
    for seed, first, rows, to in (
        (SEED[:15], 0, [0], sums),
        (SEED, 1, [0], sums),
        (SEED, 0, [2], sums),
        (SEED, 0, [-1], sums),
        (SEED, 0, [0, 1], sums),
        (SEED, 0, [0], np.zeros((2, 7), np.uint64)),
        (SEED, 0, [0], np.zeros((8, 2), np.uint64).T),
    ):
        with pytest.raises(ValueError, match=r"mask words|each weight"):
            add(seed, first, one, np.array(rows), to)
    assert not sums.any()
