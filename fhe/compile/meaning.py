"""What a model's scores mean, found by comparing candidates with the model's own words on a sample.

A library's name for its objective is not trusted: the link that reproduces `predict` and `predict_proba` is taken, and
where none does, a table of the score against the model's own words, if that is one increasing function.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from app.protocol.errors import BadModel
from fhe.arrays import F64
from fhe.compile.decoder import Labels, Link, chances, predictions
from fhe.compile.foreign import attribute, comparable, has, kind
from fhe.compile.said import Said

Knots = tuple[tuple[float, float], ...]

CLOSE = 1e-4  # of the range, for a link
TABLE_CLOSE = 2e-3  # of the range, for an interpolated table
KNOTS = 129  # by rank, and as many evenly over the scores and over what they stand for
JUMP = 0.01  # of the range, between neighbouring scores
TIED = 1e-6
OUTLIER = (-1, 1)  # the labels of scikit-learn's outlier detectors


@dataclass(frozen=True)
class Meaning:
    """How scores (rows, outputs) become labels, probabilities and values."""

    link: Link
    labels: Labels | None
    probabilities: bool
    threshold: float = 0.0
    knots: Knots = ()
    factor: float = 1.0  # that the scores take first: -1 where a low one means the second class
    offset: float = 0.0  # then added: of targets that were scaled


def classes_of(model: Any, core: Any) -> npt.NDArray[Any] | None:
    """A classifier's labels in order; None for a regressor. Errors: BadModel for one class or several targets."""
    found = attribute(model, "classes_")
    if found is None and has(model, "predict_proba"):
        found = attribute(core, "classes_")
    if found is None or (not len(found) and not has(model, "predict_proba")):
        return np.array(OUTLIER) if attribute(model, "_estimator_type") == "outlier_detector" else None
    if isinstance(found, list) and found and isinstance(found[0], np.ndarray):
        raise BadModel(f"This {kind(model)} predicts {len(found)} targets at once.", "Fit one model for each target.")
    classes = np.asarray(found).ravel()
    if classes.dtype.kind == "O" and not all(isinstance(label, str) for label in classes):
        classes = np.array(classes.tolist())
    if len(classes) < 2:
        raise BadModel(f"This {kind(model)} knows one class only.", "Fit it on rows of at least two classes.")
    return classes


def meaning(model: Any, classes: npt.NDArray[Any] | None, scores: F64, predictions: Said) -> Meaning:
    """Of scores (rows, outputs) on rows of which the model said this. Errors: BadModel where no reading gives that."""
    if classes is None:
        return _value(model, scores, predictions.predicted)
    chance = predictions.chances
    if scores.shape[1] == 1:
        return _two(model, classes, scores[:, 0], predictions)
    if scores.shape[1] != len(classes):
        raise BadModel(
            f"This {kind(model)} has {scores.shape[1]} scores for {len(classes)} classes.",
            "Choose one score a class (one-vs-rest).",
        )
    _check_greatest(model, classes, scores, predictions)
    if chance is not None and chance.shape == scores.shape:
        for link in ("identity", "softmax", "one-vs-rest", "modified-huber"):
            if _near(chances(scores, link), chance, 1.0, CLOSE):
                return Meaning(link, Labels.of(classes), probabilities=True)
    return Meaning("identity", Labels.of(classes), probabilities=False)


def _check_greatest(model: Any, classes: npt.NDArray[Any], scores: F64, predictions: Said) -> None:
    """Errors: BadModel where the label is not the class of the greatest score."""
    best = np.partition(scores, -2, axis=1)
    clear = best[:, -1] - best[:, -2] > TIED * float(np.ptp(scores))
    wrong = clear & (comparable(classes)[scores.argmax(axis=1)] != comparable(predictions.predicted))
    if wrong.any():
        raise BadModel(
            f"The label of this {kind(model)} is not the class of its greatest score (on {int(wrong.sum())} of"
            f" {len(wrong)} rows).",
            "Hand in the estimator without calibration, or one whose label is the greatest score.",
        )


def _value(model: Any, scores: F64, predicted: npt.NDArray[Any]) -> Meaning:
    wanted = np.asarray(predicted, np.float64).reshape(len(scores), -1)
    if wanted.shape != scores.shape:
        raise BadModel(
            f"This {kind(model)} predicts {wanted.shape[1]} values from {scores.shape[1]} scores.",
            "Fit one model for each target.",
        )
    spread = float(np.ptp(wanted))
    for link in ("identity", "exp", "expm1", "sigmoid"):
        with np.errstate(over="ignore"):
            if _near(predictions(scores, link), wanted, spread, CLOSE):
                return Meaning(link, None, probabilities=False)
    if scores.shape[1] == 1:
        factor, offset = np.polyfit(scores[:, 0], wanted[:, 0], 1)
        if _near(factor * scores + offset, wanted, spread, CLOSE):
            return Meaning("identity", None, probabilities=False, factor=float(factor), offset=float(offset))
        knots = _table(scores[:, 0], wanted[:, 0], spread)
        if knots is not None:
            return Meaning("table", None, probabilities=False, knots=knots)
    raise BadModel(
        f"What this {kind(model)} predicts is no function of one score.",
        "Use another objective, or a target without that transformation.",
    )


