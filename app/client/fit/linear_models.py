"""scikit-learn's linear models, fitted from second moments: learnt attributes are set, as their own `fit` would.

A fitted estimator reads affine codes, as a `CodebookEncoder` gives them, and predicts the label's own values.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from app.client.fit.label import LabelClasses
from app.client.fit.moments import Moments
from app.client.fit.solve import Line, least_squares, logistic
from app.client.fit.solve_spread import discriminant, principal
from app.protocol.data.dataset import Affine
from app.protocol.errors import BadQuery
from fhe.arrays import F64


def fit_components(estimator: Any, moments: Moments) -> Any:
    """A fitted copy of a PCA. Errors: BadQuery for settings that are not fitted."""
    from sklearn.base import clone

    model, found = clone(estimator), principal(moments)
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


def fit_regression(estimator: Any, moments: Moments, affine: Affine) -> tuple[Any, float]:
    """(a fitted copy of a LinearRegression or Ridge, the ridge that noise made needful); the label's code is `affine`
    and the last column.
    """
    from sklearn.base import clone

    model = clone(estimator)
    alpha, spans = float(getattr(model, "alpha", 0.0)), moments.spans[:-1].astype(np.float64)
    line = least_squares(moments, alpha / spans**2 if alpha else None)
    slopes, intercept = in_codes(line, moments)
    span = affine.step * int(moments.spans[-1])
    model.coef_ = slopes * span
    model.intercept_ = float(intercept * span + affine.low + affine.step * int(moments.doubled[-1]) / 2)
    model.n_features_in_ = len(slopes)
    if hasattr(model, "alpha"):
        model.n_iter_ = None
    return model, line.ridge


def fit_classifier(estimator: Any, moments: Sequence[Moments], classes: LabelClasses) -> tuple[Any, float]:
    """(a fitted copy of a classifier, the ridge that noise made needful); the last column of the moments of each class
    is whether a row is of it.
    """
    from sklearn.base import clone

    model, name = clone(estimator), type(estimator).__name__
    if name == "LogisticRegression":
        return _logistic(model, moments[1], classes.values)
    if name == "OneVsRestClassifier":
        return _one_vs_rest(model, moments, classes.values)
    found, first = discriminant(moments), moments[0]
    spans = first.spans[:-1].astype(np.float64)
    model.means_ = found.means * spans + first.doubled[:-1] / 2
    model.covariance_ = found.covariance * np.outer(spans, spans)
    model.priors_, model.xbar_ = found.shares, found.shares @ model.means_
    model._max_components = classes.count - 1
    slopes, intercepts = found.slopes, found.intercepts
    if classes.count == 2:
        slopes, intercepts = slopes[1:] - slopes[:1], intercepts[1:] - intercepts[:1]
    model.coef_, model.intercept_ = slopes / spans, intercepts
    model.classes_, model.n_features_in_ = classes.values, len(spans)
    return model, found.ridge


def _logistic(model: Any, moments: Moments, values: Any) -> tuple[Any, float]:
    spans = moments.spans[:-1].astype(np.float64)
    line = logistic(moments, None if model.penalty is None else 1 / (float(model.C) * spans**2))
    slopes, intercept = in_codes(line, moments)
    model.n_iter_ = np.array([1], np.int32)
    model.coef_, model.intercept_ = slopes[None, :], np.array([intercept])
    model.classes_, model.n_features_in_ = values, len(slopes)
    return model, line.ridge


def _one_vs_rest(model: Any, moments: Sequence[Moments], values: Any) -> tuple[Any, float]:
    from sklearn.base import clone
    from sklearn.preprocessing import LabelBinarizer

    chosen = moments[1:] if len(values) == 2 else moments
    fitted = [_logistic(clone(model.estimator), each, np.array([0, 1])) for each in chosen]
    model.label_binarizer_ = LabelBinarizer(sparse_output=True).fit(values)
    model.classes_ = model.label_binarizer_.classes_
    order = np.argsort(values, kind="stable") if len(values) > 2 else [0]  # as the binarizer sorts its classes
    model.estimators_ = [fitted[place][0] for place in order]
    model.n_features_in_ = fitted[0][0].n_features_in_
    return model, max(ridge for _, ridge in fitted)


def in_codes(line: Line, moments: Moments) -> tuple[F64, float]:
    """(slopes, intercept) of a line on codes."""
    d = len(line.slopes)
    slopes = line.slopes / moments.spans[:d]
    return slopes, float(line.intercept - slopes @ moments.doubled[:d] / 2)
