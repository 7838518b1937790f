"""A model that compiles is the buyer's own model; what would be another one is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import IsolationForest, RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from app.protocol.errors import BadModel
from app.protocol.vocabulary import Encoding
from fhe.circuit.clear import evaluate_clear, gather_inputs
from fhe.compile import Compiled, FittedOn, from_model
from fhe.compile.sample import compared_codes
from fhe.compile.space import FeatureSpace, codes_of
from ingestion.codes import affine_codes, bin_codes, encode, encode_bins
from tests.support.measured_table import COLUMNS, Array, binned, book, quietly, values


def outputs(compiled: Compiled, rows: Array) -> Array:
    """The circuit in the clear on raw rows of all columns."""
    codes: dict[tuple[str, Encoding], Array] = {}
    for number, column in enumerate(book().columns):
        codes[column.name, "affine"] = affine_codes(column, rows[:, number])
        codes[column.name, "bins"] = bin_codes(column, rows[:, number])
    return evaluate_clear(compiled.circuit, gather_inputs(compiled.circuit, codes)).T


def frame(order: list[int] | None = None) -> Any:
    """The raw rows as a frame, its columns in some order."""
    import pandas as pd

    table = pd.DataFrame(values()[0], columns=[f"m{i}" for i in range(COLUMNS)])
    return table if order is None else table[[f"m{i}" for i in order]]


def test_codes_of_a_buyers_rows_are_those_that_the_owner_encrypts() -> None:
    """The compiler's small encoder agrees with ingestion's on every column, inside the declared range."""
    for number, column in enumerate(book().columns):
        rows = values()[0][:, number]
        np.testing.assert_array_equal(codes_of(column, "affine", rows), affine_codes(column, rows))
        np.testing.assert_array_equal(codes_of(column, "bins", rows), bin_codes(column, rows))


@pytest.mark.parametrize("reading", ["codes", "bins", "values"])
def test_a_linear_model_reads_what_it_was_fitted_on(reading: FittedOn) -> None:
    """The same estimator on affine codes, bin codes and raw values: three circuits, each with its model's labels."""
    rows, labels = values()
    table = {"codes": encode(book(), rows), "bins": encode_bins(book(), rows), "values": rows}[reading]
    model = quietly(lambda: LogisticRegression(max_iter=3_000).fit(table.astype(np.float64), labels))
    compiled = from_model(model, book(), fitted_on=reading)
    found = compiled.decoder.predict(outputs(compiled, rows))
    said = model.predict(table)
    assert np.mean(found == said) >= (0.99 if reading == "values" else 1.0)  # codes round values, and only those
    assert compiled.faithfulness is not None
    assert compiled.faithfulness.labels_differing == 0
    assert compiled.faithfulness.rows >= 1_000


def test_what_a_plain_model_was_fitted_on_is_not_guessed() -> None:
    """Weights alone do not tell codes from values: the refusal names the parameter; labelled rows decide it."""
    rows, labels = values()
    model = quietly(lambda: LogisticRegression(max_iter=3_000).fit(rows, labels))
    with pytest.raises(BadModel) as refused:
        from_model(model, book())
    assert 'fitted_on="codes" or "bins" or "values"' in refused.value.next_step
    compiled = from_model(model, book(), check=rows, target=labels)
    found = compiled.faithfulness
    assert found is not None
    assert found.own_rows == len(rows)
    assert found.float_accuracy == pytest.approx(model.score(rows, labels))
    assert found.accuracy == pytest.approx(np.mean(compiled.decoder.predict(outputs(compiled, rows)) == labels))
    assert found.accuracy is not None
    assert found.float_accuracy is not None
    assert abs(found.accuracy - found.float_accuracy) < 0.01


@pytest.mark.parametrize("reading", ["codes", "values"])
def test_a_scaler_remembers_what_it_was_fitted_on(reading: str) -> None:
    """Its means decide, and the pipeline is one circuit on codes."""
    rows, labels = values()
    table = rows if reading == "values" else encode(book(), rows).astype(np.float64)
    model = quietly(lambda: make_pipeline(StandardScaler(), LogisticRegression()).fit(table, labels))
    compiled = from_model(model, book())
    assert np.mean(compiled.decoder.predict(outputs(compiled, rows)) == model.predict(table)) > 0.99
    assert {wire.encoding for wire in compiled.circuit.inputs} == {"affine"}


