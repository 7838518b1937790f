"""Three real tables of classes and three of values, coded as an owner would publish them, and 1,000 rows of each.

Breast cancer and diabetes come with scikit-learn, penguins with palmerpenguins; the third is the one like the census
table "adult" (`tests/support/adults.py`). A table with fewer rows is filled up with rows drawn within its columns'
ranges. Values count in standard deviations from their mean.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from app.protocol.data.dataset import Affine, Codebook, ColumnCode
from fhe.arrays import F64, I64
from fhe.compile.space import FittedOn
from ingestion.codes import encode, encode_bins
from tests.support.adults import adults
from tests.support.real_tables import TABLES

ROWS, TRAINED = 1_000, 600
BINS, LEVELS = 12, 256
CLASSES = ("breast cancer", "penguins", "adults")  # what is predicted is a class
VALUES = ("diabetes", "penguins' mass", "adults' hours")  # a value


@dataclass(frozen=True, eq=False)
class RowsTable:
    """Rows (ROWS, columns), of which the first ones are the table's own, with a label each (own rows,)."""

    name: str
    codebook: Codebook
    values: F64
    target: npt.NDArray[Any]

    def codes(self, encoding: str) -> I64:
        """Their codes (ROWS, columns), affine or of bins."""
        return (encode if encoding == "affine" else encode_bins)(self.codebook, self.values)

    def read(self, reading: FittedOn) -> F64:
        """All rows as a model of this reading takes them."""
        if reading == "values":
            return self.values
        return self.codes("affine" if reading == "codes" else "bins").astype(np.float64)

    @property
    def trained(self) -> slice:
        """The rows that models are fitted on."""
        return slice(0, min(TRAINED, len(self.target)))

    def by_column(self) -> dict[str, F64]:
        """The values of the rows that models are fitted on, as a buyer would hand them in."""
        return {column.name: self.values[self.trained, i] for i, column in enumerate(self.codebook.columns)}


@cache
def rows_table(name: str) -> RowsTable:
    """One of `CLASSES` and `VALUES`."""
    values, target = _read(name)
    order = np.random.default_rng(3).permutation(len(values))[:ROWS]
    values, target = values[order], target[order]
    if name in VALUES:
        target = (target - target.mean()) / target.std()
    ends = np.stack([values.min(axis=0), values.max(axis=0)])
    whole = (values == np.rint(values)).all(axis=0)
    drawn = np.random.default_rng(5).uniform(*ends, (ROWS - len(values), values.shape[1]))
    rows = np.concatenate([values, np.where(whole, np.rint(drawn), drawn)])
    columns = [_column(i, own, *end) for i, (own, end) in enumerate(zip(values.T, ends.T.tolist()))]
    return RowsTable(name, Codebook(columns=tuple(columns)), rows, target)


def _column(number: int, values: F64, low: float, high: float) -> ColumnCode:
    whole = bool((values == np.rint(values)).all())
    levels = int(high - low) + 1 if whole and high - low < LEVELS else LEVELS
    edges = np.unique(np.quantile(values, np.linspace(0, 1, BINS + 1)[1:-1]))
    kept = tuple(float(edge) for edge in edges if low < edge <= high) or (high,)
    return ColumnCode(
        name=f"c{number}",
        dtype="int64" if whole else "float64",
        affine=Affine(low=low, step=(high - low) / (levels - 1), levels=levels),
        bins=kept,
        declared=True,
    )


def _read(name: str) -> tuple[F64, npt.NDArray[Any]]:
    """Values (rows, columns) and what is predicted."""
    from sklearn.datasets import load_breast_cancer, load_diabetes

    if name in ("breast cancer", "diabetes"):
        values, target = (load_breast_cancer if name == "breast cancer" else load_diabetes)(return_X_y=True)
        return np.asarray(values, np.float64), np.asarray(target)
    if name.startswith("adults"):
        frame = adults(4_000)
        wanted = "hours" if name.endswith("hours") else "rich"
        dropped = frame.drop(wanted, *(["rich"] if wanted == "hours" else []))
        return dropped.to_numpy().astype(np.float64), frame[wanted].to_numpy().astype(np.int64)
    penguins = TABLES["penguins"].frame()
    if penguins is None:
        raise ModuleNotFoundError("The package palmerpenguins is not installed.")
    measured = ["bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g"]
    kept = penguins.drop_nulls(measured)
    if name.endswith("mass"):
        return kept.select(measured[:-1]).to_numpy().astype(np.float64), kept["body_mass_g"].to_numpy()
    return kept.select(measured).to_numpy().astype(np.float64), np.unique(
        kept["species"].to_numpy(), return_inverse=True
    )[1]
