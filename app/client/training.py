"""Training on a dataset's codes, on the buyer's machine, and scoring on rows that were held out.

Programs train as they like and hand the fitted model to `Dataset.compile`; this module is the short way for a table
with a label column.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from app.client.dataset import Dataset
from app.client.models import Measure, TrainingReport
from app.protocol.errors import BadModel, BadTable
from app.protocol.vocabulary import Encoding
from fhe.arrays import I64
from fhe.compile.decoder import Labels

if TYPE_CHECKING:
    import polars as pl

    from fhe.compile import Compiled
    from ingestion.reading import Reading

HELD_OUT = 0.25  # of the rows, by default


@dataclass(frozen=True)
class ModelRecipe:
    """One sort of model: which codes it reads, and how it is made of hyperparameters."""

    encoding: Encoding
    classifies: bool
    make: Callable[..., Any]


@dataclass(frozen=True)
class Trained:
    """A fitted, compiled model and how well it does."""

    compiled: Compiled
    report: TrainingReport


def train(
    dataset: Dataset,
    sample: Path,
    target: str,
    recipe: ModelRecipe,
    settings: Mapping[str, Any] | None = None,
    *,
    levels: int | None = None,
    held_out: float = HELD_OUT,
    seed: int = 0,
    reading: Reading | None = None,
) -> Trained:
    """Fit a model on the buyer's own labelled rows, coded by the dataset's codebook, and compile it.

    A share `held_out` of the rows of each class is kept back, chosen by `seed`, and what is scored on them is the
    circuit in the clear. With `levels`, the circuit tells which of so many levels its score is in, cut at the quantiles
    of all these rows. `reading` says how the file is meant. Errors: BadTable for a sample without these columns or with
    missing labels; OutOfRange; BadModel, also for settings that the model refuses; MessageOverflow, NoiseOverflow.
    """
    frame = read_sample(dataset, sample, target, reading)
    labels, classes = _labels(frame[target], recipe)
    rest = _held_out(labels if recipe.classifies else np.zeros(len(labels), np.int64), held_out, seed)
    rows = np.setdiff1d(np.arange(len(labels)), rest)
    codes = dataset.encode(frame, recipe.encoding).astype(np.float32)
    model = recipe.make(**(settings or {}))
    _fit(model, codes[rows], labels[rows])
    seen = rest if len(rest) else rows
    compiled = dataset.compile(
        model,
        columns=dataset.features,
        check=frame[seen].select(dataset.sources),
        target=labels[seen] if len(rest) else None,  # a training score is never told alone
        fitted_on="codes" if recipe.encoding == "affine" else "bins",
    )
    if classes is not None:
        named = compiled.decoder.model_copy(update={"labels": Labels.of(classes)})
        compiled = replace(compiled, decoder=named)
    predicted = _predicted(dataset, compiled, frame)
    truth = labels if classes is None else classes[labels]
    measure: Measure = "accuracy" if recipe.classifies else "r2"
    report = TrainingReport(
        settings={name: str(value) for name, value in sorted((settings or {}).items())},
        rows=len(rows),
        held_out=len(rest),
        seed=seed,
        measure=measure,
        score=_score(truth[rest], predicted[rest], measure),
        training_score=_score(truth[rows], predicted[rows], measure),
    )
    return Trained(compiled if levels is None else dataset.with_levels(compiled, levels, frame), report)


def _labels(column: pl.Series, recipe: ModelRecipe) -> tuple[npt.NDArray[Any], npt.NDArray[Any] | None]:
    """(values, None) of a regressor's target, (class numbers from 0, classes) of a classifier's. Errors: BadTable."""
    number = column.dtype.is_numeric() or str(column.dtype) == "Boolean"
    values = column.to_numpy() if number else np.array([str(each) for each in column.to_list()])
    missing = column.null_count() > 0 or (values.dtype.kind == "f" and not np.isfinite(values).all())
    if missing or not len(values):
        raise BadTable("The target column has missing values.", "Drop the rows without a label.")
    if not recipe.classifies:
        if not number:
            raise BadTable("The target column of a regressor holds text.", "Choose a classifier: --kind lists them.")
        return values.astype(np.float64), None
    if values.dtype.kind == "f":
        whole = values.astype(np.int64)
        if (whole != values).any():
            raise BadTable("The target column of a classifier holds fractions.", "Choose a regressor.")
        values = whole
    classes, numbers = np.unique(values, return_inverse=True)
    if len(classes) == 1:
        raise BadTable("All rows of the sample have the same label.", "Give rows of two classes at least.")
    return numbers.astype(np.int64), classes


def _held_out(groups: I64, share: float, seed: int) -> I64:
    """Numbers of the rows to hold out: this share of each group, chosen by `seed`; a group keeps one row at least."""
    random = np.random.default_rng(seed)
    chosen = [np.array([], np.int64)]
    for group in np.unique(groups):
        rows = random.permutation(np.flatnonzero(groups == group))
        chosen.append(rows[: min(int(share * len(rows)), len(rows) - 1)])
    return np.sort(np.concatenate(chosen))


def _fit(model: Any, codes: npt.NDArray[np.float32], labels: npt.NDArray[Any]) -> None:
    try:
        model.fit(codes, labels)
    except (ArithmeticError, AssertionError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        first = str(error).strip().splitlines()[:1] or [type(error).__name__]
        raise BadModel(
            f"A {type(model).__name__} does not train like this: {first[0]}", "Change the settings or the rows."
        ) from error


def _predicted(dataset: Dataset, compiled: Compiled, frame: pl.DataFrame, block: int = 4096) -> npt.NDArray[Any]:
    """What the circuit says of each row, in the clear."""
    from fhe.circuit.clear import evaluate_clear

    parts = []
    for first in range(0, len(frame), block):
        inputs = dataset.inputs(compiled.circuit, frame[first : first + block])
        parts.append(np.asarray(compiled.decoder.predict(evaluate_clear(compiled.circuit, inputs).T)))
    return np.concatenate(parts)


def _score(truth: npt.NDArray[Any], predicted: npt.NDArray[Any], measure: Measure) -> float | None:
    """Share of right labels, or R^2; None without rows, or for R^2 of equal values."""
    if not len(truth):
        return None
    if measure == "accuracy":
        return round(float(np.mean(truth == predicted)), 6)
    spread = float(np.sum((truth - truth.mean()) ** 2))
    return round(1.0 - float(np.sum((truth - predicted.ravel()) ** 2)) / spread, 6) if spread else None


def read_sample(dataset: Dataset, path: Path, target: str | None, reading: Reading | None = None) -> pl.DataFrame:
    """The buyer's own rows in a file, which is read as an owner's table is: the columns that a dataset's features are
    made of, numbers as floats and others as they stand, and, if one is named, the target as it is written.

    Errors: BadTable.
    """
    import polars as pl

    from ingestion.derive import words_of
    from ingestion.read import open_table

    words = words_of(dataset.codebook)
    table = open_table(path, reading)
    table.check_rows()
    missing = [name for name in (*dataset.sources, *([] if target is None else [target])) if name not in table.kinds]
    if missing:
        raise BadTable(
            f"{path.name} has no column {missing[0]!r}.", "A sample has the dataset's columns and the target."
        )
    with table.errors():
        rows = table.scan(dataset.sources, words).collect()
        if target is None:
            return rows
        if table.kinds[target] == "mixed":  # else a word for "missing" would be a class
            raise BadTable(*table.odd(target))
        plain = (table.scan([target]) if table.spelled(target) else table.raw().select(target)).collect()[target]
        return rows.with_columns(plain.cast(pl.Boolean) if table.kinds[target] == "boolean" else plain)
