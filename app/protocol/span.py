"""The span of the linear forms that were released on some rows: its exact rank and whom it exposes, kept up to date.

`app.protocol.forms` judges a list of forms from the beginning; that takes longer with every job. A `Span` keeps the
reduced row echelon form of what it holds, so that one more form costs one pass over at most `rank` rows. The rows are
primitive integer vectors, so each entry is a minor of the forms divided by a common factor: with rank r and weights of
b bits it has at most r (b + log2(r) / 2) bits (Hadamard), whatever the order and the number of forms.

The pivot of a new row is its largest entry, so no entry of a row exceeds its pivot by more than 2^rank, and divided by
their pivots the rows are well conditioned whatever weights buyers choose: u and u + (one column) become u and that
column. Floating point therefore clears or convicts
nearly every column by itself (`dominated`), and exact elimination is for shares within `MARGIN` of the limit.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from operator import mul

from app.protocol.forms import MARGIN, SMALLEST_PIVOT, Form, Space, Wire, columns_of, gram, semidefinite

RELATIVE = 1e-6  # of a trace: less in further eigenvalues is rounding, or far too little to matter beside MARGIN
Row = Mapping[Wire, int]
Floats = list[list[float]]


@dataclass(frozen=True)
class Span:
    """Independent forms and their echelon form. Never changed: `plus` makes another one that shares its rows."""

    forms: tuple[Form, ...] = ()  # those that were independent of the ones before, as they were given
    rows: tuple[tuple[Wire, Row], ...] = ()  # (pivot, primitive row); no other row has a weight at a pivot

    @property
    def rank(self) -> int:
        """Its dimension."""
        return len(self.forms)

    def __contains__(self, form: Form) -> bool:
        """Whether a form is a combination of these."""
        return not self._rest(form)

    def plus(self, forms: Iterable[Form], most: int | None = None) -> Span:
        """The span with some forms more; itself when they add nothing.

        With `most`, it stops after one dimension more than that: enough to know that there are too many.
        """
        span = self
        for form in forms:
            if most is not None and span.rank > most:
                break
            span = span._with(form)
        return span

    def _with(self, form: Form) -> Span:
        rest = self._rest(form)
        if not rest:
            return self
        pivot = max(rest, key=lambda wire: (abs(rest[wire]), wire))
        return Span((*self.forms, form), (*((at, _cleared(row, pivot, rest)) for at, row in self.rows), (pivot, rest)))

    def _rest(self, form: Form) -> dict[Wire, int]:
        """What is left of a form without the pivots: primitive, and empty exactly when the form is in the span."""
        given = dict(form)
        hit = [(given[pivot], row[pivot], row) for pivot, row in self.rows if pivot in given]
        scale = math.lcm(*(lead for _, lead, _ in hit))
        rest = {wire: scale * weight for wire, weight in given.items()}
        for weight, lead, row in hit:
            factor = weight * (scale // lead)
            for wire, other in row.items():
                rest[wire] = rest.get(wire, 0) - factor * other
        return _primitive(rest)

    def to_bytes(self) -> bytes:
        """For a ledger: JSON, integers in hexadecimal since they pass 2^53."""
        forms = [[[*wire, hex(weight)] for wire, weight in form] for form in self.forms]
        rows = [[*pivot, [[*wire, hex(weight)] for wire, weight in sorted(row.items())]] for pivot, row in self.rows]
        return json.dumps([forms, rows], separators=(",", ":")).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Span:
        """Inverse of `to_bytes`, which alone makes these bytes: they are not checked."""
        forms, rows = json.loads(data)
        return cls(
            tuple(tuple(((name, index), int(weight, 16)) for name, index, weight in form) for form in forms),
            tuple(((at, edge), {(n, i): int(weight, 16) for n, i, weight in row}) for at, edge, row in rows),
        )


def dominated(span: Span, space: Space, share: Fraction) -> str | None:
    """A column that explains more than `share` of the variance of some combination in a span, or None.

    The same verdict as `forms.dominated_column` on the span's forms.
    """
    if share >= 1 or not span.forms:
        return None
    columns = {name: _Column.of(span, name, space) for name in sorted(columns_of(span.forms))}
    root = _inverse_root([[math.fsum(one.product(i, k) for one in columns.values()) for k in range(i + 1)]
                          for i in range(span.rank)])  # fmt: skip
    close = []
    for column, own in columns.items():
        verdict = None if root is None else _verdict(root, own, float(share))
        if verdict is False:
            return column
        if verdict is None:
            close.append(column)
    if not close:
        return None
    exact = {column: gram(span.forms, column, space, space.scale) for column in columns}
    size = range(span.rank)
    total = [[sum(part[i][k] for part in exact.values()) for k in size] for i in size]
    for column in close:
        part = exact[column]
        rest = [[share.numerator * total[i][k] - share.denominator * part[i][k] for k in size] for i in size]
        if not semidefinite(rest):
            return column
    return None


def _cleared(row: Row, pivot: Wire, other: Row) -> Row:
    """A row without its weight at the pivot of another."""
    factor = row.get(pivot, 0)
    if not factor:
        return row
    lead = other[pivot]
    return _primitive({wire: row.get(wire, 0) * lead - other.get(wire, 0) * factor for wire in row.keys() | other})


def _primitive(row: Mapping[Wire, int]) -> dict[Wire, int]:
    """Without zeros, divided by the greatest common divisor."""
    divisor = math.gcd(*row.values())
    return {wire: weight // divisor for wire, weight in row.items() if weight} if divisor else {}


@dataclass(frozen=True)
class _Column:
    """What the rows of a span, divided by their pivots, have of one column."""

    weights: Floats  # (rank, wires of the column)
    images: Floats  # the same times the covariance of the wires

    @classmethod
    def of(cls, span: Span, column: str, space: Space) -> _Column:
        own = [{i: weight / row[at] for (name, i), weight in row.items() if name == column} for at, row in span.rows]
        indices, scale = sorted({index for row in own for index in row}), space.scale
        weights = [[row.get(index, 0.0) for index in indices] for row in own]
        cov = [[space.covariance(column, i, k, scale) / scale for k in indices] for i in indices]
        return cls(weights, _times(weights, cov))

    def product(self, first: int, second: int) -> float:
        """Covariance of two rows through the column."""
        return math.fsum(map(mul, self.weights[first], self.images[second]))


def _times(left: Floats, right: Floats) -> Floats:
    columns = list(zip(*right, strict=True))
    return [[sum(map(mul, row, column)) for column in columns] for row in left]


def _inverse_root(matrix: Floats) -> Floats | None:
    """L^-1 D for the lower half of G, with D scaling G to ones on its diagonal and L L' = D G D; None when G's
    correlations are not well conditioned.
    """
    size = range(len(matrix))
    lengths = [1 / math.sqrt(matrix[i][i]) if matrix[i][i] > 0 else 0.0 for i in size]
    scaled = [[matrix[i][k] * lengths[i] * lengths[k] for k in range(i + 1)] for i in size]
    lower = _cholesky(scaled, SMALLEST_PIVOT)
    if lower is None:
        return None
    inverse: Floats = []
    for i in size:
        row = [0.0] * len(matrix)
        row[i] = 1.0
        for k in range(i):
            factor = lower[i][k]
            for j in range(k + 1):
                row[j] -= factor * inverse[k][j]
        inverse.append([value / lower[i][i] for value in row])
    return [[value * length for value, length in zip(row, lengths, strict=True)] for row in inverse]


def _verdict(root: Floats, column: _Column, limit: float) -> bool | None:
    """Whether a column's greatest share is below the limit: surely (True), surely not (False), or too close to say.

    The shares are the eigenvalues of W = root G_c root'. At most their sum: the trace clears most columns. With one
    wire of a column W has one eigenvalue, the trace; else (limit - MARGIN) I - W has to have a Cholesky factor.
    """
    weights, images = _times(root, column.weights), _times(root, column.images)
    diagonal = [sum(map(mul, *pair)) for pair in zip(weights, images, strict=True)]
    if (trace := sum(diagonal)) <= limit - MARGIN:
        return True
    if max(diagonal) > limit + MARGIN:
        return False
    whole = [[sum(map(mul, weights[i], images[k])) for k in range(i + 1)] for i in range(len(root))]
    if trace**2 - _square(whole) <= RELATIVE * trace**2:
        return False if trace > limit + MARGIN else None
    rest = [[(limit - MARGIN if i == k else 0.0) - value for k, value in enumerate(row)] for i, row in enumerate(whole)]
    return True if _cholesky(rest, SMALLEST_PIVOT) is not None else None


def _square(lower: Floats) -> float:
    """Squared Frobenius norm of a symmetric matrix."""
    return sum((1 if i == k else 2) * value**2 for i, row in enumerate(lower) for k, value in enumerate(row))


def _cholesky(matrix: Floats, least: float) -> Floats | None:
    """Lower factor of the lower half of a symmetric matrix; None when a pivot is below `least`."""
    lower: Floats = []
    for i, given in enumerate(matrix):
        row: list[float] = []
        for k in range(i):
            row.append((given[k] - sum(map(mul, row, lower[k]))) / lower[k][k])
        pivot = given[i] - sum(map(mul, row, row))
        if not pivot >= least:
            return None
        lower.append([*row, math.sqrt(pivot)])
    return lower
