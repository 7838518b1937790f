"""Fitted tree models of every class, on tables of published bins."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from app.protocol.data.dataset import Codebook, ColumnCode
from app.protocol.vocabulary import Encoding
from fhe.arrays import I64
from fhe.circuit.circuit import Circuit, Lookup
from fhe.circuit.clear import evaluate_clear, gather_inputs

ROWS, COLUMNS = 1_200, 12
BINS = tuple[Encoding, ...](["bins"] * COLUMNS)


@dataclass(frozen=True, eq=False)
class Table:
    """A table in bin codes, and what a buyer would train for."""

    codebook: Codebook
    codes: I64  # (rows, columns)
    values: npt.NDArray[np.float64]  # (rows, columns)
    classes: dict[int, I64]  # labels by number of classes
    target: npt.NDArray[np.float64]


def codebook_of(values: npt.NDArray[np.float64], bins: int) -> Codebook:
    """Quantile edges, as an owner who accepts what they reveal would choose."""
    quantiles = np.linspace(0, 1, bins + 1)[1:-1]
    columns = []
    for number, column in enumerate(values.T):
        edges = tuple(float(edge) for edge in np.unique(np.quantile(column, quantiles)))
        columns.append(ColumnCode(name=f"c{number}", dtype="float64", bins=edges, declared=False))
    return Codebook(columns=tuple(columns))


def codes_of(codebook: Codebook, values: npt.NDArray[np.float64]) -> I64:
    """Bin codes (rows, columns): how many of a column's edges are not above the value."""
    columns = zip(codebook.columns, values.T, strict=True)
    codes: I64 = np.stack([np.searchsorted(c.bins or (), v, side="right") for c, v in columns], axis=1).astype(np.int64)
    return codes


@lru_cache
def table(bins: int = 32) -> Table:
    """A synthetic table whose labels depend on several columns at once."""
    rng = np.random.default_rng(11)
    values = rng.normal(size=(ROWS, COLUMNS))
    hidden = values[:, 0] * values[:, 1] + np.sin(2 * values[:, 2]) + values[:, 3] * (values[:, 4] > 0.3)
    target = hidden + 0.2 * rng.normal(size=ROWS)
    codebook = codebook_of(values, bins)
    classes = {
        number: np.searchsorted(np.quantile(target, np.linspace(0, 1, number + 1)[1:-1]), target)
        for number in (2, 3, 4)
    }
    return Table(codebook, codes_of(codebook, values), values, classes, target)


@lru_cache
def concrete() -> Any:
    """Concrete ML's models; importing them warns about other people's packages."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import concrete.ml.sklearn as models
    return models


def quietly(action: Callable[[], Any]) -> Any:
    """The action's result, without the warnings of Concrete ML, Hummingbird and ONNX."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return action()


@dataclass(frozen=True)
class Case:
    """One model class and shape."""

    name: str
    kind: str  # its class in Concrete ML
    classes: int = 0  # 0: a regression
    settings: tuple[tuple[str, Any], ...] = ()

    def fit(self) -> Any:
        """The model, fitted on bin codes."""
        return _fitted(self)


def case(name: str, kind: str, classes: int = 0, **settings: Any) -> Case:
    """A case; 5 bits take the 32 codes as they are."""
    return Case(name, kind, classes, tuple({"n_bits": 5, "random_state": 3, **settings}.items()))


CASES = (
    case("boosted-2-classes", "XGBClassifier", 2, n_estimators=10, max_depth=3),
    case("boosted-3-classes", "XGBClassifier", 3, n_estimators=4, max_depth=3),
    case("boosted-deep", "XGBClassifier", 2, n_estimators=3, max_depth=6),
    case("boosted-stumps", "XGBClassifier", 2, n_estimators=10, max_depth=1),
    case("boosted-regression", "XGBRegressor", n_estimators=10, max_depth=4),
    case("forest-2-classes", "RandomForestClassifier", 2, n_estimators=8, max_depth=4),
    case("forest-4-classes", "RandomForestClassifier", 4, n_estimators=4, max_depth=5),
    case("forest-regression", "RandomForestRegressor", n_estimators=6, max_depth=4),
    case("tree-2-classes", "DecisionTreeClassifier", 2, max_depth=8),
    case("tree-3-classes", "DecisionTreeClassifier", 3, max_depth=6),
    case("tree-regression", "DecisionTreeRegressor", max_depth=6),
)


@lru_cache
def _fitted(which: Case) -> Any:
    data = table()
    labels = data.classes[which.classes] if which.classes else data.target
    model = getattr(concrete(), which.kind)(**dict(which.settings))
    return quietly(lambda: model.fit(data.codes.astype(np.float32), labels))


def in_the_clear(circuit: Circuit, codes: I64, codebook: Codebook) -> I64:
    """The circuit's outputs (outputs, rows), as a job would release them."""
    by_column: dict[tuple[str, Encoding], I64] = {
        (column.name, "bins"): codes[:, i] for i, column in enumerate(codebook.columns)
    }
    return evaluate_clear(circuit, gather_inputs(circuit, by_column)).T


def bootstraps(circuit: Circuit) -> int:
    """Lookups of a row."""
    return sum(len(layer.source) for layer in circuit.layers if isinstance(layer, Lookup))
