"""Columns of words, truth values and times as places and moments.

Words are compared as they are read by people: blanks around them are dropped, and a whole number is one word however it
is spelled ("7", "07", "7.0"), so that a table says the same as CSV, as Parquet and in pandas. An empty word, null, NaN
and NaT are missing. Messages name columns and rows, never values.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Callable, Iterable
from datetime import date, time
from typing import Any

import numpy as np
import polars as pl

from app.protocol.data.derivation import BooleanSource, Source, TextSource, TimeSource
from app.protocol.errors import BadTable, OutOfRange
from fhe.arrays import F64
from fhe.derivation import MOMENT, SourceArray
from ingestion.gaps import is_gap

TRUE_WORDS = frozenset({"true", "t", "yes", "y", "1"})  # in any case
FALSE_WORDS = frozenset({"false", "f", "no", "n", "0"})
_WHOLE = re.compile(r"([+-]?\d+)\.0*")
_ZEROS = re.compile(r"\+?(-?)0+(?=\d)")
_FORMS = ("%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M", "%Y-%m-%d")
_ZONED = ("%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%d %H:%M:%S%.f%#z")
_CLOCK = ("%H:%M:%S", "%H:%M", "%H:%M:%S%.f")


def source_array(source: Source, column: Any, first_row: int | None = 0) -> SourceArray:
    """A source's values (rows,) as `fhe.derivation` takes them; without `first_row`, what it cannot be is missing.

    Errors: BadTable, OutOfRange.
    """
    name = source.name
    series = _series(name, column)
    if isinstance(source, TimeSource):
        return _moments(source, series, first_row)
    if isinstance(source, TextSource):
        return _mapped(series, lambda word: bucket(word, source.buckets))
    if isinstance(source, BooleanSource):
        found = _mapped(series, _truth)
        return _known(name, found, "no truth value", 'Use kind = "category" and list its words.', first_row)
    places = {word: float(place) for place, word in enumerate(source.words)}
    other = float(len(places)) if source.other else np.inf
    found = _mapped(series, lambda word: places.get(word, other))
    return _known(
        name, found, "a word that is not in its list", 'Add it to categories in the recipe, or set other = "bin".',
        first_row,
    )  # fmt: skip


def spelled(value: Any) -> str | None:
    """One value as the word that categories are compared by; None for a missing one."""
    if value is None or value is np.ma.masked or (not isinstance(value, str) and is_gap(value)):
        return None
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return plain_word(str(value))


def plain_word(text: str) -> str | None:
    """A text as a word: without blanks around it, whole numbers in one spelling; None for an empty one."""
    word = unicodedata.normalize("NFC", text.strip())
    if word[-1:].isdigit() or word.endswith("."):
        if (found := _WHOLE.fullmatch(word)) is not None:
            word = found[1]
        if word.lstrip("+-").isdigit():
            word = _ZEROS.sub(r"\1", word, count=1).removeprefix("+")
    return word or None


def bucket(word: str, buckets: int) -> float:
    """The bucket of a word, as `TextSource` states it."""
    return float(int.from_bytes(hashlib.sha256(word.encode()).digest()[:8], "big") % buckets)


def _series(name: str, column: Any) -> pl.Series:
    """A column of any frame as polars has it; of mixed Python values, their words."""
    if isinstance(column, pl.Series):
        return column
    values = column.to_numpy() if hasattr(column, "to_numpy") else np.asarray(column)
    if values.ndim != 1:
        raise BadTable(f"Column {name!r} is not one-dimensional.")
    if values.dtype.kind == "M":
        return pl.Series(values.astype(MOMENT))
    if values.dtype.kind in "biuf":
        return pl.Series(values)
    plain = [None if is_gap(value) else value for value in values.tolist()]
    if all(value is None or isinstance(value, date | time) for value in plain) and any(plain):
        return pl.Series(plain)  # dates, or moments
    return pl.Series([spelled(value) for value in plain], dtype=pl.String)


def _mapped(series: pl.Series, place: Callable[[str], float]) -> F64:
    """Places (rows,) of a column's words, each distinct value looked at once; NaN for missing ones."""
    distinct = series.unique()
    words = [None if value is None else spelled(value) for value in _plain_values(distinct)]
    found = pl.Series([None if word is None else place(word) for word in words], dtype=pl.Float64)
    if series.dtype == pl.Categorical or isinstance(series.dtype, pl.Enum):
        series, distinct = series.cast(pl.String), distinct.cast(pl.String)
    return series.replace_strict(distinct, found, return_dtype=pl.Float64).cast(pl.Float64).to_numpy().copy()


