"""Synthetic rows drawn from the codebook alone, so that buyers can rehearse for free.

Each column is drawn evenly over its levels (or bins), independently of all others. Whoever has the codebook and the
seed draws the same rows, which shows that nothing else went into them.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import polars as pl

from app.protocol.data.dataset import Codebook, ColumnCode
from ingestion.codes import decode

MAX_PREVIEW_ROWS = 10_000


def preview(codebook: Codebook, rows: int, seed: int) -> pl.DataFrame:
    """`rows` synthetic rows, one column for each of the codebook's."""
    rng = np.random.default_rng(seed)
    return pl.DataFrame({column.name: _draw(column, rows, rng) for column in codebook.columns})


def preview_csv(codebook: Codebook, rows: int, seed: int) -> bytes:
    """The same as CSV, as it is published."""
    return preview(codebook, rows, seed).write_csv().encode()


def _draw(column: ColumnCode, rows: int, rng: np.random.Generator) -> npt.NDArray[np.float64] | npt.NDArray[np.int64]:
    if column.affine is not None:
        values, step = decode(column, rng.integers(0, column.affine.levels, rows)), column.affine.step
    else:
        edges = np.asarray(column.bins)
        step = float(np.diff(edges).min()) if len(edges) > 1 else max(abs(edges[0]), 1.0)
        middles = np.concatenate([[edges[0] - step / 2], (edges[1:] + edges[:-1]) / 2, [edges[-1] + step / 2]])
        values = middles[rng.integers(0, len(middles), rows)]
    if column.dtype in ("integer", "boolean"):
        return np.rint(values).astype(np.int64)
    return values.round(
        min(15, max(0, 3 - math.floor(math.log10(step))))
    )  # a thousandth of a step: 0.3, not 0.30000004
