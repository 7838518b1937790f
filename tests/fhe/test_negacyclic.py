"""Products with the key are exact, at their worst too."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhe.arrays import U64
from fhe.engine.native import build, library
from fhe.negacyclic import KeyProduct

FIELD = 80  # bits between coefficients, enough for 2,048 sums of 64-bit words


def exact(words: Sequence[int], bits: Sequence[int]) -> list[int]:
    """The product mod (X^N + 1, 2^64) by Python's long integers (Kronecker substitution)."""
    size = len(words)
    product = sum(w << (FIELD * i) for i, w in enumerate(words)) * sum(b << (FIELD * i) for i, b in enumerate(bits))
    parts = [(product >> (FIELD * i)) & ((1 << FIELD) - 1) for i in range(2 * size)]
    return [(parts[i] - parts[i + size]) % 2**64 for i in range(size)]


def widths(size: int) -> list[int]:
    """The vector widths of the native core that this processor runs and the size allows."""
    return [lanes for lanes in build.variants() if lanes <= library.widest() and size // 2 >= 16 * lanes]


def worst_words(size: int) -> U64:
    """Limbs as large as they get, in the patterns that add up most."""
    rng = np.random.default_rng(7)
    low_high = np.array([0x8000000080000000, 0x7FFFFFFF7FFFFFFF, 0xFFFFFFFFFFFFFFFF, 0x7FFFFFFF80000000], np.uint64)
    constant = np.tile(low_high[:, None], (1, size))
    signs = low_high[rng.integers(0, 2, (2, size))]
    return np.concatenate([constant, signs, rng.integers(0, 2**64, (2, size), dtype=np.uint64)])


@pytest.mark.parametrize("size", [4, 64, 2048])
@pytest.mark.parametrize("density", [0.5, 1.0])
def test_products_equal_exact_integers(size: int, density: float) -> None:
    """Every coefficient equals long-integer arithmetic, for random keys and the all-ones key, worst words included."""
    bits = (np.random.default_rng(size).random(size) <= density).astype(np.uint8)
    words = worst_words(size)
    found = KeyProduct(bits, lanes=0)(words)
    for row, result in zip(words, found, strict=True):
        assert result.tolist() == exact(row.tolist(), bits.tolist())
    for lanes in widths(size):
        assert np.array_equal(KeyProduct(bits, lanes)(words), found)


@settings(max_examples=30)
@given(seed=st.integers(0, 2**32), polys=st.integers(1, 20), size=st.sampled_from([64, 256, 2048]))
def test_the_native_product_is_numpys(seed: int, polys: int, size: int) -> None:
    """Random keys and words, those of equal limbs among them: every vector width gives NumPy's words."""
    rng = np.random.default_rng(seed)
    bits = (rng.random(size) < rng.random()).astype(np.uint8)
    words = rng.integers(0, 2**64, (polys, size), dtype=np.uint64)
    words[0] = rng.choice(worst_words(4).ravel(), size)
    for lanes in widths(size):
        assert np.array_equal(KeyProduct(bits, lanes)(words), KeyProduct(bits, lanes=0)(words))


def test_rounding_is_far_from_half() -> None:
    """The transforms' error on the worst words stays under the stated bound of 0.07."""
    size = 2048
    half = size // 2
    twist = np.exp(1j * np.pi * np.arange(half) / size)
    bits = np.ones(size)
    limb = np.full(size, -(2.0**31))
    limb[::3] = 2.0**31 - 1
    spectrum = np.fft.fft((limb[:half] + 1j * limb[half:]) * twist)
    product = np.fft.ifft(spectrum * np.fft.fft((bits[:half] + 1j * bits[half:]) * twist)) * twist.conj()
    values = np.concatenate([product.real, product.imag])
    assert np.abs(values - np.rint(values)).max() < 0.07


def test_a_key_of_an_impossible_size_is_refused() -> None:
    """Sizes beyond those of the error bound, or not powers of two, are refused; a key is never shown."""
    for size in (0, 2, 48, 4096):
        with pytest.raises(ValueError, match="power of two"):
            KeyProduct(np.zeros(size, np.uint8))
    assert "[" not in repr(KeyProduct(np.ones(64, np.uint8)))
