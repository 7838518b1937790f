"""Which file reads an estimator: found by its class's name and library.

Nothing is imported before a model of it is given. An estimator that no file reads is asked: if its score adds up over
the columns it is compiled, else refused.
"""

from __future__ import annotations

import importlib
from typing import Any

from fhe.arrays import F64
from fhe.compile.foreign import attribute, kind, origin
from fhe.compile.importers.reader import Reader

_SKLEARN_TREES = {
    "DecisionTreeClassifier", "DecisionTreeRegressor", "ExtraTreeClassifier", "ExtraTreeRegressor",
    "RandomForestClassifier", "RandomForestRegressor", "ExtraTreesClassifier", "ExtraTreesRegressor",
    "GradientBoostingClassifier", "GradientBoostingRegressor", "IsolationForest",
}  # fmt: skip
_HISTOGRAMS = {"HistGradientBoostingClassifier", "HistGradientBoostingRegressor"}
_COMBINED = {
    "BaggingClassifier", "BaggingRegressor", "VotingClassifier", "VotingRegressor", "AdaBoostClassifier",
    "OneVsRestClassifier", "MultiOutputRegressor",
}  # fmt: skip


def reader(model: Any) -> Reader | None:
    """Who reads the trees of an estimator; None for one that is to be asked."""
    library, name = origin(model), kind(model)
    found: str | None = None
    if library == "sklearn" and name in _SKLEARN_TREES:
        found = "forests"
    elif library == "sklearn" and name in _HISTOGRAMS:
        found = "histograms"
    elif library == "sklearn" and name in _COMBINED:
        found = "combined"
    elif library in ("xgboost", "lightgbm", "catboost"):
        found = f"{library}_trees"
        if library == "xgboost" and importlib.import_module(f"{__package__}.{found}").is_linear(model):
            return None
    elif library == "onnx" and attribute(model, "trees"):
        found = "onnx_models"
    if found is None:
        return None
    return importlib.import_module(f"{__package__}.{found}").READER  # type: ignore[no-any-return]


def combines(model: Any) -> bool:
    """Whether an estimator is an ensemble of others, of any kind."""
    return origin(model) == "sklearn" and kind(model) in _COMBINED


def thresholds(model: Any) -> dict[int, F64] | None:
    """Where each of the model's own features is split, if it has trees that read them directly."""
    layer = model
    for _ in range(8):
        inner = None
        for name in ("best_estimator_", "regressor_", "estimator_"):
            inner = inner or attribute(layer, name)
        if inner is None or kind(layer) in _COMBINED | _SKLEARN_TREES:
            break
        layer = inner
    found = reader(layer)
    return found.thresholds(layer) if found is not None else None
