"""A network in floating point, and how it is quantized: weights, activations and outputs in as many bits as it takes.

Each unit's pre-activation counts in steps of its own, so that its greatest value on the buyer's rows is the greatest
number of an activation: with `bits` of those and `drop` below, the first layer's weights are whole steps of
(greatest / (2^bits - 1)) / 2^drop. What an activation stands for goes into the next layer's weights. Outputs have one
step for all. Of all choices of bits that the profile can read, those come first that say what the network says on the
buyer's rows, the cheapest of them first; then the others, the closest first.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np

from app.protocol.errors import BadModel, NoiseOverflow
from fhe.arrays import F64, I64
from fhe.circuit.codec import MAX_LAYERS
from fhe.compile.digits.parts import PART
from fhe.compile.form import ScoreForm
from fhe.compile.networks.lowering import stages_of, width_of
from fhe.compile.networks.network import Activation, Dense, QuantizedNetwork
from fhe.compile.residues import MOST_KEPT
from fhe.compile.space import FeatureSpace
from fhe.noise.linear import log2_failure
from fhe.noise.lookup import bootstrap_variance, result_variance
from fhe.profile import EncryptionProfile

ACTIVATION_BITS = (6, 4, 3)  # from fine to coarse; two parts of three bits cost little more than three and one
WEIGHT_BITS = range(8, 3, -1)  # their sign included
OUTPUT_BITS = range(10, 3, -1)
REACHES = (1.0, 0.8, 0.6)  # of the greatest activation on the buyer's rows: clipping few leaves finer steps for others
CLOSE = 0.005  # how far from the network in floating point bits need not be more
BENT = 63  # numbers that stand for a column's bins where the network reads them unevenly
SAME = 1e-6  # of a column's effects, by which units may read it differently
PER_UNIT = 12  # lookups of a unit whose values a proof keeps, about


@dataclass(frozen=True, eq=False)
class FloatLayer:
    """weights (units, inputs) and bias (units,), then min(max(x, 0), cap), a cap of all units or of each.

    The last layer has no activation.
    """

    weights: F64
    bias: F64
    cap: float | F64 = np.inf


@dataclass(frozen=True, eq=False)
class FloatNetwork:
    """Layers in order; the last one's values are the network's."""

    layers: tuple[FloatLayer, ...]

    def after_first(self, values: F64) -> F64:
        """The network's values (rows, outputs) of its first layer's (rows, units)."""
        for before, layer in zip(self.layers, self.layers[1:]):
            values = np.clip(values, 0, before.cap) @ layer.weights.T + layer.bias
        return values


@dataclass(frozen=True)
class Bits:
    """What a hidden layer is quantized with: bits of its activations and weights, and how far an activation reaches."""

    activation: int
    weight: int
    reach: float


@dataclass(frozen=True, eq=False)
class QuantizedChoice:
    """A network in integers, the value of a step of its outputs, and how far it is from the one in floating point."""

    network: QuantizedNetwork
    step: float
    off: float  # the share of the buyer's labels; of a regressor, of the values' range, on average
    lookups: int  # about


def choices(
    network: FloatNetwork,
    form: ScoreForm,
    space: FeatureSpace,
    codes: I64,
    profile: EncryptionProfile,
    n_bits: int | None,
    *,
    classifies: bool,
) -> list[QuantizedChoice]:
    """The network in integers, with different bits, the most promising first; at least one.

    `form` gives the first layer's values; `codes` (rows, columns) are the buyer's rows. With `n_bits` hidden weights
    have that many. Errors: BadModel, NoiseOverflow.
    """
    inputs, weights = _inputs(form, space)
    said = network.after_first(form.scores(codes))
    found = []
    for bits, own, reach in product(ACTIVATION_BITS, WEIGHT_BITS if n_bits is None else (n_bits,), REACHES):
        hidden = _hidden(network, inputs, weights, form.constant, codes, Bits(bits, own, reach))
        for most in OUTPUT_BITS:
            made, step = _ended(*hidden, space, inputs, most)
            if _readable(made, profile):
                off = _off(said, made.outputs(codes).T * step, classifies=classifies)
                found.append(QuantizedChoice(made, step, off, _lookups(made)))
                break
    if not found:
        raise NoiseOverflow(
            "This network's outputs add up too many units to be read without errors.",
            "Use fewer hidden units, or a stronger penalty on its weights (alpha).",
        )
    return sorted(found, key=lambda each: (0.0, each.lookups) if each.off <= CLOSE else (each.off, 0))


def _off(said: F64, found: F64, *, classifies: bool) -> float:
    if not classifies:
        return float(np.mean(np.abs(said - found)) / (np.ptp(said) or 1.0))
    if said.shape[1] == 1:
        return float(np.mean((said > 0) != (found > 0)))
    return float(np.mean(said.argmax(axis=1) != found.argmax(axis=1)))


def _lookups(network: QuantizedNetwork) -> int:
    layers = zip(network.layers, network.activations)
    return sum(len(layer.bias) * (each.drop // 2 + 4 * -(-each.bits // PART)) for layer, each in layers)


def _inputs(form: ScoreForm, space: FeatureSpace) -> tuple[tuple[tuple[int, I64], ...], F64]:
    """Whole numbers for each column's codes, and the first layer's weights (units, columns) on them."""
    inputs, weights = list[tuple[int, I64]](), list[F64]()
    for column, table in sorted(form.tables.items()):
        levels = np.arange(len(table))
        changes = table - table[:1]
        even = changes[-1:] / max(1, len(table) - 1)
        if np.abs(changes - levels[:, None] * even).max() <= SAME * np.abs(changes).max():
            numbers, weight = levels, even[0]
        else:
            unit = int(np.abs(changes).max(axis=0).argmax())
            shape = changes[:, unit] / np.abs(changes[:, unit]).max()
            weight = changes[int(np.abs(shape).argmax())] / shape[int(np.abs(shape).argmax())]
            if np.abs(changes - shape[:, None] * weight).max() > SAME * np.abs(changes).max():
                name = space.columns[column].name
                raise BadModel(
                    f"The network's units read column {name!r} in different ways, as after a step that makes several"
                    " features of it.",
                    "Scale each column by itself before the network, and leave out splines and one-hot codes.",
                )
            numbers, weight = np.rint(shape * BENT).astype(np.int64), weight / BENT
        inputs.append((column, numbers.astype(np.int64)))
        weights.append(weight)
    if not inputs:
        raise BadModel("This network reads no column.", "Fit it on more rows.")
    return tuple(inputs), np.stack(weights, axis=1)


_Hidden = tuple[list[Dense], list[Activation], F64, F64]


def _hidden(
    network: FloatNetwork,
    inputs: tuple[tuple[int, I64], ...],
    weights: F64,
    constant: F64,
    codes: I64,
    chosen: Bits,
) -> _Hidden:
    """Hidden layers in integers, their activations, and the last layer's weights and bias on what they give."""
    values = np.stack([table[codes[:, column]] for column, table in inputs], axis=1)
    layers, activations, bias = list[Dense](), list[Activation](), constant
    for before, layer in zip(network.layers, network.layers[1:]):
        reached = np.minimum((values @ weights.T + bias).max(axis=0) * chosen.reach, before.cap)
        least = 1e-9 + 1e-3 * float(np.abs(reached).max())
        step = np.maximum(reached, least) / ((1 << chosen.activation) - 1)  # what never was above zero hardly counts
        largest = float((np.abs(weights).max(axis=1) / step).max())
        drop = max(0, int(np.floor(np.log2(((1 << (chosen.weight - 1)) - 1) / largest)))) if largest else 0
        unit = step / (1 << drop)
        layers.append(Dense(_whole(weights / unit[:, None]), _whole(bias / unit)))
        activations.append(Activation(drop, chosen.activation))
        values = activations[-1].of(layers[-1].of(values))
        weights, bias = layer.weights * step, layer.bias
    return layers, activations, weights, bias


