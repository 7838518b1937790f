"""What was released of which rows, as one span a stretch of rows: a bounded number of stretches, so bounded work.

A job's rows cut those of earlier jobs into stretches that gave away the same. Ten thousand jobs on shifted rows would
make twenty thousand of them, and whoever asks for all rows would have each one judged. So at most `MOST_STRETCHES` are
told apart: beyond, the two neighbours whose union charges least are joined, and every row of the new stretch counts as
having given away what any of its rows did. That is never less than the truth, so a limit that holds here holds there.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import pairwise

from app.protocol.forms import Form
from app.protocol.span import Span

MOST_STRETCHES = 32
NOTHING = Span()


@dataclass(frozen=True)
class Stretch:
    """Rows [first, end), the span of the linear forms released of them, and the names of outputs with lookups."""

    first: int
    end: int
    span: Span = NOTHING
    opaque: frozenset[str] = frozenset()

    @property
    def rank(self) -> int:
        """Dimensions that each of its rows gave away."""
        return self.span.rank + len(self.opaque)


@dataclass(frozen=True)
class Stretches:
    """All rows that gave something away, in order and without overlap. Never changed: `plus` makes another."""

    parts: tuple[Stretch, ...] = ()

    def over(self, first: int, end: int) -> list[Stretch]:
        """What rows [first, end) gave away: their stretches cut to the range, those that gave away nothing included."""
        found, at = [], first
        for part in self.parts:
            if part.end <= first or end <= part.first:
                continue
            if at < part.first:
                found.append(Stretch(at, part.first))
            found.append(replace(part, first=max(first, part.first), end=min(end, part.end)))
            at = part.end
        return [*found, Stretch(at, end)] if at < end else found

    def plus(self, first: int, end: int, forms: Iterable[Form], opaque: Iterable[str] = ()) -> Stretches:
        """With what a release of rows [first, end) gives away."""
        given, names = tuple(forms), frozenset(opaque)
        grown = {}  # stretches that were cut from one share its span: it grows once
        inside = self.over(first, end)
        for part in inside:
            if id(part.span) not in grown:
                grown[id(part.span)] = part.span.plus(given)
        changed = [replace(part, span=grown[id(part.span)], opaque=part.opaque | names) for part in inside]
        before = [replace(part, end=min(part.end, first)) for part in self.parts if part.first < first]
        after = [replace(part, first=max(part.first, end)) for part in self.parts if end < part.end]
        return Stretches(tuple(_bounded(_joined_equals([*before, *changed, *after]))))

    def to_bytes(self) -> bytes:
        """For a ledger."""
        return json.dumps(
            [[part.first, part.end, part.span.to_bytes().decode(), sorted(part.opaque)] for part in self.parts]
        ).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Stretches:
        """Inverse of `to_bytes`, which alone makes these bytes: they are not checked."""
        spans: dict[str, Span] = {}
        parts = []
        for first, end, text, opaque in json.loads(data):
            span = spans.get(text) or spans.setdefault(text, Span.from_bytes(text.encode()))
            parts.append(Stretch(first, end, span, frozenset(opaque)))
        return cls(tuple(parts))


def _joined_equals(parts: Iterable[Stretch]) -> list[Stretch]:
    """Neighbours that gave away the same as one."""
    found: list[Stretch] = []
    for part in parts:
        last = found[-1] if found else None
        if last and last.end == part.first and last.opaque == part.opaque and _equal(last.span, part.span):
            found[-1] = replace(last, end=part.end)
        else:
            found.append(part)
    return found


def _equal(one: Span, other: Span) -> bool:
    return one is other or (one.rank == other.rank and all(form in other for form in one.forms))


def _bounded(parts: list[Stretch]) -> list[Stretch]:
    """At most `MOST_STRETCHES`, by joining the neighbours that charge their rows least."""
    while len(parts) > MOST_STRETCHES:
        costs = [_cost(*pair) for pair in pairwise(parts)]
        at = costs.index(min(costs))
        one, other = parts[at : at + 2]
        union = Stretch(one.first, other.end, one.span.plus(other.span.forms), one.opaque | other.opaque)
        parts = _joined_equals([*parts[:at], union, *parts[at + 2 :]])
    return parts


def _cost(one: Stretch, other: Stretch) -> int:
    """At most so many dimensions, summed over rows, that joining two neighbours charges without a release."""
    gap = other.first - one.end
    lone = len(one.opaque - other.opaque), len(other.opaque - one.opaque)
    return (
        (one.end - one.first) * (other.span.rank + lone[1])
        + (other.end - other.first) * (one.span.rank + lone[0])
        + gap * (one.rank + other.rank)
    )