def test_named_columns_are_found_in_any_order() -> None:
    """A frame's own order, by the names that the model remembers."""
    order, labels = [4, 2, 0, 5, 1, 3], values()[1]
    model = quietly(lambda: make_pipeline(StandardScaler(), LogisticRegression()).fit(frame(order), labels))
    compiled = from_model(model, book())
    said = model.predict(frame(order))
    assert np.mean(compiled.decoder.predict(outputs(compiled, values()[0])) == said) > 0.99


def test_a_model_without_names_takes_the_order_of_the_rows_to_check_on() -> None:
    """Concrete ML drops a frame's names; the buyer's frame still has them."""
    order, labels = [4, 2, 0, 5, 1, 3], values()[1]
    model = quietly(lambda: make_pipeline(StandardScaler(), LogisticRegression()).fit(frame(order).to_numpy(), labels))
    compiled = from_model(model, book(), check=frame(order), target=labels)
    said = model.predict(frame(order).to_numpy())
    assert np.mean(compiled.decoder.predict(outputs(compiled, values()[0])) == said) > 0.99


def _objective(**settings: Any) -> Any:
    import xgboost

    return xgboost.XGBRegressor(n_estimators=6, max_depth=3, **settings)


def _stopped(codes: Array, target: Array) -> Any:
    import xgboost

    labels = (target + np.random.default_rng(0).normal(size=len(target)) > target.mean()).astype(int)
    model = xgboost.XGBClassifier(n_estimators=60, max_depth=3, early_stopping_rounds=2)
    return model.fit(codes, labels, eval_set=[(codes[:150], 1 - labels[:150])], verbose=False)


SILENT: dict[str, Callable[[Array, Array], Any]] = {
    "gamma": lambda x, y: _objective(objective="reg:gamma").fit(x, y),
    "tweedie": lambda x, y: _objective(objective="reg:tweedie").fit(x, y),
    "poisson": lambda x, y: _objective(objective="count:poisson").fit(x, y),
    "logistic regression of shares": lambda x, y: _objective(objective="reg:logistic").fit(x, y / (y.max() + 1)),
    "hinge": lambda x, y: __import__("xgboost").XGBClassifier(n_estimators=6, objective="binary:hinge").fit(x, y > 30),
    "dart": lambda x, y: _objective(booster="dart", rate_drop=0.5, one_drop=True).fit(x, y),
    "early stopping": _stopped,
    "base score": lambda x, y: _objective(base_score=17.0).fit(x, y),
    "linear booster": lambda x, y: _objective(booster="gblinear").fit(x, y),
    "several targets": lambda x, y: RandomForestRegressor(4, max_depth=3).fit(x, np.stack([y, -y], axis=1)),
    "one-vs-rest": lambda x, y: OneVsRestClassifier(LogisticRegression()).fit(x, np.digitize(y, [20, 40])),
    "one-vs-rest weights": lambda x, y: LogisticRegression(multi_class="ovr").fit(x, np.digitize(y, [20, 40])),
    "text": lambda x, y: DecisionTreeClassifier(max_depth=3).fit(x, np.where(y > 30, "tall", "low")),
    "gapped labels": lambda x, y: RandomForestClassifier(4, max_depth=3).fit(x, np.digitize(y, [20, 40]) * 7 - 3),
    "logarithm of the target": lambda x, y: TransformedTargetRegressor(
        Ridge(), func=np.log1p, inverse_func=np.expm1
    ).fit(x, y),
    "outliers": lambda x, y: IsolationForest(n_estimators=10, max_samples=64, random_state=0).fit(x),
}  # fmt: skip