def _plain_values(series: pl.Series) -> Iterable[Any]:
    return series.to_list() if series.dtype != pl.Decimal else series.cast(pl.Float64).to_list()


def _truth(word: str) -> float:
    low = word.casefold()
    return 1.0 if low in TRUE_WORDS else 0.0 if low in FALSE_WORDS else np.inf


def _known(name: str, found: F64, what: str, mend: str, first_row: int | None) -> F64:
    odd = np.isinf(found)
    if first_row is None:
        return np.where(odd, np.nan, found)
    if odd.any():
        row = first_row + int(odd.argmax())
        raise OutOfRange(f"Column {name!r} has {what} in row {row} ({odd.sum()} in this part).", mend)
    return found


def _moments(source: TimeSource, series: pl.Series, first_row: int | None) -> SourceArray:
    if series.dtype in (pl.String, pl.Categorical) or isinstance(series.dtype, pl.Enum):
        series = _parsed(source, series.cast(pl.String), first_row)
    elif series.dtype == pl.Time:
        series = (series.cast(pl.Int64) // 1000).cast(pl.Datetime("us"))  # nanoseconds after midnight
    elif series.dtype == pl.Null:
        series = series.cast(pl.Datetime("us"))
    elif not series.dtype.is_temporal() or series.dtype == pl.Duration:
        raise BadTable(
            f"Column {source.name!r} holds no dates or times.",
            'Give them as dates or as texts; numbers that count time are published as kind = "number".',
        )
    return _naive(series).cast(pl.Datetime("us")).to_numpy().astype(MOMENT)


def _parsed(source: TimeSource, texts: pl.Series, first_row: int | None) -> pl.Series:
    """Texts as moments: by the source's format, else ISO 8601 or a time of day. Errors: OutOfRange."""
    words = texts.str.strip_chars()
    words = words.set(words == "", None)
    found = pl.Series([None], dtype=pl.Datetime("us")).new_from_index(0, len(words))
    for form in (source.format,) if source.format else (*_FORMS, *_ZONED, *_CLOCK):
        left = found.is_null() & words.is_not_null()
        if not left.any():
            break
        found = found.zip_with(~left, _read(words, form))
    odd = found.is_null() & words.is_not_null()
    if odd.any() and first_row is not None:
        row = first_row + int(odd.arg_max() or 0)
        raise OutOfRange(
            f"Column {source.name!r} has something that is no date or time in row {row} ({odd.sum()} in this part).",
            'State how it is written: format = "%d.%m.%Y" (as strftime) under its section of the recipe.',
        )
    return found


def _read(words: pl.Series, form: str) -> pl.Series:
    """Texts by one format, null where it does not fit."""
    if form in _CLOCK or not any(mark in form for mark in ("%d", "%D", "%F", "%j", "%e", "%c", "%s")):
        clock = words.str.to_time(form, strict=False) if "%H" in form or "%I" in form else None
        if clock is not None:
            return (clock.cast(pl.Int64) // 1000).cast(pl.Datetime("us"))
        return (words + "-01").str.to_datetime(form + "-%d", strict=False, time_unit="us")  # a month
    if "%H" in form or "%I" in form or "%T" in form or "%s" in form or "%c" in form:
        return _naive(words.str.to_datetime(form, strict=False, time_unit="us", exact=True))
    return words.str.to_date(form, strict=False).cast(pl.Datetime("us"))


def _naive(series: pl.Series) -> pl.Series:
    if isinstance(series.dtype, pl.Datetime) and series.dtype.time_zone is not None:
        return series.dt.convert_time_zone("UTC").dt.replace_time_zone(None).cast(pl.Datetime("us"))
    return series
