"""What codes lose of values, measured before anything is published or bought.

An affine code stands for the middle of its level, a bin for the mean of its values. The share lost is the sum of
squared differences over that of the values from their mean: what a linear model, or a tree, cannot tell any more.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from app.protocol.data.dataset import Codebook, ColumnCode
from app.protocol.vocabulary import Encoding
from fhe.arrays import F64
from ingestion.codes import find
from ingestion.derive import derived, words_of
from ingestion.read import Reading, open_table

MAX_ROWS = 1 << 20  # that are looked at, in stretches from the whole table
BATCH_VALUES = 1 << 22


@dataclass(frozen=True)
class Loss:
    """What one code loses of a column's finite values."""

    mean_error: float  # from a value to what its code stands for, in the column's unit; of bins the root mean square
    largest_error: float  # of an affine code; more than half a step for values that are clipped. NaN of bins
    lost: float  # share of the spread, 0 to 1


def measure_loss(
    path: Path | str, codebook: Codebook, rows: int, reading: Reading | None = None
) -> dict[str, dict[Encoding, Loss]]:
    """The loss of each published column's codes, by its name and encoding. Errors: BadTable."""
    table = open_table(path, reading)
    sums = {(column.name, each): _Sums(column, each) for column in codebook.columns for each in _encodings(column)}
    size = max(1, BATCH_VALUES // len(codebook.columns))
    every, seen = max(1, math.ceil(rows / MAX_ROWS)), 0
    for number, frame in enumerate(table.batches(codebook.source_names, size, words_of(codebook))):
        if number % every:
            continue
        values = derived(codebook, frame, first_row=seen, refuse=False)
        for (name, _), each in sums.items():
            each.add(values[name])
        seen += frame.height
    found: dict[str, dict[Encoding, Loss]] = {}
    for (name, encoding), each in sums.items():
        found.setdefault(name, {})[encoding] = each.loss()
    return found


@dataclass(frozen=True)
class CodingLoss:
    """The same of somebody's own rows, with how many have no value, or one beyond the ends of the affine code."""

    column: str
    encoding: Encoding
    outside: int
    missing: int
    mean_error: float
    largest_error: float
    lost: float


def coding_loss(codebook: Codebook, frame: Any, columns: Sequence[str] | None = None) -> list[CodingLoss]:
    """The loss of each published code on the rows of a frame, as `ingestion.derive` takes them.

    Errors: BadTable, OutOfRange, BadInput.
    """
    wanted = list(codebook.columns) if columns is None else [find(codebook, name) for name in columns]
    values = derived(codebook, frame, wanted)
    losses = []
    for column in wanted:
        own = values[column.name]
        for encoding in _encodings(column):
            sums = _Sums(column, encoding)
            sums.add(own)
            found = asdict(sums.loss())
            losses.append(CodingLoss(column.name, encoding, _outside(column, own), int(np.isnan(own).sum()), **found))
    return losses


def step_share(column: ColumnCode) -> float | None:
    """The width of a level as a part of the range that is coded: at most half of it is lost of a value in range.

    0 where every whole number has its own level; None without an affine code.
    """
    if column.affine is None:
        return None
    if column.dtype in ("integer", "boolean") and column.affine.step == 1.0:
        return 0.0
    return 1.0 / (column.affine.levels - 1)


def _outside(column: ColumnCode, values: F64) -> int:
    if column.affine is None:
        return 0
    with np.errstate(over="ignore"):
        codes = np.rint((values[~np.isnan(values)] - column.affine.low) / column.affine.step)
    return int(((codes < 0) | (codes >= column.affine.levels)).sum())


def _encodings(column: ColumnCode) -> list[Encoding]:
    every: dict[Encoding, bool] = {"affine": column.affine is not None, "bins": column.bins is not None}
    return [encoding for encoding, there in every.items() if there]


class _Sums:
    """What is added up of one code's values: by bin, since a bin's mean is known at the end."""

    def __init__(self, column: ColumnCode, encoding: Encoding) -> None:
        self._affine = column.affine if encoding == "affine" else None
        self._edges = np.asarray(column.bins or (), np.float64)
        parts = 1 if self._affine else len(self._edges) + 1
        self._count, self._sum, self._square = (np.zeros(parts) for _ in range(3))
        self._error, self._absolute, self._largest = 0.0, 0.0, 0.0
        self._shift: float | None = None  # so that squares keep their digits far from zero

    def add(self, values: F64) -> None:
        values = values[np.isfinite(values)]
        if not len(values):
            return
        if self._shift is None:
            self._shift = float(values[0])
        away = values - self._shift
        if self._affine is not None:
            low, step = self._affine.low, self._affine.step
            meant = np.rint((values - low) / step).clip(0, self._affine.levels - 1) * step + low
            errors = np.abs(values - meant)
            self._error += float(np.square(errors).sum())
            self._absolute += float(errors.sum())
            self._largest = max(self._largest, float(errors.max()))
            where = np.zeros(len(values), np.int64)
        else:
            where = np.searchsorted(self._edges, values, side="right")
        parts = len(self._count)
        self._count += np.bincount(where, minlength=parts)
        self._sum += np.bincount(where, away, parts)
        self._square += np.bincount(where, np.square(away), parts)

    def loss(self) -> Loss:
        count, total, square = float(self._count.sum()), float(self._sum.sum()), float(self._square.sum())
        spread = square - total * total / count if count else 0.0
        if self._affine is not None:
            lost, mean, largest = self._error, self._absolute / count if count else 0.0, self._largest
        else:
            inside = self._square - np.square(self._sum) / np.maximum(self._count, 1.0)
            lost = float(inside.clip(min=0.0).sum())
            mean, largest = math.sqrt(lost / count) if count else 0.0, math.nan
        return Loss(mean, largest, min(1.0, lost / spread) if spread > 0 else 0.0)
