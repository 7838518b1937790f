"""Synthetic rows drawn from the codebook alone, so that buyers can rehearse for free.

Each column is drawn evenly over its levels (or bins), independently of all others. Whoever has the codebook and the seed
draws the same rows, which shows that nothing else went into them.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

from app.protocol.dataset import Codebook, ColumnCode
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
        values = decode(column, rng.integers(0, column.affine.levels, rows))
    else:
        edges = np.asarray(column.bins)
        width = (edges[-1] - edges[0]) / max(len(edges) - 1, 1) or max(abs(edges[0]), 1.0)
        middles = np.concatenate([[edges[0] - width / 2], (edges[1:] + edges[:-1]) / 2, [edges[-1] + width / 2]])
        values = middles[rng.integers(0, len(middles), rows)]
    if column.dtype in ("integer", "boolean"):
        return np.rint(values).astype(np.int64)
    # Twelve digits say all that a code keeps, and read 0.3 where the sum says 0.30000000000000004.
    return np.array([float(f"{value:.12g}") for value in values])
