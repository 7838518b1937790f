"""Correctly rounded roots of unity, from integer arithmetic alone: no libm is trusted with a last bit.

exp(2 pi i j / order) for j of the first octant comes from Taylor series on integers scaled by 2^192, the rest by
symmetry. Python's integer division rounds correctly, and a value is accepted only if both ends of its error interval
round to the same double, so the table is the one and only correctly rounded one whatever the series' details.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from fhe.arrays import F64

PRECISION = 192
_ONE = 1 << PRECISION
_ERROR = 1 << 16  # far above the sum of all truncations below, far below half an ulp of a double


def _arctan_inverse(x: int) -> int:
    """arctan(1 / x) * 2^192, by its Taylor series."""
    total, power, k = 0, _ONE // x, 0
    while power:
        total += (-power if k % 2 else power) // (2 * k + 1)
        power //= x * x
        k += 1
    return total


def _cosine_sine(numerator: int, order: int) -> tuple[int, int]:
    """(cos, sin)(2 pi numerator / order) * 2^192 for an angle in the first octant, by Taylor series."""
    angle = 2 * (4 * (4 * _arctan_inverse(5) - _arctan_inverse(239))) * numerator // order  # Machin's formula
    parts, term, k = [0, 0], _ONE, 0
    while term:
        parts[k % 2] += -term if k % 4 >= 2 else term
        k += 1
        term = term * angle // (k << PRECISION)
    return parts[0], parts[1]


def _rounded(value: int) -> float:
    low, high = (value - _ERROR) / _ONE, (value + _ERROR) / _ONE
    if low != high:
        raise ArithmeticError("192 bits do not decide how this root of unity rounds")
    return low


@cache
def roots(order: int) -> tuple[F64, F64]:
    """Real and imaginary parts of exp(2 pi i j / order), j in [0, order), read-only. `order`: a power of two >= 8."""
    octant = [_cosine_sine(j, order) for j in range(order // 8 + 1)]
    cosine = [1.0] + [_rounded(c) for c, _ in octant[1:]]
    sine = [0.0] + [_rounded(s) for _, s in octant[1:-1]] + [cosine[-1]]  # at pi/4 they are equal
    quarter_cos = cosine + sine[-2::-1]  # cos(pi/2 - x) = sin(x)
    quarter_sin = sine + cosine[-2::-1]
    c, s = np.array(quarter_cos[:-1]), np.array(quarter_sin[:-1])
    real, imaginary = np.concatenate([c, -s, -c, s]) + 0.0, np.concatenate([s, c, -s, -c]) + 0.0
    real.flags.writeable = imaginary.flags.writeable = False
    return real, imaginary
