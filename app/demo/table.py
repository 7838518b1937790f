"""The demo's data: scikit-learn's copy of the breast-cancer table, half of it the owner's secret, half the buyer's.

The owner's rows go into a file in the owner's own folder. Their labels go nowhere: only the narrator, who knows both
halves, uses them at the end to say how accurate the result is.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fhe.arrays import F64, I64

if TYPE_CHECKING:
    from ingestion.recipe import Recipe

TARGET = "diagnosis"
OUTCOMES = ("malignant", "benign")  # of the target, in the table's order


@dataclass(frozen=True)
class Halves:
    """Rows (n, 30) of each side; `truth` are the owner's labels, `labels` the buyer's."""

    columns: tuple[str, ...]
    owner: F64
    truth: I64
    buyer: F64
    labels: I64


def load() -> Halves:
    """Every second row to each side, in the table's order."""
    from sklearn.datasets import load_breast_cancer

    table = load_breast_cancer()
    rows, labels = np.asarray(table.data, np.float64), np.asarray(table.target, np.int64)
    names = tuple(str(name) for name in table.feature_names)
    return Halves(names, rows[::2], labels[::2], rows[1::2], labels[1::2])


def write_csv(path: Path, columns: tuple[str, ...], rows: F64, labels: I64 | None = None) -> None:
    """A side's rows as that side keeps them."""
    import polars as pl

    frame = pl.DataFrame({name: rows[:, number] for number, name in enumerate(columns)})
    if labels is not None:
        frame = frame.with_columns(pl.Series(TARGET, labels))
    frame.write_csv(path)
    path.chmod(0o600)


def recipe() -> Recipe:
    """What the owner publishes, and on which terms."""
    from ingestion.recipe import parse_recipe

    return parse_recipe(files(__package__).joinpath("breast_cancer.toml").read_text("utf-8"), "breast_cancer.toml")
