"""Six measured columns with a label, in units of their own, for tests of models fitted on codes, bins or values."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.datasets import load_breast_cancer

from app.protocol.data.dataset import Affine, Codebook, ColumnCode
from app.protocol.vocabulary import Encoding

COLUMNS = 6
Array = npt.NDArray[Any]


@cache
def values() -> tuple[Array, Array]:
    """Six measured columns, each in units of its own, and a label."""
    table, labels = load_breast_cancer(return_X_y=True)
    return table[:, :COLUMNS], labels


@cache
def book(encodings: str = "affine bins") -> Codebook:
    """Affine codes of 256 levels and 32 bins of every column, or one of both."""
    columns = []
    for number, column in enumerate(values()[0].T):
        low, high = float(column.min()), float(column.max())
        edges = tuple(float(edge) for edge in np.unique(np.quantile(column, np.linspace(0, 1, 33)[1:-1])))
        columns.append(
            ColumnCode(
                name=f"m{number}",
                dtype="float64",
                affine=Affine(low=low, step=(high - low) / 255, levels=256) if "affine" in encodings else None,
                bins=edges if "bins" in encodings else None,
                declared=True,
            )
        )
    return Codebook(columns=tuple(columns))


def binned() -> tuple[Encoding, ...]:
    """Every column through its bins."""
    return tuple("bins" for _ in range(COLUMNS))


def quietly(action: Callable[[], Any]) -> Any:
    """The action's result, without other libraries' warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return action()
