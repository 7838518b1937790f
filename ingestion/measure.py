"""What has to be measured of columns that are no numbers: their words with how many persons have each, or their times.

One pass over the table for each, on the owner's machine. A word that few persons have is never named anywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl

from app.protocol.data.derivation import CategorySource, Source, TimeSource
from app.protocol.errors import BadTable
from fhe.derivation import elapsed, is_missing
from ingestion.read import Reading, open_table
from ingestion.sources import source_array, spelled

BATCH_ROWS = 1 << 18
MAX_DISTINCT = 1 << 20  # words in one column whose categories are measured


@dataclass(frozen=True)
class MeasuredSource:
    """One source column."""

    missing: int = 0
    words: Mapping[str, int] = field(default_factory=dict)  # how many persons, or rows without any, have each
    low: float | None = None  # of its times, in units since the origin; None without any
    high: float | None = None


def measure_sources(
    path: Path | str, sources: Mapping[str, Source], reading: Reading | None = None, person: str = ""
) -> dict[str, MeasuredSource]:
    """Each source's missing values, and the words of categories or the range of times.

    `person` names the column that tells persons apart; without one every row is a person. Errors: BadTable for a
    column that is not there or of another kind; OutOfRange for a word that a source does not know.
    """
    table = open_table(path, reading)
    for name in sources:
        if name not in table.kinds:
            raise BadTable(f"{table.path.name} has no column {name!r}.", "See its columns: darkroom dataset profile.")
    frame = table.raw()
    found: dict[str, MeasuredSource] = {}
    for name, source in sources.items():
        with table.errors():
            if isinstance(source, CategorySource):
                found[name] = _categories(frame, name, person)
            else:
                found[name] = _pass(table.batches([name], BATCH_ROWS, [name]), name, source)
    return found


def _categories(frame: pl.LazyFrame, name: str, person: str) -> MeasuredSource:
    """Persons by word. Where a word is spelled in several ways, the persons of the commonest spelling count."""
    persons = pl.len() if not person or person == name else pl.col(person).n_unique()
    counted = frame.group_by(pl.col(name)).agg(persons.alias("\0persons"), pl.len().alias("\0rows"))
    table = counted.collect(engine="streaming")
    if table.height > MAX_DISTINCT:
        raise BadTable(
            f"Column {name!r} has over {MAX_DISTINCT:,} different words.",
            'Publish it as kind = "text" with buckets, list its categories, or drop it.',
        )
    words: dict[str, int] = {}
    missing = 0
    for value, count, rows in table.rows():
        word = spelled(value)
        if word is None:
            missing += rows
        else:
            words[word] = max(words.get(word, 0), count)
    return MeasuredSource(missing, words)


def _pass(batches: object, name: str, source: Source) -> MeasuredSource:
    missing, done = 0, 0
    lows, highs = [], []
    for frame in batches:  # type: ignore[attr-defined]
        values = source_array(source, frame[name], done)
        gaps = is_missing(values)
        missing, done = missing + int(gaps.sum()), done + len(values)
        if isinstance(source, TimeSource) and not gaps.all():
            units = elapsed(values, source)
            lows.append(float(np.nanmin(units)))
            highs.append(float(np.nanmax(units)))
    return MeasuredSource(missing, {}, min(lows, default=None), max(highs, default=None))
