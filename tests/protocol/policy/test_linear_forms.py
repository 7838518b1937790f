"""Exact rank and shares: what no choice of weights can hide."""

from __future__ import annotations

import random
import time
from fractions import Fraction

import numpy as np
import pytest

from app.protocol.policy.linear_forms import (
    AFFINE,
    Form,
    Space,
    basis,
    difference,
    dominated_column,
    form,
    semidefinite,
    shares_of,
)

NAMES = [f"c{i}" for i in range(12)]
SPACE = Space(dict.fromkeys(NAMES, 256), dict.fromkeys(NAMES, 7))


def affine(weights: list[int]) -> Form:
    """A form of affine codes."""
    return form({(name, AFFINE): weight for name, weight in zip(NAMES, weights, strict=False)})


@pytest.mark.parametrize("seed", range(5))
def test_rank_equals_floating_rank_on_tame_forms(seed: int) -> None:
    """On small random weights the exact rank is the one that floating point finds."""
    rng = np.random.default_rng(seed)
    low = rng.integers(-9, 10, (9, 5)) @ rng.integers(-9, 10, (5, 12))
    forms = [affine([int(w) for w in row]) for row in low]
    assert len(basis(forms)) == np.linalg.matrix_rank(low)


def test_rank_sees_what_primes_and_doubles_hide() -> None:
    """Forms that agree modulo a prime, or up to a rounding error, are still counted as independent."""
    prime = (1 << 61) - 1
    first = affine([1, 2, 3])
    assert len(basis([first, affine([1 + prime, 2, 3])])) == 2
    big = 1 << 60
    assert len(basis([affine([big, big, 1]), affine([big, big, 2])])) == 2
    assert len(basis([first, affine([5, 10, 15]), affine([-1, -2, -3])])) == 1


def test_rank_is_stable_under_long_combinations() -> None:
    """Integer combinations of two forms never count as a third."""
    rng = random.Random(3)
    first, second = affine([3, -5, 7, 11]), affine([2, 2, -9, 1])
    forms = [first, second]
    for _ in range(30):
        a, b = rng.randrange(-(10**9), 10**9), rng.randrange(-(10**9), 10**9)
        forms.append(form({w: a * dict(first).get(w, 0) + b * dict(second).get(w, 0) for w, _ in first}))
    assert basis(forms) == [first, second]


def test_share_of_one_form() -> None:
    """A single form's share is the column's part of its variance."""
    space = Space(dict.fromkeys(NAMES[:2], 256), {})
    assert shares_of(affine([3, 1]), space)["c0"] == Fraction(9, 10)
    assert dominated_column([affine([3, 1])], space, Fraction(9, 10)) is None
    assert dominated_column([affine([3, 1])], space, Fraction(89, 100)) == "c0"


def test_two_forms_that_differ_by_a_column_are_dominated() -> None:
    """Two well spread forms whose difference is one column reproduce it, and that is seen."""
    spread = [17, -4, 9, 30, 2, 8, -11, 5]
    other = [*spread[:3], spread[3] + 1, *spread[4:]]
    assert dominated_column([affine(spread)], SPACE, Fraction(9, 10)) is None
    assert dominated_column([affine(other)], SPACE, Fraction(9, 10)) is None
    assert dominated_column([affine(spread), affine(other)], SPACE, Fraction(9, 10)) == "c3"
    assert difference(affine(other), affine(spread)) == affine([0, 0, 0, 1])


def test_difference_hidden_under_huge_weights_is_seen() -> None:
    """The same, when the shared part is so large that doubles would lose the difference."""
    huge = [w << 80 for w in (17, -4, 9, 30)]
    other = [*huge[:3], huge[3] + 1]
    assert dominated_column([affine(huge), affine(other)], SPACE, Fraction(9, 10)) == "c3"


@pytest.mark.parametrize("seed", range(5))
def test_share_matches_sampled_variance(seed: int) -> None:
    """The exact covariances of codes and bits are those of uniformly drawn codes."""
    rng = np.random.default_rng(seed)
    space = Space({"a": 256}, {"b": 4})
    weights = {("a", AFFINE): int(rng.integers(-9, 10)) or 1} | {
        ("b", i): int(rng.integers(-400, 400)) for i in range(4)
    }
    code, cell = rng.integers(0, 256, 400_000), rng.integers(0, 5, 400_000)
    parts = code * weights["a", AFFINE], sum((cell > i) * weights["b", i] for i in range(4))
    sampled = float(np.var(parts[1]) / (np.var(parts[0]) + np.var(parts[1])))
    assert float(shares_of(form(weights), space)["b"]) == pytest.approx(sampled, abs=0.01)


@pytest.mark.parametrize("seed", range(10))
def test_semidefinite_agrees_with_eigenvalues(seed: int) -> None:
    """The elimination says what the eigenvalues of random integer matrices say, singular ones included."""
    rng = np.random.default_rng(seed)
    root = rng.integers(-5, 6, (6, int(rng.integers(1, 7))))
    gram = root @ root.T
    assert semidefinite([[int(v) for v in row] for row in gram])
    gram[int(rng.integers(6)), :] = 0
    shifted = root @ root.T
    index = int(rng.integers(6))
    shifted[index, index] -= 1 + int(rng.integers(60))
    expected = np.linalg.eigvalsh(shifted.astype(float))[0] > -1e-7
    assert semidefinite([[int(v) for v in row] for row in shifted]) == expected


def test_bits_that_copy_a_column_are_dominated() -> None:
    """A sum of one column's bits is that column's bin, however little weight the others are given."""
    bits = form({("c1", i): 10 for i in range(7)} | {("c2", 0): 1, ("c3", 4): -1})
    assert dominated_column([bits], SPACE, Fraction(9, 10)) == "c1"


@pytest.mark.parametrize("seed", range(8))
def test_floating_clearance_never_hides_a_column(seed: int) -> None:
    """What floating point clears, the exact test would clear too: both agree on limits around the true share."""
    rng = np.random.default_rng(seed)
    forms = [affine([int(w) for w in rng.integers(-50, 51, 12)]) for _ in range(int(rng.integers(1, 6)))]
    weights = np.array([[dict(one).get((name, AFFINE), 0) for name in NAMES] for one in forms], float)
    basis_rows = np.linalg.qr(weights.T)[0]
    greatest = float((basis_rows**2).sum(axis=1).max())
    for gap in (-1e-3, -1e-6, 1e-6, 1e-3):
        limit = Fraction(greatest + gap).limit_denominator(10**9)
        assert (dominated_column(forms, SPACE, limit) is None) == (gap > 0)


@pytest.mark.slow
def test_wide_tables_stay_within_seconds() -> None:
    """Thirty-two forms over a thousand columns are judged in seconds, and a thousand forms are not all reduced."""
    rng = np.random.default_rng(1)
    names = [f"w{i}" for i in range(1000)]
    space = Space(dict.fromkeys(names, 256), {})

    def wide() -> Form:
        weights = rng.integers(1, 1 << 20, 1000)
        return form({(name, AFFINE): int(w) for name, w in zip(names, weights, strict=True)})

    forms = [wide() for _ in range(32)]
    start = time.perf_counter()
    assert len(basis(forms)) == 32
    assert dominated_column(forms, space, Fraction(9, 10)) is None
    assert len(basis(forms * 2 + [wide() for _ in range(300)], most=32)) == 33
    assert time.perf_counter() - start < 60
