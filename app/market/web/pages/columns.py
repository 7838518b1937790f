"""What a dataset's columns look like: the synthetic preview counted column by column, and what is certified of them."""

from __future__ import annotations

import csv
import io
import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from app.market.queries.dataset import ColumnView, PreviewView
from app.market.web.certificates import CertifiedView
from app.protocol.errors import DarkroomError
from app.protocol.ports import Store

PREVIEW_ROWS = 6  # that are shown
PREVIEW_BYTES = 1 << 18  # that are read and counted
MOST_BARS = 12
SHOWN_COLUMNS = 300
WIDE, TALL = 240, 56  # of a drawing, in its own units


@dataclass(frozen=True)
class PreviewTable:
    """The preview as text: its first rows to show, and all that was read to count. `total` rows are published."""

    header: list[str]
    rows: list[list[str]]
    total: int

    @property
    def shown(self) -> list[list[str]]:
        """The first rows."""
        return self.rows[:PREVIEW_ROWS]


@dataclass(frozen=True)
class ColumnBar:
    """One bar: what it counts, how many rows, and where it is drawn (the drawing is 240 wide and 56 high)."""

    words: str
    count: int
    x: float
    width: float
    height: float


@dataclass(frozen=True)
class ColumnPicture:
    """One column of the owner's table: how it is coded, its synthetic values counted, what is certified of it."""

    name: str
    codes: tuple[ColumnView, ...]  # the published columns that are read from it
    bars: tuple[ColumnBar, ...]  # empty where the preview is not there
    missing: float | None  # share of the synthetic rows without a value
    certified: tuple[CertifiedView, ...]
    ends: tuple[str, str] = ("", "")  # the axis': least and greatest number, or first and last word

    @property
    def most(self) -> int:
        """Rows of the highest bar."""
        return max((bar.count for bar in self.bars), default=0)


def read_preview(store: Store, card: PreviewView | None) -> PreviewTable | None:
    """The preview's beginning; None where there is none or no store has it."""
    if card is None:
        return None
    try:
        length = min(card.bytes, PREVIEW_BYTES)
        data = store.read(card.cid, 0, length, limit=PREVIEW_BYTES)
    except DarkroomError:
        return None
    text = data.decode("utf-8", "replace")
    whole = text if length == card.bytes else text.rpartition("\n")[0]
    try:
        lines = list(csv.reader(io.StringIO(whole)))
    except csv.Error:
        return None
    return PreviewTable(lines[0], lines[1:], card.rows) if len(lines) > 1 else None


def pictures(
    columns: Sequence[ColumnView], preview: PreviewTable | None, certified: Sequence[CertifiedView]
) -> list[ColumnPicture]:
    """Every column of the owner's table that something is published of, in the codebook's order, at most 300."""
    sources: dict[str, list[ColumnView]] = {}
    for column in columns:
        sources.setdefault(column.source or column.name, []).append(column)
    found = []
    for name, codes in list(sources.items())[:SHOWN_COLUMNS]:
        values = _values(preview, name)
        here = [value for value in values if value]
        about = tuple(each for each in certified if _names(each.question, name))
        missing = 1 - len(here) / len(values) if values else None
        bars, ends = _bars(here)
        found.append(ColumnPicture(name, tuple(codes), tuple(bars), missing, about, ends))
    return found


def _values(preview: PreviewTable | None, name: str) -> list[str]:
    if preview is None or name not in preview.header:
        return []
    at = preview.header.index(name)
    return [row[at] for row in preview.rows if len(row) > at]


def _names(question: str, column: str) -> bool:
    """Whether a question in SQL is about a column."""
    quoted = '"' + column.replace('"', '""') + '"'
    return quoted in question or re.search(rf"(?<![\w\"]){re.escape(column)}(?![\w\"])", question) is not None


def _bars(values: Sequence[str]) -> tuple[list[ColumnBar], tuple[str, str]]:
    """Counts of equal steps of numbers, or of the commonest words; and what stands at the ends of the axis."""
    if not values:
        return [], ("", "")
    try:
        numbers = [float(value) for value in values]
    except ValueError:
        numbers = []
    if not numbers or not all(map(math.isfinite, numbers)):
        counts = _common(values)
        return _drawn(counts), (counts[0][0], counts[-1][0])
    low, high = min(numbers), max(numbers)
    distinct = sorted(set(numbers))
    if len(distinct) <= MOST_BARS:
        counted = Counter(numbers)
        counts = [(_told(number), counted[number]) for number in distinct]
    else:
        step = (high - low) / MOST_BARS
        places = Counter(min(int((number - low) / step), MOST_BARS - 1) for number in numbers)
        edges = [_told(low + step * at) for at in range(MOST_BARS + 1)]
        counts = [(f"{edges[at]} to {edges[at + 1]}", places[at]) for at in range(MOST_BARS)]
    return _drawn(counts), (_told(low), _told(high))


def _told(number: float) -> str:
    """Four digits of a number; more before the point, so that there is no power of ten where people write none."""
    return f"{number:,.0f}" if 1e4 <= abs(number) < 1e15 else f"{number:,.4g}"


def _common(words: Sequence[str]) -> list[tuple[str, int]]:
    """The commonest words, the rest together as the last one."""
    counted = Counter(words)
    most = counted.most_common(MOST_BARS if len(counted) <= MOST_BARS else MOST_BARS - 1)
    rest = len(words) - sum(count for _, count in most)
    return most + ([(f"{len(counted) - len(most)} others", rest)] if rest else [])


def _drawn(counts: Sequence[tuple[str, int]]) -> list[ColumnBar]:
    most = max(count for _, count in counts)
    wide = WIDE / len(counts)
    return [
        ColumnBar(words, count, round(at * wide + wide * 0.08, 1), round(wide * 0.84, 1), round(count / most * TALL, 1))
        for at, (words, count) in enumerate(counts)
    ]
