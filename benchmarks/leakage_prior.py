"""What an attacker believes before asking, and the best guess after.

The prior is fitted on the known rows alone. Every column's codes have a smoothed histogram; through its distribution
function codes become normal scores (spread evenly within a code). Among these stand Gaussian kernels, one around each
known row, with the rows' own correlations. How much histograms are smoothed, how wide kernels are and how much
correlations are shrunk is what makes each known row likeliest given the others. Width 1 is a Gaussian copula, width 0
the known rows themselves.

It is used through many drawn rows, "particles". After answers, those that would have given the same answers are the
attacker's posterior (Bayes' rule; the nearest ones where few are left), and the guess is where they are densest.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from statistics import NormalDist

import numpy as np

from fhe.arrays import F64, I64

WIDTHS = (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
SHRINK = (0.001, 0.003, 0.01, 0.03, 0.1)  # of the correlations towards none
SMOOTH = (0.1, 0.3, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)  # codes
UNSEEN = 0.01  # part of a histogram that is spread evenly over all codes
CANDIDATES, WITNESSES = 150, 600  # particles that may be the mode, and that speak for it
FEW = 40  # particles of a posterior, at least
COUNTED = 50  # particles from which a chance is counted


@dataclass(frozen=True, eq=False)
class Prior:
    """Particles (n, columns), and mean (columns,) and covariance (columns, columns) of the known rows."""

    particles: I64
    mean: F64
    covariance: F64
    width: float
    shrink: float


def fit(known: I64, levels: I64, size: int, rng: np.random.Generator) -> Prior:
    """A prior of `size` particles from known rows (n, columns) of codes below `levels` (columns,)."""
    count, columns = known.shape
    ends = [np.concatenate([[0.0], np.cumsum(_histogram(c, int(n)))]) for c, n in zip(known.T, levels, strict=True)]
    inside = rng.random(known.shape)
    normal = NormalDist()
    places = [
        end[codes] + u * (end[codes + 1] - end[codes]) for end, codes, u in zip(ends, known.T, inside.T, strict=True)
    ]
    scores = np.vectorize(normal.inv_cdf)(np.clip(np.stack(places, axis=1), 1e-9, 1 - 1e-9))
    correlation = np.corrcoef(scores.T).reshape(columns, columns)
    roots = {shrink: np.linalg.cholesky(correlation * (1 - shrink) + shrink * np.eye(columns)) for shrink in SHRINK}
    width, shrink = max(product(WIDTHS, SHRINK), key=lambda pair: _likelihood(scores, roots[pair[1]], pair[0]))
    centres = scores[rng.integers(0, count, size)] * np.sqrt(1 - width**2)
    drawn = centres + width * rng.standard_normal((size, columns)) @ roots[shrink].T
    grid = np.linspace(-8, 8, 16_001)
    chances = np.interp(drawn, grid, [normal.cdf(float(x)) for x in grid])
    found = [np.searchsorted(end, u, side="right") - 1 for end, u in zip(ends, chances.T, strict=True)]
    particles = np.clip(np.stack(found, axis=1), 0, levels - 1)
    covariance = np.atleast_2d(np.cov(known.T)) + np.diag(known.var(axis=0) * shrink + 0.1)
    return Prior(particles, known.mean(axis=0), covariance, width, shrink)


def blind(known: I64, levels: I64, size: int, rng: np.random.Generator) -> tuple[I64, float]:
    """(the best guess (k,) without answers of cells (n, k), log2 of the chance that the prior gives it).

    One half of the particles chooses the guess, the other half counts, in the smallest cube around it that holds
    enough. Where none of seven codes a side does, as for whole rows, it is the peak of the known rows' Gaussian.
    """
    prior = fit(known, levels, 2 * size, rng)
    choosing, counting = prior.particles[:size], prior.particles[size:]
    kinds, times = np.unique(choosing, axis=0, return_counts=True)
    guess = kinds[times.argmax()] if times.max() >= COUNTED // 5 else mode(choosing, rng, 16)
    away = np.abs(counting - guess).max(axis=1)
    for reach in range(4):
        if (near := int((away <= reach).sum())) >= COUNTED:
            return guess, float(np.log2(near / size) - len(guess) * np.log2(2 * reach + 1))
    _, peak = np.linalg.slogdet(2 * np.pi * prior.covariance)
    return guess, float(min(0.0, -0.5 * peak / np.log(2)))


def mode(cells: I64, rng: np.random.Generator, effort: int = 1) -> I64:
    """The densest of some rows (n, k) of cells: the best single guess (k,) for all k at once.

    Of one cell it is the mode of the smoothed histogram; of several, the row around which a Gaussian kernel of the
    rows' own shape finds most, among at most 150 x `effort` rows, judged by 600 x `effort`.
    """
    count, k = cells.shape
    if k == 1:
        tally = np.bincount(cells[:, 0]).astype(np.float64)
        reach = max(1, round(float(cells.std()) * count**-0.4))
        kernel = np.exp(-0.5 * (np.arange(-3 * reach, 3 * reach + 1) / (0.5 * reach)) ** 2)
        return np.array([np.convolve(tally, kernel)[3 * reach : 3 * reach + len(tally)].argmax()])
    root = np.linalg.cholesky(np.cov(cells.T) + 0.3 * np.eye(k))
    candidates = cells[rng.permutation(count)[: CANDIDATES * effort]]
    witnesses = cells[rng.permutation(count)[: WITNESSES * effort]]
    width = len(witnesses) ** (-1 / (min(k, 4) + 4)) * 0.7
    a, b = (np.linalg.solve(root * width, each.T).T for each in (candidates, witnesses))
    squares = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1)[None] - 2 * a @ b.T
    best: I64 = candidates[np.exp(-0.5 * squares).sum(axis=1).argmax()]
    return best


def _likelihood(scores: F64, root: F64, width: float) -> float:
    """Log-likelihood of each row under the kernels around the others."""
    white = np.linalg.solve(root, scores.T).T
    squares = (white**2).sum(axis=1)[:, None] + (1 - width**2) * (white**2).sum(axis=1)[None]
    squares -= 2 * np.sqrt(1 - width**2) * white @ white.T
    logs = -0.5 * squares / width**2 - scores.shape[1] * np.log(width) - np.log(np.diag(root)).sum()
    np.fill_diagonal(logs, -np.inf)
    top = logs.max(axis=1, keepdims=True)
    return float((top[:, 0] + np.log(np.exp(logs - top).sum(axis=1))).sum())


def _histogram(codes: I64, levels: int) -> F64:
    """Chances (levels,) of a column's codes."""
    away = np.arange(levels)[:, None] - np.arange(levels)
    tally = np.bincount(codes, minlength=levels).astype(np.float64)

    def smooth(deviation: float) -> F64:
        kernel = np.exp(-0.5 * (away / deviation) ** 2)
        chances: F64 = kernel / kernel.sum(axis=0)
        return chances

    def likelihood(deviation: float) -> float:
        kernel = smooth(deviation)
        others = np.maximum(kernel @ tally - np.diag(kernel), 0) / (len(codes) - 1)
        return float((tally * np.log(others * (1 - UNSEEN) + UNSEEN / levels)).sum())

    best = max(SMOOTH, key=likelihood)
    return smooth(best) @ tally / len(codes) * (1 - UNSEEN) + UNSEEN / levels
