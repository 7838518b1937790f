"""Activations as sums of clipped pieces: each unit becomes one that is clipped for every piece.

    a(x) = offset + sum over pieces of gain * min(max(sign * x, low), high)

ReLU, ReLU6, Hardtanh and Hardsigmoid are one piece, leaky ones two: exactly. Tanh and sigmoid are two, within 0.03 of
their range of 2 and 1; how much that matters is told on the buyer's rows like all that quantizing costs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from fhe.arrays import F64


@dataclass(frozen=True, eq=False)
class ActivationPiece:
    """gain * min(max(sign * x, low), high); the gain of all units, or of each."""

    gain: float | F64
    low: float
    high: float
    sign: float = 1.0


@dataclass(frozen=True, eq=False)
class PiecewiseActivation:
    """A sum of pieces, and an offset."""

    pieces: tuple[ActivationPiece, ...]
    offset: float = 0.0

    def before(self, weights: F64, bias: F64) -> tuple[F64, F64, F64]:
        """(weights, bias, caps) of the units that are clipped to [0, cap], piece after piece, of a layer's own."""
        stacked = np.concatenate([weights * piece.sign for piece in self.pieces])
        shifted = np.concatenate([bias * piece.sign - piece.low for piece in self.pieces])
        caps = np.concatenate([np.full(len(bias), piece.high - piece.low) for piece in self.pieces])
        return stacked, shifted, caps

    def after(self, units: int) -> tuple[F64, F64]:
        """(gains (pieces, units), constants (units,)): a unit's value from its clipped pieces."""
        gains = np.stack([np.broadcast_to(np.asarray(piece.gain, np.float64), units) for piece in self.pieces])
        lows = np.array([piece.low for piece in self.pieces])
        return gains, lows @ gains + self.offset


def tanh(times: float = 1.0, gain: float = 1.0, offset: float = 0.0) -> PiecewiseActivation:
    """A tanh of so many times x, stretched and shifted: the two pieces whose greatest error is least, 0.03 of tanh."""
    ends = ((0.29707, 1.76586), (0.58228, 0.77027))
    return PiecewiseActivation(
        tuple(ActivationPiece(gain * own * times, -end / times, end / times) for own, end in ends), offset
    )


def relu(most: float = np.inf) -> PiecewiseActivation:
    """min(max(x, 0), most)."""
    return PiecewiseActivation((ActivationPiece(1.0, 0.0, most),))


def leaky(slope: float | F64) -> PiecewiseActivation:
    """x where it is above zero, else slope * x; a slope of all units, or of each."""
    return PiecewiseActivation(
        (ActivationPiece(1.0, 0.0, np.inf), ActivationPiece(-np.asarray(slope, np.float64), 0.0, np.inf, -1.0))
    )


def _slopes(module: Any) -> F64:
    found: F64 = np.asarray(module.weight.detach().cpu().numpy(), np.float64)
    return found


KIN: dict[str, Callable[[Any], PiecewiseActivation]] = {  # by the name of a torch module, a function, or scikit-learn's
    "ReLU": lambda _: relu(),
    "relu": lambda _: relu(),
    "QuantReLU": lambda _: relu(),
    "ReLU6": lambda _: relu(6.0),
    "relu6": lambda _: relu(6.0),
    "Hardtanh": lambda own: PiecewiseActivation((ActivationPiece(1.0, float(own.min_val), float(own.max_val)),)),
    "Hardsigmoid": lambda _: PiecewiseActivation((ActivationPiece(1 / 6, -3.0, 3.0),), 0.5),
    "LeakyReLU": lambda own: leaky(float(own.negative_slope)),
    "PReLU": lambda own: leaky(_slopes(own)),
    "Tanh": lambda _: tanh(),
    "tanh": lambda _: tanh(),
    "QuantTanh": lambda _: tanh(),
    "Sigmoid": lambda _: tanh(0.5, 0.5, 0.5),
    "sigmoid": lambda _: tanh(0.5, 0.5, 0.5),
    "logistic": lambda _: tanh(0.5, 0.5, 0.5),
    "QuantSigmoid": lambda _: tanh(0.5, 0.5, 0.5),
}
