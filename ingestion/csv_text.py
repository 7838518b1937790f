"""What a CSV file is as text: its line ends and header, and where a row or a word is not what it should be.

polars reads the values; this module looks at the first lines before it does, and finds the line of a fault after it
refused. Messages name lines and columns, never values: the only words that they repeat are those of MISSING_WORDS.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.protocol.errors import BadTable, TooLarge

MAX_HEADER_BYTES = 1 << 20
SAMPLE_ROWS = 200
MISSING_WORDS = ("NA", "N/A", "n/a", "na", "#N/A", "NULL", "null", "None", "none", "missing", "unknown", "?", "-", ".")
NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$|^[+-]?(?i:nan|inf|infinity)$"
_OTHER_KINDS = {
    b"\x1f\x8b": ("compressed with gzip", "Unpack it: gunzip."),
    b"PK\x03\x04": ("a ZIP archive or a spreadsheet", "Unpack it, or export it as CSV."),
    b"\x28\xb5\x2f\xfd": ("compressed with zstd", "Unpack it: zstd -d."),
    b"BZh": ("compressed with bzip2", "Unpack it: bunzip2."),
    b"\xfd7zXZ": ("compressed with xz", "Unpack it: unxz."),
    b"PAR1": ("a Parquet file", "Name it .parquet."),
    b"ARROW1": ("an Arrow file", "Name it .arrow."),
}
_LOOSE = re.compile(r"^[+-]?\s*[$€£¥]?\s*[+-]?(\d[\d.,' ]*|\.\d+)([eE][+-]?\d+)?\s*[%€£¥]?$")
_DATE = re.compile(r"^\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([ T].*)?$|^\d{1,2}:\d{2}(:\d{2})?$")
_NEVER_NAMES = ("NA", "N/A", "n/a", "#N/A", "NULL", "null", "None")


@dataclass(frozen=True)
class Opening:
    """How a CSV file begins."""

    separator: str
    line_end: str  # "\n" or "\r"
    names: list[str]  # of the first line, without blanks around them
    rows: list[list[str]]  # some that follow
    header: bool = True  # whether the first line is no record


def opening(path: Path, separator: str, header: bool | None) -> Opening:
    """Look at a file's first lines; with `separator` "" the one that they all have is found, else it is a comma.

    Errors: BadTable for a file of another kind or encoding, or where the first line seems to be a record and `header`
    does not say what it is; TooLarge for a first line that is no header.
    """
    with path.open("rb") as file:
        head = file.read(MAX_HEADER_BYTES + 1)
    _check_kind(path, head)
    text = _decoded(path, head)
    whole = len(head) <= MAX_HEADER_BYTES
    line_end = "\r" if "\r" in text and "\n" not in text else "\n"
    if not whole and line_end not in text:
        raise TooLarge(
            f"The first line of {path.name} is over {MAX_HEADER_BYTES} bytes, so it is no header.",
            "Give a table whose first line names its columns.",
        )
    lines = text.splitlines()[:20] if whole else text.splitlines()[:20][:-1] or text.splitlines()[:1]
    separator = separator or _separator(path, lines)
    try:
        first, rows = _sample(text, separator, whole)
    except csv.Error:
        raise BadTable(
            f"The first line of {path.name} is not a CSV header in UTF-8.", "Save it as UTF-8, and close its quotes."
        ) from None
    names = [name.strip() for name in first]
    if header is None:
        check_header(path, names, rows)
    return Opening(separator, line_end, names, rows)


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


def check_records(path: Path, made: Opening, *, empty_rows: bool) -> None:
    """Read every row, with constant memory. Errors: BadTable for one that is short or blank, with its line.

    With `empty_rows`, blank ones are allowed.
    """
    width = len(made.names)
    for line, row in records(path, made):
        if not row and not empty_rows:
            raise BadTable(
                f"Line {line} of {path.name} is blank.",
                'Take blank lines out, or set empty_rows = "drop" under [table] of the recipe.',
            )
        if row and len(row) < width:
            raise BadTable(
                f"Line {line} of {path.name} has {len(row)} of {width} fields.",
                "Complete that line, or take it out if it is no record (a title or a total).",
            )
        if len(row) > width:
            raise BadTable(
                f"Line {line} of {path.name} has {len(row)} fields, more fields than the header, which has {width}.",
                "Check the separator and the quotes there.",
            )


def odd_word(path: Path, made: Opening, number: int, is_number: Callable[[str], bool]) -> tuple[int, str, str]:
    """Where column `number` (from 0) first holds no number: the line (0: nowhere), what stands there, how to mend it.

    What stands there is said in words that hold no value.
    """
    for line, row in records(path, made):
        cell = row[number] if number < len(row) else ""
        if cell and not is_number(cell):
            return line, *_described(cell)
    return 0, "text", "Check the quotes, or drop the column: list it under drop."


def records(path: Path, made: Opening) -> Iterator[tuple[int, list[str]]]:
    """Each record below the header with the number of its last line. Errors: BadTable."""
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        reader = csv.reader(file, delimiter=made.separator)
        try:
            if made.header:
                next(reader, None)
            for row in reader:
                yield reader.line_num, row
        except csv.Error:
            raise BadTable(
                f"Line {reader.line_num + 1} of {path.name} cannot be read as CSV.", "Check its quotes."
            ) from None


def _described(cell: str) -> tuple[str, str]:
    cell = cell.strip()
    if cell in MISSING_WORDS:
        return f'the word "{cell}"', f'Set missing_values = ["{cell}"] under [table] of the recipe if it means that.'
    if re.fullmatch(r"[+-]?\d+,\d+", cell):
        return "a number with a comma", (
            'Set decimal = "," under [table] of the recipe if that is the decimal comma, or write numbers plainly.'
        )
    if looks_like_number(cell):
        return "a number with other signs or blanks", "Write numbers plainly, or drop the column: list it under drop."
    return "text", (
        "Mend that line, list the word under missing_values under [table] of the recipe if it means that, or drop the"
        " column: list it under drop."
    )


def looks_like_number(cell: str) -> bool:
    """Whether a text is a number in some spelling, with signs of currency or percent too."""
    return bool(_LOOSE.match(cell.replace("\u2212", "-")) or re.match(NUMBER, cell))


def _is_value(cell: str) -> bool:
    cell = cell.strip()
    return looks_like_number(cell) or bool(_DATE.match(cell)) or cell in _NEVER_NAMES


def _check_kind(path: Path, head: bytes) -> None:
    for magic, (what, mend) in _OTHER_KINDS.items():
        if head.startswith(magic):
            raise BadTable(f"{path.name} is {what}, not CSV text.", mend)
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in head[:4096]:
        raise BadTable(
            f"{path.name} is not in UTF-8 but in UTF-16, or no text.", "Save it as UTF-8: iconv -f UTF-16 -t UTF-8."
        )


def _decoded(path: Path, head: bytes) -> str:
    try:
        return codecs.getincrementaldecoder("utf-8-sig")().decode(head, len(head) <= MAX_HEADER_BYTES)
    except UnicodeDecodeError as error:
        line = len(head[: error.start].splitlines()) or 1
        if line == 1:
            raise BadTable(
                f"The first line of {path.name} is not a CSV header in UTF-8.", "Save it as UTF-8."
            ) from None
        raise BadTable(f"{path.name} is not in UTF-8: see line {line}.", "Save it as UTF-8.") from None


def _separator(path: Path, lines: Sequence[str]) -> str:
    """A comma, or a tab in .tsv files; where the first line has none, the one that all lines have equally often."""
    usual = "\t" if path.suffix.lower() == ".tsv" else ","
    lines = [line for line in lines if line.strip()]
    if not lines or usual in lines[0]:
        return usual
    for other in ";\t|,":
        if lines[0].count(other) and len({line.count(other) for line in lines}) == 1:
            return other
    return usual


def _sample(text: str, separator: str, whole: bool) -> tuple[list[str], list[list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    first, rows = next(reader, []), []
    try:
        for row in reader:
            rows.append(row)
            if len(rows) > SAMPLE_ROWS:
                break
    except csv.Error:
        pass  # below the header polars says what is wrong; the last record may be cut in two
    return first, rows if whole or len(rows) > SAMPLE_ROWS else rows[:-1]
