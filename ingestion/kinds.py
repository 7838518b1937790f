"""What a recipe makes of a column that is no number: how it is read, and what is published of it.

A category, a boolean or a text is published by its place (ordinal), by one column for each place (one-hot), or both; a
time as what has elapsed since its origin, and by its parts. A column `x` of the table gives the columns

    x              its number, place or elapsed time
    x=WORD         whether it is this word, or this number of a bucket; x:other for all that are not in the list
    x:PART         a part of its time, such as x:month
    x:missing      whether it has no value
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from app.protocol.data.derivation import (
    MAX_PLACES,
    PART_RANGES,
    BooleanSource,
    CategorySource,
    Derivation,
    Elapsed,
    IsMissing,
    Member,
    Part,
    Place,
    Source,
    TextSource,
    TimeSource,
    Unit,
    places,
)
from app.protocol.errors import BadRecipe
from fhe.derivation import derive_column, moments_of
from ingestion.measure import MeasuredSource
from ingestion.recipe import ColumnRecipe, Kind
from ingestion.sources import plain_word, source_array

DEFAULT_BUCKETS = 64
_UNITS: dict[Kind, Unit] = {"date": "day", "datetime": "hour", "time": "minute"}
_NOBODY = "\0"  # stands in a list that is measured yet; no word of a table is so spelled


@dataclass(frozen=True)
class Published:
    """One column to publish: what it is of its source, and the range and imputed value of its code."""

    name: str
    derivation: Derivation
    low: float | None  # None: to be measured
    high: float | None
    impute: float | None = None
    real: bool = False


def source_of(name: str, rule: ColumnRecipe) -> Source:
    """How a column is read by its recipe; measured categories are not in it yet. Errors: BadRecipe."""
    if rule.kind == "boolean":
        return BooleanSource(name=name)
    if rule.kind == "text":
        return TextSource(name=name, buckets=rule.buckets or DEFAULT_BUCKETS)
    if rule.kind == "category":
        if rule.categories is None:
            return CategorySource(name=name, words=(_NOBODY,), other=True)
        words = [plain_word(word) for word in rule.categories]
        if None in words or len(set(words)) != len(words):
            raise BadRecipe(f"The categories of column {name!r} hold an empty word, or one twice.", "Correct the list.")
        return CategorySource(name=name, words=tuple(filter(None, words)), other=rule.other == "bin")
    return TimeSource(
        name=name,
        origin=(rule.origin or "1970-01-01").replace(" ", "T"),
        unit=rule.unit or _UNITS[rule.kind],
        format=rule.format,
    )


def measured_categories(source: CategorySource, measured: MeasuredSource, least: int, rule: ColumnRecipe) -> Source:
    """The words that at least `least` persons have, in alphabetical order, so that the list tells no frequency.

    Errors: BadRecipe where none is left, there are too many, or `other = "reject"` would refuse the rest.
    """
    kept = sorted(word for word, persons in measured.words.items() if persons >= least)
    rare = len(kept) < len(measured.words)
    if not kept:
        raise BadRecipe(
            f"No value of column {source.name!r} belongs to {least} persons, so no category may be listed.",
            'List public ones (categories = ["..."]), publish it as kind = "text", or drop it.',
        )
    if len(kept) >= MAX_PLACES:
        raise BadRecipe(
            f"Column {source.name!r} has {len(kept):,} categories; {MAX_PLACES - 1:,} can be listed.",
            'Publish it as kind = "text" with buckets, or drop it.',
        )
    if rare and rule.other == "reject":
        raise BadRecipe(
            f"Column {source.name!r} has values of fewer than {least} persons, which are in no measured list.",
            'Set other = "bin", or list the categories.',
        )
    return CategorySource(name=source.name, words=tuple(kept), other=rule.other != "reject")


def published_columns(source: Source, rule: ColumnRecipe, measured: MeasuredSource) -> list[Published]:
    """What is published of a source that is no number, in order. Errors: BadRecipe."""
    columns = _of_times(source, rule, measured) if isinstance(source, TimeSource) else _of_places(source, rule)
    return columns + ([missing_bit(source.name)] if rule.missing == "bit" else [])


def missing_bit(name: str) -> Published:
    """Whether a column has no value."""
    return Published(f"{name}:missing", IsMissing(), 0.0, 1.0)


def _of_places(source: CategorySource | BooleanSource | TextSource, rule: ColumnRecipe) -> list[Published]:
    count = places(source)
    impute = _imputed_place(source, rule)
    shapes: Sequence[str] = ("ordinal",) if rule.kind == "boolean" else rule.shape or ("one-hot",)
    columns = []
    if "ordinal" in shapes:
        columns.append(Published(source.name, Place(), 0.0, float(max(1, count - 1)), impute))
    if "one-hot" in shapes:
        columns += [
            Published(
                member_name(source, place), Member(place=place), 0.0, 1.0,
                None if impute is None else float(impute == place and rule.impute is not None),
            )
            for place in range(count)
        ]  # fmt: skip
    return columns


def member_name(source: CategorySource | BooleanSource | TextSource, place: int) -> str:
    """The name of a one-hot column."""
    if isinstance(source, CategorySource):
        if place == len(source.words):
            return f"{source.name}:other"
        return f"{source.name}={source.words[place]}"
    return f"{source.name}={place}"


def _imputed_place(source: Source, rule: ColumnRecipe) -> float | None:
    if rule.missing not in ("impute", "bit"):
        return None
    if rule.impute is None:
        return 0.0
    word = str(rule.impute).lower() if isinstance(rule.impute, bool) else str(rule.impute)
    place = _place(source, word)
    if place is None:
        raise BadRecipe(
            f"Column {source.name!r} imputes a word that is not among its categories.", "Name one of the list."
        )
    return place


def _place(source: Source, word: str) -> float | None:
    """The place of one word; None for one that a source does not know."""
    found = float(source_array(source, pl.Series([word]), None)[0])
    return None if math.isnan(found) else found


def _of_times(source: TimeSource, rule: ColumnRecipe, measured: MeasuredSource) -> list[Published]:
    low, high = (rule.low, rule.high) if rule.low is not None else (measured.low, measured.high)
    if low is None:
        raise BadRecipe(f"Column {source.name!r} holds no date or time.", "Drop it.")
    imputes = rule.missing in ("impute", "bit")
    middle = float(rule.impute) if isinstance(rule.impute, int | float) else low
    moment = moments_of(np.array([middle]), source)
    columns = []
    if rule.elapsed is not False:
        whole = rule.kind == "date" and source.unit == "day"
        columns.append(
            Published(source.name, Elapsed(), rule.low, rule.high, middle if imputes else None, real=not whole)
        )
    for name in rule.parts:
        part = Part(part=name)
        if name == "year":
            ends = moments_of(np.array([low, low if high is None else high]), source)
            first, last = (float(year) for year in derive_column(part, source, ends))
            last = max(last, first + 1)
        else:
            first, last = (float(end) for end in PART_RANGES[name])
        impute = float(derive_column(part, source, moment)[0]) if imputes else None
        columns.append(Published(f"{source.name}:{name}", part, first, last, impute))
    return columns
