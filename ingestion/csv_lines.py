"""The line of a CSV file where a row or a word is not what it should be, found after polars refused or filled it up."""

from __future__ import annotations

import csv
import itertools
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl

from app.protocol.errors import BadTable
from ingestion.csv_text import Opening
from ingestion.reading import Reading
from ingestion.spelling import described
from ingestion.text_files import TextFile

_TAIL_BYTES = 1 << 16


def check_records(file: TextFile, made: Opening, *, empty_rows: bool) -> None:
    """Read every row, with constant memory. Errors: BadTable for one that is short, long or blank, with its line.

    With `empty_rows`, blank ones are allowed.
    """
    width, name = len(made.names), file.path.name
    for line, row in records(file, made):
        if not row and not empty_rows:
            raise BadTable(
                f"Line {line} of {name} is blank.",
                'Take blank lines out, or set empty_rows = "drop" under [table] of the recipe.',
            )
        if row and len(row) < width:
            raise BadTable(
                f"Line {line} of {name} has {len(row)} of {width} fields.",
                "Complete that line, or take it out if it is no record (a title or a total).",
            )
        if len(row) > width:
            raise BadTable(
                f"Line {line} of {name} has {len(row)} fields, more fields than the header, which has {width}.",
                "Check the separator and the quotes there.",
            )


def lines_are_whole(file: TextFile, made: Opening) -> bool:
    """Whether every line has all fields, by counting separators outside quotes; False where that does not tell.

    Some hundred times quicker than `check_records`, which is asked where this says no.
    """
    if made.line_end != "\n" or not isinstance(file.source, Path):
        return False
    outside = pl.col("line").str.replace_all(r'"[^"]*"', "")
    wanted = (outside.str.count_matches(made.separator, literal=True) == len(made.names) - 1) & ~outside.str.contains(
        '"', literal=True
    )
    if len(made.names) == 1:
        wanted &= pl.col("line").str.strip_chars() != ""
    lines = pl.scan_lines(file.path, glob=False).slice(made.above).select(wanted.all())
    return bool(lines.collect(engine="streaming").item())


def odd_word(
    file: TextFile, made: Opening, number: int, fits: Callable[[str], bool], reading: Reading
) -> tuple[int, str, str]:
    """Where column `number` (from 0) first holds a word that does not fit: the line (0: nowhere), what stands there,
    in words that hold no value, and how to mend it.
    """
    for line, row in records(file, made):
        cell = row[number] if number < len(row) else ""
        if cell.strip() and not fits(cell):
            return line, *described(cell, reading)
    return 0, "text", "Check the quotes, or drop the column: list it under drop."


def records(file: TextFile, made: Opening) -> Iterator[tuple[int, list[str]]]:
    """Each record below the header with the number of its last line. Errors: BadTable."""
    reader = csv.reader(itertools.islice(file.lines(), made.above, None), delimiter=made.separator)
    try:
        for row in reader:
            yield made.above + reader.line_num, row
    except csv.Error:
        raise BadTable(
            f"Line {made.above + reader.line_num} of {file.path.name} cannot be read as CSV.",
            "Check its quotes; a field has at most 131,072 characters.",
        ) from None


def check_closed(file: TextFile, made: Opening) -> None:
    """Errors: BadTable with the line of a quote that does not close its field, or is followed by more."""
    reader = csv.reader(itertools.islice(file.lines(), made.above, None), delimiter=made.separator, strict=True)
    line = 0
    try:
        for _ in reader:
            line = reader.line_num
    except csv.Error:
        raise _bad_quote(file, made.above + line + 1) from None


def check_end(file: TextFile, made: Opening) -> None:
    """Errors: BadTable for a last field, at the very end of a file, whose quote stands inside it or does not close it:
    polars reads it without the quote. Every row is read only where all quotes' number and the last line do not tell.
    """
    tail = file.tail(_TAIL_BYTES)
    if not tail.endswith(b'"'):
        return
    last = tail.decode(errors="replace").rpartition(made.line_end)[2]
    apart = re.escape(made.separator)
    cell = rf'(?:"(?:[^"]|"")*"|[^"{apart}]*)'
    if file.count(b'"') % 2 == 0 and re.fullmatch(rf"{cell}(?:{apart}{cell}){{{len(made.names) - 1}}}", last):
        return
    check_closed(file, made)
    final = ""
    for _, row in records(file, made):
        final = row[-1] if row else ""
    quoted = final.replace('"', '""')
    if not tail.decode(errors="replace").endswith(f'"{quoted}"'):
        raise _bad_quote(file, sum(1 for _ in file.lines()))


def check_quotes(file: TextFile, made: Opening) -> None:
    """The same; also for a quote inside a field that has none around it. Errors: BadTable."""
    check_closed(file, made)
    apart = re.escape(made.separator)
    inside = re.compile(rf'(?:^|{apart})[^"{apart}]*[^"{apart}\s][^"{apart}]*"')
    for number, text in enumerate(itertools.islice(file.lines(), made.above, None), made.above + 1):
        if inside.search(re.sub(rf'(^|{apart})"(?:[^"]|"")*"(?={apart}|\s*$)', r"\1", text)):
            raise _bad_quote(file, number)


def _bad_quote(file: TextFile, line: int) -> BadTable:
    return BadTable(
        f"Line {line} of {file.path.name} has a quote that does not close its field, or stands inside one.",
        'Write a quote inside a field twice, and the field in quotes: "5"" pipe".',
    )
