"""The public distribution of a source that columns are derived from: finitely many states, equally likely.

Columns of one source depend on each other: one member of a one-hot code is 1, and elapsed days less years and months
are nearly constant. So limits look at a source as one, over its states: every place that a value can have; of numbers
and times values all over the declared range and one in every bin; and one state in `MISSING` without a value, where
missing values are not rejected. In each state every derived column has its true code, by `fhe.derivation`.
"""

from __future__ import annotations

import numpy as np

from app.protocol.data.dataset import Codebook, ColumnCode
from app.protocol.data.derivation import (
    BooleanSource,
    CategorySource,
    Elapsed,
    Part,
    Source,
    TextSource,
    TimeSource,
    places,
)
from app.protocol.policy.linear_forms import STATES, Joint
from fhe.arrays import F64, I64
from fhe.derivation import SourceArray, derive_column, elapsed, moments_of

MISSING = 16  # one of so many states
NUMBERS, TIMES = 256, 1024  # different states of a number, of a time
GOLDEN = 0.6180339887498949  # fractions of its multiples are spread evenly
YEARS = 4  # of a time of which only parts other than the year are published


def joint_sources(codebook: Codebook) -> dict[str, Joint]:
    """The states of each source that something is derived from, or whose own number is published in both encodings."""
    both = (each for each in codebook.columns if each.derivation is not None or (each.affine and each.bins))
    names = dict.fromkeys(column.reads for column in both)
    return {name: _joint(codebook, name) for name in names}


def _place_states(source: Source, columns: list[ColumnCode]) -> SourceArray:
    """All places of a source, and NaN where missing values have a code."""
    assert isinstance(source, CategorySource | BooleanSource | TextSource)
    every = np.arange(places(source), dtype=np.float64)
    return np.append(every, np.nan) if _takes_missing(columns) else every


def codes_in(column: ColumnCode, values: F64) -> tuple[I64 | None, I64 | None]:
    """(affine codes, bin codes) of values of a column; what is missing or outside as the codebook imputes and clips."""
    filled = np.where(np.isnan(values), 0.0 if column.impute is None else column.impute, values)
    affine = bins = None
    if column.affine is not None:
        levels: F64 = np.rint((filled - column.affine.low) / column.affine.step)
        affine = levels.clip(0, column.affine.levels - 1).astype(np.int64)
    if column.bins is not None:
        bins = np.searchsorted(np.asarray(column.bins), filled, side="right").astype(np.int64)
    return affine, bins


def _joint(codebook: Codebook, name: str) -> Joint:
    columns = [column for column in codebook.columns if column.reads == name]
    source = codebook.source(name)
    if source is None:
        states = _with_missing(_number_states(columns, NUMBERS), columns)
    elif isinstance(source, TimeSource):
        states = _with_missing(_time_states(source, columns), columns)
    else:
        states = _place_states(source, columns)
    codes: dict[str, I64] = {}
    bins: dict[str, I64] = {}
    for column in columns:
        own, edges = codes_in(column, derive_column(column.derivation, source, states))
        if own is not None:
            codes[column.name] = own
        if edges is not None:
            bins[column.name] = edges
    count = len(states)
    ends = np.arange(count + 1) * STATES // count
    return Joint(
        tuple(int(n) for n in np.diff(ends)),
        {name: tuple(own.tolist()) for name, own in codes.items()},
        {name: tuple(own.tolist()) for name, own in bins.items()},
        whole=source is not None and not isinstance(source, TimeSource),
    )


def _takes_missing(columns: list[ColumnCode]) -> bool:
    return any(column.impute is not None for column in columns)


def _with_missing(states: SourceArray, columns: list[ColumnCode]) -> SourceArray:
    if not _takes_missing(columns) and any(column.derivation is None for column in columns):
        return states
    gaps = max(1, len(states) // MISSING)
    nothing = np.datetime64("NaT") if states.dtype.kind == "M" else np.nan
    return np.concatenate([states, np.full(gaps, nothing, states.dtype)])


def _number_states(columns: list[ColumnCode], count: int) -> F64:
    """Values over the range of a number's code, and one in each of its bins."""
    own = next((column for column in columns if column.derivation is None), None)
    return np.zeros(1) if own is None else _spread(own, count)


def _spread(column: ColumnCode, count: int) -> F64:
    parts: list[F64] = []
    if column.affine is not None:
        levels = min(count, column.affine.levels)
        parts.append(column.affine.low + column.affine.step * (np.arange(levels) * column.affine.levels // levels))
    if column.bins is not None:
        edges = np.asarray(column.bins)
        width = float(np.diff(edges).min()) if len(edges) > 1 else 1.0
        parts.append(np.concatenate([[edges[0] - width], edges]))
    return np.concatenate(parts)


def _time_states(source: TimeSource, columns: list[ColumnCode]) -> SourceArray:
    """Moments spread evenly over the range that is published, not in step with any calendar."""
    low, high = time_range(source, columns)
    spread = (np.arange(TIMES) + (np.arange(TIMES) * GOLDEN) % 1.0) / TIMES
    units = low + (high - low) * spread
    binned = [column for column in columns if isinstance(column.derivation, Elapsed) and column.bins is not None]
    return moments_of(np.concatenate([units, *(_spread(column, 2) for column in binned)]), source)


def time_range(source: TimeSource, columns: list[ColumnCode]) -> tuple[float, float]:
    """(first, last) in a source's units: of the elapsed time's code, of the years', else of some years."""
    by_kind = {_kind(column): column for column in columns}
    if (own := by_kind.get("elapsed")) is not None:
        values = _spread(own, 2)
        low, high = float(values.min()), float(values.max())
        if own.affine is not None:
            high = max(high, own.affine.low + own.affine.step * (own.affine.levels - 1))
        return low, high
    year = by_kind.get("year")
    first, last = (1970, 1970 + YEARS) if year is None else _years(year)
    ends = np.array([f"{first:04d}-01-01", f"{last:04d}-12-31"], "datetime64[us]")
    low, high = elapsed(ends, source)
    return float(low), float(high)


def _years(column: ColumnCode) -> tuple[int, int]:
    if column.affine is not None:
        return int(column.affine.low), int(column.affine.low + column.affine.step * (column.affine.levels - 1))
    edges = column.bins or (1970.0,)
    return int(edges[0]) - 1, int(edges[-1]) + 1


def _kind(column: ColumnCode) -> str:
    if isinstance(column.derivation, Part):
        return column.derivation.part
    return column.derivation.kind if column.derivation is not None else ""
