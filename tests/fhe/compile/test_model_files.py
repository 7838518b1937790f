"""Models from files that hold numbers and no program."""

from __future__ import annotations

import importlib
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.tree import DecisionTreeClassifier

from app.protocol.errors import BadModel
from fhe.circuit.clear import evaluate_clear, gather_inputs
from fhe.compile import from_model
from fhe.compile.importers.files import read_model
from fhe.compile.sample import compared_codes
from fhe.compile.space import FeatureSpace
from ingestion.codes import encode_bins
from tests.support.measured_table import Array, binned, book, quietly, values

OPSETS = {"": 15, "ai.onnx.ml": 3}
ESTIMATORS: dict[str, Callable[[], Any]] = {
    "forest": lambda: RandomForestClassifier(4, max_depth=3, random_state=0),
    "boosted": lambda: GradientBoostingClassifier(n_estimators=4, random_state=0),
    "tree": lambda: DecisionTreeClassifier(max_depth=4, random_state=0),
    "logistic": lambda: LogisticRegression(max_iter=50),
    "forest of values": lambda: RandomForestRegressor(4, max_depth=3, random_state=0),
    "ridge": Ridge,
}


def codes() -> Array:
    """The table's bin codes."""
    return encode_bins(book("bins"), values()[0]).astype(np.float64)


def agrees(model: Any, read: Any) -> None:
    """The circuit of what was read predicts what the fitted model predicts, on codes of another seed."""
    compiled = quietly(lambda: from_model(read, book("bins"), fitted_on="bins"))
    space = FeatureSpace(book("bins").columns, "bins", binned())
    rows = compared_codes(space, seed=31)[:500]
    found = compiled.decoder.predict(
        evaluate_clear(compiled.circuit, gather_inputs(compiled.circuit, space.by_input(rows))).T
    )
    said = quietly(lambda: model.predict(rows.astype(np.float64)))
    if compiled.decoder.labels is not None:
        assert np.mean(found == said) >= 0.99
    else:
        assert np.abs(found - said).max() <= 0.012 * np.ptp(said)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_an_onnx_file_is_the_model_that_was_converted(name: str, tmp_path: Path) -> None:
    """Tree ensembles and linear models of ai.onnx.ml, text labels among them."""
    skl2onnx = pytest.importorskip("skl2onnx")
    table, labels = codes(), np.where(values()[1] > 0, "well", "ill")
    target = table.sum(axis=1) if name in {"ridge", "forest of values"} else labels
    model = quietly(lambda: ESTIMATORS[name]().fit(table.astype(np.float32), target))
    file = tmp_path / "model.onnx"
    made = quietly(lambda: skl2onnx.to_onnx(model, table[:1].astype(np.float32), target_opset=OPSETS))
    file.write_bytes(made.SerializeToString())
    agrees(model, read_model(file))


def test_a_json_file_of_xgboost_is_its_booster(tmp_path: Path) -> None:
    """Classes are numbered from 0."""
    xgboost = quietly(lambda: importlib.import_module("xgboost"))
    model = quietly(lambda: xgboost.XGBClassifier(n_estimators=4, max_depth=3).fit(codes(), values()[1]))
    model.save_model(str(tmp_path / "model.json"))
    agrees(model, quietly(lambda: read_model(tmp_path / "model.json")))


def test_a_pickle_is_never_opened(tmp_path: Path) -> None:
    """Whatever it is called: its author's program would run."""
    opened: list[str] = []

    class Trap:
        def __reduce__(self) -> Any:
            return opened.append, ("ran",)

    for name in ("model.pkl", "model.joblib", "model.json", "model.onnx", "model.txt"):
        (tmp_path / name).write_bytes(pickle.dumps(Trap()))
        with pytest.raises(BadModel) as refused:
            read_model(tmp_path / name)
        assert refused.value.next_step
    assert not opened
    with pytest.raises(BadModel, match="no file"):
        read_model(tmp_path / "absent.onnx")
