"""Results in the buyer's units: classes by name, probabilities, margins and means are those of the model itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression

from app.client.buyer import Buyer, OpenedResult
from app.client.dataset import Dataset
from app.client.models import Model
from app.custodian.readout import to_levels
from app.seal.result import Result, ResultHeader
from fhe.arrays import I64
from fhe.circuit.clear import evaluate_clear
from tests.support.regression import WEIGHTS, sample

pytestmark = pytest.mark.filterwarnings("ignore")  # of scikit-learn's calls of SciPy, and of Concrete ML's imports


def released(model: Model, values: npt.NDArray[np.int64], kind: str = "score", **changes: Any) -> OpenedResult:
    """These values as a job on `model` would release them."""
    usual = {"lows": (), "highs": (), "levels": 0, "group": 1, "noise_scale_milli": 0, "first_row": 5}
    outputs = model.circuit.outputs if kind != "label" else ("label",)
    header = ResultHeader.model_validate(
        {"released": kind, "outputs": tuple(outputs), "rows": values.shape[1]} | usual | changes
    )
    return OpenedResult(None, Result(header, values), model, "order")  # type: ignore[arg-type]


def kept(buyer: Buyer, estimator: Any, labels: npt.NDArray[Any]) -> tuple[Model, Any, I64, I64]:
    """(kept model, fitted estimator, codes it read, its circuit's integers) on the buyer's rows."""
    dataset = Dataset.open(buyer.network, 1)
    codes = dataset.encode(sample())
    fitted = estimator.fit(codes, labels)
    model = buyer.models.keep(dataset.compile(fitted, fitted_on="codes"), target="grade")
    return model, fitted, codes, evaluate_clear(model.circuit, dataset.inputs(model.circuit, sample())).T


def score(shift: float = 0.0) -> npt.NDArray[np.float64]:
    """What the labels follow from."""
    table: npt.NDArray[np.float64] = sample().to_numpy() @ WEIGHTS
    moved: npt.NDArray[np.float64] = table - np.median(table) + shift
    return moved


@pytest.mark.parametrize("classes", [("no", "yes"), ("high", "low", "middle")])
def test_a_classifier_is_read_by_the_names_of_its_classes(buyer: Buyer, classes: tuple[str, ...]) -> None:
    """Predictions are names, probabilities the model's own, the margin's sign and size what decides."""
    labels = np.array(classes)[np.digitize(score(), [0] if len(classes) == 2 else [-80, 80])]
    model, fitted, codes, values = kept(buyer, LogisticRegression(max_iter=5000), labels)
    opened = released(model, values)
    frame = opened.to_polars()
    assert frame["row"].to_list()[:2] == [5, 6]
    assert (frame["prediction"].to_numpy() == fitted.predict(codes)).all()
    shown = classes[1:] if len(classes) == 2 else classes
    for name in shown:
        wanted = fitted.predict_proba(codes)[:, list(fitted.classes_).index(name)]
        np.testing.assert_allclose(frame[f"probability_{name}"].to_numpy(), wanted, atol=0.01)
    told = opened.meaning()
    assert (told["target"], told["classes"], told["rounded_by"]) == ("grade", list(classes), None)
    if len(classes) == 2:
        assert (told["above_threshold"], told["threshold"]) == ("yes", 0.0)
        assert ((frame["margin"].to_numpy() > 0) == (frame["prediction"].to_numpy() == "yes")).all()
        assert ((frame["score"].to_numpy() > told["threshold"]) == (frame["margin"].to_numpy() > 0)).all()
    else:
        assert (frame["margin"].to_numpy() >= 0).all()
        assert told["threshold"] is None
    assert "certain" not in frame.columns


def test_a_rounded_score_says_where_its_label_is_certain(buyer: Buyer) -> None:
    """No certain label of a rounded score differs from the exact one, and some are not certain."""
    labels = np.where(score() > 0, 7, -3)
    model, _, _, values = kept(buyer, LogisticRegression(max_iter=5000), labels)
    low, high = int(values.min()) - 3, int(values.max()) + 3
    rounded = to_levels(values, (low,), (high,), 8)
    frame = released(model, rounded, lows=(low,), highs=(high,), levels=8).to_polars()
    exact = released(model, values).to_polars()
    same = frame["prediction"].to_numpy() == exact["prediction"].to_numpy()
    certain = frame["certain"].to_numpy()
    assert same[certain].all()
    assert 0 < certain.sum() < len(certain)
    assert set(frame["prediction"].to_list()) == {7, -3}


def test_labels_and_sums_have_units_too(buyer: Buyer) -> None:
    """A released label is the class's name; an aggregate is the mean score of a row, its noise in the same units."""
    model, fitted, codes, values = kept(buyer, LogisticRegression(), np.where(score() > 0, "yes", "no"))
    labels = model.circuit.readout.label(values)
    frame = released(model, labels, "label").to_polars()
    assert (frame["prediction"].to_numpy() == fitted.predict(codes)).all()
    regressor, fitted, codes, values = kept(buyer, LinearRegression(), score(3.5))
    total = values.sum(axis=1, keepdims=True)
    opened = released(regressor, total, "aggregate", group=values.shape[1], noise_scale_milli=2000)
    mean = opened.to_polars()["mean_score"].item()
    wanted = float(fitted.predict(codes).mean())
    assert mean == pytest.approx(wanted, abs=0.01 * float(np.ptp(score())))
    assert opened.meaning()["noise_scale"] == pytest.approx(2 * regressor.decoder.scale / values.shape[1])


def test_without_its_model_a_result_stays_integers(buyer: Buyer) -> None:
    """A result whose model is elsewhere shows what was released and nothing made up."""
    model, _, _, values = kept(buyer, LinearRegression(), score())
    opened = released(model, values)
    bare = OpenedResult(opened.job, opened.result, None)
    assert bare.to_polars().columns == ["row", *model.circuit.outputs]
    assert bare.meaning() == {}
