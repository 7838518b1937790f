"""Tables on the owner's disk, read by polars' streaming engine in bounded memory: one file, or many.

Every number comes out as a 64-bit float, so that a column of whole numbers may hold 1.5 in its millionth row; a missing
value is null or NaN. Columns that are asked for as they are (categories, dates, text) come out as the file has
them. Messages name columns and rows, never values: the table is private.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from app.protocol.errors import BadTable
from ingestion import csv_lines, spelling
from ingestion.files import FORMATS, table_files
from ingestion.read_errors import OddWord, WordFault, typed_errors
from ingestion.reading import NUMBERS, Kind, Reading
from ingestion.source_file import SourceFile, open_file

__all__ = ["FORMATS", "Kind", "Reading", "SourceTable", "open_table", "texts"]


@dataclass(frozen=True)
class SourceTable:
    """A table that can be opened: its columns in order, and what kind of values each holds."""

    path: Path  # as it was given: a file, a pattern, a folder
    kinds: dict[str, Kind]
    sources: tuple[SourceFile, ...]
    reading: Reading = field(default_factory=Reading)
    schema: pl.Schema = field(default_factory=pl.Schema, repr=False)  # of the columns as they are
    held: dict[str, str] = field(default_factory=dict)  # what a column that is no number holds, in words

    def numeric(self) -> list[str]:
        """The columns that hold numbers or booleans."""
        return [name for name, kind in self.kinds.items() if kind in NUMBERS]

    def spelled(self, name: str) -> bool:
        """Whether a column of numbers is read from text."""
        return self.kinds[name] in NUMBERS and self.schema[name] == pl.String

    def scan(self, columns: Sequence[str], raw: Collection[str] = ()) -> pl.LazyFrame:
        """These columns as 64-bit floats, those in `raw` as the file has them.

        Errors: BadTable for a column that is not there, or is to be a number and is none.
        """
        return self.raw().select(
            pl.col(name) if name in raw and name in self.kinds else self._number(name) for name in columns
        )

    def raw(self) -> pl.LazyFrame:
        """All columns as the file has them: text, where it is text; null for words that mean missing."""
        frames = [
            source.frame.select(pl.col(name).cast(dtype) for name, dtype in self.schema.items())
            for source in self.sources
        ]
        frame = frames[0] if len(frames) == 1 else pl.concat(frames)
        return _known(frame, [name for name, dtype in self.schema.items() if dtype == pl.String], self.reading)

    def rows(self) -> int:
        """How many rows the table has. Errors: BadTable."""
        with self.errors():
            return int(self.raw().select(pl.len()).collect(engine="streaming").item())

    def batches(self, columns: Sequence[str], rows: int, raw: Collection[str] = ()) -> Iterator[pl.DataFrame]:
        """The rows in order, `rows` at a time (the last batch may be shorter), as `scan` has them. Errors: BadTable."""
        done = 0
        with self.errors():
            if (plain := self._plain(columns, raw)) is not None:
                try:
                    for frame in _batches(plain, rows):
                        yield frame
                        done += 1
                except pl.exceptions.ComputeError:
                    pass  # a number is spelled otherwise further down: from there on each word is looked at
                else:
                    return
            for number, frame in enumerate(_batches(self.scan(columns, raw), rows)):
                if number >= done:
                    yield frame

    def collected(
        self, build: Callable[[pl.LazyFrame], pl.LazyFrame], columns: Sequence[str], raw: Collection[str] = ()
    ) -> pl.DataFrame:
        """What is built of `scan`, collected by polars' streaming engine; numbers the quick way where that will do."""
        if (plain := self._plain(columns, raw)) is not None:
            try:
                return build(plain).collect(engine="streaming")
            except pl.exceptions.ComputeError:
                pass
        return build(self.scan(columns, raw)).collect(engine="streaming")

    def check_rows(self) -> None:
        """Errors: BadTable for a row of a CSV file that is blank or short: polars takes what it lacks for missing."""
        for source in self.sources:
            source.check_rows(self.reading)

    def odd(self, name: str) -> tuple[str, str]:
        """What is wrong with a column of numbers in which words stand, and how to mend it; the line is looked up."""
        kind = self.kinds.get(name)
        for source in self.sources:
            if source.text is None or source.opening is None or name not in source.opening.names:
                continue

            def fits(word: str) -> bool:
                test = spelling.is_truth if kind == "boolean" else spelling.is_number
                return test(word, self.reading)

            column = source.opening.names.index(name)
            line, what, mend = csv_lines.odd_word(source.text, source.opening, column, fits, self.reading)
            if line:
                told = f"Column {name!r} of {source.path.name} holds numbers, and at line {line} {what}"
                return f"{told}, which is none as it stands.", mend
        return f"Column {name!r} of {self.path.name} holds text.", "Drop the column: list it under drop."

    @contextmanager
    def errors(self, *, named: bool = False) -> Iterator[None]:
        """As `typed_errors`, with the line and what mends it, where a CSV file can tell them.

        With `named`, a word that is none of its column's kind is left a WordFault, which names the column.
        """
        try:
            with typed_errors(self.path):
                yield
        except WordFault as fault:
            if named:
                raise
            raise BadTable(*self.odd(fault.column)) from None
        except BadTable as fault:
            found = (source.located(fault) for source in self.sources)
            raise next((each for each in found if each is not fault), fault) from None

    def _plain(self, columns: Sequence[str], raw: Collection[str]) -> pl.LazyFrame | None:
        """As `scan`, with the numbers of a CSV file parsed by polars, which refuses any but the plain spelling.

        It takes half the time. None where polars would read something else, and for several files.
        """
        numbers = [name for name in columns if name not in raw and self.kinds.get(name) in ("integer", "real")]
        if len(self.sources) > 1 or self.sources[0].plain is None or not numbers:
            return None
        frame = _known(self.sources[0].plain(numbers), [name for name in columns if name not in numbers], self.reading)
        return frame.select(
            pl.col(name) if name in numbers or (name in raw and name in self.kinds) else self._number(name)
            for name in columns
        )

    def _number(self, name: str) -> pl.Expr:
        kind = self.kinds.get(name)
        if kind == "mixed":
            raise BadTable(*self.odd(name))
        if kind not in NUMBERS:
            raise BadTable(
                f"{self.path.name} has no numeric column {name!r}.", "See its columns: darkroom dataset profile."
            )
        if self.schema[name] != pl.String and not self.reading.missing_values:
            return pl.col(name).cast(pl.Float64)

        def read(words: pl.Series) -> pl.Series:
            found, whole = (spelling.truths if kind == "boolean" else spelling.numbers)(words, self.reading)
            if not whole:
                raise OddWord(name)
            return found

        return pl.col(name).map_batches(read, return_dtype=pl.Float64, is_elementwise=True)


