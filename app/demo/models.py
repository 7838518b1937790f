"""The demo's two models, by Concrete ML: one linear, one of trees."""

from __future__ import annotations

from typing import Any

from app.client.training import ModelRecipe
from fhe.compile import concrete_models


def _logistic_regression(**settings: Any) -> Any:
    return concrete_models.load().LogisticRegression(**{"n_bits": 8, "max_iter": 2000} | settings)


def _boosted_trees(**settings: Any) -> Any:
    return concrete_models.load().XGBClassifier(**{"n_bits": 6, "n_estimators": 10, "max_depth": 3} | settings)


MODELS = {
    "logistic-regression": ModelRecipe("affine", True, _logistic_regression),
    "xgb-classifier": ModelRecipe("bins", True, _boosted_trees),
}
