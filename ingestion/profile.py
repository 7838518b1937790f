"""What a table holds, column by column, from one streaming pass: shown to the owner before anything is published.

A second pass is made only over columns that may be identifiers, or copies of each other.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl

from app.protocol.errors import BadTable
from app.protocol.market.receipt import OutputPolicy
from ingestion import spelling
from ingestion.column_profile import DEFAULT_LEVELS, ColumnProfile, TableProfile
from ingestion.personal import identifies
from ingestion.read import Kind, Reading, SourceTable, open_table
from ingestion.read_errors import WordFault
from ingestion.reading import NUMBERS
from ingestion.sources import FALSE_WORDS, TRUE_WORDS

__all__ = ["DEFAULT_LEVELS", "ColumnProfile", "TableProfile", "profile_table"]

SAMPLE_ROWS = 10_000
MOST_EXACT = 1 << 22  # rows of a table in which different values are counted exactly
MOST_COUNTED = 1024  # words of a column that are counted one by one
USUAL_GROUP = OutputPolicy().min_group  # persons that a word must have to be named


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
        found[name] = _seen(_column(table, name, kinds[name], facts[number]), sample[name], table.reading)
    for name, distinct in _counted(table, found, rows).items():
        found[name] = _named(replace(found[name], distinct=distinct), sample[name], rows)
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
    if not names:
        return table.raw().select(wanted).collect(engine="streaming").row(0, named=True)
    return table.collected(lambda frame: frame.select(wanted), names, words).row(0, named=True)


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
    return ColumnProfile(
        name, kind, facts["low"], facts["high"], missing, int(facts["infinite"] or 0), distinct - bool(missing)
    )


def _seen(column: ColumnProfile, sample: pl.Series, reading: Reading) -> ColumnProfile:
    """The same with what its first values tell besides."""
    if column.kind == "other":
        return column
    forms = spelling.date_form(sample, reading) if column.kind == "text" and sample.dtype == pl.String else ()
    if forms:
        column = replace(column, kind="date", forms=forms, held="dates or times")
    if column.kind == "text" and sample.dtype == pl.String and column.distinct <= 2 and _is_truth(sample):
        column = replace(column, kind="boolean", held="truth values")
    padded = False
    if column.kind == "integer" and sample.dtype == pl.String:
        padded = bool(sample.str.strip_chars().str.contains(r"^0\d+$").any())
    common = 0
    if sample.dtype == pl.String and column.distinct <= MOST_COUNTED:
        common = int((sample.drop_nulls().alias("").value_counts(name="rows")["rows"] >= USUAL_GROUP).sum())
    return replace(column, padded=padded, common=common)


def _named(column: ColumnProfile, sample: pl.Series, rows: int) -> ColumnProfile:
    """The same with what it seems to tell of a person."""
    width = None if column.low is None or column.high is None else column.high - column.low
    present = rows - column.missing
    told = identifies(column.name, column.kind, sample, distinct=column.distinct, rows=present, width=width)
    return replace(column, identifies=told)


def _counted(table: SourceTable, columns: dict[str, ColumnProfile], rows: int) -> dict[str, int]:
    """How many values differ in each column: exactly where each may, since estimates are some percent off."""
    found = {name: column.distinct for name, column in columns.items() if column.kind not in ("other", "mixed")}
    near = [
        name
        for name, distinct in found.items()
        if columns[name].kind in ("text", "integer") and distinct > 0.85 * (rows - columns[name].missing)
    ]
    if near and rows <= MOST_EXACT:
        words = [name for name in near if columns[name].kind not in NUMBERS]
        wanted = [pl.col(name).hash().n_unique().alias(str(number)) for number, name in enumerate(near)]
        with table.errors():
            exact = table.scan(near, words).select(wanted).collect(engine="streaming").row(0)
        found |= {name: count - bool(columns[name].missing) for name, count in zip(near, exact, strict=True)}
    return found


def _is_truth(sample: pl.Series) -> bool:
    words = set(sample.str.strip_chars().str.to_lowercase().drop_nulls().unique()) - {""}
    return bool(words) and words <= TRUE_WORDS | FALSE_WORDS


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