def _two(model: Any, classes: npt.NDArray[Any], scores: F64, predictions: Said) -> Meaning:
    if len(classes) != 2:
        raise BadModel(
            f"This {kind(model)} has one score for {len(classes)} classes.", "Fit it on two classes, or as one-vs-rest."
        )
    chance = predictions.chances
    second = comparable(predictions.predicted) == comparable(classes)[1]
    sign, threshold = _threshold(model, scores, second)
    scores = sign * scores
    labels = Labels.of(classes)
    if chance is not None and chance.shape == (len(scores), 2):
        for link in ("sigmoid", "share", "modified-huber"):
            if _near(chances(scores, link), chance, 1.0, CLOSE):
                return Meaning(link, labels, probabilities=True, threshold=threshold, factor=sign)
        knots = _table(scores, np.asarray(chance[:, 1], np.float64), 1.0)
        if knots is not None:
            return Meaning("table", labels, probabilities=True, threshold=threshold, knots=knots, factor=sign)
    if predictions.scores is not None:
        decided = predictions.scores.ravel()
        if not _near(scores, decided, float(np.ptp(decided)), CLOSE):
            knots = _table(scores, decided, float(np.ptp(decided)))
            if knots is not None:
                return Meaning("table", labels, probabilities=False, threshold=threshold, knots=knots, factor=sign)
    return Meaning("identity", labels, probabilities=False, threshold=threshold, factor=sign)


def _threshold(model: Any, scores: F64, second: npt.NDArray[np.bool_]) -> tuple[float, float]:
    """(sign, threshold) such that sign * score > threshold says the second class."""
    for sign in (1.0, -1.0):
        signed = sign * scores
        if np.array_equal(signed > 0, second):
            return sign, 0.0
    for sign in (1.0, -1.0):
        signed = sign * scores
        if second.any() and not second.all() and signed[second].min() > signed[~second].max():
            low, high = float(signed[~second].max()), float(signed[second].min())
            return sign, (low + high) / 2
    wrong = (scores > 0) != second
    if wrong.mean() < 0.01 and np.abs(scores[wrong]).max(initial=0) <= 1e-6 * np.ptp(scores):
        return 1.0, 0.0  # ties
    raise BadModel(
        f"The label of this {kind(model)} does not follow from one score.", "Use a model whose label is a threshold."
    )


def _table(scores: F64, wanted: F64, spread: float) -> Knots | None:
    """Knots of an increasing or decreasing function, if it is one; every second row is held out to see."""
    order = np.argsort(scores, kind="stable")
    x, first = np.unique(scores[order], return_index=True)
    y = wanted[order][first]
    if len(x) < 8 or not (np.isfinite(x).all() and np.isfinite(y).all()):
        return None
    steps = np.diff(y)
    if not ((steps >= -TABLE_CLOSE * spread).all() or (steps <= TABLE_CLOSE * spread).all()):
        return None
    even = [np.rint(np.linspace(0, len(x) - 1, KNOTS))]
    even.append(np.searchsorted(x, np.linspace(x[0], x[-1], KNOTS)))
    rising = y if y[-1] >= y[0] else -y
    even.append(np.searchsorted(np.maximum.accumulate(rising), np.linspace(rising[0], rising[-1], KNOTS)))
    jumps = np.flatnonzero(np.abs(steps) > TABLE_CLOSE * spread)
    even += [jumps, jumps + 1]
    if _leaps(x, y, spread):
        return None  # a step somewhere between two rows: nobody knows where
    places = np.unique(np.concatenate(even).astype(np.int64).clip(0, len(x) - 1))
    if not _near(np.interp(scores, x[places], y[places]), wanted, spread, TABLE_CLOSE):
        return None
    return tuple((float(a), float(b)) for a, b in zip(x[places], y[places]))


def _leaps(x: F64, y: F64, spread: float) -> bool:
    """Whether a function steps between neighbours: it changes much there, and the rows beside do not announce it."""
    share = (x[1:-1] - x[:-2]) / (x[2:] - x[:-2])
    surprise = np.concatenate([[0.0], np.abs(y[:-2] + share * (y[2:] - y[:-2]) - y[1:-1]), [0.0]])
    wide = np.flatnonzero(np.abs(np.diff(y)) > JUMP * spread)
    return bool((np.maximum(surprise[wide], surprise[wide + 1]) > 2 * TABLE_CLOSE * spread).any())


def _near(found: F64, wanted: npt.NDArray[Any], spread: float, share: float) -> bool:
    wanted = np.asarray(wanted, np.float64)
    if found.shape != wanted.shape or not np.isfinite(found).all():
        return False
    return bool(np.abs(found - wanted).max() <= share * spread)
