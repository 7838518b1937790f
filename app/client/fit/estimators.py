"""scikit-learn's estimators, fitted from sums: their learnt attributes are set, as their own `fit` would set them.

A fitted estimator reads codes, as a `CodebookEncoder` gives them: affine codes where it was fitted from moments (and
Gaussian naive Bayes), bin codes where it was fitted from histograms. It predicts the label's own values.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from app.client.fit.histograms import ClassHistograms
from app.client.fit.moments import Moments
from app.client.fit.solve import Line, least_squares, logistic
from app.client.fit.solve_spread import discriminant, principal
from app.protocol.data.dataset import Affine, Codebook, ColumnCode
from app.protocol.errors import BadQuery
from fhe.arrays import F64

if TYPE_CHECKING:
    from collections.abc import Sequence

FROM_MOMENTS = ("LinearRegression", "Ridge", "LogisticRegression", "LinearDiscriminantAnalysis", "PCA")
FROM_HISTOGRAMS = ("GaussianNB", "CategoricalNB", "DecisionTreeClassifier")
CLASSIFIERS = ("LogisticRegression", "LinearDiscriminantAnalysis", *FROM_HISTOGRAMS)
NAMES = (*FROM_MOMENTS, *FROM_HISTOGRAMS)


def name_of(estimator: Any) -> str:
    """The class of an estimator that can be fitted. Errors: BadQuery, which names those that can."""
    name = type(estimator).__name__
    if name not in NAMES or not type(estimator).__module__.startswith("sklearn."):
        raise BadQuery(f"A {name} is not fitted from sums over rows.", f"These are: {', '.join(NAMES)}.")
    if name == "DecisionTreeClassifier" and estimator.max_depth != 1:
        raise BadQuery("A tree of several splits takes several passes.", "Fit a stump: max_depth=1.")
    if getattr(estimator, "positive", False) or getattr(estimator, "fit_intercept", True) is False:
        raise BadQuery(f"A {name} with positive=True or without an intercept is not fitted.", "Leave these out.")
    penalty = getattr(estimator, "penalty", "l2")
    if name == "LogisticRegression" and (penalty not in ("l2", None) or estimator.class_weight is not None):
        raise BadQuery("A logistic regression is fitted with penalty l2 or none, and no class weights.", "Set these.")
    return name


def classes_of(label: ColumnCode) -> Any:
    """The two values of a label. Errors: BadQuery for a label of more."""
    affine = label.affine
    if affine is None or affine.levels != 2:
        raise BadQuery(f"The label {label.name!r} has more than two codes.", "Fit a regression, or name another label.")
    return _plain(np.array([affine.low, affine.low + affine.step]))


def fit_moments(estimator: Any, moments: Moments, label: ColumnCode | None) -> tuple[Any, float]:
    """(a fitted copy, the ridge that noise made needful) of an estimator in `FROM_MOMENTS`."""
    from sklearn.base import clone

    model, name = clone(estimator), type(estimator).__name__
    if name == "PCA":
        return _components(model, moments), 0.0
    assert label is not None
    assert label.affine is not None
    spans = moments.spans[:-1].astype(np.float64)
    if name in ("LinearRegression", "Ridge"):
        alpha = float(getattr(model, "alpha", 0.0))
        line = least_squares(moments, alpha / spans**2 if alpha else None)
        slopes, intercept = in_codes(line, moments)
        affine: Affine = label.affine
        span = affine.step * int(moments.spans[-1])
        model.coef_ = slopes * span
        middle = affine.low + affine.step * int(moments.doubled[-1]) / 2
        model.intercept_ = float(intercept * span + middle)
        model.n_features_in_ = len(slopes)
        if name == "Ridge":
            model.n_iter_ = None
        return model, line.ridge
    classes = classes_of(label)
    if name == "LogisticRegression":
        free = model.penalty is None
        line = logistic(moments, None if free else 1 / (float(model.C) * spans**2))
        model.n_iter_ = np.array([1], np.int32)
    else:
        found = discriminant(moments)
        line = Line(found.slopes, found.intercept, found.ridge)
        model.means_ = found.means * spans + moments.doubled[:-1] / 2
        model.covariance_ = found.covariance * np.outer(spans, spans)
        model.priors_, model.xbar_ = found.shares, found.shares @ model.means_
        model._max_components = 1
    slopes, intercept = in_codes(line, moments)
    model.coef_, model.intercept_ = slopes[None, :], np.array([intercept])
    model.classes_, model.n_features_in_ = classes, len(slopes)
    return model, line.ridge


def in_codes(line: Line, moments: Moments) -> tuple[F64, float]:
    """(slopes, intercept) of a line on codes."""
    d = len(line.slopes)
    slopes = line.slopes / moments.spans[:d]
    return slopes, float(line.intercept - slopes @ moments.doubled[:d] / 2)


def _components(model: Any, moments: Moments) -> Any:
    found = principal(moments)
    most = len(found.variances)
    wanted = most if model.n_components is None else model.n_components
    if not isinstance(wanted, int) or not 1 <= wanted <= most or model.whiten:
        raise BadQuery(
            f"A PCA is fitted with 1 to {most} components as a number, and not whitened.", "Set n_components."
        )
    total = max(float(found.variances.sum()), 1e-300)
    model.mean_, model.components_ = found.mean, found.components[:wanted]
    model.explained_variance_ = found.variances[:wanted]
    model.explained_variance_ratio_ = model.explained_variance_ / total
    model.singular_values_ = np.sqrt(model.explained_variance_ * max(1, moments.rows - 1))
    model.noise_variance_ = float(found.variances[wanted:].mean()) if wanted < most else 0.0
    model.n_components_, model.n_samples_, model.n_features_in_ = wanted, moments.rows, most
    return model


def fit_histograms(estimator: Any, found: ClassHistograms, label: ColumnCode, codebook: Codebook) -> Any:
    """A fitted copy of an estimator in `FROM_HISTOGRAMS`; counts below zero are taken as zero."""
    from sklearn.base import clone

    model, name = clone(estimator), type(estimator).__name__
    counts = [np.maximum(each, 0.0) for each in found.counts]
    classes, shares = classes_of(label), found.classes / found.rows
    if name == "DecisionTreeClassifier":
        return _stump(model, counts, classes)
    model.classes_, model.class_count_, model.n_features_in_ = classes, found.classes, len(counts)
    if name == "CategoricalNB":
        model.class_log_prior_ = np.log(shares)
        model.category_count_ = counts
        model.n_categories_ = np.array([each.shape[1] for each in counts])
        smooth = [each + float(model.alpha) for each in counts]
        model.feature_log_prob_ = [np.log(each) - np.log(each.sum(axis=1, keepdims=True)) for each in smooth]
        return model
    columns = {column.name: column for column in codebook.columns}
    middles = [middles_of(columns[each]) for each in found.columns]
    means, spreads = [], []
    for each, (at, width) in zip(counts, middles, strict=True):
        share = (each + 1e-9) / (each + 1e-9).sum(axis=1, keepdims=True)
        mean = share @ at
        means.append(mean)
        spreads.append((share * ((at - mean[:, None]) ** 2 + width**2 / 12)).sum(axis=1))
    model.class_prior_ = shares
    model.theta_, model.var_ = np.stack(means, axis=1), np.stack(spreads, axis=1)
    model.epsilon_ = float(model.var_smoothing * model.var_.max())
    model.var_ = model.var_ + model.epsilon_
    return model


def middles_of(column: ColumnCode) -> tuple[F64, F64]:
    """(middles, widths) of a column's bins (bins,) in affine codes. Errors: BadQuery without a code."""
    affine, edges = column.affine, column.bins
    if affine is None or edges is None:
        raise BadQuery(
            f"Column {column.name!r} has no affine code, so that its bins have no middles.", "Fit a CategoricalNB."
        )
    inside = np.clip((np.asarray(edges) - affine.low) / affine.step, 0, affine.levels - 1)
    ends = np.concatenate([[0.0], inside, [affine.levels - 1.0]])
    return (ends[1:] + ends[:-1]) / 2, np.diff(ends)


def _stump(model: Any, counts: Sequence[F64], classes: Any) -> Any:
    """One split: scikit-learn's own, on one row for each bin and class of the best column, weighted by its count."""
    gains = [_gain(each) for each in counts]
    best = int(np.argmax(gains))
    own = counts[best]
    rows = np.zeros((2 * own.shape[1], len(counts)))
    rows[:, best] = np.tile(np.arange(own.shape[1]), 2)
    labels, weights = np.repeat(classes, own.shape[1]), own.ravel()
    kept = weights > 0
    model.max_features = None
    return model.fit(rows[kept], labels[kept], sample_weight=weights[kept])


def _gain(counts: F64) -> float:
    """How much the best cut of a column takes from the Gini impurity, in rows."""
    left = counts.cumsum(axis=1)[:, :-1]
    right = counts.sum(axis=1, keepdims=True) - left
    pure = [(side**2).sum(axis=0) / np.maximum(side.sum(axis=0), 1e-12) for side in (left, right)]
    return float((pure[0] + pure[1]).max()) if left.size else 0.0


def _plain(values: F64) -> Any:
    """Whole numbers as integers."""
    return values.astype(np.int64) if np.array_equal(values, np.rint(values)) else values
