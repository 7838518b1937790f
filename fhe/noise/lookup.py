"""Noise of lookups: keyswitch, modulus switch, blind rotation and compact results, from profile and circuit alone.

Variances are of the torus (relative to 2^128), keys are binary (E[s] = E[s^2] = 1/2), a key's errors independent and
Gaussian (the heuristic of Chillotti et al., "TFHE: Fast Fully Homomorphic Encryption over the Torus", J. Cryptology
2020, sections 3 and 4; formulas as in Bergerat et al., "Parameter Optimization and Larger Precision for (T)FHE",
J. Cryptology 2023). How noises of several lookups add up is in `fhe.noise.classes`. With B = 2^base_log and l levels:

    digits uniform in [-B/2, B/2)                       E[d^2] = (B^2 + 2) / 12
    words rounded to multiples of q (of the torus)      q^2 / 12 each;  q = B^-l for a gadget, 2^-bits for a word
    keyswitch      N l E[d^2] V_lwe + N/2 q^2/12
    modulus switch (1 + n/2) q^2/12                     q = 1 / 2N
    centred switch (1 + n/4) q^2/12                     a bit's error e s - e/2 is +-e/2: of every key, and with mean 0
    blind rotation n (2 l N E[d^2] V_glwe + (1 + N/2) q^2/24 + (1 + N/2) F)
    sum of R rows  R V + R^2 V 3 / B^2 of the bootstrap's gadget: digits have a mean of -1/2 beside their deviation of
                   B / sqrt(12), and the key's errors are the same in every row, so a part may add up as R does
    packing        N l M E[d^2] V_glwe + N/2 q^2/12 + (1 + N/2) F'     M values in the ciphertext
    of a selection N l N E[d^2] V_glwe + N/2 q^2/12 + (1 + N/2) F'     F' of its entries
    words of `bits` bits  (1 + N/2) q^2/12

F is the transforms' own error in one coefficient of one external product. It is measured, not derived: for products
of uniform digits and uniform keys against exact integer arithmetic, over H = N/2 from 16 to 2048 and digits of 10, 15
and 23 bits, it was within 10 % of 2^-106 c E[product^2], c = 1.3 log2(H) + 1.6 (log2(H) mod 2), with
E[product^2] = 2 l N E[d^2] / 12 for a bootstrap. F' adds, for sums of T terms, T / 2 roundings of variance
0.154 * 2^-106 of the sum's own: subtotals of 32 bits, then the subtotals.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fhe.arrays import F64
from fhe.circuit.circuit import Circuit, Linear, keyswitched
from fhe.engine.output import PACKED_BITS, lwe_bits
from fhe.engine.reference import SUBTOTAL
from fhe.evaluation_key import packing_gadget
from fhe.noise.classes import row_variances
from fhe.noise.linear import bin_variance, fresh_variance, log2_failure
from fhe.profile import EncryptionProfile, Gadget

ROUNDING = 0.154  # (1/3) / (3 / (2 ln 2)): of rounding a value spread evenly over its binade, in (2^-53 value)^2


def digit_square(gadget: Gadget) -> float:
    """E[d^2] of a signed digit."""
    return float(4**gadget.base_log + 2) / 12


def step_variance(gadget: Gadget) -> float:
    """q^2 / 12: variance of rounding to a multiple of the gadget's last digit."""
    return 4.0 ** -(gadget.base_log * gadget.levels) / 12


def transform_variance(size: int, square: float) -> float:
    """F: error of one coefficient of a product of mean square `square`, through forward and inverse transforms."""
    depth = size.bit_length() - 2
    return 2.0**-106 * (1.3 * depth + 1.6 * (depth % 2)) * square


def keyswitch_variance(profile: EncryptionProfile) -> float:
    """Added by a keyswitch."""
    gadget, size = profile.keyswitch, profile.polynomial_size
    digits = size * gadget.levels * digit_square(gadget) * profile.lwe_variance
    return digits + size / 2 * step_variance(gadget)


def modulus_switch_variance(profile: EncryptionProfile, *, centred: bool = False) -> float:
    """Added by rounding an LWE ciphertext to modulo 2N. The mean is below 2^-50 of a step either way."""
    bits = profile.lwe_dimension / (4 if centred else 2)
    return (1 + bits) / (12 * (2 * profile.polynomial_size) ** 2)


def bootstrap_variance(profile: EncryptionProfile) -> float:
    """Of a bootstrap's output, whatever its input."""
    gadget, size = profile.bootstrap, profile.polynomial_size
    terms = 2 * gadget.levels * size * digit_square(gadget)
    rounding = (1 + size / 2) * step_variance(gadget) / 2
    transforms = (1 + size / 2) * transform_variance(size, terms / 12)
    return profile.lwe_dimension * (terms * profile.glwe_variance + rounding + transforms)


