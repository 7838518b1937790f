"""Leaves rounded so that their errors cancel where trees meet.

Rounded each by itself, the leaves of T trees miss a sum by about sqrt(T / 12) steps. But trees that share splits are
reached by the same rows: what the others' rounding adds on the rows of a leaf is known on average, and the leaf can be
rounded up or down against it. Going over all leaves a few times halves the error on rows that were not looked at.
"""

from __future__ import annotations

import numpy as np

from fhe.arrays import F64, I64
from fhe.compile.form import ScoreForm
from fhe.compile.space import FeatureSpace

ROWS = 4_000
SWEEPS = 5
SHRUNK = 5  # rows that a leaf's mean error is held against: of few rows it says little


def balanced_leaves(form: ScoreForm, space: FeatureSpace, step: float) -> I64:
    """Integers (leaves, outputs): each leaf's value in steps, rounded down or up."""
    codes = np.random.default_rng(23).integers(0, np.array(space.levels), (ROWS, len(space.levels)))
    reached = form.reached(codes)
    exact = form.leaves / step
    columns = [_balanced(exact[:, output], reached) for output in range(form.outputs)]
    return np.stack(columns, axis=1)


def _balanced(exact: F64, reached: I64) -> I64:
    low, high = np.floor(exact), np.ceil(exact)
    error = np.rint(exact) - exact
    total = error[reached].sum(axis=1)
    for _ in range(SWEEPS):
        for leaves in reached.T:
            rest = total - error[leaves]
            rows = np.bincount(leaves, minlength=len(exact))
            others = np.bincount(leaves, rest, minlength=len(exact)) / (rows + SHRUNK)
            own = np.flatnonzero(rows)
            error[own] = np.clip(np.rint(exact[own] - others[own]), low[own], high[own]) - exact[own]
            total = rest + error[leaves]
    whole: I64 = np.rint(exact + error).astype(np.int64)
    return whole
