"""Exact arithmetic on what was released: the rank of linear forms, and how much of one column they determine.

A form is integer weights on a dataset's wires: a column's affine code, or its bits "value >= edge i". Two forms that
differ by a constant are one. Everything here is integer arithmetic, since a buyer chooses the weights and would choose
those that a prime or a rounding error hides.

Inner product. Under the codebook's public distribution (columns independent, every code equally likely) the covariance
of forms u and v is sum over columns of u_c' C_c v_c, with, for a column of L codes and n = edges + 1 bins,
    Var(code) = (L^2 - 1) / 12,    Cov(bit i, bit k) = (i + 1) (n - 1 - k) / n^2    for i <= k, counted from 0.
The first is the variance of a discrete uniform variable [1, chapter 6]. The second is P(both) - P(i) P(k): bit i is
set in n - 1 - i of n bins, and where bit k is set bit i is. A column that is published in both encodings is taken like
what is derived from one source: its code and its bits in each of finitely many states (`Joint`).

Rank is the rank of the forms' Gram matrix G, which is the dimension of their span [2, theorem 7.2.10]. The share of
column c in the span is the largest part of any combination's variance that c alone explains: max over x of
x' G_c x / x' G x, a generalized Rayleigh quotient [3, section 8.7]. Columns being independent, the parts add up to the
variance: those of one form are its first-order sensitivity indices [4]. The share is at most s exactly when
x' (s G - G_c) x >= 0 for all x, so when s G - G_c is positive semidefinite. Two forms that differ by one column have
share 1.

[1] Johnson, Kemp and Kotz, Univariate Discrete Distributions, 3rd ed., 2005.
[2] Horn and Johnson, Matrix Analysis, 2nd ed., 2013.
[3] Golub and Van Loan, Matrix Computations, 4th ed., 2013.
[4] Sobol', Sensitivity Estimates for Nonlinear Mathematical Models, 1993.
[5] Bareiss, Sylvester's Identity and Multistep Integer-Preserving Gaussian Elimination, Math. Comp. 22, 1968.

How these limits and the bits of a release belong together: docs/leakage.md and `app.protocol.policy.rules`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from operator import mul

Wire = tuple[str, int]  # column name, and -1 for its affine code or the number of an edge
Form = tuple[tuple[Wire, int], ...]  # sorted by wire, weights not zero
Matrix = list[list[int]]
AFFINE = -1
STATES = 1 << 12  # of a source that columns are derived from, equally likely
MARGIN = 1e-4  # shares that floating point clears are at least this far below the limit
SMALLEST_PIVOT = 1e-6


@dataclass(frozen=True)
class Joint:
    """What the columns of one source are together: their codes in each of its different states (states,)."""

    counts: tuple[int, ...]  # how many of the `STATES` equally likely ones are this one
    codes: Mapping[str, Sequence[int]]  # affine codes by column
    bins: Mapping[str, Sequence[int]]  # bin codes by column
    whole: bool = False  # whether the source has no other state than these

    def wire(self, wire: Wire) -> list[int]:
        """A wire's value in each state."""
        column, index = wire
        return list(self.codes[column]) if index == AFFINE else [int(code > index) for code in self.bins[column]]

    def values(self, weights: Mapping[Wire, int]) -> list[int]:
        """What weights on its wires add up to in each state."""
        total = [0] * len(self.counts)
        for wire, weight in weights.items():
            for state, value in enumerate(self.wire(wire)):
                if value:
                    total[state] += weight * value
        return total


