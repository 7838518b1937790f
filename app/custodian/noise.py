"""Differential-privacy noise: OpenDP's discrete Laplace mechanism, from a cryptographic source, exact in its tails.

Discrete Laplace noise of scale b on integers whose L1 sensitivity is s is (s / b)-differentially private (Ghosh,
Roughgarden, Sundararajan 2009; OpenDP proves its sampler). OpenDP is imported when noise is asked for.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from app.protocol.errors import Unavailable
from fhe.arrays import I64

Noise = Callable[[I64, int], I64]  # (values, thousandths of the scale) -> noisy values of the same shape


def discrete_laplace(values: I64, scale_milli: int) -> I64:
    """Values with independent noise added to each; sums that leave 64 bits saturate. Errors: Unavailable."""
    try:
        import opendp.prelude as dp
    except ImportError:
        raise Unavailable("OpenDP is not installed, so noise cannot be added.", "Install the owner extra.") from None
    dp.enable_features("contrib")
    space = dp.vector_domain(dp.atom_domain(T="i64")), dp.l1_distance(T="i64")
    mechanism = dp.m.make_laplace(*space, scale=scale_milli / 1000)
    return np.array(mechanism(values.ravel().tolist()), np.int64).reshape(values.shape)
