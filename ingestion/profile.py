"""What a table holds, column by column, from one streaming pass: shown to the owner before anything is published.

The ranges are measured on private data. Publishing a code built from them reveals them, so a proposal is rounded
outward to two digits, which reveals less and reads better.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from app.protocol.data.dataset import Affine
from app.protocol.errors import BadTable
from ingestion.read import Kind, Reading, SourceTable, open_table

DEFAULT_LEVELS = 256


@dataclass(frozen=True)
class ColumnProfile:
    """One column: `low` and `high` are its smallest and largest finite values, None if it has none or is no number."""

    name: str
    kind: Kind
    low: float | None = None
    high: float | None = None
    missing: int = 0  # empty, null or NaN
    infinite: int = 0
    distinct: int = 0  # estimated, within a few percent
    held: str = field(default="", compare=False)  # in words, where it is no number
    fault: tuple[str, str] | None = field(default=None, compare=False)  # of a mixed one: what is wrong, how to mend it

    @property
    def usable(self) -> bool:
        """Whether an affine code or bins can be made for it: numbers, and at least one of them finite."""
        return self.low is not None

    def range_outward(self) -> tuple[float, float]:
        """[low, high] rounded outward to two digits of its width. Only for usable columns."""
        if self.low is None or self.high is None:
            raise ValueError("the column has no finite value")
        if self.kind == "boolean":
            return 0.0, 1.0
        width = min(self.high - self.low or abs(self.high) or 1.0, sys.float_info.max)
        unit = 10.0 ** max(math.floor(math.log10(width)) - 1, -300)
        if self.kind == "integer":
            unit = max(unit, 1.0)
        low, high = math.floor(self.low / unit) * unit, math.ceil(self.high / unit) * unit
        low, high = (float(f"{edge:.12g}") for edge in (low, high))  # 0.1 * 3 reads 0.3 again
        low, high = min(low, self.low), max(high, self.high)  # where twelve digits are too few
        return low, high if high > low else low + max(unit, abs(low) * 1e-9)

    def proposal(self) -> Affine:
        """An affine code for the measured range: each whole number its own level where they fit, else 256 levels."""
        low, high = self.range_outward()
        if self.kind != "real" and high - low < DEFAULT_LEVELS:
            return Affine(low=low, step=1.0, levels=max(2, int(high - low) + 1))
        return Affine(low=low, step=high / (DEFAULT_LEVELS - 1) - low / (DEFAULT_LEVELS - 1), levels=DEFAULT_LEVELS)


@dataclass(frozen=True)
class TableProfile:
    """A whole table."""

    path: Path
    rows: int
    columns: tuple[ColumnProfile, ...]

    def column(self, name: str) -> ColumnProfile:
        """The column of this name. Errors: BadTable."""
        for column in self.columns:
            if column.name == name:
                return column
        raise BadTable(f"{self.path.name} has no column {name!r}.", "See its columns: darkroom dataset profile.")


def profile_table(path: Path | str, reading: Reading | None = None, skip: Collection[str] = ()) -> TableProfile:
    """Each column's kind, range, missing values and proposal; the columns to `skip` stay at home and are not measured.

    Errors: BadTable (also without rows, and for a row that is blank or short), TooLarge.
    """
    table = open_table(path, reading)
    table.check_rows()
    numeric = [name for name in table.numeric() if name not in skip]
    with table.errors():
        measured = _measure(table, numeric) if numeric else {}
    rows = measured.get("rows", None)
    rows = table.rows() if rows is None else int(rows)
    if rows == 0:
        raise BadTable(f"{table.path.name} has no rows.", "Give a table with a header and rows.")
    columns = tuple(
        _column(table, name, "other" if name in skip else kind, rows, number, measured)
        for number, (name, kind) in enumerate(table.kinds.items())
    )
    return TableProfile(table.path, rows, columns)


def _measure(table: SourceTable, columns: list[str]) -> dict[str, Any]:
    """Aggregates of all columns in one pass, named by what they are and the column's number in the table."""
    numbers = {name: number for number, name in enumerate(table.kinds)}
    wanted = [pl.len().alias("rows")]
    for name in columns:
        value, number = pl.col(name), numbers[name]
        finite = value.filter(value.is_finite())
        wanted += [
            finite.min().alias(f"low {number}"),
            finite.max().alias(f"high {number}"),
            (value.is_null() | value.is_nan()).sum().alias(f"missing {number}"),
            value.is_infinite().sum().alias(f"infinite {number}"),
            value.approx_n_unique().alias(f"distinct {number}"),
            (finite % 1.0 == 0.0).all().alias(f"whole {number}"),
        ]
    return table.scan(columns).select(wanted).collect(engine="streaming").row(0, named=True)


def _column(
    table: SourceTable, name: str, kind: Kind, rows: int, number: int, measured: dict[str, Any]
) -> ColumnProfile:
    if kind == "mixed":
        return ColumnProfile(name, kind, fault=table.odd(name))
    if kind == "other":
        return ColumnProfile(name, kind, held=table.held.get(name, ""))
    if kind != "boolean":
        kind = "integer" if measured[f"whole {number}"] else "real"
    missing = rows if measured[f"missing {number}"] is None else int(measured[f"missing {number}"])
    return ColumnProfile(
        name,
        kind,
        measured[f"low {number}"],
        measured[f"high {number}"],
        missing,
        int(measured[f"infinite {number}"] or 0),
        int(measured[f"distinct {number}"]),
    )
