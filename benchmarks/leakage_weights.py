"""Weights that attackers choose: which columns go into a form together, and how heavily."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmarks.leakage_prior import Prior
from fhe.arrays import I64


def groups_of(cells: Sequence[int], prior: Prior, size: int) -> list[list[int]]:
    """The cells in groups of a size; the last one is filled up with the columns most correlated with its own."""
    deviations = np.sqrt(np.diag(prior.covariance))
    related = np.abs(prior.covariance / deviations / deviations[:, None])
    groups = [list(cells[start : start + size]) for start in range(0, len(cells), size)]
    order = [column for column in np.argsort(-related[groups[-1]].max(axis=0)).tolist() if column not in groups[-1]]
    groups[-1] += order[: size - len(groups[-1])]
    return groups


def alone(cell: int, levels: I64, prior: Prior) -> I64:
    """Weights (columns,) of a cell and one other column, as light as the rule of concentration lets it be: the one
    that hides the cell least, by what the cell leaves open of it.
    """
    steps = np.ceil(300 / 2.98 * np.sqrt((levels[cell] ** 2 - 1) / np.maximum(levels**2 - 1, 1))).astype(np.int64)
    variances = np.diag(prior.covariance)
    hidden = steps**2 * (variances - prior.covariance[cell] ** 2 / variances[cell])
    hidden[cell] = np.inf
    other = int(hidden.argmin())
    return weights_on(prior, [cell, other], [300, int(steps[other])])


def weights_on(prior: Prior, group: Sequence[int], values: Sequence[int] | I64) -> I64:
    """Weights (columns,) that are these values on a group of columns and nothing elsewhere."""
    weights = np.zeros(len(prior.mean), np.int64)
    weights[list(group)] = values
    return weights