@dataclass(frozen=True)
class Space:
    """The codes of a dataset's columns: how many affine levels and how many edges each has (0: not published)."""

    levels: Mapping[str, int]
    edges: Mapping[str, int]
    sources: Mapping[str, str] = field(default_factory=dict)  # of columns that have another one than themselves
    joint: Mapping[str, Joint] = field(default_factory=dict)  # of sources that columns are derived from

    def source(self, column: str) -> str:
        """What a column is derived from: all columns of one source are one to every limit."""
        return self.sources.get(column, column)

    def __contains__(self, wire: Wire) -> bool:
        """Whether a wire is one of a column: products of columns are not."""
        column, index = wire
        return column in self.levels if index == AFFINE else index < self.edges.get(column, 0)

    @property
    def columns(self) -> int:
        """Columns of the dataset that are no other one's: its sources."""
        return len({self.source(column) for column in self.levels.keys() | self.edges.keys()})

    @property
    def scale(self) -> int:
        """A common multiple of all denominators of the covariances."""
        plain = ((edges + 1) ** 2 for column, edges in self.edges.items() if self.source(column) not in self.joint)
        return math.lcm(12, *plain, *([STATES**2] if self.joint else []))

    def covariance(self, column: str, first: int, second: int, scale: int) -> int:
        """`scale` times the covariance of two wires of one column (AFFINE or edge numbers)."""
        if AFFINE in (first, second):
            return scale // 12 * (self.levels[column] ** 2 - 1) if first == second else 0
        low, high = sorted((first, second))
        bins = self.edges[column] + 1
        return scale // bins**2 * (low + 1) * (bins - 1 - high)


def form(weights: Mapping[Wire, int]) -> Form:
    """The canonical form of these weights."""
    return tuple(sorted((wire, weight) for wire, weight in weights.items() if weight))


def difference(first: Form, second: Form) -> Form:
    """first - second."""
    weights = dict(first)
    for wire, weight in second:
        weights[wire] = weights.get(wire, 0) - weight
    return form(weights)


def basis(forms: Sequence[Form], most: int | None = None) -> list[Form]:
    """The forms that are independent of those before them, in order; their number is the exact rank.

    Elimination in integers, each row divided by its greatest common divisor, so that nothing is rounded.
    The bits of a column are independent functions of it, so independence of weights is independence of forms. With
    `most`, it stops after one more than that: enough to know that there are too many.
    """
    reduced: list[tuple[Wire, dict[Wire, int]]] = []  # (pivot wire, row), each free of the pivots before it
    kept = []
    for candidate in forms:
        row = dict(candidate)
        for pivot, other in reduced:
            if factor := row.get(pivot, 0):
                lead = other[pivot]
                row = {w: row.get(w, 0) * lead - other.get(w, 0) * factor for w in row.keys() | other.keys()}
                row = _primitive(row)
        if row:
            reduced.append((min(row), row))
            kept.append(candidate)
            if most is not None and len(kept) > most:
                break
    return kept


