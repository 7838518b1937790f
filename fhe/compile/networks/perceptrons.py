"""Networks in floating point: scikit-learn's perceptrons, and what was read of torch's modules."""

from __future__ import annotations

from typing import Any

import numpy as np

from app.protocol.errors import BadModel
from fhe.compile.foreign import kind, origin
from fhe.compile.networks.activations import KIN
from fhe.compile.networks.floating import FloatLayer, FloatNetwork
from fhe.compile.networks.torch_modules import TorchNetwork

PERCEPTRONS = ("MLPClassifier", "MLPRegressor")


def is_float_network(model: Any) -> bool:
    """Whether a model is a network with something between its layers that is not linear."""
    if isinstance(model, TorchNetwork):
        return True
    return origin(model) == "sklearn" and kind(model) in PERCEPTRONS and model.activation != "identity"


def float_network(model: Any) -> FloatNetwork:
    """Its layers. Errors: BadModel for one that was not fitted."""
    if isinstance(model, TorchNetwork):
        return model.network
    if not hasattr(model, "coefs_"):
        raise BadModel(f"This {kind(model)} was not fitted.", "Call fit() first.")
    layers = [(np.asarray(w, np.float64).T, np.asarray(b, np.float64)) for w, b in zip(model.coefs_, model.intercepts_)]
    made, activation = list[FloatLayer](), KIN[model.activation](model)
    for number, (weights, bias) in enumerate(layers[:-1]):
        gains, constants = activation.after(len(bias))
        after, plus = layers[number + 1]
        layers[number + 1] = np.concatenate([after * own for own in gains], axis=1), plus + after @ constants
        made.append(FloatLayer(*activation.before(weights, bias)))
    return FloatNetwork((*made, FloatLayer(*layers[-1])))
