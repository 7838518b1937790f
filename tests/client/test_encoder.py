"""A codebook as a scikit-learn transformer, and what coding loses."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from app.client.encoder import CodebookEncoder, without_encoder
from app.protocol.data.dataset import Affine, Codebook, ColumnCode
from app.protocol.data.derivation import CategorySource, IsMissing, Member
from app.protocol.errors import BadInput, BadTable, OutOfRange
from ingestion.quantization import coding_loss, step_share


def number(name: str, **more: Any) -> ColumnCode:
    """Levels of 0.1 from 0 to 25.5."""
    affine = Affine(low=0.0, step=0.1)
    return ColumnCode(name=name, dtype="real", affine=affine, bins=(5.0, 10.0, 15.0), declared=True, **more)


def bit(name: str, source: str, derivation: Any, **more: Any) -> ColumnCode:
    """0 or 1."""
    affine = Affine(low=0.0, step=1.0, levels=2)
    return ColumnCode(
        name=name, dtype="boolean", affine=affine, bins=(0.5,), declared=True, source=source, derivation=derivation,
        **more,
    )  # fmt: skip


BOOK = Codebook(
    columns=(
        number("x", missing="impute", impute=0.0),
        bit("x:missing", "x", IsMissing()),
        bit("s=f", "s", Member(place=0)),
        bit("s=m", "s", Member(place=1)),
        number("y", label=True),
    ),
    sources=(CategorySource(name="s", words=("f", "m")),),
)
ROWS = pl.DataFrame({"x": [1.0, None, 20.06], "s": ["f", "m", "m"]})


def test_it_passes_scikit_learns_checks() -> None:
    """Everything that scikit-learn asks of a transformer, on codes that are measured for want of a dataset's."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check_estimator(CodebookEncoder())


@pytest.mark.parametrize("frame", [ROWS, pd.DataFrame(ROWS.to_dict(as_series=False)), ROWS.to_dict(as_series=False)])
def test_codes_are_the_datasets(frame: Any) -> None:
    """Sources in, codes of all features out, labels left out; NaN where a bit says so, and then without the bits."""
    encoder = CodebookEncoder(BOOK).fit(frame)
    assert encoder.transform(frame).tolist() == [[10, 0, 1, 0], [0, 1, 0, 1], [201, 0, 0, 1]]
    assert encoder.get_feature_names_out().tolist() == ["x", "x:missing", "s=f", "s=m"]
    gaps = CodebookEncoder(BOOK, encoding="bins", missing="nan").fit_transform(frame)
    np.testing.assert_array_equal(gaps, np.array([[0, 1, 0], [np.nan, 0, 1], [3, 0, 1]]))


def test_it_clones_and_searches_and_tells_what_follows() -> None:
    """Inside a Pipeline under a search it is an ordinary step; what follows it is what a circuit is made of."""
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"x": random.uniform(0, 25, 80), "s": random.choice(["f", "m"], 80)})
    labels = (frame["x"] > 12).to_numpy()
    model = LogisticRegression(solver="liblinear")
    pipeline = Pipeline([("codes", CodebookEncoder(BOOK)), ("scale", StandardScaler()), ("fit", model)])
    search = GridSearchCV(clone(pipeline), {"fit__C": [0.1, 1.0]}, cv=2).fit(frame, labels)
    assert search.score(frame, labels) > 0.9
    found = without_encoder(search)
    assert found is not None
    encoder, rest = found
    assert (rest.predict(encoder.transform(frame)) == search.predict(frame)).all()
    assert without_encoder(rest) is None
    assert without_encoder(LogisticRegression()) is None


def test_what_it_cannot_code_is_refused() -> None:
    """A word that is not in the list, a column that is not there, settings that mean nothing."""
    encoder = CodebookEncoder(BOOK).fit(ROWS)
    with pytest.raises(OutOfRange):
        encoder.transform(ROWS.with_columns(s=pl.lit("x")))
    with pytest.raises(BadTable):
        encoder.transform(ROWS.select("x"))
    with pytest.raises(BadInput):
        CodebookEncoder(BOOK, columns=["z"]).fit(ROWS)
    with pytest.raises(BadInput):
        CodebookEncoder("a dataset").fit(ROWS)
    with pytest.raises(BadInput):
        CodebookEncoder(BOOK, encoding="codes").fit(ROWS)  # type: ignore[arg-type]


def test_what_coding_loses_is_told_before_anything_is_bought() -> None:
    """A level loses at most half its width, bins more, a category nothing; rows outside and gaps are counted."""
    random = np.random.default_rng(1)
    frame = {"x": [*random.uniform(0, 25.5, 500), 40.0, np.nan], "s": ["f"] * 502}
    losses = {(loss.column, loss.encoding): loss for loss in coding_loss(BOOK, frame, ["x", "s=f"])}
    fine, rough = losses["x", "affine"], losses["x", "bins"]
    assert (fine.outside, fine.missing) == (1, 1)
    assert fine.largest_error == pytest.approx(40 - 25.5)  # of the row that is outside
    assert fine.mean_error < 0.1
    assert 0 < fine.lost < 0.02 < rough.lost < 0.2
    assert losses["s=f", "affine"].lost == 0
    assert step_share(BOOK.columns[0]) == pytest.approx(1 / 255)
    assert step_share(BOOK.columns[2]) == 0
