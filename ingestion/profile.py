"""What a table holds, column by column, from one streaming pass: shown to the owner before anything is published.

The ranges are measured on private data. Publishing a code built from them reveals them, so a proposal is rounded
outward to two digits, which reveals less and reads better.
"""

from __future__ import annotations

import math
import sys
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import polars as pl

from app.protocol.data.dataset import Affine
from app.protocol.errors import BadTable
from ingestion import spelling
from ingestion.personal import identifies
from ingestion.read import Kind, Reading, SourceTable, open_table
from ingestion.read_errors import WordFault
from ingestion.reading import NUMBERS

DEFAULT_LEVELS = 256
SAMPLE_ROWS = 10_000


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
    first: str = ""  # of dates and times, as ISO 8601 has them
    last: str = ""
    forms: tuple[str, ...] = ()  # of dates that are not ISO 8601, as strftime has it; two where a day may be a month
    identifies: str = ""  # what it seems to tell of a person, in words; then it stays at home unless it is named
    same_as: str = ""  # an earlier column with the same values
    padded: bool = False  # whole numbers are written with zeros in front, as codes are

    @property
    def usable(self) -> bool:
        """Whether an affine code or bins can be made for it: numbers, and at least one of them finite."""
        return self.low is not None

    @property
    def constant(self) -> bool:
        """Whether all rows have the same value."""
        return not self.missing and (self.low == self.high if self.low is not None else self.distinct == 1)

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
    kinds = {name: kind for name, kind in table.kinds.items() if name not in skip}
    measured = _measured(table, kinds)
    with table.errors():
        sample = table.raw().select(list(kinds)).head(SAMPLE_ROWS).collect(engine="streaming")
    rows = int(measured["rows"])
    if rows == 0:
        raise BadTable(f"{table.path.name} has no rows.", "Give a table with a header and rows.")
    facts: defaultdict[int, dict[str, Any]] = defaultdict(dict)
    for key, value in measured.items():
        what, _, place = key.partition(" ")
        facts[int(place or -1)][what] = value
    found: dict[str, ColumnProfile] = {}
    for number, name in enumerate(table.kinds):
        if name in skip:
            found[name] = ColumnProfile(name, "other")
            continue
        found[name] = _seen(_column(table, name, kinds[name], facts[number]), sample[name], rows, table.reading)
    for name, same in _twins(table, list(found.values()), measured).items():
        found[name] = replace(found[name], same_as=same)
    return TableProfile(table.path, rows, tuple(found.values()))


def _measured(table: SourceTable, kinds: dict[str, Kind]) -> dict[str, Any]:
    """What `_measure` says; columns of numbers in which words stand far below become mixed ones."""
    for _ in range(len(kinds) + 1):
        try:
            with table.errors(named=True):
                return _measure(table, kinds)
        except WordFault as fault:
            if kinds[fault.column] == "mixed":
                raise
            kinds[fault.column] = "mixed"
    raise AssertionError("each column is mended once")


def _measure(table: SourceTable, kinds: dict[str, Kind]) -> dict[str, Any]:
    """Aggregates of all columns in one pass, named by what they are and the column's number in the table."""
    numbers = {name: number for number, name in enumerate(table.kinds)}
    wanted = [pl.len().alias("rows")]
    words = [name for name, kind in kinds.items() if kind not in (*NUMBERS, "other")]
    for name, kind in kinds.items():
        value, number = pl.col(name), numbers[name]
        if kind in NUMBERS:
            finite = value.filter(value.is_finite())
            facts = {
                "low": finite.min(),
                "high": finite.max(),
                "missing": (value.is_null() | value.is_nan()).sum(),
                "infinite": value.is_infinite().sum(),
                "distinct": value.approx_n_unique(),
                "whole": (finite % 1.0 == 0.0).all(),
                "total": finite.sum(),
            }
        elif kind == "other":
            continue
        elif table.schema[name] == pl.String:
            value = value.str.strip_chars()
            value = pl.when(value != "").then(value)
            facts = {"missing": value.is_null().sum(), "distinct": value.approx_n_unique()}
            facts |= {"total": value.str.len_bytes().sum()}
            if kind in ("date", "datetime", "time"):
                facts |= {"first": value.min(), "last": value.max()}
        else:
            facts = {"missing": value.is_null().sum(), "distinct": value.approx_n_unique()}
            facts |= {"first": value.min(), "last": value.max(), "total": value.max()}
        wanted += [fact.alias(f"{key} {number}") for key, fact in facts.items()]
    names = [name for name, kind in kinds.items() if kind != "other"]
    frame = table.scan(names, words) if names else table.raw()
    return frame.select(wanted).collect(engine="streaming").row(0, named=True)


def _column(table: SourceTable, name: str, kind: Kind, facts: dict[str, Any]) -> ColumnProfile:
    """One column's profile from what was measured of it."""
    if kind == "other":
        return ColumnProfile(name, kind, held=table.held.get(name, ""))
    missing, distinct = int(facts["missing"]), int(facts["distinct"])
    if kind not in NUMBERS:
        first, last = (_iso(facts.get(key)) for key in ("first", "last"))
        fault = table.odd(name) if kind == "mixed" else None
        return ColumnProfile(
            name, kind, missing=missing, distinct=distinct - bool(missing), held=table.held.get(name, ""), fault=fault,
            first=first, last=last,
        )  # fmt: skip
    if kind != "boolean":
        kind = "integer" if facts["whole"] else "real"
    return ColumnProfile(name, kind, facts["low"], facts["high"], missing, int(facts["infinite"] or 0), distinct)


def _seen(column: ColumnProfile, sample: pl.Series, rows: int, reading: Reading) -> ColumnProfile:
    """The same with what its first values tell besides."""
    if column.kind == "other":
        return column
    forms = spelling.date_form(sample, reading) if column.kind == "text" and sample.dtype == pl.String else ()
    if forms:
        column = replace(column, kind="date", forms=forms, held="dates or times")
    padded = False
    if column.kind == "integer" and sample.dtype == pl.String:
        padded = bool(sample.str.strip_chars().str.contains(r"^0\d+$").any())
    width = None if column.low is None or column.high is None else column.high - column.low
    known = rows - column.missing
    found = identifies(column.name, column.kind, sample, distinct=column.distinct, rows=known, width=width)
    return replace(column, identifies=found, padded=padded)


def _twins(table: SourceTable, columns: list[ColumnProfile], measured: dict[str, Any]) -> dict[str, str]:
    """Columns with the values of an earlier one: first guessed by what was measured of both, then compared."""
    numbers = {name: number for number, name in enumerate(table.kinds)}
    groups: dict[tuple[Any, ...], list[str]] = {}
    for column in columns:
        if column.distinct > 1:
            total = measured.get(f"total {numbers[column.name]}")
            key = (column.kind in NUMBERS, column.low, column.high, column.missing, column.distinct, str(total))
            groups.setdefault(key, []).append(column.name)
    pairs = [(names[0], name) for names in groups.values() for name in names[1:]]
    if not pairs:
        return {}
    names = list(dict.fromkeys(name for pair in pairs for name in pair))
    words = [column.name for column in columns if column.kind not in NUMBERS]
    frame = table.scan(names, words).select(
        pl.col(one).eq_missing(pl.col(other)).all().alias(str(number)) for number, (one, other) in enumerate(pairs)
    )
    with table.errors():
        same = frame.collect(engine="streaming").row(0)
    return {other: one for (one, other), equal in zip(pairs, same, strict=True) if equal}


def _iso(value: Any) -> str:
    return "" if value is None else value if isinstance(value, str) else str(value.isoformat())
