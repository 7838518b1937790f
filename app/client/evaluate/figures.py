"""From noisy counts of what a model said and what was true to its figures, each with its 95 % interval.

Shares of counts have Fieller's interval (`app.client.ask.answer`). What is no share (the area under a ROC curve, R^2)
has the interval that its own figure takes when noise of the known scale is drawn `DRAWS` times upon what was released.
Intervals speak of the noise alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from app.client.ask.answer import Figure, average, total
from fhe.arrays import F64

DRAWS = 1000


def accuracy(counts: F64, right: F64, rows: int, scale: float) -> Figure:
    """The share of `rows` rows that are right; `right` is 1 in those cells of `counts` (said, true)."""
    found = total(counts.ravel().tolist(), right.ravel().tolist(), [1.0] * counts.size, scale)
    return Figure(*(None if v is None else min(1.0, max(0.0, v / rows)) for v in (found.value, found.low, found.high)))


def share(counts: F64, right: F64, scale: float) -> Figure:
    """The share of what is right among some counts."""
    found = average(counts.ravel().tolist(), right.ravel().tolist(), [1.0] * counts.size, scale)
    return Figure(*(None if v is None else min(1.0, max(0.0, v)) for v in (found.value, found.low, found.high)))


def area(counts: F64) -> float | None:
    """Area under the ROC curve of counts (buckets by score from below, [first class, second class]); ties by half.

    None where a class has no rows.
    """
    first, second = np.maximum(counts, 0.0).T
    if not first.sum() or not second.sum():
        return None
    below = np.concatenate([[0.0], first.cumsum()[:-1]])
    return float((second * (below + first / 2)).sum() / first.sum() / second.sum())


def drawn(values: F64, scale: float, figure: Callable[[F64], float | None], seed: int) -> Figure:
    """A figure of released values, and the middle 95 % of what it is with noise drawn upon them, turned about it."""
    own = figure(values)
    if own is None or not scale:
        return Figure(own, own, own)
    rng = np.random.default_rng(seed)
    again = [figure(values + rng.laplace(0.0, scale, values.shape)) for _ in range(DRAWS)]
    known = [each for each in again if each is not None]
    if len(known) < DRAWS // 2:
        return Figure(own, None, None)
    low, high = np.quantile(known, [0.025, 0.975])
    return Figure(own, float(2 * own - high), float(2 * own - low))


def confusion(counts: F64, said: Sequence[int], classes: int) -> F64:
    """Counts (true, said) from counts (buckets, true) and the class that each bucket says."""
    found = np.zeros((classes, classes))
    for bucket, column in enumerate(said):
        found[:, column] += counts[bucket]
    return found