def packing_variance(profile: EncryptionProfile, count: int) -> float:
    """Added by packing `count` values into one ciphertext."""
    gadget, size = packing_gadget(profile), profile.polynomial_size
    terms = size * gadget.levels * count * digit_square(gadget)
    sums = ROUNDING * (SUBTOTAL * gadget.levels + size / SUBTOTAL) / 2
    transforms = transform_variance(size, terms / 12) + 2.0**-106 * sums * terms / 12
    rounding = size / 2 * step_variance(gadget)
    return terms * profile.glwe_variance + rounding + (1 + size / 2) * transforms


def selection_variance(profile: EncryptionProfile, entries: int) -> float:
    """Added by packing a selection's entries, in one of the coefficients that have the same entry."""
    gadget, size = packing_gadget(profile), profile.polynomial_size
    terms = size * gadget.levels * entries * digit_square(gadget)
    sums = ROUNDING * (SUBTOTAL * gadget.levels + size / SUBTOTAL) / 2
    transforms = transform_variance(size, terms / 12) + 2.0**-106 * sums * terms / 12
    key = size / entries * profile.glwe_variance  # as many of the key's errors add up in a coefficient
    return terms * key + size / 2 * step_variance(gadget) + (1 + size / 2) * transforms


def word_variance(profile: EncryptionProfile, bits: int) -> float:
    """Added by rounding a ciphertext's words to `bits` bits."""
    return (1 + profile.polynomial_size / 2) * 4.0**-bits / 12


def result_variance(profile: EncryptionProfile) -> float:
    """Added by the noisier form of a compact result: the form depends on the job's size, which the check must not."""
    packed = packing_variance(profile, profile.polynomial_size) + word_variance(profile, PACKED_BITS)
    return max(packed, word_variance(profile, lwe_bits(profile)))


def sum_factor(profile: EncryptionProfile, block: int) -> float:
    """How many times a row's variance a sum over `block` rows has; 1 where there is no sum (0)."""
    return block + block**2 * 3 * 4.0**-profile.bootstrap.base_log if block else 1.0


def layer_variances(circuit: Circuit, profile: EncryptionProfile) -> list[F64]:
    """Variance (rows,) of the values of every Linear, in order, before what is done to them next.

    Equal noises count once and dependent ones by their deviations: the formula is in `fhe.noise.classes`.
    """
    fresh = bin_variance(profile) if circuit.lwe_bins else fresh_variance(profile)
    one = bootstrap_variance(profile)
    found = row_variances(circuit, profile, fresh, one, lambda entries: selection_variance(profile, entries))
    return [np.array(rows) for rows in found]


def check_lookups(
    circuit: Circuit, profile: EncryptionProfile, off: Sequence[Sequence[int]] | None = None
) -> list[tuple[int, int, float]]:
    """(layer, value, log2 of the failure probability) of everything that is read: lookups' inputs, then the outputs.

    `layer` is the number of the Linear whose value it is. A lookup's input is read wrongly when its error, after the
    keyswitch (where it has one) and the modulus switch, leaves its box of half a step: of the steps that its table
    tells apart, which in a circuit of digits may be wider than the layer's, less what a value is off its box (`off`,
    of every value of every Linear; nowhere where it is not given). An output is read wrongly when its decoding is.
    """
    rounded = modulus_switch_variance(profile, centred=circuit.centred)
    failures = []
    for number, variances in enumerate(layer_variances(circuit, profile)):
        place = 2 * number
        layer, after = circuit.layers[place], circuit.layers[place + 1 : place + 2]
        assert isinstance(layer, Linear)
        if after and not isinstance(after[0], Linear):
            read, bits = np.unique(after[0].source), after[0].bits()
            extra = rounded + keyswitched(circuit, layer) * keyswitch_variance(profile)
        else:
            read, bits = np.arange(len(layer.bias)), layer.width
            extra = np.full(len(layer.bias), result_variance(profile))
        factor = sum_factor(profile, circuit.block) if layer is circuit.layers[-1] else 1.0
        room = np.ones(len(layer.bias))
        if off is not None and place + 1 < len(circuit.layers):
            room -= 2.0 * np.array(off[number]) / ((1 << layer.width) >> bits)
        failures += [
            (place, int(r), log2_failure((float(variances[r]) * factor + float(extra[r])) / room[r] ** 2, bits))
            for r in read
        ]
    return failures
