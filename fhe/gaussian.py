"""Encryption noise: a rounded Gaussian from a secret AES key stream.

Why it is never narrower than Concrete's: the standard deviation is that of the same profile variance that Concrete is
given, s = sqrt(variance) * 2^64 (about 16,950 at the reference). A normal value is made by Box and Muller's formula
from 53-bit uniforms, which cuts its tail off beyond 8.57 s and so takes less than 2^-46 s^2 from the variance (4e-6 at
the reference); rounding to a whole word then adds 1/12. The sum is above s^2.

Each 128-bit block of the key stream is used once: the stream's seed is drawn by the operating system for one file and
forgotten, and polynomials are numbered as in the mask (`fhe.mask`), whose generator it shares under another seed.
"""

from __future__ import annotations

import math

import numpy as np

from fhe.arrays import I64
from fhe.mask import mask


def noise(seed: bytes, first_poly: int, polys: int, size: int, variance: float) -> I64:
    """Noise int64 (polys, size), in units of the word's lowest bit; `variance` is relative to 2^128."""
    words = mask(seed, first_poly, polys, size)
    uniform = (words >> np.uint64(11)).astype(np.float64)
    radius, angle = uniform[:, : size // 2], uniform[:, size // 2 :]
    radius += 1.0  # in (0, 2^53], so that the logarithm is finite
    radius *= 2.0**-53
    np.log(radius, out=radius)
    radius *= -2.0 * variance * 2.0**128
    np.sqrt(radius, out=radius)
    angle *= 2.0**-53 * 2 * math.pi
    out = np.empty((polys, size), np.int64)
    out[:, : size // 2] = np.rint(radius * np.cos(angle))
    out[:, size // 2 :] = np.rint(radius * np.sin(angle))
    return out
