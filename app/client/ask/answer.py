"""An answer: figures with the interval in which the truth lies with 95 % probability over the noise that was added.

Counts have independent discrete Laplace noise of one scale b, of variance below 2 b^2. A weighted sum of n of them lies
within `SPREAD` deviations with at least 95 %: for one it is ln(20) / sqrt(2) = 2.118, for many 1.96, and between these
for numbers between. An average a = S / C is where S - a C, whose noise is the sum of (v_j - a) e_j, is within that of
zero (E. C. Fieller, "Some Problems in Interval Estimation", JRSS B 1954): a quadratic inequality in a.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

SPREAD = math.log(20) / math.sqrt(2)  # deviations


@dataclass(frozen=True)
class Figure:
    """One number of an answer; `value` is None where noise leaves nothing to say."""

    value: float | None
    low: float | None
    high: float | None

    @classmethod
    def of(cls, value: float, half_width: float) -> Figure:
        """A value and how far the truth may be from it."""
        return cls(value, value - half_width, value + half_width)


@dataclass(frozen=True)
class AnswerRow:
    """The labels of a group, and its figures in the question's order."""

    groups: tuple[str, ...]
    figures: tuple[Figure, ...]


@dataclass(frozen=True)
class Answer:
    """A table: its group columns, its figures' names, rows, and what is to be known of it."""

    groups: tuple[str, ...]
    names: tuple[str, ...]
    rows: tuple[AnswerRow, ...]
    remarks: tuple[str, ...] = ()

    def to_dicts(self) -> list[dict[str, Any]]:
        """A row for each group: its labels, and each figure with its interval `name_low` to `name_high`."""
        found = []
        for row in self.rows:
            line: dict[str, Any] = dict(zip(self.groups, row.groups, strict=True))
            for name, figure in zip(self.names, row.figures, strict=True):
                line |= {name: figure.value, f"{name}_low": figure.low, f"{name}_high": figure.high}
            found.append(line)
        return found


def total(values: Sequence[float], weights: Sequence[float], noisy: Sequence[float], scale: float) -> Figure:
    """The weighted sum of counts; `noisy` is 1 for those that carry noise and 0 for known ones."""
    value = math.fsum(w * v for w, v in zip(weights, values, strict=True))
    square = math.fsum((w * n) ** 2 for w, n in zip(weights, noisy, strict=True))
    return Figure.of(value, SPREAD * math.sqrt(2 * square) * scale)


def average(values: Sequence[float], weights: Sequence[float], noisy: Sequence[float], scale: float) -> Figure:
    """The average of `weights` under these counts, and Fieller's interval, inside the weights' range."""
    low, high = min(weights), max(weights)
    count, whole = math.fsum(values), math.fsum(w * v for w, v in zip(weights, values, strict=True))
    k = 2 * (SPREAD * scale) ** 2
    ones = math.fsum(noisy)
    first = math.fsum(w * n for w, n in zip(weights, noisy, strict=True))
    second = math.fsum(w * w * n for w, n in zip(weights, noisy, strict=True))
    a, b, c = count * count - k * ones, 2 * (k * first - whole * count), whole * whole - k * second
    if count <= 0 or a <= 0:
        return Figure(None, low, high) if count <= 0 else Figure(min(max(whole / count, low), high), low, high)
    value, root = whole / count, math.sqrt(max(0.0, b * b - 4 * a * c))
    ends = ((-b - root) / (2 * a), (-b + root) / (2 * a))
    if not scale:
        ends = value, value
    return Figure(min(max(value, low), high), min(max(ends[0], low), high), min(max(ends[1], low), high))


def quantile(
    values: Sequence[float], middles: Sequence[float], noisy: Sequence[float], scale: float, at: float
) -> Figure:
    """The middle of the cell that holds a quantile, and the middles between which it lies with 95 %.

    The cell of a quantile q is the first up to which at least q of all rows are. The truth's is at least a cell if the
    counts below it, less q of all, are too few for the noise; likewise from above.
    """
    count = math.fsum(values)
    if count <= 0:
        return Figure(None, middles[0], middles[-1])
    found, low, high = len(middles) - 1, 0, len(middles) - 1
    reached: list[bool] = []
    for place in range(len(middles)):
        up_to = math.fsum(values[: place + 1]) - at * count
        square = sum((((1.0 if j <= place else 0.0) - at) * noisy[j]) ** 2 for j in range(len(middles)))
        width = SPREAD * math.sqrt(2 * square) * scale
        reached.append(up_to >= 0)
        if up_to < -width:
            low = max(low, place + 1)
        if up_to >= width:
            high = min(high, place)
    if True in reached:
        found = reached.index(True)
    found, low = min(found, len(middles) - 1), min(low, len(middles) - 1)
    low, high = min(low, found), max(high, found)
    return Figure(middles[found], middles[low], middles[high])
