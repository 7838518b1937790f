"""From noisy second moments to models of how columns spread: discriminant analysis of two classes, components."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from app.client.fit.moments import Moments
from app.client.fit.solve import adaptive_ridge, solved
from app.protocol.errors import BadQuery
from fhe.arrays import F64


@dataclass(frozen=True)
class Discriminant:
    """Class means (2, columns) and the common covariance (columns, columns) in units z; shares (2,) of the rows."""

    means: F64
    covariance: F64
    shares: F64
    slopes: F64
    intercept: float
    ridge: float


def discriminant(moments: Moments) -> Discriminant:
    """Linear discriminant analysis of a last column of two codes (Fisher; solver lsqr of scikit-learn).

    Errors: BadQuery where noise leaves one of the classes without rows.
    """
    d, n = len(moments.columns) - 1, moments.rows
    share = float(moments.mean[d] + 0.5)
    if not 1 / n < share < 1 - 1 / n:
        raise BadQuery("The noise leaves no rows of one class.", "Ask under an offer with a greater epsilon.")
    # sum of z over the second class: the label's z is -1/2 or 1/2
    second = moments.products[:d, d] + moments.sums[:d] / 2
    means = np.stack([(moments.sums[:d] - second) / (n * (1 - share)), second / (n * share)])
    within = moments.products[:d, :d] - n * (
        (1 - share) * np.outer(means[0], means[0]) + share * np.outer(means[1], means[1])
    )
    ridge = adaptive_ridge(within, moments.noise[:d, :d])
    covariance = (within + ridge * np.eye(d)) / n
    slopes = solved(covariance, means[1] - means[0])
    intercept = float(-slopes @ (means[0] + means[1]) / 2 + np.log(share / (1 - share)))
    return Discriminant(means, covariance, np.array([1 - share, share]), slopes, intercept, ridge)


@dataclass(frozen=True)
class Spread:
    """Mean (columns,) and components (components, columns) in codes, with the variance along each, largest first."""

    mean: F64
    components: F64
    variances: F64


def principal(moments: Moments) -> Spread:
    """The components of the codes' covariance; signs as scikit-learn flips them, the largest weight of each above 0."""
    spans = moments.spans.astype(np.float64)
    values, vectors = np.linalg.eigh(moments.scatter / max(1, moments.rows - 1) * np.outer(spans, spans))
    order = np.argsort(values)[::-1]
    components = vectors.T[order]
    largest = np.abs(components).argmax(axis=1)
    components *= np.sign(components[np.arange(len(components)), largest])[:, None]
    mean = moments.mean * spans + moments.doubled / 2
    return Spread(mean, components, np.maximum(values[order], 0.0))
