"""What a CSV file is as text: its separator, line ends and header, looked at before polars reads the values.

Messages name lines and columns, never values.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from app.protocol.errors import BadTable, TooLarge
from ingestion.reading import Reading
from ingestion.spelling import looks_like_number
from ingestion.text_files import TextFile

MAX_HEADER_BYTES = 1 << 20
SAMPLE_ROWS = 200
_OTHER_KINDS = {
    b"PK\x03\x04": ("a ZIP archive or a spreadsheet", "Unpack it, or export it as CSV."),
    b"\xd0\xcf\x11\xe0": ("a spreadsheet of old", "Export it as CSV."),
    b"%PDF": ("a PDF", "Export the table as CSV."),
    b"SQLite format 3": ("a database", "Export its table as CSV."),
    b"PAR1": ("a Parquet file", "Unpack it, and name it .parquet."),
    b"ARROW1": ("an Arrow file", "Unpack it, and name it .arrow."),
}
_DATE = re.compile(r"^\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([ T].*)?$|^\d{1,2}:\d{2}(:\d{2})?$")
_NEVER_NAMES = ("NA", "N/A", "n/a", "#N/A", "NULL", "null", "None")


@dataclass(frozen=True)
class Opening:
    """How a CSV file begins."""

    separator: str
    line_end: str  # "\n" or "\r"
    names: list[str]  # of the first line, without blanks around them
    rows: list[list[str]]  # some that follow
    fields: int = 0  # of the first line
    above: int = 0  # lines above the first record: titles, and the header where there is one


def opening(file: TextFile, reading: Reading) -> Opening:
    """Look at a file's first lines; without a `separator` the one that they all have is found, else it is a comma.

    Errors: BadTable for a file of another kind or encoding, or where the first line seems to be a record and `header`
    does not say what it is; TooLarge for a first line that is no header.
    """
    path = file.path
    head = file.head(MAX_HEADER_BYTES + 1)
    check_kind(path, head)
    text = _decoded(file, head)
    whole = len(head) <= MAX_HEADER_BYTES
    line_end = "\r" if "\r" in text and "\n" not in text else "\n"
    for _ in range(reading.skip_lines):
        text = text.partition(line_end)[2]
    if not whole and line_end not in text:
        raise TooLarge(
            f"The first line of {path.name} is over {MAX_HEADER_BYTES} bytes, so it is no header.",
            "Give a table whose first line names its columns.",
        )
    lines = text.splitlines()[:20] if whole else text.splitlines()[:20][:-1] or text.splitlines()[:1]
    separator = reading.separator or _separator(path, lines)
    try:
        first, rows, height = _sample(text, separator, whole)
    except csv.Error:
        raise BadTable(
            f"The first line of {path.name} is not a CSV header in UTF-8.", "Save it as UTF-8, and close its quotes."
        ) from None
    names = [name.strip() for name in first]
    above = reading.skip_lines + (0 if reading.header is False else height)
    made = Opening(separator, line_end, names, rows, len(first), above)
    if not reading.skip_lines:
        _check_title(path, made)
    if reading.header is None:
        check_header(path, names, rows)
    return replace(made, names=list(reading.names) or names)


def check_header(path: Path, names: Sequence[str], rows: Sequence[Sequence[str]] = ()) -> None:
    """Errors: BadTable if names look like values of the rows, which publishing would put before everybody."""
    values = [n for n, name in enumerate(names) if _is_value(name)]
    if not values and rows and not any(_is_value(cell) for row in rows for cell in row):  # no column tells them apart
        below = [{row[n].strip() for row in rows if n < len(row)} for n in range(len(names))]
        values = [n for n, name in enumerate(names) if name and name in below[n]]
    if values:
        raise BadTable(
            f"The first line of {path.name} seems to be a record, not the names of columns: column {values[0] + 1} has"
            " a value there. Column names are published.",
            'Set header = false and names = ["...", ...] under [table] of the recipe (dataset recipe --no-header'
            " --names), or header = true if these are its names.",
        )


def check_kind(path: Path, head: bytes) -> None:
    """Errors: BadTable for a file that is not text, by its first bytes."""
    for magic, (what, mend) in _OTHER_KINDS.items():
        if head.startswith(magic):
            raise BadTable(f"{path.name} is {what}, not text.", mend)
    if b"\0" in head[:4096]:
        raise BadTable(
            f"{path.name} is not in UTF-8 but in UTF-16 without its mark, or no text.",
            'Set encoding = "utf-16-le" under [table] of the recipe if it is that, or save it as UTF-8.',
        )


def _check_title(path: Path, made: Opening) -> None:
    """Errors: BadTable for lines above the header, which have one field where those below have more."""
    widths = [len(row) for row in made.rows]
    if len(made.names) != 1 or not widths or max(widths) < 2:
        return
    above = next(n for n, width in enumerate(widths) if width > 1) + 1
    if len({width for width in widths[above - 1 :] if width}) == 1:
        raise BadTable(
            f"The first line of {path.name} has one field and line {above + 1} has {widths[above - 1]}, as if a title"
            " stood above the header.",
            f"Set skip_lines = {above} under [table] of the recipe, or take these lines out.",
        )


def _is_value(cell: str) -> bool:
    cell = cell.strip()
    return looks_like_number(cell) or bool(_DATE.match(cell)) or cell in _NEVER_NAMES


def _decoded(file: TextFile, head: bytes) -> str:
    try:
        return codecs.getincrementaldecoder("utf-8-sig")().decode(head, len(head) <= MAX_HEADER_BYTES)
    except UnicodeDecodeError as error:
        raise not_utf8(file.path, len(head[: error.start + 1].splitlines()) or 1) from None


def not_utf8(path: Path, line: int) -> BadTable:
    """The refusal of a file that is in another encoding; `line` 0 where it is not known."""
    where = f": see line {line}" if line else ""
    what = (
        f"The first line of {path.name} is not a CSV header in UTF-8" if line == 1 else f"{path.name} is not in UTF-8"
    )
    return BadTable(
        f"{what}{'' if line == 1 else where}.",
        'Set encoding = "cp1252" (Western Windows; others: docs/recipe.md) under [table] of the recipe, or save it as'
        " UTF-8.",
    )


def _separator(path: Path, lines: Sequence[str]) -> str:
    """A comma, or a tab in .tsv files; where the first line has none, the one that all lines have equally often."""
    usual = "\t" if ".tsv" in (suffix.lower() for suffix in path.suffixes) else ","
    lines = [line for line in lines if line.strip()]
    if not lines or usual in lines[0]:
        return usual
    for other in ";\t|,":
        if lines[0].count(other) and len({line.count(other) for line in lines}) == 1:
            return other
    return usual


def _sample(text: str, separator: str, whole: bool) -> tuple[list[str], list[list[str]], int]:
    """The first record, some that follow, and how many lines the first one takes."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    first, rows = next(reader, []), []
    height = reader.line_num
    try:
        for row in reader:
            rows.append(row)
            if len(rows) > SAMPLE_ROWS:
                break
    except csv.Error:
        pass  # below the header polars says what is wrong; the last record may be cut in two
    return first, rows if whole or len(rows) > SAMPLE_ROWS else rows[:-1], height
