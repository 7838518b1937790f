"""Encryption noise: a rounded Gaussian from a secret AES key stream.

Why it is never narrower than Concrete's: the standard deviation is that of the same profile variance that Concrete is
given, s = sqrt(variance) * 2^64 (about 16,950 at the reference). A normal value is made by Box and Muller's formula
from 52-bit uniforms, which cuts its tail off beyond 8.49 s and so takes less than 2^-45 s^2 from the variance (8e-6 at
the reference); rounding to a whole word then adds 1/12. The sum is above s^2.

Each 128-bit block of the key stream is used once: the stream's seed is drawn by the operating system for one file and
forgotten, and polynomials are numbered as in the mask (`fhe.mask`), whose generator it shares under another seed.

The native core (pack.c) makes the same values from the same words, but for the last bit of a logarithm, which moves one
value in some ten million to the next integer. So a file's noise seed belongs to one `generator`.
"""

from __future__ import annotations

import math

import numpy as np

from fhe.arrays import I64, U64
from fhe.engine.native import library
from fhe.mask import mask
from fhe.negacyclic import native_lanes

NATIVE_SIGMA = 2.0**40  # the widest noise of the native generator, far above any profile with security


def generator(size: int, variance: float) -> str:
    """The name of what `add_noise` makes noise by here, for polynomials of `size` coefficients."""
    return "box-muller/native/1" if _lanes(size, variance) else "box-muller/numpy/1"


def add_noise(bodies: U64, seed: bytes, first_poly: int, variance: float) -> None:
    """Add fresh noise to bodies u64 (polys, size), C-contiguous, that are the polynomials from `first_poly`."""
    (polys, size), lanes = bodies.shape, _lanes(bodies.shape[1], variance)
    if not lanes:
        bodies += noise(seed, first_poly, polys, size, variance).view(np.uint64)
        return
    words = mask(seed, first_poly, polys, size)
    sigma = math.sqrt(variance) * 2.0**64
    library.load(lanes).darkroom_add_noise(words.ctypes.data, bodies.ctypes.data, polys, size, sigma)


def _lanes(size: int, variance: float) -> int:
    return native_lanes(size) if math.sqrt(variance) * 2.0**64 < NATIVE_SIGMA else 0


def noise(seed: bytes, first_poly: int, polys: int, size: int, variance: float) -> I64:
    """Noise int64 (polys, size), in units of the word's lowest bit; `variance` is relative to 2^128."""
    words = mask(seed, first_poly, polys, size)
    uniform = (words >> np.uint64(12)).astype(np.float64)
    radius, angle = uniform[:, : size // 2], uniform[:, size // 2 :]
    radius *= -(2.0**-52)
    radius += 1.0  # in (0, 1], so that the logarithm is finite
    np.log(radius, out=radius)
    radius *= -2.0 * variance * 2.0**128
    np.sqrt(radius, out=radius)
    angle *= 2.0**-52 * 2 * math.pi
    out = np.empty((polys, size), np.int64)
    out[:, : size // 2] = np.rint(radius * np.cos(angle))
    out[:, size // 2 :] = np.rint(radius * np.sin(angle))
    return out