def _whole(values: F64) -> I64:
    return np.rint(values).astype(np.int64)


def _ended(
    layers: list[Dense],
    activations: list[Activation],
    weights: F64,
    bias: F64,
    space: FeatureSpace,
    inputs: tuple[tuple[int, I64], ...],
    bits: int,
) -> tuple[QuantizedNetwork, float]:
    """The network whose outputs' largest weight has so many bits, and their step."""
    step = float(np.abs(weights).max()) / ((1 << (bits - 1)) - 1)
    last = Dense(_whole(weights / step), _whole(bias / step))
    return QuantizedNetwork(space, inputs, (*layers, last), tuple(activations)).pruned(), step


def _readable(network: QuantizedNetwork, profile: EncryptionProfile) -> bool:
    """Whether outputs can be read, and the proof of the hidden layers stays within its bounds, by static rules."""
    last, bounds = network.layers[-1], network.bounds()
    parts = -(-network.activations[-1].bits // PART)
    noise = float((last.weights.astype(np.float64) ** 2).sum(axis=1).max()) * parts * bootstrap_variance(profile)
    width = width_of(*bounds[-1], None)
    if log2_failure(noise + result_variance(profile), width) > profile.p_error_log2 - 1:
        return False
    kept = sum(int((high - low + 1).sum()) for low, high in bounds[:-1]) * PER_UNIT
    return kept <= MOST_KEPT and stages_of(network, profile) <= MAX_LAYERS // 2
