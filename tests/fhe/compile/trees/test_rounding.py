"""Rounding leaves against one another halves what a forest's sum is off by, on rows that nobody looked at."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from sklearn.ensemble import GradientBoostingRegressor

from fhe.compile.importers.forests import READER
from fhe.compile.importers.inputs import Inputs
from fhe.compile.rounding import balanced_leaves
from fhe.compile.space import FeatureSpace
from tests.support.model_cases import COLUMNS, table

STEP = 0.05


def test_errors_of_rounded_leaves_cancel_where_trees_meet() -> None:
    """Sixty trees of depth five: root mean square on fresh codes, and no leaf is off by a step or more."""
    data = table(32)
    model = GradientBoostingRegressor(n_estimators=60, max_depth=5, random_state=0).fit(data.codes, data.target)
    space = FeatureSpace(data.codebook.columns, "bins", tuple("bins" for _ in range(COLUMNS)))
    form = READER.form(model, Inputs.of(space))
    balanced = balanced_leaves(form, space, STEP)
    assert np.abs(balanced - form.leaves / STEP).max() < 1
    codes = np.random.default_rng(77).integers(0, np.array(space.levels), (3_000, COLUMNS))
    reached, exact = form.reached(codes), form.leaves / STEP

    def off(leaves: npt.NDArray[np.float64] | npt.NDArray[np.int64]) -> float:
        return float(np.sqrt(np.mean((leaves - exact)[reached].sum(axis=(1, 2)) ** 2)))

    assert off(balanced) < 0.7 * off(np.rint(exact))
