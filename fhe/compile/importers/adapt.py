"""What is handed in without an estimator's methods gets them: raw Boosters, and models that were read from files."""

from __future__ import annotations

from typing import Any

from fhe.compile.foreign import kind, origin


def adapted(model: Any) -> Any:
    """The model, with `predict` and its companions. Errors: BadModel."""
    if kind(model) == "Booster" and origin(model) in ("xgboost", "lightgbm"):
        from fhe.compile.importers.boosters import LightGBMBooster, XGBoostBooster

        return XGBoostBooster(model) if origin(model) == "xgboost" else LightGBMBooster(model)
    return model
