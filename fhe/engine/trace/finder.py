"""Where what another party said departs from what is so: the one finder of every round of every game. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain


def first_false(said: Sequence[object], true: Sequence[object]) -> int | None:
    """The place of the first thing that is said otherwise; 0 where another number is said, None where all is so.

    What comes before it is right, so of totals that each follow from the one before it is one that does not follow.
    """
    if len(said) != len(true):
        return 0
    return next((place for place, (theirs, own) in enumerate(zip(said, true, strict=True)) if theirs != own), None)


def false_stretch(said: Sequence[object], true: Sequence[object]) -> int:
    """The first stretch whose end is said otherwise, the end of the last one, which is not among them, being false."""
    found = first_false(said, true)
    return len(true) if found is None else found


def false_term(
    totals: Sequence[int], words: Sequence[int], true_totals: Sequence[int], true_words: Sequence[int]
) -> int | None:
    """The first term whose word or whose total is said otherwise, 0 being the total before all; None where all is so.

    There is a total more than words. Also 0 where another number of them is said.
    """
    if len(words) != len(true_words):
        return 0
    found = first_false(_in_turn(totals, words), _in_turn(true_totals, true_words))
    return None if found is None else (found + 1) // 2


def _in_turn(totals: Sequence[int], words: Sequence[int]) -> list[int]:
    return [totals[0], *chain.from_iterable(zip(words, totals[1:], strict=True))]
