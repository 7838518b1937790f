"""Training on a dataset's codes, on the buyer's machine: the models that the command line offers.

Programs train as they like and hand the fitted model to `Dataset.compile`; this module is the short way for a table
with a label column.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from app.client.dataset import Dataset
from app.protocol.errors import BadModel, BadTable
from app.protocol.vocabulary import Encoding

if TYPE_CHECKING:
    from fhe.compile import Compiled

N_BITS = 8


@dataclass(frozen=True)
class ModelRecipe:
    """One sort of model: which codes it reads, and how it is made."""

    encoding: Encoding
    classifies: bool
    make: Callable[[], Any]


def _concrete(name: str, **options: Any) -> Callable[[], Any]:
    def make() -> Any:
        from concrete.ml import sklearn as models

        return getattr(models, name)(**options)

    return make


KINDS: dict[str, ModelRecipe] = {
    "logistic-regression": ModelRecipe("affine", True, _concrete("LogisticRegression", n_bits=N_BITS, max_iter=2000)),
    "linear-svc": ModelRecipe("affine", True, _concrete("LinearSVC", n_bits=N_BITS, max_iter=20_000)),
    "linear-regression": ModelRecipe("affine", False, _concrete("LinearRegression", n_bits=N_BITS)),
    "ridge": ModelRecipe("affine", False, _concrete("Ridge", n_bits=N_BITS)),
    "lasso": ModelRecipe("affine", False, _concrete("Lasso", n_bits=N_BITS)),
    "xgb-classifier": ModelRecipe("bins", True, _concrete("XGBClassifier", n_bits=6, n_estimators=10, max_depth=3)),
    "xgb-regressor": ModelRecipe("bins", False, _concrete("XGBRegressor", n_bits=6, n_estimators=10, max_depth=3)),
    "random-forest": ModelRecipe(
        "bins", True, _concrete("RandomForestClassifier", n_bits=6, n_estimators=10, max_depth=4)
    ),
    "decision-tree": ModelRecipe("bins", True, _concrete("DecisionTreeClassifier", n_bits=6, max_depth=4)),
}


@dataclass(frozen=True)
class Trained:
    """A fitted, compiled model and how well it does on the sample it was trained on."""

    compiled: Compiled
    rows: int
    score: float  # accuracy of a classifier, R^2 of a regressor, of the circuit in the clear


def train(dataset: Dataset, sample: Path, target: str, kind: str, levels: int | None = None) -> Trained:
    """Fit a model on the buyer's own labelled rows, coded by the dataset's codebook, and compile it.

    With `levels`, the circuit tells which of so many levels its score is in, cut at the quantiles of these rows.
    Errors: BadModel for an unknown kind; BadTable for a sample without these columns; OutOfRange; MessageOverflow.
    """
    if kind not in KINDS:
        raise BadModel(f"There is no kind of model {kind!r}.", f"Choose one of: {', '.join(sorted(KINDS))}.")
    frame = _read(sample, [*dataset.columns, target])
    trained = fit(dataset, frame, _labels(frame[target].to_numpy(), KINDS[kind]), kind)
    if levels is None:
        return trained
    return replace(trained, compiled=dataset.with_levels(trained.compiled, levels, frame))


def fit(dataset: Dataset, data: Any, labels: npt.NDArray[Any], kind: str) -> Trained:
    """The same for rows in memory: a polars frame, or an array with the dataset's columns in order."""
    rule = KINDS[kind]
    codes = dataset.encode(data, rule.encoding)
    model = rule.make()
    model.fit(codes.astype(np.float32), labels)
    compiled = dataset.compile(model)
    predicted = compiled.model.predict(codes.astype(np.float32))
    return Trained(compiled, len(codes), _score(labels, predicted, classifies=rule.classifies))


def _labels(values: npt.NDArray[Any], kind: ModelRecipe) -> npt.NDArray[Any]:
    """Labels as the models want them. Errors: BadTable for missing ones, and for classes that are no whole numbers."""
    if values.dtype.kind not in "iufb" or not np.isfinite(values.astype(np.float64)).all():
        raise BadTable("The target column has missing values or text.", "Write classes as 0, 1, 2 and drop empty rows.")
    if not kind.classifies:
        return values.astype(np.float64)
    classes = values.astype(np.int64)
    if (classes != values).any():
        raise BadTable("The target column of a classifier holds fractions.", "Choose a regressor, or label the rows.")
    return classes


def _score(truth: npt.NDArray[Any], predicted: npt.NDArray[Any], *, classifies: bool) -> float:
    if classifies:
        return float(np.mean(truth == predicted))
    spread = float(np.sum((truth - truth.mean()) ** 2))
    return 1.0 - float(np.sum((truth - predicted.ravel()) ** 2)) / spread if spread else 0.0


def _read(path: Path, columns: list[str]) -> Any:
    from ingestion.read import open_table

    table = open_table(path)
    missing = [name for name in columns if name not in table.kinds]
    if missing:
        raise BadTable(
            f"{path.name} has no column {missing[0]!r}.", "A sample has the dataset's columns and the target."
        )
    import polars as pl

    return pl.concat(list(table.batches(columns, 1 << 16)))
