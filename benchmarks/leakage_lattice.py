"""Lattice decoding: the most likely integers behind linear answers, given a Gaussian prior.

Cells x (integers) with prior mean m and covariance C, and forms W x known to within a standard deviation s each, have
    -2 log p(x | answers) = |R (x - m)|^2 + |(W x - y) / s|^2 + constant,    R'R = C^-1,
the squared distance of the lattice point B x from the point t = (R m, y / s), with basis B = (R, W / s) stacked. The
basis is reduced once (Lenstra, Lenstra and Lovasz, "Factoring polynomials with rational coefficients", 1982); then
Babai's nearest plane ("On Lovasz' lattice reduction and the nearest lattice point problem", 1986) decodes every row.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from fhe.arrays import F64, I64

LOVASZ = 0.99


def decode(prior_mean: F64, prior_covariance: F64, forms: I64, values: F64, deviations: F64) -> I64:
    """Cells (rows, n) for forms (f, n) with values (rows, f), each known to within its standard deviation (f,)."""
    root = np.linalg.cholesky(np.linalg.inv(prior_covariance)).T
    basis = np.concatenate([root, forms / deviations[:, None]])
    change = reduce(basis)
    target = np.concatenate([np.tile(root @ prior_mean, (len(values), 1)), values / deviations], axis=1)
    return nearest_plane(basis @ change, target) @ change.T


def reduce(basis: F64) -> I64:
    """The unimodular change (n, n) after which the columns of a basis (m, n) are LLL-reduced."""
    n = basis.shape[1]
    columns = basis.astype(np.float64).copy()
    change = np.eye(n, dtype=np.int64)
    k = 1
    while k < n:
        _, r = np.linalg.qr(columns)
        for j in range(k - 1, -1, -1):
            if times := round(float(r[j, k] / r[j, j])):
                columns[:, k] -= times * columns[:, j]
                r[:, k] -= times * r[:, j]
                change[:, k] -= times * change[:, j]
        if r[k, k] ** 2 >= (LOVASZ - (r[k - 1, k] / r[k - 1, k - 1]) ** 2) * r[k - 1, k - 1] ** 2:
            k += 1
        else:
            change[:, [k - 1, k]] = change[:, [k, k - 1]]
            columns = basis @ change  # exact again
            k = max(k - 1, 1)
    return change


def nearest_plane(basis: npt.NDArray[Any], targets: F64) -> I64:
    """Coefficients (rows, n) of lattice points near targets (rows, m)."""
    q, r = np.linalg.qr(basis)
    rest = targets @ q
    n = basis.shape[1]
    found = np.zeros((len(targets), n), np.int64)
    for k in range(n - 1, -1, -1):
        found[:, k] = np.rint(rest[:, k] / r[k, k])
        rest -= found[:, k, None] * r[:, k]
    return found
