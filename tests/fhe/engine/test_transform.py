"""The canonical transform and the integer steps around it, against exact arithmetic."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhe.arrays import U64
from fhe.ciphertexts.packing import extract as extract_rows
from fhe.engine.gadget import digits, extract, rotate, switch_modulus, table_polynomials
from fhe.engine.roots import roots
from fhe.engine.transform import inverse, key_points, multiply, points, to_words
from fhe.profile import Gadget

SIZES = (32, 64, 128, 256, 512, 1024, 2048, 4096)
words = st.integers(0, 2**64 - 1)


def exact_product(digit: list[int], key: list[int]) -> U64:
    """The negacyclic product modulo 2^64, in Python integers."""
    size = len(key)
    total = [0] * size
    for i, d in enumerate(digit):
        for j, k in enumerate(key):
            place = (i + j) % size
            total[place] += d * k if i + j < size else -d * k
    return np.array([x % 2**64 for x in total], np.uint64)


def product(digit: U64, key: U64) -> U64:
    re, im = multiply(points(digit.view(np.int64).astype(np.float64)), key_points(key))
    inverse(re, im)
    return to_words(re, im)


@pytest.mark.parametrize("size", SIZES)
def test_a_transform_and_its_inverse_give_the_polynomial_times_the_points(size: int) -> None:
    """Forward then inverse is the identity, but for H and an error of a few last bits."""
    values = np.random.default_rng(size).normal(size=(3, size))
    re, im = points(values)
    inverse(re, im)
    assert np.allclose(np.concatenate([re, im], -1) / (size // 2), values, atol=1e-13)


@pytest.mark.parametrize("size", [32, 64, 128, 256])
def test_products_of_polynomials_are_right_within_float_precision(size: int) -> None:
    """A product of 15-bit digits by full words errs by less than 2^-45 of its own size."""
    rng = np.random.default_rng(size)
    digit, key = rng.integers(-(2**14), 2**14, size), rng.integers(0, 2**64, size, np.uint64)
    signed = [int(k) for k in key.view(np.int64)]
    error = (product(digit.view(np.uint64), key) - exact_product(digit.tolist(), signed)).view(np.int64)
    assert np.abs(error).max() < 2.0 ** (14 + 63 - 45) * math.sqrt(size)


def test_small_products_are_exact() -> None:
    """Where every sum stays below 2^44 the transform's product is the integer product."""
    rng = np.random.default_rng(1)
    digit, key = rng.integers(-8, 8, 64), rng.integers(0, 2**30, 64).astype(np.uint64)
    assert np.array_equal(product(digit.view(np.uint64), key), exact_product(digit.tolist(), key.tolist()))


@given(st.lists(st.floats(-(2.0**40), 2.0**40), min_size=32, max_size=32))
def test_turns_become_the_nearest_words(turns: list[float]) -> None:
    """A double in turns becomes the nearest word of its fraction, ties to even, exactly."""
    found = to_words(np.array(turns[:16]), np.array(turns[16:]))
    assert found.tolist() == [round((Fraction(x) % 1) * 2**64) % 2**64 for x in turns]


def test_half_a_turn_is_the_word_two_to_the_63() -> None:
    """The one value that no signed integer holds."""
    assert to_words(np.array([0.5, -0.5]), np.array([1.5, -2.5])).tolist() == [1 << 63] * 4


def test_roots_of_unity_have_every_symmetry_and_positive_zeros() -> None:
    """The table is symmetric bit for bit, unit within one rounding, and has no negative zero."""
    cosine, sine = roots(64)
    assert np.array_equal(cosine, np.roll(sine, -16))
    assert np.array_equal(cosine[1:], cosine[:0:-1])
    assert np.abs(cosine**2 + sine**2 - 1).max() < 4e-16
    assert not np.signbit(cosine[cosine == 0]).any()
    assert not np.signbit(sine[sine == 0]).any()


@given(words, st.integers(1, 20), st.integers(1, 3))
def test_digits_are_balanced_and_add_up_to_the_rounded_word(word: int, base: int, levels: int) -> None:
    """Digits lie in [-2^(base-1), 2^(base-1)) and their sum is the word, rounded half up."""
    cut = digits(np.array([word], np.uint64), Gadget(base_log=base, levels=levels))[:, 0].tolist()
    assert all(-(1 << (base - 1)) <= digit < 1 << (base - 1) for digit in cut)
    total = sum(digit << (64 - base * (levels - level)) for level, digit in enumerate(cut))
    step = 1 << (64 - base * levels)
    assert total % 2**64 == (word + step // 2) // step * step % 2**64


@given(words, st.sampled_from(SIZES))
def test_the_modulus_switch_rounds_half_up(word: int, size: int) -> None:
    """A word becomes the nearest of 2N steps, and the last half step wraps to zero."""
    step = 2**64 // (2 * size)
    assert switch_modulus(np.array([word], np.uint64), size)[0] == (word + step // 2) // step % (2 * size)


@given(st.integers(0, 127), st.integers(0, 127))
def test_rotations_compose_and_wrap_with_a_sign(first: int, second: int) -> None:
    """X^a X^b = X^(a + b), and X^64 = -1 for polynomials of 64 coefficients."""
    poly = np.random.default_rng(2).integers(0, 2**64, (1, 64), np.uint64)
    both = rotate(rotate(poly, np.array([first])), np.array([second]))
    assert np.array_equal(both, rotate(poly, np.array([(first + second) % 128])))
    assert np.array_equal(rotate(poly, np.array([64])), np.uint64(0) - poly)


def test_extraction_keeps_the_phase_of_each_coefficient() -> None:
    """The LWE ciphertext of coefficient r has the RLWE ciphertext's phase at r, for every r."""
    rng = np.random.default_rng(3)
    mask, body = rng.integers(0, 2**64, (2, 64), np.uint64)
    key = rng.integers(0, 2, 64)
    phase = body - exact_product(key.tolist(), mask.tolist())
    rows = np.stack([extract(mask, body, row) for row in range(64)])
    assert np.array_equal(rows[:, -1] - rows[:, :-1] @ key.astype(np.uint64), phase)
    assert np.array_equal(rows, extract_rows(mask, body, np.arange(64)))


def test_test_polynomials_hold_each_entry_in_a_box_around_its_message() -> None:
    """Entry m fills the coefficients within half a box of its message, the wrap has the first one's negative."""
    poly = table_polynomials(np.array([[1, 2, 3, -4]]), 4, 64)[0].view(np.int64) >> 59
    assert poly.tolist() == [1] * 8 + [2] * 16 + [3] * 16 + [-4] * 16 + [-1] * 8