def texts(
    path: Path | str, column: str, rows: int, reading: Reading | None = None, *, as_written: bool = False
) -> Iterator[list[str | None]]:
    """One column of a table as text, in order, `rows` rows at a time (the last part may be shorter); null is None.

    Whole numbers are spelled without zeros in front or behind a point, so that one key is one text in every kind of
    file; with `as_written` they keep them. Errors: BadTable, TooLarge.
    """
    table = open_table(path, reading)
    if column not in table.kinds:
        raise BadTable(f"{table.path.name} has no column {column!r}.", "See its columns: darkroom dataset profile.")
    spelled = pl.col(column).cast(pl.String).str.strip_chars()
    for pattern, kept in () if as_written else ((r"^([+-]?\d+)\.0*$", "${1}"), (r"^[+]?(-?)0+(\d)", "${1}${2}")):
        spelled = spelled.str.replace(pattern, kept)
    frame = table.raw().select(pl.when(spelled != "").then(spelled).alias(column))
    with table.errors():
        for part in _batches(frame, rows):
            yield part[column].to_list()


def open_table(path: Path | str, reading: Reading | None = None) -> SourceTable:
    """The table in a file, in all files of a pattern, or in a folder.

    Errors: BadTable, TooLarge; nothing but first lines and some rows is read, but NDJSON whole.
    """
    path, reading = Path(path), reading or Reading()
    sources = [open_file(file, reading) for file in table_files(path)]
    first = sources[0]
    for other in sources[1:]:
        apart = [name for name in (*first.schema, *other.schema) if (name in first.schema) != (name in other.schema)]
        if apart:
            has, lacks = (first, other) if apart[0] in first.schema else (other, first)
            raise BadTable(
                f"{has.path.name} has a column {apart[0]!r}, and {lacks.path.name} has none.",
                "Give files of the same columns.",
            )
    schema = pl.Schema({name: _common([each.schema[name] for each in sources]) for name in first.schema})
    kinds = {name: _merged([each.kinds[name] for each in sources], schema[name]) for name in schema}
    held = {
        name: next((each.held[name] for each in sources if name in each.held), "different things")
        for name, kind in kinds.items()
        if kind not in (*NUMBERS, "mixed")
    }
    return SourceTable(path, kinds, tuple(sources), reading, schema, held)


def _common(types: list[pl.DataType]) -> pl.DataType:
    """One type for a column of several files: the same, a float for numbers, else text."""
    if len(set(types)) == 1:
        return types[0]
    if all(dtype.is_numeric() or dtype == pl.Boolean for dtype in types):
        return pl.Float64()
    return pl.String()


def _merged(kinds: list[Kind], dtype: pl.DataType) -> Kind:
    """One kind for a column of several files; where numbers and words meet, it is mixed."""
    found = set(kinds)
    if len(found) > 1:
        found -= {"other"}  # nothing, in some files
    if len(found) == 1:
        return found.pop()
    if found <= NUMBERS:
        return "mixed" if "boolean" in found and dtype == pl.String else "real"
    if found <= {"date", "datetime"}:
        return "datetime"
    return "mixed" if found & (NUMBERS | {"mixed"}) else "text"


def _known(frame: pl.LazyFrame, words: Sequence[str], reading: Reading) -> pl.LazyFrame:
    """The frame with these columns of text null where a word means missing."""
    if not reading.missing_values or not words:
        return frame
    missing = list(reading.missing_values)
    return frame.with_columns(
        pl.when(~pl.col(name).str.strip_chars().is_in(missing)).then(pl.col(name)).alias(name) for name in words
    )


def _batches(frame: pl.LazyFrame, rows: int) -> Iterator[pl.DataFrame]:
    held: list[pl.DataFrame] = []
    count = 0
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
