"""What a published column is of its source: a small, closed and public derivation, written in the codebook.

A source is a column of the owner's table. Numbers need no statement; a source that is no number is stated once, by its
kind, and gives every row a place (of a category, a boolean, a text) or a moment (of a time). A published column is then
the source's own number, its place, whether it has one place, whether it is missing, or a part of its moment. How values
become places and moments is in `ingestion.derive`, how these become numbers in `fhe.derivation`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from app.protocol.documents import Document

MAX_PLACES = 1024  # of one source
MAX_WORD_LENGTH = 200

SourceName = Annotated[str, Field(min_length=1, max_length=200)]
Word = Annotated[str, Field(min_length=1, max_length=MAX_WORD_LENGTH)]
Moment = Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}:\d{2})?$")]
Unit = Literal["second", "minute", "hour", "day", "week"]
TimePart = Literal["year", "quarter", "month", "day", "weekday", "yearday", "hour", "minute"]

UNIT_SECONDS: dict[Unit, int] = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400, "week": 604_800}
PART_RANGES: dict[TimePart, tuple[int, int]] = {  # of all but the year; a weekday counts from Monday, 0
    "quarter": (1, 4),
    "month": (1, 12),
    "day": (1, 31),
    "weekday": (0, 6),
    "yearday": (1, 366),
    "hour": (0, 23),
    "minute": (0, 59),
}


class CategorySource(Document):
    """A column of words: a word's place is its place in the list; with `other`, all others have the place after it."""

    kind: Literal["category"] = "category"
    name: SourceName
    words: Annotated[tuple[Word, ...], Field(min_length=1, max_length=MAX_PLACES - 1)]
    other: bool = False


class BooleanSource(Document):
    """A column of truth values or their usual words; false has place 0, true 1."""

    kind: Literal["boolean"] = "boolean"
    name: SourceName


class TextSource(Document):
    """A column of any texts: a text's place is its bucket, the first 8 bytes of the SHA-256 of its UTF-8 in NFC, as a
    big-endian integer, modulo `buckets`.
    """

    kind: Literal["text"] = "text"
    name: SourceName
    buckets: Annotated[int, Field(ge=2, le=MAX_PLACES)]


class TimeSource(Document):
    """A column of dates, times of day or both. Numbers in it are not guessed at; a time zone is converted to UTC."""

    kind: Literal["time"] = "time"
    name: SourceName
    origin: Moment = "1970-01-01"
    unit: Unit = "day"
    format: Annotated[str, Field(max_length=100)] = ""  # of texts, as strftime has it; "" for ISO 8601


Source = Annotated[CategorySource | BooleanSource | TextSource | TimeSource, Field(discriminator="kind")]


class Place(Document):
    """The place of the source's value: 0 for the first."""

    kind: Literal["place"] = "place"


class Member(Document):
    """1 where the source's value has this place, else 0: one of a one-hot encoding."""

    kind: Literal["member"] = "member"
    place: Annotated[int, Field(ge=0, lt=MAX_PLACES)]


class IsMissing(Document):
    """1 where the source has no value, else 0."""

    kind: Literal["missing"] = "missing"


class Elapsed(Document):
    """The source's moment in its units since its origin."""

    kind: Literal["elapsed"] = "elapsed"


class Part(Document):
    """A part of the source's moment."""

    kind: Literal["part"] = "part"
    part: TimePart


Derivation = Annotated[Place | Member | IsMissing | Elapsed | Part, Field(discriminator="kind")]


def places(source: CategorySource | BooleanSource | TextSource) -> int:
    """How many places a source's values have."""
    if isinstance(source, CategorySource):
        return len(source.words) + source.other
    return source.buckets if isinstance(source, TextSource) else 2


def derivation_fault(derivation: Derivation | None, source: Source | None) -> str:
    """Why a column cannot be this of a source (None: a number), as the end of a sentence; "" when it can."""
    if isinstance(derivation, IsMissing):
        return ""
    if source is None:
        return "" if derivation is None else "is derived from numbers as if they were words or times"
    if isinstance(source, TimeSource):
        return "" if isinstance(derivation, Elapsed | Part) else "is no elapsed time, and no part of one"
    if not isinstance(derivation, Place | Member):
        return "is neither a place nor whether a value has one"
    if isinstance(derivation, Member) and derivation.place >= places(source):
        return f"is about place {derivation.place} of {places(source)}"
    return ""


def derivation_in_words(derivation: Derivation | None, source_name: str, source: Source | None) -> str:
    """What a published column is of its source, for people; "" for the number itself."""
    match derivation:
        case IsMissing():
            return f"1 where {source_name} has no value"
        case Elapsed():
            assert isinstance(source, TimeSource)
            return f"{source.unit}s from {source.origin}"
        case Part():
            return f"{derivation.part} of {source_name}"
        case Member() if isinstance(source, CategorySource):
            if derivation.place == len(source.words):
                return f"1 where {source_name} is none of its {len(source.words)} categories"
            return f"1 where {source_name} is {source.words[derivation.place]}"
        case Member():
            return f"1 where the place of {source_name} is {derivation.place}"
        case Place() if isinstance(source, CategorySource):
            return f"place among {', '.join(source.words)}{' and others' if source.other else ''}"
        case Place() if isinstance(source, TextSource):
            return f"one of {source.buckets} buckets of its SHA-256"
        case Place():
            return "1 where true"
    return ""
