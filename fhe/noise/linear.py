"""Noise of linear layers, and the probability that reading a value fails. Lookups: `fhe.noise.lookup`.

Variances are of the torus: relative to 2^128, as in Concrete. A sum of independent errors e_k weighted by integers w_k
has variance sum w_k^2 V(e_k). A message of `width` bits under one padding bit has steps of 2^-(width + 1) of the torus,
so it is read wrongly when |e| >= 2^-(width + 2): for a Gaussian of variance V that is erfc(2^-(width + 2) / sqrt(2 V)).
"""

from __future__ import annotations

import math

import numpy as np

from fhe.arrays import F64, I64
from fhe.circuit.circuit import Circuit, Linear
from fhe.profile import EncryptionProfile

NEVER = -1e6  # log2 of a probability that is zero or too small to name
_ERFC_LIMIT = 25.0  # math.erfc is accurate to here and underflows soon after


def fresh_variance(profile: EncryptionProfile) -> float:
    """Variance of a freshly packed value: the profile's, and 1/12 of a word's lowest bit for rounding."""
    return profile.glwe_variance + 2.0**-128 / 12


def bin_variance(profile: EncryptionProfile) -> float:
    """Variance of a bin under the small key: the LWE key's, and that of rounding a body to 16 bits."""
    return profile.lwe_variance + 4.0**-16 / 12


def linear_variance(layer: Linear, variances: F64, widths: I64) -> F64:
    """Variance (rows,) of a layer's values, from the variances and widths of all wires (wires,).

    Reading a wire of `widths[j]` bits at the layer's width shifts it left by the difference, noise included.
    """
    factor = layer.values.astype(np.float64) * np.exp2((widths[layer.columns] - layer.width).astype(np.float64))
    terms = factor**2 * variances[layer.columns]
    row_of = np.repeat(np.arange(len(layer.bias)), np.diff(layer.indptr))
    return np.bincount(row_of, terms, len(layer.bias)).astype(np.float64)


def log2_failure(variance: float, width: int) -> float:
    """log2 of the probability that a value of this variance, `width` bits wide, is read wrongly; at least `NEVER`."""
    if variance <= 0:
        return NEVER
    x = 2.0 ** -(width + 2) / math.sqrt(2 * variance)
    if x < _ERFC_LIMIT:
        return math.log2(math.erfc(x))
    return max(NEVER, -(x * x) / math.log(2) - math.log2(x * math.sqrt(math.pi)))  # erfc(x) < exp(-x^2) / (x sqrt(pi))


def linear_failures(circuit: Circuit, profile: EncryptionProfile) -> list[float]:
    """log2 of the failure probability of each value of the first layer, from packed inputs.

    The noises of different rows are independent, so a sum over rows has that many times a row's variance.
    """
    layer = circuit.layers[0]
    assert isinstance(layer, Linear)
    inputs = len(circuit.inputs)
    variances = np.full(inputs, fresh_variance(profile))
    widths = np.full(inputs, profile.message_width, np.int64)
    rows = max(1, circuit.block)
    return [log2_failure(float(v) * rows, layer.width) for v in linear_variance(layer, variances, widths)]
