"""What a codebook's codes lose of values: by the codebook alone, and measured on rows of somebody's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from app.protocol.data.dataset import Codebook, ColumnCode
from app.protocol.vocabulary import Encoding
from fhe.arrays import F64
from fhe.compile.space import codes_of, representatives
from ingestion.codes import decode, find
from ingestion.derive import derived


@dataclass(frozen=True)
class CodingLoss:
    """What one encoding of one column loses of these rows' values.

    `lost` is the mean squared error of the values that codes stand for, as a part of the values' variance: 1 - R^2, 0
    for a column that is coded exactly, None for one that does not vary. `furthest` is the largest error among values in
    range, in the column's own units.
    """

    column: str
    encoding: Encoding
    lost: float | None
    furthest: float
    outside: int  # rows beyond the ends of the affine code
    missing: int


def coding_loss(codebook: Codebook, frame: Any, columns: Sequence[str] | None = None) -> list[CodingLoss]:
    """The loss of each published encoding on rows of a frame, as `ingestion.derive` takes them. Errors: BadTable,
    OutOfRange, BadInput.
    """
    wanted = list(codebook.columns) if columns is None else [find(codebook, name) for name in columns]
    values = derived(codebook, frame, wanted)
    losses = []
    for column in wanted:
        if column.affine is not None:
            losses.append(_loss(column, "affine", values[column.name]))
        if column.bins is not None:
            losses.append(_loss(column, "bins", values[column.name]))
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


def _loss(column: ColumnCode, encoding: Encoding, values: F64) -> CodingLoss:
    missing = np.isnan(values)
    known = values[~missing & np.isfinite(values)]
    outside = np.zeros(len(known), np.bool_)
    if column.affine is not None:
        codes = np.rint((known - column.affine.low) / column.affine.step)
        outside = (codes < 0) | (codes >= column.affine.levels)
    stands = codes_of(column, encoding, known)
    said = decode(column, stands) if encoding == "affine" else representatives(column)[stands]
    error, spread = said - known, float(known.var()) if len(known) else 0.0
    inside = np.abs(error[~outside])
    return CodingLoss(
        column.name,
        encoding,
        float(np.mean(error**2)) / spread if spread else None,
        float(inside.max()) if len(inside) else 0.0,
        int(outside.sum()),
        int(missing.sum()),
    )
