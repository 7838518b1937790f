"""Concrete ML's neural networks in integers, read from what Concrete ML quantized, and held against its own words.

Their scales are powers of two, so that an activation drops whole bits, rounded half up: what Concrete compiles with
exact rounding is what comes out here. Others round to odd steps, each a comparison of its own, and are refused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from app.protocol.errors import BadModel
from fhe.arrays import I64
from fhe.compile.foreign import attribute, guarded, kind
from fhe.compile.importers.inputs import Column
from fhe.compile.networks.network import Activation, Dense, QuantizedNetwork
from fhe.compile.space import FeatureSpace, published

Features = Callable[[FeatureSpace], Sequence[Column | None]]  # each feature's column and values

SCALES = "Train it with module__power_of_two_scaling=True and module__activation_function=torch.nn.ReLU, the defaults."


def network_of(model: Any, features: Features, space: FeatureSpace) -> tuple[QuantizedNetwork, float]:
    """(the network on these codes, the value of a step of its outputs); `features`: what it reads of some codes.

    Errors: BadModel.
    """
    module = attribute(model, "quantized_module_")
    layers = [layer for _, layer in (attribute(module, "quant_layers_dict") or {}).values()]
    if not layers:
        raise BadModel(f"This {kind(model)} was not fitted.", "Call fit() first.")
    with guarded(model, "Reading the layers of"):
        dense, activations, scale = _layers(model, layers, module.input_quantizers[0])
        space, inputs = _inputs(model, module.input_quantizers[0], features, space)
    return QuantizedNetwork(space, inputs, dense, activations), scale


def _layers(model: Any, layers: list[Any], quantizer: Any) -> tuple[tuple[Dense, ...], tuple[Activation, ...], float]:
    names = [kind(layer).removeprefix("Quantized") for layer in layers]
    if names[0] == "BrevitasQuant":
        layers, names = layers[1:], names[1:]
    count = len(names) // 3
    if names != ["Gemm", "Relu", "BrevitasQuant"] * count + ["Gemm"] or not count:
        raise BadModel(f"This {kind(model)} has other layers than dense ones with ReLU between them.", SCALES)
    dense, activations, scale = list[Dense](), list[Activation](), float(quantizer.scale)
    for number in range(count + 1):
        gemm = layers[3 * number]
        layer, scale = _dense(model, gemm, scale)
        dense.append(layer)
        if number < count:
            activation, scale = _activation(model, gemm, layers[3 * number + 2], scale)
            activations.append(activation)
    return tuple(dense), tuple(activations), scale


def _dense(model: Any, gemm: Any, scale: float) -> tuple[Dense, float]:
    """A layer's weights (units, inputs), and the value of a step of what comes out."""
    weights = gemm.constant_inputs[1]
    matrix = np.asarray(weights.qvalues, np.int64)
    if not gemm.attrs.get("transB", False):
        matrix = matrix.T
    step = scale * float(weights.quantizer.scale)
    bias = np.zeros(len(matrix), np.int64)
    if 2 in gemm.constant_inputs:
        given = gemm.constant_inputs[2]
        exact = np.asarray(getattr(given, "values", given), np.float64) / step
        bias = np.rint(exact).astype(np.int64)
        if np.abs(exact - bias).max(initial=0) > 1e-6:
            raise BadModel(f"This {kind(model)} has biases between the steps of its layers.", SCALES)
    if np.any(np.asarray(weights.quantizer.zero_point) != 0):
        raise BadModel(f"This {kind(model)} has weights whose zero is no whole step.", SCALES)
    return Dense(matrix, bias), step


def _activation(model: Any, gemm: Any, quant: Any, scale: float) -> tuple[Activation, float]:
    """The rounding after a layer whose outputs have this step, and the step of what it gives."""
    out = quant.output_quant_params
    drop = np.log2(float(out.scale) / scale)
    removed = attribute(gemm, "lsbs_to_remove")
    whole = round(float(drop))
    if abs(drop - whole) > 1e-9 or whole < 0 or (removed or {}).get("matmul", 0) != whole:
        raise BadModel(f"This {kind(model)} rounds its activations to steps that are no power of two.", SCALES)
    bits = int(quant.constant_inputs[3]) - int(quant.is_signed)
    return Activation(whole, bits), float(out.scale)


def _inputs(
    model: Any, quantizer: Any, features: Features, space: FeatureSpace
) -> tuple[FeatureSpace, tuple[tuple[int, I64], ...]]:
    """What the network's own input quantizer makes of each code of each column, read through bins where it is bent.

    Errors: BadModel.
    """
    read = _quantized(model, quantizer, features(space))
    encodings = list(space.encodings)
    for column, numbers in read:
        if encodings[column] == "bins" or len(np.unique(np.diff(numbers))) <= 1:
            continue
        if space.reading == "codes" or not published(space.columns[column], "bins"):
            raise BadModel(
                f"This {kind(model)} rounds the codes of column {space.columns[column].name!r} to"
                f" {int(quantizer.n_bits)} bits, in steps of {float(quantizer.scale):g}.",
                "Fit it on bin codes, dataset.encode(X, 'bins'), or with more bits (module__n_a_bits).",
            )
        encodings[column] = "bins"
    if encodings == list(space.encodings):
        return space, read
    space = space.on(encodings)
    return space, _quantized(model, quantizer, features(space))


def _quantized(model: Any, quantizer: Any, features: Sequence[Column | None]) -> tuple[tuple[int, I64], ...]:
    found = []
    for feature in features:
        if feature is None:
            raise BadModel(
                f"What this {kind(model)} reads mixes columns, before its own quantizer rounds them.",
                "Scale each column by itself before it: StandardScaler, or nothing.",
            )
        values = feature.values.astype(np.float32).astype(np.float64)
        found.append((feature.column, np.asarray(quantizer.quant(values), np.int64)))
    return tuple(found)
