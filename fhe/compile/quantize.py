"""Linear models quantized with the codebook's identity: a code stays itself, shifted by the quantizer's zero point.

Concrete ML derives its input quantizer from the data it is shown, one scale for all columns. Shown two rows, all-0 and
all-(2^bits - 1), it chooses scale 1, so its quantized inference is an integer map of the codes themselves. A model
whose quantizer is already of that form is used as it is; any other is imported again from its scikit-learn part.
"""

from __future__ import annotations

import copy
import warnings
from typing import Any

import numpy as np

from app.protocol.errors import BadModel
from fhe.compile import concrete_models

FAMILY = (
    "LogisticRegression",
    "LinearRegression",
    "Ridge",
    "Lasso",
    "ElasticNet",
    "LinearSVC",
    "LinearSVR",
    "SGDClassifier",
    "SGDRegressor",
    "PoissonRegressor",
    "GammaRegressor",
    "TweedieRegressor",
)
WEIGHT_BITS = 8
AGAIN = "Fit the model on this dataset's codes: dataset.encode(X)."


def is_linear(model: Any) -> bool:
    """Whether a model is of the linear family, of Concrete ML or of scikit-learn."""
    kind = type(model)
    return kind.__name__ in FAMILY and kind.__module__.startswith(("concrete.ml.sklearn", "sklearn."))


def fitted_part(model: Any) -> Any:
    """The fitted scikit-learn model inside. Errors: BadModel when it was not fitted."""
    inner = getattr(model, "sklearn_model", None) if type(model).__module__.startswith("concrete.") else model
    if inner is None or not hasattr(inner, "coef_"):
        raise BadModel(f"This {type(model).__name__} was not fitted.", AGAIN)
    if not (np.isfinite(inner.coef_).all() and np.isfinite(inner.intercept_).all()):
        raise BadModel(f"This {type(model).__name__} has weights that are not finite.", "Fit it again.")
    return inner


def with_identity(model: Any, levels: int, n_bits: int | None = None) -> Any:
    """The Concrete ML model whose quantized inference is linear in codes 0 to levels - 1.

    `n_bits` is the number of bits of a weight, by default the model's own (8 for scikit-learn's). Errors: BadModel.
    """
    inner = fitted_part(model)
    if inner is not model:
        _check_range(model, levels)
        if n_bits is None and code_zero_point(model, levels) is not None:
            return model
    bits = max(2, (levels - 1).bit_length())
    weights = n_bits if n_bits is not None else _weight_bits(model)
    features = np.shape(inner.coef_)[-1]
    edges = np.array([[0.0] * features, [2.0**bits - 1] * features])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the importers; what matters is checked below
        try:
            made = getattr(concrete_models.load(), type(model).__name__).from_sklearn_model(
                _numbered(inner), edges, n_bits={"op_inputs": bits, "op_weights": weights}
            )
        except (AssertionError, TypeError, ValueError, RuntimeError) as error:
            raise BadModel(
                f"Concrete ML does not import this {type(model).__name__}: {error}", "Change its parameters."
            ) from None
    if code_zero_point(made, levels) is None:
        raise BadModel(f"Concrete ML does not quantize {levels} codes as themselves.", "Publish fewer levels.")
    return made


def code_zero_point(model: Any, levels: int) -> int | None:
    """z when the model's input quantizer sends every code c in [0, levels) to c + z, else None."""
    codes = np.arange(levels)
    shifted = np.asarray(model.input_quantizers[0].quant(codes.astype(np.float64))) - codes
    return int(shifted[0]) if (shifted == shifted[0]).all() else None


def _numbered(inner: Any) -> Any:
    """The same model with classes 0, 1, ... where its labels are not integers, which Concrete ML does not import."""
    classes = getattr(inner, "classes_", None)
    if classes is None or classes.dtype.kind in "iu":
        return inner
    numbered = copy.copy(inner)
    numbered.classes_ = np.arange(len(classes))
    return numbered


def _weight_bits(model: Any) -> int:
    bits = getattr(model, "n_bits", WEIGHT_BITS)
    return int(bits["op_weights"]) if isinstance(bits, dict) else int(bits)


def _check_range(model: Any, levels: int) -> None:
    """A Concrete ML model remembers the range of what it was fitted on. Errors: BadModel when it cannot be codes."""
    quantizers = model.input_quantizers
    if not quantizers:
        raise BadModel(f"This {type(model).__name__} was not fitted.", AGAIN)
    low, high = quantizers[0].rmin, quantizers[0].rmax
    top = (1 << (levels - 1).bit_length()) - 1
    if low is not None and high is not None and (low < 0 or high > top):
        raise BadModel(
            f"The model was fitted on values from {low:g} to {high:g}, but this dataset's codes go from 0 to"
            f" {levels - 1}.",
            AGAIN,
        )