@pytest.mark.parametrize("name", SILENT)
def test_a_model_that_once_became_another_says_what_it_says(name: str) -> None:
    """Predictions and probabilities of the circuit on 600 random codes, against the model itself."""
    codes = encode_bins(book("bins"), values()[0]).astype(np.float64)
    target = 1 + codes[:, 0] + codes[:, 1] * (codes[:, 2] > 10)
    model = quietly(lambda: SILENT[name](codes, target))
    compiled = quietly(lambda: from_model(model, book("bins"), fitted_on="bins"))
    space = FeatureSpace(book("bins").columns, "bins", binned())
    rows = compared_codes(space, seed=99)[:600]
    found = evaluate_clear(compiled.circuit, gather_inputs(compiled.circuit, space.by_input(rows))).T
    said = quietly(lambda: model.predict(rows.astype(np.float64)))
    predicted = compiled.decoder.predict(found)
    if compiled.decoder.labels is not None:
        assert np.mean(predicted.astype(str) == said.astype(predicted.dtype).astype(str)) >= 0.995
    else:
        assert np.abs(predicted.reshape(said.shape) - said).max() <= 0.011 * np.ptp(said)
    if compiled.decoder.probabilities:
        chances = quietly(lambda: model.predict_proba(rows.astype(np.float64)))
        assert np.abs(compiled.decoder.predict_proba(found) - chances).max() <= 0.011


REFUSED: dict[str, tuple[Callable[[Array, Array], Any], str]] = {
    "interactions": (
        lambda x, y: make_pipeline(PolynomialFeatures(2), LinearRegression()).fit(x, y), "no sum over its columns",
    ),
    "one class": (lambda x, y: DecisionTreeClassifier().fit(x, np.zeros(len(y))), "one class only"),
    "one leaf": (lambda x, y: DecisionTreeClassifier(min_samples_leaf=300).fit(x, y > 30), "same result"),
    "not fitted": (lambda x, y: LogisticRegression(), "not fitted"),
    "not fitted pipeline": (lambda x, y: make_pipeline(StandardScaler(), LogisticRegression()), "not fitted"),
    "not fitted booster": (lambda x, y: _objective(), "not fitted"),
    "other columns": (
        lambda x, y: LogisticRegression().fit(frame().rename(columns={"m1": "height"}), y > 30), "no column 'height'",
    ),
    "several targets of classes": (
        lambda x, y: RandomForestClassifier(3).fit(x, np.stack([y > 20, y > 40], axis=1)), "2 targets at once",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_said_rightly_is_refused(name: str) -> None:
    """With the cause and a next step, never with another library's exception."""
    codes = encode_bins(book("bins"), values()[0]).astype(np.float64)
    make, words = REFUSED[name]
    model = quietly(lambda: make(codes, codes[:, 0] + codes[:, 1] * (codes[:, 2] > 10)))
    with pytest.raises(BadModel, match=words) as refused:
        quietly(lambda: from_model(model, book("bins"), fitted_on="bins"))
    assert refused.value.next_step


def test_a_column_without_a_fitting_code_is_named() -> None:
    """A tree asks for bins, a spline of an affine column too."""
    rows, labels = values()
    tree = DecisionTreeClassifier(max_depth=3).fit(rows, labels)
    with pytest.raises(BadModel, match=r"splits on column 'm\d', of which the dataset publishes no bins"):
        from_model(tree, book("affine"), fitted_on="values")


@pytest.mark.parametrize("scaler", ["MinMaxScaler", "RobustScaler", "MaxAbsScaler"])
def test_every_scaler_around_a_model_is_taken(scaler: str) -> None:
    """What one of them calls a scale is not what another does: said or told, the pipeline compiles."""
    from sklearn import preprocessing

    rows, labels = values()
    made = make_pipeline(getattr(preprocessing, scaler)(), LogisticRegression())
    model = quietly(lambda: made.fit(rows, labels))
    compiled = from_model(model, book(), fitted_on="values")
    assert np.mean(compiled.decoder.predict(outputs(compiled, rows)) == model.predict(rows)) > 0.99
    if scaler != "MaxAbsScaler":  # it remembers neither means nor ends
        told = from_model(model, book(), check=rows, target=labels)
        assert told.faithfulness is not None
        assert told.faithfulness.own_rows == len(rows)
