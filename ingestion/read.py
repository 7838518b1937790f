"""Tables on the owner's disk (CSV, Parquet, Arrow), read by polars' streaming engine in bounded memory.

Every number comes out as a 64-bit float, so that a column of whole numbers may hold 1.5 in its millionth row; a missing
value is null or NaN. Messages name columns and rows, never values: the table is private.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import polars as pl

from app.protocol.data.dataset import MAX_COLUMNS
from app.protocol.errors import BadTable, TooLarge

MAX_HEADER_BYTES = 1 << 20
MAX_NAME_LENGTH = 200
INFERENCE_ROWS = 10_000
FORMATS = {
    ".csv": "csv",
    ".tsv": "csv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".arrow": "arrow",
    ".feather": "arrow",
    ".ipc": "arrow",
}

Kind = Literal["integer", "real", "boolean", "other"]


@dataclass(frozen=True)
class Reading:
    """How the text of a CSV file is meant. `separator` "" means a tab in .tsv files and a comma elsewhere."""

    separator: str = ""
    missing_values: tuple[str, ...] = ()  # words that mean "missing", besides an empty field


@dataclass(frozen=True)
class SourceTable:
    """A table that can be opened: its columns in order, and what kind of values each holds."""

    path: Path
    kinds: dict[str, Kind]
    _frame: pl.LazyFrame = field(repr=False)

    def numeric(self) -> list[str]:
        """The columns that hold numbers or booleans."""
        return [name for name, kind in self.kinds.items() if kind != "other"]

    def scan(self, columns: Sequence[str]) -> pl.LazyFrame:
        """These columns as 64-bit floats. Errors: BadTable for a column that is not there or not numeric."""
        for name in columns:
            if self.kinds.get(name, "other") == "other":
                raise BadTable(
                    f"{self.path.name} has no numeric column {name!r}.", "See its columns: darkroom dataset profile."
                )
        return self._frame.select(pl.col(name).cast(pl.Float64) for name in columns)

    def raw(self) -> pl.LazyFrame:
        """All columns as the file has them."""
        return self._frame

    def rows(self) -> int:
        """How many rows the table has. Errors: BadTable."""
        with typed_errors(self.path):
            return int(self._frame.select(pl.len()).collect(engine="streaming").item())

    def batches(self, columns: Sequence[str], rows: int) -> Iterator[pl.DataFrame]:
        """The rows in order, `rows` at a time (the last batch may be shorter), as 64-bit floats. Errors: BadTable."""
        return _batches(self.path, self.scan(columns), rows)


def texts(path: Path | str, column: str, rows: int, reading: Reading | None = None) -> Iterator[list[str | None]]:
    """One column of a table as text, in order, `rows` rows at a time (the last part may be shorter); null is None.

    Whole numbers are spelled without zeros in front or behind a point, so that one key is one text in every kind of
    file. Errors: BadTable, TooLarge.
    """
    table = open_table(path, reading, text=column)
    if column not in table.kinds:
        raise BadTable(f"{table.path.name} has no column {column!r}.", "See its columns: darkroom dataset profile.")
    spelled = pl.col(column).cast(pl.String).str.strip_chars()
    for pattern, kept in ((r"^([+-]?\d+)\.0*$", "${1}"), (r"^[+]?(-?)0+(\d)", "${1}${2}")):
        spelled = spelled.str.replace(pattern, kept)
    frame = table.raw().select(pl.when(spelled != "").then(spelled).alias(column))
    for part in _batches(table.path, frame, rows):
        yield part[column].to_list()


def _batches(path: Path, frame: pl.LazyFrame, rows: int) -> Iterator[pl.DataFrame]:
    held: list[pl.DataFrame] = []
    count = 0
    with typed_errors(path):
        for part in frame.collect_batches(chunk_size=rows, maintain_order=True, engine="streaming"):
            held.append(part)
            count += part.height
            if count < rows:
                continue
            whole = pl.concat(held)
            for start in range(0, count - count % rows, rows):
                yield whole.slice(start, rows)
            held, count = [whole.slice(count - count % rows)], count % rows
        if count:
            yield pl.concat(held)


def open_table(path: Path | str, reading: Reading | None = None, *, text: str = "") -> SourceTable:
    """The table in a file, by its suffix; the column `text` of a CSV file is not read as numbers.

    Errors: BadTable, TooLarge; nothing but the header and some rows is read.
    """
    path, reading = Path(path), reading or Reading()
    kind = FORMATS.get(path.suffix.lower())
    if kind is None:
        raise BadTable(
            f"{path.name} is not a kind of table that can be read.", f"Give a file of one of {', '.join(FORMATS)}."
        )
    if not path.is_file():
        raise BadTable(f"There is no file {path}.", "Check the path.")
    with typed_errors(path):
        if kind == "csv":
            frame, schema = _scan_csv(path, reading, text)
        else:
            frame = pl.scan_parquet(path, glob=False) if kind == "parquet" else pl.scan_ipc(path, glob=False)
            schema = frame.collect_schema()
    _check_names(path, schema.names())
    return SourceTable(path, {name: _kind(dtype) for name, dtype in schema.items()}, frame)


@contextmanager
def typed_errors(path: Path) -> Iterator[None]:
    """Turns what polars and the system say of an unreadable file into BadTable, without any value from the file."""
    try:
        yield
    except pl.exceptions.PolarsError as error:
        raise BadTable(*_in_words(path, str(error))) from None
    except pl.exceptions.PanicException:
        raise BadTable(f"{path.name} is damaged.", "Write the file again from its source.") from None
    except OSError as error:
        raise BadTable(
            f"{path.name} cannot be read: {error.strerror or 'it is damaged or of another kind'}.",
            "Check its permissions, or write it again from its source.",
        ) from None


def _scan_csv(path: Path, reading: Reading, text: str) -> tuple[pl.LazyFrame, pl.Schema]:
    separator = reading.separator or ("\t" if path.suffix.lower() == ".tsv" else ",")
    _check_header(path, separator)
    missing = list(reading.missing_values) or None

    def scan(overrides: dict[str, pl.DataType] | None) -> pl.LazyFrame:
        return pl.scan_csv(
            path,
            glob=False,
            separator=separator,
            null_values=missing,
            infer_schema_length=INFERENCE_ROWS,
            schema_overrides=overrides,
        )

    inferred = scan(None).collect_schema()
    # A column of whole numbers so far may still hold a fraction further down.
    whole: dict[str, pl.DataType] = {name: pl.Float64() for name, dtype in inferred.items() if dtype.is_integer()}
    if text in inferred:
        whole[text] = pl.String()
    return scan(whole or None), inferred


def _check_header(path: Path, separator: str) -> None:
    with path.open("rb") as file:
        head = file.read(MAX_HEADER_BYTES + 1)
    line, end, _ = head.partition(b"\n")
    if not end and len(head) > MAX_HEADER_BYTES:
        raise TooLarge(
            f"The first line of {path.name} is over {MAX_HEADER_BYTES} bytes, so it is no header.",
            "Give a table whose first line names its columns.",
        )
    try:
        names = next(csv.reader([line.decode("utf-8-sig").rstrip("\r")], delimiter=separator, strict=True), [])
    except (UnicodeDecodeError, csv.Error):
        raise BadTable(f"The first line of {path.name} is not a CSV header in UTF-8.", "Save it as UTF-8.") from None
    _check_names(path, names)


def _check_names(path: Path, names: list[str]) -> None:
    if not names:
        raise BadTable(f"{path.name} has no columns.", "Give a table with a header and rows.")
    if len(names) > MAX_COLUMNS:
        raise TooLarge(
            f"{path.name} has {len(names)} columns, over the limit of {MAX_COLUMNS}.", "Publish it in several tables."
        )
    for name in names:
        if not 1 <= len(name) <= MAX_NAME_LENGTH or not name.isprintable():
            raise BadTable(
                f"A column of {path.name} has no name, or one that cannot be printed.",
                f"Give each column a name of 1 to {MAX_NAME_LENGTH} printable characters in the first line.",
            )
    twice = next((name for name in names if names.count(name) > 1), None) if len(set(names)) < len(names) else None
    if twice is not None:
        raise BadTable(f"{path.name} has two columns called {twice!r}.", "Rename one of them.")


def _kind(dtype: pl.DataType) -> Kind:
    if dtype.is_integer():
        return "integer"
    if dtype == pl.Boolean:
        return "boolean"
    return "real" if dtype.is_float() or dtype.is_decimal() else "other"


def _in_words(path: Path, message: str) -> tuple[str, str]:
    column = re.search(r"at column '(.{1,200}?)' \(column number", message)
    if column and "could not parse" in message:
        return (
            f"Column {column[1]!r} of {path.name} holds text that is not a number, below rows that hold numbers.",
            "Drop the column in the recipe, or list the word under missing_values if it means that.",
        )
    if FORMATS[path.suffix.lower()] != "csv":
        return f"{path.name} is damaged, or not what its suffix says.", "Write the file again from its source."
    if "more fields" in message:
        return f"A row of {path.name} has more fields than the header.", "Check the separator and the quotes."
    if "empty" in message.lower():
        return f"{path.name} is empty.", "Give a table with a header and rows."
    if "utf" in message.lower():
        return f"{path.name} is not in UTF-8.", "Save it as UTF-8."
    return f"{path.name} cannot be read as CSV.", "Check its separator, its quotes and the words for missing values."