def _primitive(row: dict[Wire, int]) -> dict[Wire, int]:
    """The row without zeros, divided by the greatest common divisor of its entries."""
    row = {wire: weight for wire, weight in row.items() if weight}
    divisor = math.gcd(*row.values()) if row else 1
    return {wire: weight // divisor for wire, weight in row.items()}


def dominated_column(independent: Sequence[Form], space: Space, share: Fraction) -> str | None:
    """A column that explains more than `share` of the variance of some combination of these forms, or None."""
    if share >= 1 or not independent:
        return None
    scale = space.scale
    parts = {column: _gram(independent, column, space, scale) for column in _columns(independent, space)}
    size = range(len(independent))
    total = [[sum(part[i][k] for part in parts.values()) for k in size] for i in size]
    top, bottom = share.numerator, share.denominator
    if not space.joint.keys().isdisjoint(parts) and not definite(total):
        return min(parts.keys() & space.joint.keys())  # some combination never moves: nothing else hides what is in it
    for column, part in _suspects(parts, total, float(share)):
        if not semidefinite([[top * total[i][k] - bottom * part[i][k] for k in size] for i in size]):
            return column
    return None


def _suspects(parts: Mapping[str, Matrix], total: Matrix, share: float) -> list[tuple[str, Matrix]]:
    """The columns that floating point cannot clear, by name.

    The greatest share of a column is the largest eigenvalue of G^-1 G_c, so at most its trace, since none is negative.
    Where the forms' correlations are well conditioned (all pivots of their Cholesky factor above 1e-6) the trace is
    right to far better than the margin; else all are suspect.
    """
    size = range(len(total))
    lengths = [math.sqrt(total[i][i]) for i in size]
    inverse = _inverse([[total[i][k] / (lengths[i] * lengths[k]) for k in size] for i in size])
    everyone = sorted(parts.items())
    if inverse is None:
        return everyone
    scaled = [[inverse[i][k] / (lengths[i] * lengths[k]) for k in size] for i in size]
    return [
        (column, part)
        for column, part in everyone
        if sum(scaled[i][k] * part[i][k] for i in size for k in size) > share - MARGIN
    ]


def _inverse(matrix: list[list[float]]) -> list[list[float]] | None:
    """Inverse of a symmetric matrix with ones on its diagonal, or None when it is not well conditioned."""
    size = range(len(matrix))
    rows = [[*row, *(float(i == k) for k in size)] for i, row in enumerate(matrix)]
    for k in size:
        pivot = rows[k][k]
        if pivot < SMALLEST_PIVOT:
            return None
        rows[k] = [value / pivot for value in rows[k]]
        for i in size:
            if i != k and (factor := rows[i][k]):
                rows[i] = [value - factor * other for value, other in zip(rows[i], rows[k], strict=True)]
    return [row[len(matrix) :] for row in rows]


def shares_of(one: Form, space: Space) -> dict[str, Fraction]:
    """The part of one form's variance that each of its columns explains; empty for a form without weights.

    Of a form that never moves over the states of a derived column's source, that source explains all.
    """
    scale = space.scale
    parts = {name: _gram([one], name, space, scale)[0][0] for name in _columns([one], space)}
    total = sum(parts.values())
    if parts and not total:
        return {name: Fraction(1) for name in parts}
    return {name: Fraction(part, total) for name, part in parts.items()} if total else {}


def semidefinite(matrix: Matrix) -> bool:
    """Whether a symmetric integer matrix is positive semidefinite: fraction-free elimination [5], all pivots >= 0.

    What is left after a pivot is a positive multiple of its Schur complement, which must be semidefinite as well. Where
    a pivot is 0 its row must be 0: no semidefinite matrix has a zero on its diagonal beside others [2, section 7.1].
    """
    rows = [list(row) for row in matrix]
    previous = 1
    for k in range(len(rows)):
        pivot = rows[k][k]
        if pivot < 0 or (pivot == 0 and any(rows[k][k + 1 :])):
            return False
        if pivot == 0:
            continue
        for i in range(k + 1, len(rows)):
            for j in range(k + 1, len(rows)):
                rows[i][j] = (rows[i][j] * pivot - rows[i][k] * rows[k][j]) // previous
        previous = pivot
    return True


def definite(matrix: Matrix) -> bool:
    """Whether a symmetric integer matrix is positive definite: all pivots of fraction-free elimination [5] above 0."""
    rows = [list(row) for row in matrix]
    previous = 1
    for k in range(len(rows)):
        pivot = rows[k][k]
        if pivot <= 0:
            return False
        for i in range(k + 1, len(rows)):
            for j in range(k + 1, len(rows)):
                rows[i][j] = (rows[i][j] * pivot - rows[i][k] * rows[k][j]) // previous
        previous = pivot
    return True


def _columns(forms: Sequence[Form], space: Space) -> set[str]:
    return {space.source(column) for one in forms for (column, _), _ in one}


def _gram(forms: Sequence[Form], column: str, space: Space, scale: int) -> Matrix:
    """`scale` times the forms' covariances through one column, with everything that is derived from it."""
    weights = [{wire: weight for wire, weight in one if space.source(wire[0]) == column} for one in forms]
    if (joint := space.joint.get(column)) is not None:
        return _joint_gram([joint.values(row) for row in weights], joint.counts, scale)
    wires = sorted({wire for row in weights for wire in row})
    cov = {(i, k): space.covariance(column, i[1], k[1], scale) for i in wires for k in wires}
    images = [{i: sum(cov[i, k] * weight for k, weight in row.items()) for i in wires} for row in weights]
    return [[sum(weight * image[i] for i, weight in row.items()) for image in images] for row in weights]


def _joint_gram(values: Sequence[Sequence[int]], counts: Sequence[int], scale: int) -> Matrix:
    """`scale` times the covariances of values (forms, states), states being as likely as their counts."""
    unit = scale // STATES**2
    weighted = [[count * value for count, value in zip(counts, own, strict=True)] for own in values]
    sums = [sum(own) for own in weighted]
    return [
        [unit * (STATES * sum(map(mul, weighted[i], values[k])) - sums[i] * sums[k]) for k in range(len(values))]
        for i in range(len(values))
    ]
