"""What published columns are of their sources, on arrays: one function for owner, buyer and everyone who judges.

A source comes as one array (rows,): numbers and places as 64-bit floats with NaN where there is none, moments as
`datetime64[us]` with NaT. `ingestion.derive` makes them of a frame.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from app.protocol.data.derivation import UNIT_SECONDS, Derivation, Elapsed, IsMissing, Member, Part, Source, TimeSource
from fhe.arrays import F64, I64

MICROSECONDS = 1_000_000  # in a second
MOMENT = np.dtype("datetime64[us]")

SourceArray = npt.NDArray[Any]


def derive_column(derivation: Derivation | None, source: Source | None, values: SourceArray) -> F64:
    """The values (rows,) of a published column, NaN where its source has none, from its source's (rows,).

    For a derivation and a source that `derivation_fault` accepts together.
    """
    if isinstance(derivation, IsMissing):
        return is_missing(values).astype(np.float64)
    if isinstance(source, TimeSource):
        moments = values.astype(MOMENT)
        if isinstance(derivation, Part):
            return _with_gaps(_part(moments, derivation), moments)
        assert isinstance(derivation, Elapsed)
        return elapsed(moments, source)
    numbers: F64 = values.astype(np.float64, copy=False)
    if isinstance(derivation, Member):
        return np.where(np.isnan(numbers), np.nan, (numbers == derivation.place).astype(np.float64))
    return numbers


def is_missing(values: SourceArray) -> npt.NDArray[np.bool_]:
    """Where a source has no value (rows,)."""
    found: npt.NDArray[np.bool_] = np.isnat(values) if values.dtype.kind == "M" else np.isnan(values)
    return found


def elapsed(moments: npt.NDArray[np.datetime64], source: TimeSource) -> F64:
    """Units (rows,) since the source's origin, NaN for NaT."""
    since: F64 = (moments - np.datetime64(source.origin, "us")).astype(np.int64).astype(np.float64)
    return _with_gaps(since / (UNIT_SECONDS[source.unit] * MICROSECONDS), moments)


def moments_of(units: F64, source: TimeSource) -> npt.NDArray[np.datetime64]:
    """The moments (rows,) that are so many units after the source's origin, to the microsecond."""
    step = UNIT_SECONDS[source.unit] * MICROSECONDS
    after = np.rint(units * step).astype(np.int64).astype("timedelta64[us]")
    found: npt.NDArray[np.datetime64] = np.datetime64(source.origin, "us") + after
    return found


def _part(moments: npt.NDArray[np.datetime64], derivation: Part) -> F64:
    """A calendar part (rows,), by the proleptic Gregorian calendar; of NaT anything."""
    days, years, months = (moments.astype(f"datetime64[{unit}]") for unit in "DYM")
    match derivation.part:
        case "year":
            part: I64 = years.astype(np.int64) + 1970
        case "quarter":
            part = (months - years).astype(np.int64) // 3 + 1
        case "month":
            part = (months - years).astype(np.int64) + 1
        case "day":
            part = (days - months).astype(np.int64) + 1
        case "weekday":
            part = (days.astype(np.int64) + 3) % 7  # 1 January 1970 was a Thursday
        case "yearday":
            part = (days - years).astype(np.int64) + 1
        case "hour":
            part = (moments - days).astype(np.int64) // (3600 * MICROSECONDS)
        case _:
            part = (moments - days).astype(np.int64) // (60 * MICROSECONDS) % 60
    return part.astype(np.float64)


def _with_gaps(values: F64, moments: npt.NDArray[np.datetime64]) -> F64:
    return np.where(np.isnat(moments), np.nan, values)
