"""From the model that a buyer hands in to the estimator that scores, and the steps on the way.

Searches, pipelines, transformed targets, chosen thresholds and single calibrators change what comes in or what a score
means; the scores in between are one estimator's. What a score means is found by comparing with the outer model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from app.protocol.errors import BadModel
from fhe.compile.foreign import attribute, kind, origin
from fhe.compile.importers.inputs import Inputs

MOST_LAYERS = 16
CONCRETE_NETWORKS = ("NeuralNetClassifier", "NeuralNetRegressor")


@dataclass(frozen=True, eq=False)
class InnerEstimator:
    """The estimator that scores, and what it reads."""

    model: Any
    inputs: Inputs


def is_concrete_network(model: Any) -> bool:
    """Whether a model is one of Concrete ML's networks, which has no float model inside."""
    return origin(model) == "concrete" and kind(model) in CONCRETE_NETWORKS


def core(model: Any, inputs: Inputs) -> InnerEstimator:
    """Errors: BadModel."""
    for _ in range(MOST_LAYERS):
        inner, read = _inside(model, inputs)
        if inner is model:
            return InnerEstimator(model, inputs)
        model, inputs = inner, read
    raise BadModel(f"This {kind(model)} is wrapped too deep.", "Hand in the estimator inside.")


def _inside(model: Any, inputs: Inputs) -> tuple[Any, Inputs]:
    name = kind(model)
    if origin(model) == "concrete":
        return (model if is_concrete_network(model) else _fitted(model, "sklearn_model")), inputs
    if name == "Pipeline":
        for _, step in model.steps[:-1]:
            if step is not None and step != "passthrough":
                inputs = inputs.through(step)
        last = model.steps[-1][1]
        if last is None or last == "passthrough" or not hasattr(last, "predict"):
            raise BadModel("This Pipeline ends without a model.", "Add the estimator as its last step.")
        return last, inputs
    if name.endswith("SearchCV"):
        if attribute(model, "best_estimator_") is None:
            raise BadModel(f"This {name} kept no best model.", "Fit it with refit=True, or hand in the estimator.")
        return model.best_estimator_, inputs
    if name == "TransformedTargetRegressor":
        return _fitted(model, "regressor_"), inputs
    if name in ("FixedThresholdClassifier", "TunedThresholdClassifierCV", "SelfTrainingClassifier"):
        return _fitted(model, "estimator_" if hasattr(model, "estimator_") else "base_estimator_"), inputs
    if name == "CalibratedClassifierCV":
        inner = _fitted(model, "calibrated_classifiers_")
        if len(inner) > 1:
            raise BadModel(
                f"This CalibratedClassifierCV averages the chances of {len(inner)} models: no single score gives it.",
                "Calibrate one model: ensemble=False, or cv='prefit'.",
            )
        return inner[0].estimator, inputs
    return model, inputs


def _fitted(model: Any, name: str) -> Any:
    found = attribute(model, name)
    if found is None:
        raise BadModel(f"This {kind(model)} was not fitted.", "Call fit() first.")
    return found
