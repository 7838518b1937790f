"""A network in integers: dense layers, and between them rounding to a few bits, clipped at zero.

    q = table[code of a column]                                 whole numbers that stand for a column's codes
    x = weights q + bias                                        a layer's values; the last one's are the outputs
    y = min(max((x + 2^(drop - 1)) >> drop, 0), 2^bits - 1)     an activation: ReLU, rounded and clipped
    x = weights y + bias                                        the next layer

It is what the circuit computes, on every row; how far it is from the model that it was quantized from is another
question, which compiling answers in its report.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from app.protocol.errors import BadModel
from fhe.arrays import I64
from fhe.compile.space import FeatureSpace


@dataclass(frozen=True)
class Activation:
    """How a layer's values become the next one's inputs, of `bits` bits."""

    drop: int
    bits: int

    @property
    def half(self) -> int:
        """What is added before bits are dropped, so that they are rounded."""
        return 1 << (self.drop - 1) if self.drop else 0

    def of(self, values: I64) -> I64:
        """The next layer's inputs."""
        return np.clip((values + self.half) >> self.drop, 0, (1 << self.bits) - 1)


@dataclass(frozen=True, eq=False)
class Dense:
    """Integer weights (units, inputs) and bias (units,)."""

    weights: I64
    bias: I64

    def of(self, values: I64) -> I64:
        """Values (rows, units) of inputs (rows, inputs)."""
        found: I64 = values @ self.weights.T + self.bias
        return found

    def bounds(self, low: I64, high: I64) -> tuple[I64, I64]:
        """(least, greatest) value (units,) each, of inputs between these (inputs,)."""
        up, down = np.maximum(self.weights, 0), np.minimum(self.weights, 0)
        return up @ low + down @ high + self.bias, up @ high + down @ low + self.bias


@dataclass(frozen=True, eq=False)
class QuantizedNetwork:
    """A network on a dataset's codes: one layer more than there are activations between them."""

    space: FeatureSpace
    inputs: tuple[tuple[int, I64], ...]  # what the first layer reads, in its order: a column and its table (levels,)
    layers: tuple[Dense, ...]
    activations: tuple[Activation, ...]

    def read(self, codes: I64) -> I64:
        """The first layer's inputs (rows, columns read) on codes (rows, columns)."""
        return np.stack([table[codes[:, column]] for column, table in self.inputs], axis=1)

    def outputs(self, codes: I64) -> I64:
        """Integers (outputs, rows) on codes (rows, columns)."""
        values = self.layers[0].of(self.read(codes))
        for activation, layer in zip(self.activations, self.layers[1:], strict=True):
            values = layer.of(activation.of(values))
        return values.T

    def finer(self, factor: int) -> QuantizedNetwork:
        """The same with outputs that many times as large."""
        last = self.layers[-1]
        return replace(self, layers=(*self.layers[:-1], Dense(last.weights * factor, last.bias * factor)))

    def bounds(self) -> list[tuple[I64, I64]]:
        """(least, greatest) of each layer's values, (units,) each; never narrower than the truth."""
        ends = [np.array([end(table) for _, table in self.inputs], np.int64) for end in (np.min, np.max)]
        found = [self.layers[0].bounds(ends[0], ends[1])]
        for activation, layer in zip(self.activations, self.layers[1:], strict=True):
            low, high = found[-1]
            found.append(layer.bounds(activation.of(low), activation.of(high)))
        return found

    def pruned(self) -> QuantizedNetwork:
        """The same without units that are constant, or that nothing reads. Errors: BadModel where nothing is left."""
        layers = list(self.layers)
        for number in reversed(range(len(layers) - 1)):  # what nothing reads
            kept = layers[number + 1].weights.any(axis=0)
            layers[number : number + 2] = _without(layers[number], layers[number + 1], kept)
        for number, activation in enumerate(self.activations):  # what is constant becomes a bias
            low, high = map(activation.of, replace(self, layers=tuple(layers)).bounds()[number])
            after = layers[number + 1]
            after = Dense(after.weights, after.bias + after.weights @ np.where(low == high, low, 0))
            layers[number : number + 2] = _without(layers[number], after, low != high)
        read = layers[0].weights.any(axis=0) & np.array([(t != t[0]).any() for _, t in self.inputs])
        if not read.any() or not all(layer.weights.any() for layer in layers):
            raise BadModel(
                "This network, quantized, gives the same for every row.",
                "Fit it for longer, with more bits (n_bits), or on more rows.",
            )
        constant = np.array([int(table[0]) for _, table in self.inputs], np.int64)
        first = Dense(layers[0].weights[:, read], layers[0].bias + layers[0].weights @ np.where(read, 0, constant))
        inputs = tuple(each for each, kept in zip(self.inputs, read, strict=True) if kept)
        return replace(self, inputs=inputs, layers=(first, *layers[1:]))


def _without(layer: Dense, after: Dense, kept: I64) -> tuple[Dense, Dense]:
    """Two layers, of whose units between only some are kept."""
    return Dense(layer.weights[kept], layer.bias[kept]), Dense(after.weights[:, kept], after.bias)
