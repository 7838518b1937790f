"""Models that were trained with missing values: the circuit sends a row without a value where the model sends it."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import lightgbm
import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline

from app.protocol.data.dataset import Affine, Codebook, ColumnCode
from app.protocol.data.derivation import IsMissing
from app.protocol.errors import BadModel
from fhe.arrays import F64
from fhe.circuit.clear import evaluate_clear, gather_inputs
from fhe.compile import from_model
from fhe.compile.space import codes_of
from ingestion.derive import derived

ROWS = 600
NAMES = ("x", "y", "z")
EDGES = tuple(float(edge) for edge in np.linspace(-2, 2, 31))


def book(*, bits: bool = True) -> Codebook:
    """Three numbers, two of them with a bit that says that they are missing."""
    columns = []
    for name in NAMES:
        affine = Affine(low=-4.0, step=1 / 32)
        gap = bits and name != "z"
        columns.append(
            ColumnCode(name=name, dtype="real", affine=affine, bins=EDGES, declared=True, outside="clip",
                       missing="impute" if gap else "reject", impute=0.0 if gap else None)
        )  # fmt: skip
        if gap:
            columns.append(
                ColumnCode(name=f"{name}:missing", dtype="boolean", affine=Affine(low=0.0, step=1.0, levels=2),
                           bins=(0.5,), declared=True, source=name, derivation=IsMissing())
            )  # fmt: skip
    return Codebook(columns=tuple(columns))


def rows(seed: int, count: int = ROWS) -> tuple[pd.DataFrame, F64]:
    """Rows in the middle of bins, with holes that tell something, and labels."""
    random = np.random.default_rng(seed)
    edges = np.array(EDGES)
    table: F64 = edges[random.integers(0, 30, (count, 3))] + (edges[1] - edges[0]) / 2
    for column in (0, 1):
        table[random.random(count) < 0.25, column] = np.nan
    score = np.nan_to_num(table[:, 0], nan=1.5) - np.nan_to_num(table[:, 1], nan=-1.0) + 0.5 * table[:, 2]
    return pd.DataFrame(table, columns=list(NAMES)), (score > 0.2).astype(np.int64)


def outputs(compiled: Any, codebook: Codebook, frame: pd.DataFrame) -> Any:
    """What the circuit predicts of a frame, in the clear."""
    values = derived(codebook, frame)
    by_name = {column.name: column for column in codebook.columns}
    wanted = {(wire.column, wire.encoding) for wire in compiled.circuit.inputs}
    codes = {(name, how): codes_of(by_name[name], how, values[name]) for name, how in wanted}
    return compiled.decoder.predict(evaluate_clear(compiled.circuit, gather_inputs(compiled.circuit, codes)).T)


def boosted() -> Any:
    """An XGBoost classifier."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from xgboost import XGBClassifier

    return XGBClassifier(n_estimators=8, max_depth=3, use_label_encoder=False, verbosity=0)


MODELS: dict[str, Callable[[], Any]] = {
    "xgboost": boosted,
    "lightgbm": lambda: lightgbm.LGBMClassifier(n_estimators=8, num_leaves=6, verbose=-1, min_child_samples=5),
    "histograms": lambda: HistGradientBoostingClassifier(max_iter=6, max_depth=3),
}


@pytest.mark.parametrize("name", sorted(MODELS))
def test_a_missing_value_takes_the_models_own_path(name: str) -> None:
    """The circuit agrees with the model on every row of its own values, holes included."""
    frame, labels = rows(1)
    model = MODELS[name]().fit(frame, labels)
    compiled = from_model(model, book(), fitted_on="values", check=frame)
    assert {wire.column for wire in compiled.circuit.inputs} >= {"x:missing", "y:missing"}
    fresh, _ = rows(2)
    assert (outputs(compiled, book(), fresh) == model.predict(fresh)).all()
    if name != "lightgbm":
        return
    imputed = from_model(model, book(), fitted_on="values", missing="impute")
    assert not (outputs(imputed, book(), fresh) == model.predict(fresh)).all()  # the directions do say something
    assert (outputs(imputed, book(), fresh) == model.predict(fresh.fillna(0.0))).all()


def test_a_model_of_codes_may_have_read_nan() -> None:
    """Codes with NaN in place of what is imputed: `missing` says so, since codes alone do not."""
    frame, labels = rows(3)
    codes = frame.copy()
    for number, column in enumerate(column for column in book().columns if column.derivation is None):
        codes.isetitem(
            number, np.where(frame[column.name].isna(), np.nan, codes_of(column, "bins", frame[column.name].to_numpy()))
        )
    model = MODELS["xgboost"]().fit(codes, labels)
    compiled = from_model(model, book(), fitted_on="bins", missing="nan")
    assert (outputs(compiled, book(), frame) == model.predict(codes)).all()


def test_a_step_that_imputes_is_the_models_own() -> None:
    """An imputer before the trees decides what a missing value is, whatever the codebook imputes."""
    frame, labels = rows(4)
    model = make_pipeline(SimpleImputer(strategy="constant", fill_value=1.3), MODELS["xgboost"]()).fit(frame, labels)
    compiled = from_model(model, book(), fitted_on="values")
    assert (outputs(compiled, book(), frame) == model.predict(frame)).all()


def test_without_bits_a_missing_value_is_what_the_codebook_says() -> None:
    """Where nothing says that a value is missing, there is nothing that a direction could follow."""
    frame, labels = rows(5)
    model = MODELS["xgboost"]().fit(frame, labels)
    compiled = from_model(model, book(bits=False), fitted_on="values")
    whole = frame.fillna(0.0)
    assert (outputs(compiled, book(bits=False), whole) == model.predict(whole)).all()
    with pytest.raises(BadModel):
        from_model(model, book(bits=False), fitted_on="values", check=frame)
