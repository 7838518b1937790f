"""Spans kept up to date say what eliminating everything again says, whatever the weights and the rows."""

from __future__ import annotations

import random
import time
from fractions import Fraction

import pytest

from app.protocol.forms import AFFINE, Form, Space, basis, dominated_column, form
from app.protocol.span import Span, dominated
from app.protocol.stretches import MOST_STRETCHES, Stretches

NAMES = [f"c{i}" for i in range(8)]
SPACE = Space(dict.fromkeys(NAMES, 256), dict.fromkeys(NAMES, 7))
PRIME = (1 << 61) - 1


def affine(weights: list[int]) -> Form:
    """A form of affine codes."""
    return form({(name, AFFINE): weight for name, weight in zip(NAMES, weights, strict=False)})


def combined(rng: random.Random, forms: list[Form], bits: int) -> Form:
    """An integer combination of some forms."""
    weights: dict[tuple[str, int], int] = {}
    for one in forms:
        factor = rng.randrange(-(1 << bits), 1 << bits)
        for wire, weight in one:
            weights[wire] = weights.get(wire, 0) + factor * weight
    return form(weights)


def drawn(rng: random.Random, count: int) -> list[Form]:
    """Forms as buyers who know the code choose them: small, huge, near one another, of bits, equal modulo a prime."""
    found: list[Form] = []
    for _ in range(count):
        kind = rng.randrange(6)
        if kind == 0 and found:
            found.append(combined(rng, found[-3:], 40))
        elif kind == 1 and found:
            found.append(form(dict(rng.choice(found)) | {(rng.choice(NAMES), AFFINE): rng.choice([1, PRIME])}))
        elif kind == 2:
            found.append(affine([rng.randrange(-9, 10) for _ in NAMES]))
        elif kind == 3:
            found.append(form({(rng.choice(NAMES), rng.randrange(7)): rng.randrange(1, 99) for _ in range(5)}))
        elif kind == 4:
            huge = 1 << rng.randrange(20, 62)
            found.append(affine([huge * rng.randrange(-3, 4) + rng.randrange(2) for _ in NAMES]))
        else:
            found.append(affine([65_536, rng.randrange(1 << 17), rng.randrange(1 << 17)]))
    return found


@pytest.mark.parametrize("seed", range(60))
def test_a_span_has_the_forms_that_elimination_keeps(seed: int) -> None:
    """Rank and independent forms are those of `basis`, combinations are inside, and bytes bring it back."""
    rng = random.Random(seed)
    forms, span = drawn(rng, 14), Span()
    for place, one in enumerate(forms):
        inside = one in span
        grown = span.plus([one])
        assert (grown is span) == inside == (len(basis(forms[:place])) == len(basis(forms[: place + 1])))
        span = grown
    assert list(span.forms) == basis(forms)
    assert combined(rng, forms, 70) in span
    assert Span.from_bytes(span.to_bytes()) == span


@pytest.mark.parametrize("seed", range(60))
def test_a_span_is_dominated_where_its_forms_are(seed: int) -> None:
    """The verdict is that of the exact test on the forms, for limits that are met, missed and hit exactly."""
    rng = random.Random(seed)
    forms = drawn(rng, rng.randrange(1, 7))
    span = Span().plus(forms)
    for limit in (Fraction(1, 5), Fraction(1, 2), Fraction(9, 10), Fraction(1)):
        assert (dominated(span, SPACE, limit) is None) == (dominated_column(basis(forms), SPACE, limit) is None)


def test_a_share_that_is_the_limit_is_allowed() -> None:
    """Half is allowed where half is the limit, with one form and with two; a hair more is not."""
    one, two = affine([1, 1]), affine([0, 0, 5, 5])
    for forms in ([one], [one, two]):
        assert dominated(Span().plus(forms), SPACE, Fraction(1, 2)) is None
        assert dominated(Span().plus(forms), SPACE, Fraction(1, 2) - Fraction(1, 10**12)) is not None


def test_numbers_stay_as_short_as_minors() -> None:
    """A thousand long combinations of six forms leave entries of at most six times a weight's bits and a little."""
    rng = random.Random(5)
    forms = [affine([rng.randrange(-(1 << 62), 1 << 62) for _ in NAMES]) for _ in range(6)]
    span = Span().plus(combined(rng, forms, 60) for _ in range(1000))
    assert span.rank == 6
    assert Span().plus(span.forms) == span
    longest = max(abs(weight).bit_length() for _, row in span.rows for weight in row.values())
    assert longest <= 6 * (62 + 60 + 3 + 2)


@pytest.mark.parametrize("seed", range(10))
def test_stretches_never_say_less_than_was_released(seed: int) -> None:
    """On every row, what was released of it is inside; while they are few enough, nothing else is."""
    rng = random.Random(seed)
    few, many = Stretches(), Stretches()
    released: list[tuple[int, int, Form]] = []
    for number in range(60):
        first = rng.randrange(200)
        end = first + rng.randrange(1, 40)
        one = affine([rng.randrange(-9, 10) for _ in NAMES])
        many = many.plus(first, end, [one], [f"{number % 5}"])
        if number < 12:
            released.append((first, end, one))
            few = few.plus(first, end, [one])
    assert len(many.parts) <= MOST_STRETCHES
    for row in range(240):
        own = [one for first, end, one in released if first <= row < end]
        (here,) = few.over(row, row + 1)
        assert here.rank == len(basis(own))
        (there,) = many.over(row, row + 1)
        assert all(one in there.span for one in own)
    assert Stretches.from_bytes(many.to_bytes()) == many


def test_rows_that_no_job_touched_stay_untouched() -> None:
    """Gaps between stretches are said, with nothing given away."""
    found = Stretches().plus(10, 20, [affine([1])]).plus(30, 40, [affine([1])]).over(5, 45)
    assert [(part.first, part.end, part.rank) for part in found] == [
        (5, 10, 0), (10, 20, 1), (20, 30, 0), (30, 40, 1), (40, 45, 0)
    ]  # fmt: skip


def test_one_job_against_ten_thousand_takes_milliseconds() -> None:
    """After ten thousand jobs on shifted rows, the ranks and shares of one more on all rows take at most 50 ms."""
    rng = random.Random(2)
    stretches, limit, share = Stretches(), 4, Fraction(9, 10)
    forms = [affine([rng.randrange(-(1 << 20), 1 << 20) for _ in NAMES]) for _ in range(200)]
    for number in range(10_000):
        first = rng.randrange(9_000)
        one, end = forms[number % 200], first + rng.randrange(100, 1000)
        if all(part.span.rank < limit or one in part.span for part in stretches.over(first, end)):
            stretches = stretches.plus(first, end, [one])
    times = []
    for one in [affine([rng.randrange(-99, 100) for _ in NAMES]) for _ in range(5)]:
        began = time.process_time()
        for part in stretches.over(0, 10_000):
            grown = part.span.plus([one], most=limit)
            _ = grown.rank <= limit and dominated(grown, SPACE, share)
        stretches.plus(0, 10_000, [one])
        times.append(time.process_time() - began)
    assert min(times) < 0.05
