"""scikit-learn's naive Bayes and stumps, fitted from histograms by class: their learnt attributes are set.

A fitted estimator reads bin codes, as a `CodebookEncoder` gives them (Gaussian naive Bayes: affine codes), and predicts
the label's own values.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from app.client.fit.histograms import ClassHistograms
from app.protocol.data.dataset import Codebook, ColumnCode
from app.protocol.errors import BadQuery
from fhe.arrays import F64


def fit_histograms(estimator: Any, found: ClassHistograms, classes: Any, codebook: Codebook) -> Any:
    """A fitted copy of an estimator of `FROM_HISTOGRAMS` that tells these classes; counts below zero are zero."""
    from sklearn.base import clone

    model, name = clone(estimator), type(estimator).__name__
    counts = [np.maximum(each, 0.0) for each in found.counts]
    shares = found.classes / found.rows
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
    rows = np.zeros((own.size, len(counts)))
    rows[:, best] = np.tile(np.arange(own.shape[1]), len(own))
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
