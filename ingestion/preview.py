"""Synthetic rows drawn from the codebook alone, so that buyers can rehearse for free.

Each column of the owner's table is drawn evenly, independently of all others: a number over the levels (or bins) of its
code, a category over its list, a time over its range, and one row in `MISSING` without a value where the codebook has a
place for it. Whoever has the codebook and the seed draws the same rows, which shows that nothing else went into them.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import polars as pl

from app.protocol.data.dataset import Codebook, ColumnCode
from app.protocol.data.derivation import (
    BooleanSource,
    IsMissing,
    Part,
    Source,
    TextSource,
    TimeSource,
    places,
)
from fhe.derivation import moments_of
from fhe.states import MISSING, time_range
from ingestion.codes import decode

TEXTS = 8  # different ones for each bucket, so that hardly one stays empty


def preview(codebook: Codebook, rows: int, seed: int) -> pl.DataFrame:
    """`rows` synthetic rows, one column for each of the owner's table that something is published of."""
    rng = np.random.default_rng(seed)
    derived = {column.reads for column in codebook.columns if column.derivation is not None}
    drawn: dict[str, pl.Series] = {}
    for name in codebook.source_names:
        columns = [column for column in codebook.columns if column.reads == name]
        source = codebook.source(name)
        if name not in derived:
            drawn[name] = pl.Series(_draw(columns[0], rows, rng))
            continue
        values = _draw_source(source, columns, rows, rng)
        if any(column.impute is not None or isinstance(column.derivation, IsMissing) for column in columns):
            gaps = rng.integers(0, MISSING, rows) == 0
            values = values.scatter(np.flatnonzero(gaps).tolist(), None)
        drawn[name] = values
    return pl.DataFrame(drawn)


def preview_csv(codebook: Codebook, rows: int, seed: int) -> bytes:
    """The same as CSV, as it is published."""
    return preview(codebook, rows, seed).write_csv().encode()


def _draw_source(source: Source | None, columns: list[ColumnCode], rows: int, rng: np.random.Generator) -> pl.Series:
    """Values of a source that columns are derived from."""
    if source is None:
        own = next((column for column in columns if column.derivation is None), None)
        return pl.Series(np.zeros(rows) if own is None else _draw(own, rows, rng))
    if isinstance(source, TimeSource):
        return _draw_times(source, columns, rows, rng)
    if isinstance(source, TextSource):
        return pl.Series([f"text {number}" for number in rng.integers(0, TEXTS * source.buckets, rows).tolist()])
    drawn = rng.integers(0, places(source), rows).tolist()
    if isinstance(source, BooleanSource):
        return pl.Series([bool(place) for place in drawn])
    words = [*source.words, *(["another"] if source.other else [])]
    while words.count(words[-1]) > 1:  # "another" is a word of the list
        words[-1] += "."
    return pl.Series([words[place] for place in drawn])


def _draw_times(source: TimeSource, columns: list[ColumnCode], rows: int, rng: np.random.Generator) -> pl.Series:
    """Whole days where nothing that is published tells the time of day, else whole minutes."""
    low, high = time_range(source, columns)
    days = source.unit in ("day", "week") and not any(
        isinstance(column.derivation, Part) and column.derivation.part in ("hour", "minute") for column in columns
    )
    unit = "D" if days else "m"
    ends = moments_of(np.array([low, high]), source).astype(f"datetime64[{unit}]")
    first, last = (int(end) for end in ends.astype(np.int64))
    if moments_of(np.array([low]), source)[0] > ends[0]:
        first += 1
    drawn = rng.integers(first, max(first, last) + 1, rows).astype(f"datetime64[{unit}]")
    return pl.Series(drawn.astype("datetime64[us]")).cast(pl.Date if days else pl.Datetime("us"))


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
