"""Scores of estimators that no file reads: what they say of themselves, in the forms in which such scores add up."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from fhe.arrays import F64
from fhe.compile.foreign import asked, has, origin

Ask = Callable[[Any, Any], F64]  # (model, table) -> (rows, outputs)

SMALLEST = 1e-300


def ways(model: Any, *, classifies: bool) -> Iterator[Ask]:
    """Ways to ask, the likeliest first."""
    if origin(model) == "xgboost":
        yield _margins
    if not classifies:
        yield _values
        yield _logarithms
        yield _log_odds_of_values
        return
    if has(model, "decision_function"):
        yield _decision
    if has(model, "predict_proba"):
        yield _log_odds
        yield _shares


def _two_dimensional(values: npt.NDArray[Any]) -> F64:
    found = np.asarray(values, np.float64)
    return found.reshape(len(found), -1)


def _margins(model: Any, table: Any) -> F64:
    return _two_dimensional(asked(model, "predict", table, output_margin=True))


def _values(model: Any, table: Any) -> F64:
    return _two_dimensional(asked(model, "predict", table))


def _logarithms(model: Any, table: Any) -> F64:
    with np.errstate(all="ignore"):
        logarithms: F64 = np.log(_values(model, table))
        return logarithms


def _log_odds_of_values(model: Any, table: Any) -> F64:
    values = _values(model, table)
    with np.errstate(all="ignore"):
        odds: F64 = np.log(values) - np.log1p(-values)
        return odds


def _decision(model: Any, table: Any) -> F64:
    return _two_dimensional(asked(model, "decision_function", table))


def _log_odds(model: Any, table: Any) -> F64:
    """Log-odds of the second class, or logarithms of all classes' chances around their mean."""
    if has(model, "predict_joint_log_proba"):
        chances = _two_dimensional(asked(model, "predict_joint_log_proba", table))
    elif has(model, "predict_log_proba"):
        chances = _two_dimensional(asked(model, "predict_log_proba", table))
    else:
        with np.errstate(all="ignore"):
            chances = np.log(_two_dimensional(asked(model, "predict_proba", table)).clip(SMALLEST))
    if chances.shape[1] == 2:
        return chances[:, 1:] - chances[:, :1]
    with np.errstate(all="ignore"):
        around: F64 = chances - chances.mean(axis=1, keepdims=True)
        return around


def _shares(model: Any, table: Any) -> F64:
    chances = _two_dimensional(asked(model, "predict_proba", table))
    return chances[:, 1:] - 0.5 if chances.shape[1] == 2 else chances
