"""Networks of torch on tabular columns: dense layers, batch norms folded into them, ReLU and its kin between.

Those that brevitas quantized are read with the weights that it quantized, and quantized anew.

A module is traced by torch itself (`torch.fx`), so that any module that is one chain of these steps is read, whether it
is a Sequential or has a `forward` of its own. It is never saved or loaded here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from app.protocol.errors import BadModel
from fhe.arrays import F64
from fhe.compile.foreign import guarded, kind
from fhe.compile.networks.activations import KIN
from fhe.compile.networks.floating import FloatLayer, FloatNetwork

SUPPORTED = (
    "Use Linear, BatchNorm1d, Dropout, Flatten, and between them ReLU, ReLU6, LeakyReLU, PReLU, Hardtanh, Hardsigmoid,"
    " Tanh or Sigmoid."
)
SKIPPED = ("Dropout", "Identity", "QuantIdentity", "QuantDropout", "Flatten", "dropout", "flatten", "contiguous")
DENSE = ("Linear", "QuantLinear")
ENDS = ("Softmax", "LogSoftmax", "Sigmoid", "softmax", "log_softmax", "sigmoid")


def is_torch_module(model: Any) -> bool:
    """Whether a model is a torch module that predicts nothing by itself; torch is not imported to tell."""
    bases = {(base.__module__, base.__name__) for base in type(model).__mro__}
    return ("torch.nn.modules.module", "Module") in bases and not hasattr(model, "predict")


class TorchNetwork:
    """A torch module with an estimator's methods.

    A module that ends in a Softmax or Sigmoid, or has several outputs, is a classifier with the labels 0, 1, ... ; one
    with a single output and no such end is a regressor. Errors: BadModel.
    """

    stands_for = "torch"

    def __init__(self, module: Any) -> None:
        steps, self._end = _steps(module)
        self.network, self.n_features_in_ = _layers(module, steps)
        outputs = len(self.network.layers[-1].bias)
        if self._end in ("Sigmoid", "sigmoid") and outputs == 1:
            self.classes_ = np.arange(2)
        elif outputs > 1:
            self.classes_ = np.arange(outputs)
        self._module = module

    def decision_function(self, values: Any) -> F64:
        """The last dense layer's values, (rows, outputs), or (rows,) of one."""
        table = np.asarray(values, np.float64)
        first = self.network.layers[0]
        found = self.network.after_first(table @ first.weights.T + first.bias)
        return found[:, 0] if found.shape[1] == 1 else found

    def predict(self, values: Any) -> npt.NDArray[Any]:
        """Labels of a classifier, values of a regressor."""
        scores = self.decision_function(values)
        if not hasattr(self, "classes_"):
            return scores
        chosen: npt.NDArray[Any] = (scores > 0).astype(np.int64) if scores.ndim == 1 else scores.argmax(axis=1)
        return chosen


def _steps(module: Any) -> tuple[list[Any], str]:
    """The steps of a chain, in order: modules, or names of functions; and the name of the link at its end."""
    fx: Any = __import__("torch.fx", fromlist=["Tracer"])

    class Tracer(fx.Tracer):  # type: ignore[misc]  # torch's, which is only there where a module is
        def is_leaf_module(self, inner: Any, name: str) -> bool:
            return type(inner).__module__.startswith("brevitas.nn") or bool(super().is_leaf_module(inner, name))

    with guarded(module, "Tracing", "Write it as one chain of modules: torch.nn.Sequential."):
        graph = Tracer().trace(module.eval())
    steps, before = list[Any](), None
    modules = dict(module.named_modules())
    for node in graph.nodes:
        if node.op == "placeholder" and before is None:
            before = node
            continue
        read = list(node.all_input_nodes)
        if read != [before]:
            raise BadModel(f"This {kind(module)} is more than one chain of steps.", SUPPORTED)
        before = node
        if node.op == "call_module":
            steps.append(modules[node.target])
        elif node.op != "output":
            steps.append(getattr(node.target, "__name__", str(node.target)))
    end = _name(steps[-1]) if steps else ""
    if end in ENDS:
        return steps[:-1], end
    return steps, ""


def _name(step: Any) -> str:
    return step if isinstance(step, str) else kind(step)


@dataclass(eq=False)
class _Reads:
    """What the next dense layer reads of the one before: gain * unit + offset, each unit in pieces or as it is."""

    gain: F64
    offset: F64
    pieces: F64 | None = None  # gains (pieces, units) of the units that are there

    def into(self, weights: F64, bias: F64) -> tuple[F64, F64]:
        """A dense layer on what is there."""
        bias, weights = bias + weights @ self.offset, weights * self.gain
        return (weights if self.pieces is None else np.concatenate([weights * g for g in self.pieces], axis=1)), bias


def _layers(module: Any, steps: list[Any]) -> tuple[FloatNetwork, int]:
    layers, caps = list[tuple[F64, F64]](), list[F64]()
    reads: _Reads | None = None  # a batch norm, an activation, or both
    features, open_ = 0, True
    for step in steps:
        name = _name(step)
        if name in SKIPPED:
            continue
        if name in DENSE:
            weights = _weights(step)
            bias = _array(step.bias) if step.bias is not None else np.zeros(len(weights))
            features = features or weights.shape[1]
            if reads is not None:
                weights, bias = reads.into(weights, bias)
            if layers and open_:  # nothing between two dense layers: they are one
                before = layers.pop()
                weights, bias = weights @ before[0], weights @ before[1] + bias
            layers.append((weights, bias))
            reads, open_ = None, True
        elif name == "BatchNorm1d":
            gain, offset = _norm(step)
            if layers and open_:
                layers[-1] = layers[-1][0] * gain[:, None], layers[-1][1] * gain + offset
            elif reads is None:
                features, reads = features or len(gain), _Reads(gain, offset)
            else:
                reads = _Reads(reads.gain * gain, reads.offset * gain + offset, reads.pieces)
        elif name in KIN and layers and open_:
            activation, units = KIN[name](step), len(layers[-1][1])
            weights, bias, most = activation.before(*layers[-1])
            layers[-1] = weights, bias
            caps.append(most)
            gains, offset = activation.after(units)
            reads, open_ = _Reads(np.ones(units), offset, gains), False
        else:
            raise BadModel(f"This {kind(module)} has a step {name}, which no circuit of dense layers has.", SUPPORTED)
    if len(layers) != len(caps) + 1 or not caps:
        raise BadModel(f"This {kind(module)} has no hidden layer, or ends in an activation.", SUPPORTED)
    made = zip(layers, [*caps, np.full(len(layers[-1][1]), np.inf)], strict=True)
    return FloatNetwork(tuple(FloatLayer(w, b, cap) for (w, b), cap in made)), features


def _weights(step: Any) -> F64:
    """A dense layer's weights (units, inputs); of one that is quantized by brevitas, as it quantizes them."""
    if kind(step) == "Linear":
        return _array(step.weight)
    quantized = step.quant_weight()
    return _array(getattr(quantized, "value", quantized))


def _norm(step: Any) -> tuple[F64, F64]:
    """y = gain x + offset, of a batch norm as it is used after training."""
    gain = 1 / np.sqrt(_array(step.running_var) + step.eps)
    if step.affine:
        gain = gain * _array(step.weight)
        return gain, _array(step.bias) - _array(step.running_mean) * gain
    return gain, -_array(step.running_mean) * gain


def _array(values: Any) -> F64:
    return np.asarray(values.detach().cpu().numpy(), np.float64)
