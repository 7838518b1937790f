"""What tests of fits and of tests of models share: rows with their codebook, sums of them in the clear, models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from app.client.encoder import CodebookEncoder
from app.client.fit.fitting import FitPlan, plan_fit
from app.client.sums import SumsReleased
from app.protocol.data.dataset import Codebook
from app.protocol.vocabulary import Encoding
from fhe.arrays import F64
from fhe.compile import Compiled, from_model
from fhe.profiles import REFERENCE
from tests.support.adults import noised, sums_in_the_clear

SHOWN = 3000  # rows that models are fitted on


@dataclass(frozen=True)
class Adults:
    """The rows and their codebook."""

    frame: pl.DataFrame
    codebook: Codebook


def released(people: Adults, plan: FitPlan, epsilon: float | None = None, rows: slice | None = None) -> SumsReleased:
    """What a job would release, with the custodian's noise or without."""
    frame = people.frame if rows is None else people.frame[rows]
    sums, scale = sums_in_the_clear(plan.plan.circuit, people.codebook, frame), 0.0
    if epsilon:
        sums, scale = noised(plan.plan.circuit, people.codebook, sums, epsilon)
    return SumsReleased(sums, frame.height, scale, epsilon or 0.0, 1, "")


def planned(people: Adults, estimator: Any, label: str | None = "rich", columns: list[str] | None = None) -> FitPlan:
    return plan_fit(people.codebook, REFERENCE, estimator, label=label, columns=columns)


def codes(people: Adults, plan: FitPlan) -> F64:
    found: F64 = CodebookEncoder(people.codebook, encoding=plan.encoding, columns=plan.columns).fit_transform(
        people.frame
    )
    return found


def truth(people: Adults, label: str) -> Any:
    return people.frame[label].to_numpy().astype(np.int64)


def compiled(people: Adults, model: Any, columns: list[str], label: str, fitted_on: Any) -> tuple[Compiled, F64, Any]:
    """(the compiled model, codes of all rows, its own predictions on them)."""
    encoding: Encoding = "affine" if fitted_on == "codes" else "bins"
    codes: F64 = CodebookEncoder(people.codebook, encoding=encoding, columns=columns).fit_transform(people.frame)
    truth = people.frame[label].to_numpy().astype(np.int64)
    model.fit(codes[:SHOWN], truth[:SHOWN])
    made = from_model(model, people.codebook, REFERENCE, columns=columns, fitted_on=fitted_on)
    return made, codes, model.predict(codes)
