"""Networks in floating point: scikit-learn's perceptrons, and what was read of torch's modules."""

from __future__ import annotations

from typing import Any

import numpy as np

from app.protocol.errors import BadModel
from fhe.compile.foreign import kind, origin
from fhe.compile.networks.floating import FloatLayer, FloatNetwork
from fhe.compile.networks.torch_modules import TorchNetwork

PERCEPTRONS = ("MLPClassifier", "MLPRegressor")


def is_float_network(model: Any) -> bool:
    """Whether a model is a network with something between its layers that is not linear."""
    if isinstance(model, TorchNetwork):
        return True
    return origin(model) == "sklearn" and kind(model) in PERCEPTRONS and model.activation != "identity"


def float_network(model: Any) -> FloatNetwork:
    """Its layers. Errors: BadModel for another activation than ReLU, or one that was not fitted."""
    if isinstance(model, TorchNetwork):
        return model.network
    if not hasattr(model, "coefs_"):
        raise BadModel(f"This {kind(model)} was not fitted.", "Call fit() first.")
    if model.activation != "relu":
        raise BadModel(
            f"This {kind(model)} has the activation {model.activation!r}, which is no step function of a few bits.",
            "Fit it with activation='relu', its default.",
        )
    layers = zip(model.coefs_, model.intercepts_, strict=True)
    return FloatNetwork(tuple(FloatLayer(np.asarray(w, np.float64).T, np.asarray(b, np.float64)) for w, b in layers))
