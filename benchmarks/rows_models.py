"""Every class of models that docs/models.md says is supported, small enough to run encrypted in a minute or two."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from sklearn import (
    compose,
    ensemble,
    linear_model,
    naive_bayes,
    neighbors,
    neural_network,
    pipeline,
    preprocessing,
    svm,
    tree,
)
from sklearn.cluster import KMeans

from benchmarks.rows_tables import CLASSES, VALUES
from benchmarks.zoo_animals import cat, concrete, ebm, lgbm, xgb
from fhe.compile.networks.lookup_network import LookupNetwork
from fhe.compile.space import FittedOn
from tests.support.network_cases import trained

Fit = Callable[[Any, Any], Any]  # of rows and labels
FEW: dict[str, Any] = {"n_bits": 5, "n_estimators": 2, "max_depth": 3, "random_state": 0}  # trees of Concrete ML


@dataclass(frozen=True)
class RowsModel:
    """One class: how it is fitted, on what, on which tables, and how it is compiled."""

    name: str
    fit: Fit
    reading: FittedOn = "bins"
    value: bool = False  # a regressor
    checked: bool = False  # compiled with the buyer's own rows
    small_key: bool = False  # reads bins under the small key
    packs: bool = False  # on a dataset with a packing key
    label: bool = False  # ends in its label
    needs: str = ""  # a library that may be absent

    @property
    def tables(self) -> tuple[str, ...]:
        """The tables that it is held on."""
        return VALUES if self.value else CLASSES

    @property
    def here(self) -> bool:
        """Whether its library is installed."""
        return not self.needs or importlib.util.find_spec(self.needs) is not None


def all_models(part: str = "") -> list[RowsModel]:
    """All of them whose library is installed, or those of one part, the cheapest first."""
    parts: dict[str, Callable[[], list[RowsModel]]] = {
        "linear": _linear,
        "networks": _networks,
        "packing": _selecting,
        "labels": _labels,
        "trees": lambda: [*_trees(), *_ensembles()],
    }
    return [model for name, own in parts.items() if part in ("", name) for model in own() if model.here]


def _of(make: Callable[[], Any]) -> Fit:
    return lambda rows, labels: make().fit(rows, labels)


def _scaled(make: Callable[[], Any]) -> Fit:
    return _of(lambda: pipeline.make_pipeline(preprocessing.StandardScaler(), make()))


def _theirs(name: str, **settings: Any) -> Fit:
    """A model of Concrete ML, which reads 32-bit floats."""
    return lambda rows, labels: concrete(name, **settings).fit(rows.astype(np.float32), labels)


def _linear() -> list[RowsModel]:
    logistic = _of(lambda: linear_model.LogisticRegression(max_iter=300))
    return [
        RowsModel("Concrete ML LogisticRegression", _theirs("LogisticRegression", n_bits=8), "codes"),
        RowsModel("Concrete ML LinearSVC", _theirs("LinearSVC", n_bits=8), "codes"),
        RowsModel("Concrete ML SGDClassifier", _theirs("SGDClassifier", n_bits=8, random_state=0), "codes"),
        RowsModel("Concrete ML LinearRegression", _theirs("LinearRegression", n_bits=8), "codes", value=True),
        RowsModel("Concrete ML Ridge", _theirs("Ridge", n_bits=8), "codes", value=True),
        RowsModel("LogisticRegression", logistic, "codes"),
        RowsModel("scaler, LogisticRegression", _scaled(linear_model.LogisticRegression), "values"),
        RowsModel("LinearSVC", _scaled(lambda: svm.LinearSVC(dual=False)), "values"),
        RowsModel("GaussianNB", _of(naive_bayes.GaussianNB)),
        RowsModel("LinearRegression", _of(linear_model.LinearRegression), "codes", value=True),
        RowsModel("Ridge", _of(linear_model.Ridge), "values", value=True),
        RowsModel("PoissonRegressor", _of(_exponential), "values", value=True),
        RowsModel(
            "ExplainableBoostingClassifier",
            _of(lambda: ebm("ExplainableBoostingClassifier", interactions=0)),
            needs="interpret",
        ),
        RowsModel(
            "XGBClassifier, gblinear", _of(lambda: xgb("XGBClassifier", booster="gblinear", n_estimators=8)), "codes"
        ),
    ]


def _exponential() -> Any:
    """Of a target that is positive."""
    made = pipeline.make_pipeline(preprocessing.StandardScaler(), linear_model.PoissonRegressor())
    return compose.TransformedTargetRegressor(made, func=lambda y: y + 9.0, inverse_func=lambda y: y - 9.0)


def _trees() -> list[RowsModel]:
    one: dict[str, Any] = {"n_bits": 5, "max_depth": 4, "random_state": 0}
    boosted = _theirs("XGBClassifier", **FEW)
    plain = _of(lambda: xgb("XGBClassifier", n_estimators=2, max_depth=3))
    return [
        RowsModel("Concrete ML DecisionTreeClassifier", _theirs("DecisionTreeClassifier", **one)),
        RowsModel("Concrete ML DecisionTreeRegressor", _theirs("DecisionTreeRegressor", **one), value=True),
        RowsModel("Concrete ML RandomForestClassifier", _theirs("RandomForestClassifier", **FEW)),
        RowsModel("Concrete ML RandomForestRegressor", _theirs("RandomForestRegressor", **FEW), value=True),
        RowsModel("Concrete ML XGBClassifier", boosted),
        RowsModel("Concrete ML XGBRegressor", _theirs("XGBRegressor", **FEW), value=True),
        RowsModel("Concrete ML XGBClassifier, small-key bins", boosted, small_key=True),
        RowsModel("DecisionTreeClassifier", _of(lambda: tree.DecisionTreeClassifier(max_depth=4, random_state=0))),
        RowsModel(
            "DecisionTreeRegressor", _of(lambda: tree.DecisionTreeRegressor(max_depth=4, random_state=0)), value=True
        ),
        RowsModel("XGBClassifier", plain),
        RowsModel("XGBClassifier, small-key bins", plain, small_key=True),
        RowsModel("XGBRegressor", _of(lambda: xgb("XGBRegressor", n_estimators=2, max_depth=3)), value=True),
    ]


def _ensembles() -> list[RowsModel]:
    def forest(kind: str, **settings: Any) -> Fit:
        return _of(lambda: getattr(ensemble, kind)(random_state=0, **settings))

    return [
        RowsModel("RandomForestClassifier", forest("RandomForestClassifier", n_estimators=2, max_depth=3)),
        RowsModel("RandomForestRegressor", forest("RandomForestRegressor", n_estimators=2, max_depth=3), value=True),
        RowsModel("ExtraTreesClassifier", forest("ExtraTreesClassifier", n_estimators=2, max_depth=3)),
        RowsModel(
            "ExtraTreesClassifier, small-key bins",
            forest("ExtraTreesClassifier", n_estimators=2, max_depth=3),
            small_key=True,
        ),
        RowsModel("GradientBoostingClassifier", forest("GradientBoostingClassifier", n_estimators=2, max_depth=3)),
        RowsModel(
            "GradientBoostingRegressor", forest("GradientBoostingRegressor", n_estimators=2, max_depth=3), value=True
        ),
        RowsModel("HistGradientBoostingClassifier", forest("HistGradientBoostingClassifier", max_iter=2, max_depth=3)),
        RowsModel(
            "HistGradientBoostingClassifier, small-key bins",
            forest("HistGradientBoostingClassifier", max_iter=2, max_depth=3),
            small_key=True,
        ),
        RowsModel(
            "HistGradientBoostingRegressor",
            forest("HistGradientBoostingRegressor", max_iter=2, max_depth=3),
            value=True,
        ),
        RowsModel(
            "AdaBoostClassifier",
            _of(
                lambda: ensemble.AdaBoostClassifier(
                    tree.DecisionTreeClassifier(max_depth=2), n_estimators=3, algorithm="SAMME", random_state=0
                )
            ),
        ),
        RowsModel("LGBMClassifier", _of(lambda: lgbm("LGBMClassifier", n_estimators=2, max_depth=3)), needs="lightgbm"),
        RowsModel(
            "LGBMRegressor",
            _of(lambda: lgbm("LGBMRegressor", n_estimators=2, max_depth=3)),
            value=True,
            needs="lightgbm",
        ),
        RowsModel(
            "CatBoostClassifier", _of(lambda: cat("CatBoostClassifier", iterations=2, depth=3)), needs="catboost"
        ),
        RowsModel(
            "CatBoostRegressor",
            _of(lambda: cat("CatBoostRegressor", iterations=2, depth=3)),
            value=True,
            needs="catboost",
        ),
    ]


def _labels() -> list[RowsModel]:
    boosted = _of(lambda: xgb("XGBClassifier", n_estimators=2, max_depth=3))
    logistic = _of(lambda: linear_model.LogisticRegression(max_iter=300))  # on bin codes: of others the score is wide
    return [
        RowsModel("label of LogisticRegression", logistic, label=True),
        RowsModel("label of XGBClassifier", boosted, label=True),
        RowsModel("label of XGBClassifier, small-key bins", boosted, label=True, small_key=True),
        RowsModel("label of Concrete ML RandomForestClassifier", _theirs("RandomForestClassifier", **FEW), label=True),
        RowsModel("label of Concrete ML NeuralNetClassifier", _quantized("NeuralNetClassifier"), label=True),
    ]


def _networks() -> list[RowsModel]:
    def perceptron(kind: str, activation: str = "relu", hidden: tuple[int, ...] = (3,)) -> Fit:
        make = getattr(neural_network, kind)
        return _scaled(lambda: make(hidden, max_iter=200, alpha=0.01, random_state=1, activation=activation))

    return [
        RowsModel("LookupNetwork", _of(lambda: LookupNetwork(12))),
        RowsModel("KNeighborsClassifier", _neighbours, checked=True),
        RowsModel("Concrete ML NeuralNetClassifier", _quantized("NeuralNetClassifier")),
        RowsModel("Concrete ML NeuralNetRegressor", _quantized("NeuralNetRegressor"), value=True),
        RowsModel("MLPClassifier", perceptron("MLPClassifier"), checked=True),
        RowsModel("MLPClassifier, two hidden layers", perceptron("MLPClassifier", hidden=(3, 2)), checked=True),
        RowsModel("MLPRegressor", perceptron("MLPRegressor"), value=True, checked=True),
        RowsModel("torch, ReLU6", _torch("ReLU6"), checked=True, needs="torch"),
        RowsModel("torch, LeakyReLU", _torch("LeakyReLU"), checked=True, needs="torch"),
        RowsModel("torch, Tanh", _torch("Tanh"), checked=True, needs="torch"),
        RowsModel("torch, regressor", _torch("Hardtanh", value=True), value=True, checked=True, needs="torch"),
        RowsModel("brevitas", _torch("QuantReLU"), checked=True, needs="brevitas"),
    ]


def _selecting() -> list[RowsModel]:
    """Networks whose activations select among encrypted tables, and a label that reads one of them."""
    labels = [model for model in _labels() if "NeuralNet" in model.name]
    asked = [model for model in _networks() if model.name not in ("LookupNetwork", "KNeighborsClassifier")]
    return [replace(model, name=f"{model.name}, packing key", packs=True) for model in (*asked, *labels)]


def _neighbours(rows: Any, labels: Any) -> Any:
    """The nearest of four prototypes or, of three classes, of three, as KMeans finds them in each class."""
    scaler = preprocessing.StandardScaler().fit(rows)
    scaled, classes = scaler.transform(rows), np.unique(labels)
    each = 2 if len(classes) == 2 else 1
    centres = [KMeans(each, n_init=3, random_state=0).fit(scaled[labels == own]).cluster_centers_ for own in classes]
    model = neighbors.KNeighborsClassifier(1).fit(np.concatenate(centres), np.repeat(classes, each))
    return pipeline.Pipeline([("scale", scaler), ("neighbours", model)])


def _quantized(kind: str, hidden: int = 3) -> Fit:
    """A network that Concrete ML quantizes while it learns, of about so many hidden units."""

    def fit(rows: Any, labels: Any) -> Any:
        import torch

        torch.manual_seed(0)
        torch.set_num_threads(1)
        units = hidden / rows.shape[1]  # of each input
        shape = {"module__n_layers": 2, "module__n_hidden_neurons_multiplier": units}
        model = concrete(kind, **shape, max_epochs=20, lr=0.02, verbose=0)
        wanted = labels.astype(np.float32)[:, None] if kind.endswith("Regressor") else labels
        scaler = preprocessing.StandardScaler().fit(rows)
        model.fit(scaler.transform(rows).astype(np.float32), wanted)
        return pipeline.Pipeline([("scale", scaler), ("network", model)])

    return fit


def _torch(activation: str, hidden: int = 3, *, value: bool = False) -> Fit:
    """A batch norm, a dense layer, this activation, an output for each class or for the value."""

    def fit(rows: Any, labels: Any) -> Any:
        import torch
        from torch import nn

        torch.manual_seed(0)
        torch.set_num_threads(1)
        features, outputs = rows.shape[1], 1 if value else len(np.unique(labels))
        dense: Any = nn.Linear
        if activation == "QuantReLU":
            own = importlib.import_module("brevitas.nn")  # comes with Concrete ML
            dense, middle = partial(own.QuantLinear, bias=True, weight_bit_width=4), own.QuantReLU(bit_width=4)
        else:
            middle = getattr(nn, activation)()
        module = nn.Sequential(nn.BatchNorm1d(features), dense(features, hidden), middle, dense(hidden, outputs))
        wanted = labels.astype(np.float32)[:, None] if value else labels
        return trained(module, rows.astype(np.float32), wanted, nn.MSELoss() if value else nn.CrossEntropyLoss(), 150)

    return fit
