"""Tables on the owner's disk (CSV, Parquet, Arrow), read by polars' streaming engine in bounded memory.

Every number comes out as a 64-bit float, so that a column of whole numbers may hold 1.5 in its millionth row; a missing
value is null or NaN. Messages name columns and rows, never values: the table is private.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import polars as pl

from app.protocol.data.dataset import MAX_COLUMNS
from app.protocol.errors import BadTable, TooLarge
from ingestion import csv_text
from ingestion.csv_text import NUMBER, Opening
from ingestion.read_errors import NotANumber, TooManyFields, typed_errors

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

Kind = Literal["integer", "real", "boolean", "mixed", "other"]  # mixed: about half numbers or more, and words


@dataclass(frozen=True)
class Reading:
    """How a file is meant; all but `header` and `names` are about CSV text.

    `separator` "" means what the lines agree on: a comma (a tab in .tsv files), or a semicolon, tab or bar.
    """

    separator: str = ""
    missing_values: tuple[str, ...] = ()  # words that mean "missing", besides an empty field
    header: bool | None = None  # whether the first line names the columns; None: yes, unless it looks like a record
    names: tuple[str, ...] = ()  # of all columns, instead of the first line's
    decimal: Literal[".", ","] = "."
    empty_rows: Literal["refuse", "drop"] = "refuse"  # blank lines, and rows without any value


@dataclass(frozen=True)
class SourceTable:
    """A table that can be opened: its columns in order, and what kind of values each holds."""

    path: Path
    kinds: dict[str, Kind]
    _frame: pl.LazyFrame = field(repr=False)
    reading: Reading = Reading()
    spelled: frozenset[str] = frozenset()  # columns of numbers that are read as text
    opening: Opening | None = None  # of a CSV file
    _ends: pl.LazyFrame | None = field(default=None, repr=False)  # its last column as text, which a short row lacks
    held: dict[str, str] = field(default_factory=dict)  # what a column that is not numeric holds, in words

    def numeric(self) -> list[str]:
        """The columns that hold numbers or booleans."""
        return [name for name, kind in self.kinds.items() if kind not in ("other", "mixed")]

    def scan(self, columns: Sequence[str], raw: Collection[str] = ()) -> pl.LazyFrame:
        """These columns as 64-bit floats, those in `raw` as the file has them.

        Errors: BadTable for a column that is not there, or is to be a number and is none.
        """
        for name in columns:
            if name in raw and name in self.kinds:
                continue
            kind = self.kinds.get(name, "other")
            if kind == "mixed":
                raise BadTable(*self.odd(name))
            if kind == "other":
                raise BadTable(
                    f"{self.path.name} has no numeric column {name!r}.", "See its columns: darkroom dataset profile."
                )
        return self._frame.select(
            pl.col(name)
            if name in raw
            else (self._number(name) if name in self.spelled else pl.col(name)).cast(pl.Float64)
            for name in columns
        )

    def raw(self) -> pl.LazyFrame:
        """All columns as the file has them."""
        return self._frame

    def rows(self) -> int:
        """How many rows the table has. Errors: BadTable."""
        with self.errors():
            return int(self._frame.select(pl.len()).collect(engine="streaming").item())

    def batches(self, columns: Sequence[str], rows: int, raw: Collection[str] = ()) -> Iterator[pl.DataFrame]:
        """The rows in order, `rows` at a time (the last batch may be shorter), as `scan` has them. Errors: BadTable."""
        with self.errors():
            yield from _batches(self.path, self.scan(columns, raw), rows)

    def check_rows(self) -> None:
        """Errors: BadTable for a row of a CSV file that is blank or short: polars takes what it lacks for missing."""
        if self.opening is None or self._ends is None:
            return
        with self.errors():
            lacks = self._ends.select(pl.all().is_null().any()).collect(engine="streaming").item()
        if lacks:
            csv_text.check_records(self.path, self.opening, empty_rows=self.reading.empty_rows == "drop")

    def odd(self, name: str) -> tuple[str, str]:
        """What is wrong with a column of numbers in which words stand, and how to mend it; the line is looked up."""
        if self.opening is None or name not in self.opening.names:
            return f"Column {name!r} of {self.path.name} holds text.", "Drop the column: list it under drop."

        as_text = name in self.spelled or self.kinds.get(name) == "mixed"  # else polars reads it, and takes no blanks

        def fits(cell: str) -> bool:
            plain = _plain_text(cell, self.reading) if as_text else cell
            return not plain or cell.strip() in self.reading.missing_values or bool(re.match(NUMBER, plain))

        line, what, mend = csv_text.odd_word(self.path, self.opening, self.opening.names.index(name), fits)
        where = f" at line {line}" if line else ""
        return (
            f"Column {name!r} of {self.path.name} holds numbers, and{where} {what}, which is none as it stands.",
            mend,
        )

    @contextmanager
    def errors(self) -> Iterator[None]:
        """As `typed_errors`, with the line and what mends it, where a CSV file can tell them."""
        try:
            with typed_errors(self.path):
                yield
        except NotANumber as fault:
            if self.opening is None:
                raise
            name = fault.column or next((each for each in self.spelled if self._fails(each)), "")
            raise BadTable(*self.odd(name)) from None
        except TooManyFields:
            if self.opening is not None:
                csv_text.check_records(self.path, self.opening, empty_rows=True)
            raise

    def _number(self, name: str) -> pl.Expr:
        return _plain(pl.col(name), self.reading)

    def _fails(self, name: str) -> bool:
        odd = self._number(name).cast(pl.Float64, strict=False).is_null() & self._number(name).is_not_null()
        return bool(self._frame.select(odd.any()).collect(engine="streaming").item())


def texts(path: Path | str, column: str, rows: int, reading: Reading | None = None) -> Iterator[list[str | None]]:
    """One column of a table as text, in order, `rows` rows at a time (the last part may be shorter); null is None.

    Whole numbers are spelled without zeros in front or behind a point, so that one key is one text in every kind of
    file. Errors: BadTable, TooLarge.
    """
    table = open_table(path, reading, text=(column,))
    if column not in table.kinds:
        raise BadTable(f"{table.path.name} has no column {column!r}.", "See its columns: darkroom dataset profile.")
    spelled = pl.col(column).cast(pl.String).str.strip_chars()
    for pattern, kept in ((r"^([+-]?\d+)\.0*$", "${1}"), (r"^[+]?(-?)0+(\d)", "${1}${2}")):
        spelled = spelled.str.replace(pattern, kept)
    frame = table.raw().select(pl.when(spelled != "").then(spelled).alias(column))
    with table.errors():
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


def open_table(path: Path | str, reading: Reading | None = None, *, text: Collection[str] = ()) -> SourceTable:
    """The table in a file, by its suffix; the columns in `text` of a CSV file are not read as numbers.

    Errors: BadTable, TooLarge; nothing but the first lines and some rows is read.
    """
    path, reading = Path(path), reading or Reading()
    kind = FORMATS.get(path.suffix.lower())
    if kind is None:
        raise BadTable(
            f"{path.name} is not a kind of table that can be read.", f"Give a file of one of {', '.join(FORMATS)}."
        )
    if not path.is_file():
        raise BadTable(f"There is no file {path}.", "Check the path.")
    if kind == "csv":
        return _open_csv(path, reading, text)
    with typed_errors(path):
        _check_magic(path, kind)
        frame = pl.scan_parquet(path, glob=False) if kind == "parquet" else pl.scan_ipc(path, glob=False)
        schema = frame.collect_schema()
    positions = [str(number) for number in range(len(schema))]  # what a data frame without names writes
    if reading.header is None and not reading.names and schema.names() != positions:
        csv_text.check_header(path, schema.names())
    if reading.names:
        _check_count(path, reading.names, len(schema))
        frame = frame.rename(dict(zip(schema.names(), reading.names, strict=True)))
        schema = pl.Schema(zip(reading.names, schema.values(), strict=True))
    _check_names(path, schema.names())
    if reading.empty_rows == "drop":
        frame = frame.filter(~pl.all_horizontal(pl.all().is_null()))
    kinds = {name: _kind(dtype) for name, dtype in schema.items()}
    held = {name: _held(dtype) for name, dtype in schema.items() if kinds[name] == "other"}
    return SourceTable(path, kinds, frame, reading, held=held)


def _open_csv(path: Path, reading: Reading, text: Collection[str]) -> SourceTable:
    with typed_errors(path):
        made = csv_text.opening(path, reading.separator, reading.header)
    if reading.names:
        _check_count(path, reading.names, len(made.names))
    elif reading.header is False:
        raise BadTable(
            f"{path.name} has no header, so its {len(made.names)} columns have no names.",
            'Give names = ["...", ...] under [table] of the recipe (dataset recipe --names).',
        )
    made = Opening(
        made.separator, made.line_end, list(reading.names) or made.names, made.rows, reading.header is not False
    )
    _check_names(path, made.names)

    def scan(types: dict[str, pl.DataType] | None) -> pl.LazyFrame:
        return pl.scan_csv(
            path,
            glob=False,
            has_header=False,
            skip_rows=1 if made.header else 0,
            new_columns=made.names,
            separator=made.separator,
            eol_char=made.line_end,
            null_values=list(reading.missing_values) or None,
            infer_schema_length=INFERENCE_ROWS,
            schema_overrides=types,
            raise_if_empty=False,
        )

    table = SourceTable(path, {}, pl.LazyFrame(), reading, opening=made)
    with table.errors():
        inferred = scan(None).collect_schema()
        if not len(inferred):
            raise BadTable(f"{path.name} has no rows.", "Give a table with a header and rows.")
        # A column of whole numbers so far may still hold a fraction further down.
        types: dict[str, pl.DataType] = {name: pl.Float64() for name, dtype in inferred.items() if dtype.is_integer()}
        as_text = reading.decimal == "," or reading.empty_rows == "drop"  # the latter looks at dropped columns too
        if as_text:
            types = {name: pl.String() for name, dtype in inferred.items() if dtype != pl.Boolean}
        types |= {name: pl.String() for name in inferred if name in text}
        frame = scan(types or None)
        kinds = {name: _kind(types.get(name, dtype) if as_text else dtype) for name, dtype in inferred.items()}
        words = [name for name, kind in kinds.items() if kind == "other"]
        kinds |= _spelled_kinds(frame, words, reading)
    if reading.empty_rows == "drop":
        frame = frame.filter(~pl.all_horizontal(pl.all().is_null()))
    spelled = frozenset(name for name in words if kinds[name] == "real")
    held = {name: "text" for name in words if kinds[name] == "other"}
    last = made.names[-1]
    ends = scan(types | {last: pl.String()}).select(last)
    return SourceTable(path, kinds, frame, reading, spelled, made, ends, held)


def _spelled_kinds(frame: pl.LazyFrame, names: Sequence[str], reading: Reading) -> dict[str, Kind]:
    """What columns of text hold by their first rows: numbers with blanks or signs of their own, mostly such, or words.

    Where under half of the words are numbers in any spelling, a column is text.
    """
    head = frame.select(names).head(INFERENCE_ROWS).collect() if names else pl.DataFrame()
    kinds: dict[str, Kind] = {}
    for name in names:
        words = head.lazy().select(_plain(pl.col(name), reading)).collect()[name].drop_nulls()
        plain = words.str.contains(NUMBER)
        odd = words.filter(~plain).to_list()
        if reading.decimal == ",":  # a number with a point is none here, but looks like one
            odd = [word.replace(".", ",").replace("?", ".") for word in odd]
        like = len(words) - len(odd) + sum(csv_text.looks_like_number(word) for word in odd)
        known = sum(word in csv_text.MISSING_WORDS for word in odd)
        if len(words) and not odd:
            kinds[name] = "real"
        elif like and 2 * like >= len(words) - known:
            kinds[name] = "mixed"
        else:
            kinds[name] = "other"
    return kinds


def _plain(column: pl.Expr, reading: Reading) -> pl.Expr:
    """Text as `_plain_text` makes it; null where nothing is left or the word means missing."""
    text = column.cast(pl.String).str.strip_chars().str.replace("\u2212", "-", literal=True)
    if reading.decimal == ",":
        text = text.str.replace(".", "?", literal=True).str.replace(",", ".", literal=True)
    if reading.missing_values:
        text = pl.when(~column.cast(pl.String).str.strip_chars().is_in(list(reading.missing_values))).then(text)
    return pl.when(text != "").then(text)


def _plain_text(cell: str, reading: Reading) -> str:
    """A number as Python spells it: without blanks around, with a hyphen for a minus, a point for a decimal comma.

    Where the comma is decimal a point is none: what it would group is not guessed.
    """
    cell = cell.strip().replace("\u2212", "-", 1)
    return cell.replace(".", "?", 1).replace(",", ".", 1) if reading.decimal == "," else cell


def _check_magic(path: Path, kind: str) -> None:
    with path.open("rb") as file:
        start = file.read(8)
    if kind == "arrow" and start[:4] == b"\xff\xff\xff\xff":
        raise BadTable(
            f"{path.name} is an Arrow stream, not an Arrow file.", "Write it as an Arrow file (IPC) or as Parquet."
        )


def _check_count(path: Path, names: Sequence[str], columns: int) -> None:
    if len(names) != columns:
        raise BadTable(
            f"The recipe gives {len(names)} names, and {path.name} has {columns} columns.",
            "Correct names under [table]: one for each column, also for those that are dropped.",
        )


def _check_names(path: Path, names: Sequence[str]) -> None:
    if not any(names):
        raise BadTable(f"{path.name} has no columns.", "Give a table with a header and rows.")
    if len(names) > MAX_COLUMNS:
        raise TooLarge(
            f"{path.name} has {len(names)} columns, over the limit of {MAX_COLUMNS}.", "Publish it in several tables."
        )
    mend = 'Rename it in the file, or name all columns: names = ["...", ...] under [table] of the recipe.'
    for number, name in enumerate(names, 1):
        if not 1 <= len(name) <= MAX_NAME_LENGTH or not name.isprintable():
            raise BadTable(
                f"Column {number} of {path.name} has no name, or one of over {MAX_NAME_LENGTH} characters, or one that"
                " cannot be printed.",
                mend,
            )
    twice = next((name for name, count in Counter(names).items() if count > 1), None)
    if twice is not None:
        first = names.index(twice)
        second = names.index(twice, first + 1)
        raise BadTable(f"Columns {first + 1} and {second + 1} of {path.name} have the same name.", mend)


def _kind(dtype: pl.DataType) -> Kind:
    if dtype.is_integer():
        return "integer"
    if dtype == pl.Boolean:
        return "boolean"
    return "real" if dtype.is_float() or dtype.is_decimal() else "other"


def _held(dtype: pl.DataType) -> str:
    """What a column of a type that has no code holds, in words."""
    if dtype.is_temporal():
        return "dates or times"
    if dtype.is_nested():
        return "lists or records"
    return "categories" if dtype in (pl.Categorical, pl.Enum) else "text"
