"""Linear models -> circuits of one Linear layer.

With weights W, weight zero point u, input zero point z (a code c is quantized to c + z), bias b and output zero point
v, Concrete ML computes q = (W - u)(c + z) + b in integers and reads the score as scale * (q - v). The circuit gives
q - v, the score in whole units of the scale, so that its sign or largest output is the label:

    weights = W - u,    bias = b + z * sum(W - u) - v.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from app.protocol.data.dataset import Codebook
from app.protocol.errors import BadModel, MessageOverflow
from fhe.arrays import I64
from fhe.circuit.circuit import Circuit, Input, Linear, Readout
from fhe.circuit.codec import digest
from fhe.compile.check import check
from fhe.compile.columns import affine_columns
from fhe.compile.compiled import Compiled
from fhe.compile.decoder import Decoder, Labels, Link
from fhe.compile.quantize import code_zero_point, fitted_part, with_identity
from fhe.profile import EncryptionProfile

CHECKED_ROWS = 64
LARGEST = 2.0**53  # beyond it, Concrete ML's own arithmetic is not exact


def from_linear_model(
    model: Any,
    codebook: Codebook,
    profile: EncryptionProfile,
    *,
    columns: Sequence[str] | None = None,
    n_bits: int | None = None,
) -> Compiled:
    """Compile a fitted model of the linear family. Errors: BadModel, MessageOverflow, NoiseOverflow."""
    inner = fitted_part(model)
    read = affine_columns(codebook, inner, int(np.shape(inner.coef_)[-1]), columns)
    levels = max(column.affine.levels for column in read if column.affine)
    quantized = with_identity(model, levels, n_bits)
    weights, bias, centre = _integers(quantized, levels)
    _verify(quantized, weights, bias + centre, levels)
    used = np.flatnonzero((weights != 0).any(axis=0))
    if not len(used):
        raise BadModel("Every weight of this model is zero, so it reads no column.", "Train it with less penalty.")
    names = _output_names(quantized, len(bias))
    circuit = Circuit(
        profile.digest,
        codebook.digest,
        tuple(Input(read[column].name, "affine") for column in used),
        (_layer(weights[:, used], bias, profile.message_width),),
        names,
        _readout(quantized, len(bias)),
    )
    report = check(circuit, codebook, profile)
    decoder = Decoder(
        model=type(model).__name__,
        circuit=digest(circuit),
        scale=float(quantized.output_quantizers[0].scale),
        zero_points=(0,) * len(bias),
        centre=tuple(int(value) for value in centre),
        link=_link(quantized, len(bias)),
        labels=Labels.of(inner.classes_) if hasattr(quantized, "classes_") else None,
        probabilities=hasattr(quantized, "classes_"),
    )
    return Compiled(circuit, decoder, report, quantized)


def _integers(model: Any, levels: int) -> tuple[I64, I64, I64]:
    """(weights (outputs, features), bias (outputs,), output zero points (outputs,)). Errors: MessageOverflow."""
    zero = code_zero_point(model, levels)
    assert zero is not None
    weights = _whole(model._q_weights).T - int(model._weight_quantizer.zero_point)
    outputs = len(weights)
    bias = np.broadcast_to(_whole(model._q_bias).ravel(), outputs)
    centre = np.broadcast_to(_whole(model.output_quantizers[0].zero_point).ravel(), outputs)
    return weights, bias + zero * weights.sum(axis=1) - centre, centre


def _verify(model: Any, weights: I64, bias: I64, levels: int) -> None:
    """Compare with the model's own quantized inference on random codes and both extremes. Errors: BadModel."""
    codes = np.random.default_rng(0).integers(0, levels, (CHECKED_ROWS, weights.shape[1]))
    codes[:2] = [[0], [levels - 1]]
    expected = np.asarray(model._inference(model.quantize_input(codes.astype(np.float64))))
    if not np.array_equal(codes @ weights.T + bias, expected):
        raise BadModel(
            "The compiled circuit does not reproduce this model's quantized results.",
            "Use Concrete ML 1.9, and report this model if it does.",
        )


def _whole(values: Any) -> I64:
    array = np.asarray(values)
    if not (np.abs(array.astype(np.float64)) < LARGEST).all() or (array != np.rint(array)).any():
        raise MessageOverflow(
            "Layer 0: the model's intercept is too large for its weights, beyond 2^53 units of its scale.",
            "Scale the target, or train with less penalty.",
        )
    return array.astype(np.int64)


def _layer(weights: I64, bias: I64, width: int) -> Linear:
    rows, columns = np.nonzero(weights)
    counts = np.bincount(rows, minlength=len(weights))
    indptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return Linear(width, indptr, columns.astype(np.int64), weights[rows, columns], bias.astype(np.int64))


def _output_names(model: Any, outputs: int) -> tuple[str, ...]:
    if outputs == 1:
        return ("score",)
    if hasattr(model, "classes_"):
        return tuple(f"class {number}" for number in range(outputs))
    return tuple(f"value {number}" for number in range(outputs))


def _readout(model: Any, outputs: int) -> Readout:
    if not hasattr(model, "classes_"):
        return Readout("value")
    return Readout("threshold", 1) if outputs == 1 else Readout("argmax")  # score > 0 is an integer of at least 1


def _link(model: Any, outputs: int) -> Link:
    name = type(model).__name__
    if name in {"PoissonRegressor", "GammaRegressor"}:
        return "exp"
    if name == "TweedieRegressor":
        logarithmic = model.link == "log" or (model.link == "auto" and model.power > 0)
        return "exp" if logarithmic else "identity"
    if not hasattr(model, "classes_"):
        return "identity"
    if name == "SGDClassifier":
        return "modified-huber" if model.loss == "modified_huber" else "one-vs-rest" if outputs > 1 else "sigmoid"
    return "sigmoid" if outputs == 1 else "softmax"
