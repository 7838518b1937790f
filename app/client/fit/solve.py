"""From noisy second moments to a model, in the clear: least squares, logistic, discriminant analysis, components.

Least squares are solved as AdaSSP does (Wang, "Revisiting Differentially Private Linear Regression", UAI 2018): the
ridge is max(0, t - e), so that no direction is weaker than the noise can be, and vanishes where the data outweigh it.
t is a bound on the norm of the noise of the columns' scatter: the edge of the semicircle, 2 sigma sqrt(d), for noise of
deviation sigma (Wigner). e is its least eigenvalue; AdaSSP takes it from a release of its own, that of the noisy
scatter costs nothing more.

A logistic model maximises a likelihood whose second-order terms are the same moments. Where linear scores s are about
normal, the slopes are those of least squares over E[p'(s)], and E[p(s)] is the label's mean (Brillinger, "A generalized
linear model with 'Gaussian' regressor variables", 1982): the polynomial of second order is taken about the scores'
own spread, in place of a fixed interval.

Everything is in the units of `Moments`: columns z, the label last.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from app.client.fit.moments import Moments
from app.protocol.errors import BadQuery
from fhe.arrays import F64

NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(64)  # type: ignore[no-untyped-call] # NumPy's stubs leave it out
STEPS = 100
LEAST_SHARE = 0.05  # of a direction's spread that is known well enough to scale a line by
MOST_SLOPE = 1e3  # beyond it the classes are apart, and noise decides


@dataclass(frozen=True)
class Line:
    """A linear score of columns z (columns,): slopes and intercept; `ridge` is what noise made needful."""

    slopes: F64
    intercept: float
    ridge: float


def noise_norm(noise: F64) -> float:
    """A bound on the spectral norm of symmetric noise of these deviations (d, d): the semicircle's edge."""
    return 2.0 * float(np.sqrt((noise**2).sum(axis=1).max()))


def adaptive_ridge(scatter: F64, noise: F64) -> float:
    """AdaSSP's ridge for a noisy scatter (d, d) whose noise has these deviations; 0 without noise."""
    bound = noise_norm(noise)
    least = float(np.linalg.eigvalsh(scatter)[0])
    return max(0.0, bound - least) if bound else 0.0


def least_squares(moments: Moments, penalty: F64 | None = None) -> Line:
    """The line that predicts the last column from the others; `penalty` (columns,) is added to the scatter's diagonal.

    Errors: BadQuery where nothing is left of the columns' spread.
    """
    d = len(moments.columns) - 1
    scatter, mean = moments.scatter, moments.mean
    own, noise = scatter[:d, :d], moments.noise[:d, :d]
    ridge = adaptive_ridge(own, noise)
    matrix = own + np.diag(np.full(d, ridge) + (0.0 if penalty is None else penalty))
    slopes = solved(matrix, scatter[:d, d])
    return Line(slopes, float(mean[d] - slopes @ mean[:d]), ridge)


def solved(matrix: F64, right: F64) -> F64:
    """The least solution; columns that do not move get no slope. Errors: BadQuery where none moves."""
    found: F64 = np.linalg.lstsq(matrix, right, rcond=1e-10)[0]
    if not np.isfinite(found).all() or not np.diag(matrix).any():
        raise BadQuery("The columns do not vary, so nothing can be fitted.", "Choose other columns.")
    return found


def logistic(moments: Moments, penalty: F64 | None = None) -> Line:
    """The logistic score of a last column of two codes, the second of which is what is scored."""
    d = len(moments.columns) - 1
    share = float(np.clip(moments.mean[d] + 0.5, 1e-6, 1 - 1e-6))  # z is -1/2 or 1/2
    flat = least_squares(moments)
    own, right = moments.scatter[:d, :d], moments.scatter[:d, d]
    ridged = own + flat.ridge * np.eye(d)
    factor, middle, slopes = 4.0, np.log(share / (1 - share)), flat.slopes
    for _ in range(STEPS):
        slopes = solved(ridged / factor + np.diag(np.zeros(d) if penalty is None else penalty), right)
        # the ridge chooses a direction; how steep the line is along it, the moments say with less noise
        along, within = float(slopes @ own @ slopes), float(slopes @ ridged @ slopes)
        if flat.ridge and along > within * LEAST_SHARE:
            slopes = slopes * (within / along)
        spread = min(math.sqrt(max(0.0, float(slopes @ own @ slopes)) / moments.rows), MOST_SLOPE)
        middle = _middle(share, spread)
        chance = _sigmoid(middle + spread * NODES)
        slope = float(_mean(chance * (1 - chance)))
        new = min(1 / slope, MOST_SLOPE)
        if abs(new - factor) < 1e-10 * factor:
            break
        factor = new
    return Line(slopes, float(middle - slopes @ moments.mean[:d]), flat.ridge)


def _middle(share: float, spread: float) -> float:
    """The mean of normal scores of this spread whose mean chance is `share`, by bisection."""
    low, high = -40.0 - 8 * spread, 40.0 + 8 * spread
    for _ in range(200):
        middle = (low + high) / 2
        if float(_mean(_sigmoid(middle + spread * NODES))) < share:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _sigmoid(values: F64) -> F64:
    chance: F64 = np.exp(-np.logaddexp(0, -values))
    return chance


def _mean(values: F64) -> float:
    return float(values @ WEIGHTS / WEIGHTS.sum())
