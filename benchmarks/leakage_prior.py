"""What an attacker believes before asking, and the best guess after.

The prior is fitted on the known rows alone: every column becomes normal scores by its ranks; in these a density of
Gaussian kernels around the known rows, whose kernel has the rows' own correlations and a width chosen by
leave-one-out likelihood; drawn scores go back through the columns' own quantiles, each smoothed by what makes its known
codes likeliest. A width of 1 is a Gaussian copula, a width of 0 the known rows themselves.

It is used through many drawn rows, "particles". After answers, those that would have given the same answers are the
attacker's posterior (Bayes' rule; the nearest ones where none are left), and the guess is its mode. The blind guess is
the mode of all particles, found by the same code.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

I64 = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]
WIDTHS = (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
SMOOTH = (0.1, 0.3, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)  # codes
SHRINK = 0.05  # of the correlations towards none
CANDIDATES, WITNESSES = 150, 600  # particles that may be the mode, and that speak for it
FEW = 40  # particles of a posterior, at least


@dataclass(frozen=True, eq=False)
class Prior:
    """Particles (n, columns), and mean (columns,) and covariance (columns, columns) of the known rows."""

    particles: I64
    mean: F64
    covariance: F64
    width: float


def fit(known: I64, levels: I64, size: int, rng: np.random.Generator) -> Prior:
    """A prior of `size` particles from known rows (n, columns) of codes below `levels` (columns,)."""
    count, columns = known.shape
    normal = np.vectorize(NormalDist().inv_cdf)
    ranks = (known + rng.random(known.shape)).argsort(axis=0).argsort(axis=0)
    scores = normal((ranks + 0.5) / count)
    correlation = np.corrcoef(scores.T) * (1 - SHRINK) + SHRINK * np.eye(columns)
    root = np.linalg.cholesky(correlation)
    width = max(WIDTHS, key=lambda h: _likelihood(scores, root, h))
    centres = scores[rng.integers(0, count, size)] * np.sqrt(1 - width**2)
    drawn = centres + width * rng.standard_normal((size, columns)) @ root.T
    cumulated = 0.5 * (1 + _erf(drawn / np.sqrt(2))) * count - 0.5  # place among the sorted known codes
    ordered = np.sort(known, axis=0).astype(np.float64)
    padded = np.concatenate([2 * ordered[:1] - ordered[1:2], ordered, 2 * ordered[-1:] - ordered[-2:-1]])
    place = np.clip(cumulated + 1, 0, count + 1 - 1e-9)
    below = place.astype(np.int64)
    at = np.arange(columns)
    codes = padded[below, at] + (place - below) * (padded[below + 1, at] - padded[below, at])
    codes += rng.standard_normal(codes.shape) * [_smoothing(column, n) for column, n in zip(known.T, levels)]
    particles = np.clip(np.rint(codes), 0, levels - 1).astype(np.int64)
    spread = np.cov(known.T) * (1 - SHRINK) + SHRINK * np.diag(known.var(axis=0) + 1)
    return Prior(particles, known.mean(axis=0), spread, width)


def mode(cells: I64, rng: np.random.Generator, effort: int = 1) -> I64:
    """The densest of some rows (n, k) of cells: the best single guess (k,) for all k at once.

    Of one cell it is the mode of the smoothed histogram; of several, the row around which a Gaussian kernel finds most,
    among at most 150 x `effort` rows, judged by 600 x `effort`.
    """
    count, k = cells.shape
    if k == 1:
        tally = np.bincount(cells[:, 0]).astype(np.float64)
        reach = max(1, round(float(cells.std()) * count**-0.4))
        kernel = np.exp(-0.5 * (np.arange(-3 * reach, 3 * reach + 1) / (0.5 * reach)) ** 2)
        return np.array([np.convolve(tally, kernel)[3 * reach : 3 * reach + len(tally)].argmax()])
    candidates = cells[rng.permutation(count)[: CANDIDATES * effort]]
    witnesses = cells[rng.permutation(count)[: WITNESSES * effort]]
    width = np.maximum(cells.std(axis=0) * len(witnesses) ** (-1 / (min(k, 4) + 4)) * 0.7, 0.6)
    a, b = candidates / width, witnesses / width
    squares = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1)[None] - 2 * a @ b.T
    best: I64 = candidates[np.exp(-0.5 * squares).sum(axis=1).argmax()]
    return best


def log2_chance(prior: Prior, cells: Sequence[int], guess: I64) -> float:
    """log2 of the prior's own chance that a guess (k,) of these cells is right.

    Counted on the particles in the smallest cube around the guess that holds a hundred of them; where a cube of seven
    codes a side does not, the peak of the Gaussian with the known rows' covariance.
    """
    away = np.abs(prior.particles[:, list(cells)] - guess).max(axis=1)
    for reach in range(4):
        if (inside := int((away <= reach).sum())) >= 100:
            return float(np.log2(inside / len(away)) - len(guess) * np.log2(2 * reach + 1))
    _, size = np.linalg.slogdet(2 * np.pi * prior.covariance[np.ix_(list(cells), list(cells))])
    return float(min(0.0, -0.5 * size / np.log(2)))


def _likelihood(scores: F64, root: F64, width: float) -> float:
    """Log-likelihood of each row under the kernels around the others."""
    white = np.linalg.solve(root, scores.T).T
    centres = white * np.sqrt(1 - width**2)
    squares = ((white[:, None] - centres[None]) ** 2).sum(axis=2) / width**2
    logs = -0.5 * squares - scores.shape[1] * np.log(width)
    np.fill_diagonal(logs, -np.inf)
    top = logs.max(axis=1, keepdims=True)
    return float((top[:, 0] + np.log(np.exp(logs - top).sum(axis=1))).sum())


def _smoothing(codes: I64, levels: int) -> float:
    """The deviation, in codes, that makes each known code likeliest under Gaussian steps around the others."""

    def likelihood(deviation: float) -> float:
        kernel = np.exp(-0.5 * ((codes[:, None] - codes[None]) / deviation) ** 2)
        kernel /= np.exp(-0.5 * (np.arange(-levels, levels + 1) / deviation) ** 2).sum()
        np.fill_diagonal(kernel, 0)
        return float(np.log(kernel.sum(axis=1) + 1e-3).sum())

    return max(SMOOTH, key=likelihood)


def _erf(x: F64) -> F64:
    """The error function to 1.2e-7 (Abramowitz and Stegun, 7.1.26 refined: Numerical Recipes' erfc)."""
    t = 1 / (1 + 0.5 * np.abs(x))
    terms = (-1.26551223, 1.00002368, 0.37409196, 0.09678418, -0.18628806, 0.27886807, -1.13520398, 1.48851587,
             -0.82215223, 0.17087277)  # fmt: skip
    poly = np.zeros_like(x)
    for term in reversed(terms):
        poly = poly * t + term
    tail = t * np.exp(-x * x + poly)
    value: F64 = np.where(x >= 0, 1 - tail, tail - 1)
    return value
