"""From noisy second moments to models of how columns spread: discriminant analysis, components."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.client.fit.moments import Moments
from app.client.fit.solve import adaptive_ridge, solved
from app.protocol.errors import BadQuery
from fhe.arrays import F64


@dataclass(frozen=True)
class Discriminant:
    """Class means (classes, columns) and the common covariance (columns, columns) in units z; shares (classes,) of the
    rows; the linear score of each class, slopes (classes, columns) on codes over their spans and intercepts (classes,).
    """

    means: F64
    covariance: F64
    shares: F64
    slopes: F64
    intercepts: F64
    ridge: float


def discriminant(moments: Sequence[Moments]) -> Discriminant:
    """Linear discriminant analysis of classes, each the last column of its own moments, z = -1/2 or 1/2; the other
    columns are the same in all (Fisher; solver lsqr of scikit-learn).

    Errors: BadQuery where noise leaves one of the classes without rows.
    """
    first = moments[0]
    d, n = len(first.columns) - 1, first.rows
    counts = np.array([each.sums[d] + n / 2 for each in moments])
    if not ((counts > 1) & (counts < n - 1)).all():
        raise BadQuery("The noise leaves no rows of one class.", "Ask under an offer with a greater epsilon.")
    shares = counts / counts.sum()
    means = np.stack([(each.products[:d, d] + each.sums[:d] / 2) for each in moments]) / counts[:, None]
    within = first.products[:d, :d] - n * (means.T * shares) @ means
    ridge = adaptive_ridge(within, first.noise[:d, :d])
    covariance = (within + ridge * np.eye(d)) / n
    middles = means + first.doubled[:d] / (2 * first.spans[:d])  # from code 0 on, as scikit-learn has them
    slopes = np.stack([solved(covariance, middle) for middle in middles])
    intercepts = np.log(shares) - (slopes * middles).sum(axis=1) / 2
    return Discriminant(means, covariance, shares, slopes, intercepts, ridge)


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
