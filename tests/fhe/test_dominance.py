"""The quick judge of concentration never clears what the exact one condemns."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.protocol.policy.linear_forms import AFFINE, Form, Space, basis, dominated_column, form
from fhe.dominance import cleared

NAMES = [f"c{n}" for n in range(8)]
SPACE = Space(dict.fromkeys(NAMES, 256), dict.fromkeys(NAMES, 7))


def random_form(rng: np.random.Generator, size: int, reach: int = 100) -> Form:
    wires = [(NAMES[n], int(rng.integers(-1, 7))) for n in rng.choice(len(NAMES), size, replace=False)]
    return form({wire: int(rng.integers(1, reach)) * int(rng.choice([-1, 1])) for wire in wires})


@settings(max_examples=60)
@given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.sampled_from([0.5, 0.9, 0.99]))
def test_what_is_cleared_is_clear(seed: int, count: int, share: float) -> None:
    """For random groups of forms over codes and bits, at several limits."""
    rng = np.random.default_rng(seed)
    several = [[random_form(rng, int(rng.integers(1, 8))) for _ in range(count)] for _ in range(4)]
    for group, clear in zip(several, cleared(several, SPACE, share), strict=True):
        if clear:
            assert dominated_column(basis(group), SPACE, Fraction(str(share))) is None


def test_honest_groups_are_cleared_at_once() -> None:
    """Otherwise every job of a busy dataset would be judged in exact arithmetic."""
    rng = np.random.default_rng(7)
    wide = [form({(name, AFFINE): int(rng.integers(40, 128)) for name in NAMES}) for _ in range(40)]
    several = [[wide[n], wide[n + 1]] for n in range(0, 40, 2)]
    assert sum(cleared(several, SPACE, 0.9)) >= 18


@pytest.mark.parametrize("scale", [1, 10**6, 10**15, 10**30, 10**200])
def test_a_difference_that_is_one_column_is_never_cleared(scale: int) -> None:
    """However large the weights are under which it hides."""
    base = {(name, AFFINE): scale * (n + 3) for n, name in enumerate(NAMES)}
    other = base | {("c3", AFFINE): base["c3", AFFINE] + 1}
    assert cleared([[form(base), form(other)]], SPACE, 0.9) == [False]


def test_sizes_may_differ_and_nothing_is_nothing() -> None:
    """An empty group is clear; one column alone is not."""
    rng = np.random.default_rng(3)
    wide = form({(name, AFFINE): int(rng.integers(40, 128)) for name in NAMES})
    lone = form({("c1", AFFINE): 3})
    assert cleared([[], [wide], [lone], [wide, lone]], SPACE, 0.9) == [True, True, False, False]
    assert cleared([], SPACE, 0.9) == []
