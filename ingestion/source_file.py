"""One file of a table: its columns as it has them, and what each holds.

Text files give every column as text, the others their own types. Records in columns (structs) become columns of their
fields, named with a point: address.city.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import polars as pl

from app.protocol.data.dataset import MAX_COLUMNS
from app.protocol.errors import BadTable, TooLarge
from ingestion import csv_lines, csv_text, spelling
from ingestion.arrow_stream import scan_stream
from ingestion.csv_text import Opening, not_utf8
from ingestion.files import TableFile, format_of
from ingestion.json_lines import check_lines, scan_lines
from ingestion.read_errors import EncodingFault, QuoteFault, RowFault, typed_errors
from ingestion.reading import NUMBERS, Kind, Reading
from ingestion.text_files import TextFile, open_text

MAX_NAME_LENGTH = 200
MAX_DEPTH = 8  # of records in records
INFERENCE_ROWS = 10_000
LATE_WORDS = 1000  # of a column that has none in the first rows
_MEND_NAME = 'Rename it in the file, or name all columns: names = ["...", ...] under [table] of the recipe.'


@dataclass(frozen=True)
class SourceFile:
    """One file: its columns in order, as it has them."""

    path: Path
    frame: pl.LazyFrame = field(repr=False)
    schema: pl.Schema
    kinds: dict[str, Kind]
    held: dict[str, str]  # what a column that is no number holds, in words
    text: TextFile | None = None  # of CSV and NDJSON
    opening: Opening | None = None  # of CSV
    plain: Callable[[Collection[str]], pl.LazyFrame] | None = field(default=None, repr=False)  # with these as numbers

    @contextmanager
    def errors(self) -> Iterator[None]:
        """As `typed_errors`, with the line where a file of text can tell it."""
        try:
            with typed_errors(self.path):
                yield
        except BadTable as fault:
            raise self.located(fault) from None

    def located(self, fault: BadTable) -> BadTable:
        """The same fault with its line, where it is found in this file of text."""
        try:
            if self.text is not None and self.opening is None and type(fault) is BadTable:
                check_lines(self.text)
            elif self.text is not None and isinstance(fault, EncodingFault) and (line := self.text.odd_line()):
                return not_utf8(self.path, line)
            elif self.text is not None and self.opening is not None and isinstance(fault, RowFault | QuoteFault):
                csv_lines.check_quotes(self.text, self.opening)
                csv_lines.check_records(self.text, self.opening, empty_rows=True)
        except BadTable as found:
            return found
        return fault

    def check_rows(self, reading: Reading) -> None:
        """Errors: BadTable for a row of a CSV file that is blank or short: polars takes what it lacks for missing."""
        if self.text is None or self.opening is None:
            return
        with self.errors():
            csv_lines.check_end(self.text, self.opening)
            last = pl.col(self.opening.names[-1])
            lacks = self.frame.select(last.is_null().any()).collect(engine="streaming").item()
            if lacks and not csv_lines.lines_are_whole(self.text, self.opening):
                csv_lines.check_records(self.text, self.opening, empty_rows=reading.empty_rows == "drop")


def open_file(file: TableFile, reading: Reading) -> SourceFile:
    """A file by its kind. Errors: BadTable, TooLarge; nothing but the first lines and some rows is read."""
    path = file.path
    with typed_errors(path):
        kind = format_of(path)
        if kind == "csv":
            return _with_folders(_open_csv(path, reading), file.folders, reading)
        text = open_text(path, reading.encoding) if kind == "json" else None
        frame = (
            scan_lines(text)
            if text is not None
            else {
                "parquet": lambda: pl.scan_parquet(path, glob=False, hive_partitioning=False),
                "arrow": lambda: pl.scan_ipc(path, glob=False, hive_partitioning=False),
                "stream": lambda: scan_stream(path),
            }[kind]()
        )
        schema = frame.collect_schema()
    frame, schema = _flat(path, frame, schema)
    positions = [str(number) for number in range(len(schema))]  # what a data frame without names writes
    if reading.header is None and not reading.names and schema.names() != positions:
        csv_text.check_header(path, schema.names())
    if reading.names:
        _check_count(path, reading.names, len(schema))
        frame = frame.rename(dict(zip(schema.names(), reading.names, strict=True)))
        schema = pl.Schema(zip(reading.names, schema.values(), strict=True))
    check_names(path, schema.names())
    return _with_folders(_described(path, frame, schema, reading, text), file.folders, reading)


def _open_csv(path: Path, reading: Reading) -> SourceFile:
    file = open_text(path, reading.encoding)
    made = csv_text.opening(file, reading)
    if reading.names:
        _check_count(path, reading.names, made.fields)
    elif reading.header is False:
        raise BadTable(
            f"{path.name} has no header, so its {made.fields} columns have no names.",
            'Give names = ["...", ...] under [table] of the recipe (dataset recipe --names).',
        )
    check_names(path, made.names)

    def scan(numbers: Collection[str] = ()) -> pl.LazyFrame:
        return pl.scan_csv(
            file.source,
            glob=False,
            has_header=False,
            skip_lines=made.above,
            new_columns=made.names,
            separator=made.separator,
            eol_char=made.line_end,
            infer_schema=False,
            schema_overrides=dict.fromkeys(numbers, pl.Float64()) if numbers else None,
            null_values=list(reading.missing_values) or None if numbers else None,
            raise_if_empty=False,
        )

    frame = scan()
    schema = pl.Schema(dict.fromkeys(made.names, pl.String()))
    with SourceFile(path, frame, schema, {}, {}, file, made).errors():
        if not len(frame.collect_schema()):
            raise BadTable(f"{path.name} has no rows.", "Give a table with a header and rows.")
        found = _described(path, frame, schema, reading, file, made)
    plain = reading.decimal == "." and reading.empty_rows == "refuse" and not spelling.sentinels(reading.missing_values)
    return replace(found, plain=scan) if plain else found


def _described(
    path: Path,
    frame: pl.LazyFrame,
    schema: pl.Schema,
    reading: Reading,
    text: TextFile | None = None,
    opening: Opening | None = None,
) -> SourceFile:
    """What each column holds: by its type, text by its first words."""
    words = [name for name, dtype in schema.items() if _is_text(dtype)]
    frame = frame.with_columns(pl.col(name).cast(pl.String) for name in words if schema[name] != pl.String)
    schema = pl.Schema({name: pl.String() if name in words else dtype for name, dtype in schema.items()})
    if reading.empty_rows == "drop":
        empty = [
            pl.col(name).str.strip_chars().fill_null("") == "" if name in words else pl.col(name).is_null()
            for name in schema
        ]
        frame = frame.filter(~pl.all_horizontal(empty))
    with SourceFile(path, frame, schema, {}, {}, text, opening).errors():
        first = _first_words(frame, words)
    kinds = {
        name: spelling.word_kind(first[name], reading) if name in first else _kind(dtype)
        for name, dtype in schema.items()
    }
    held = {name: _held(schema[name], kind) for name, kind in kinds.items() if kind not in (*NUMBERS, "mixed")}
    return SourceFile(path, frame, schema, kinds, held, text, opening)


def _first_words(frame: pl.LazyFrame, names: Sequence[str]) -> dict[str, pl.Series]:
    """Some of the first words of columns of text; where the first rows have none, from further down."""
    if not names:
        return {}
    head = frame.select(names).head(INFERENCE_ROWS).collect(engine="streaming")
    found = dict(zip(head.columns, head.get_columns(), strict=True))
    empty = [name for name, words in found.items() if (words.fill_null("").str.strip_chars() == "").all()]
    if empty and head.height == INFERENCE_ROWS:
        there = [pl.col(name).filter(pl.col(name).str.strip_chars() != "").head(LATE_WORDS).implode() for name in empty]
        late = frame.select(there).collect(engine="streaming")
        found |= {name: late[name].explode() for name in empty}
    return found


def _with_folders(source: SourceFile, folders: dict[str, str | None], reading: Reading) -> SourceFile:
    """A file with the columns that its folders name; where it has one itself, as some writers do, that one counts."""
    folders = {name: word for name, word in folders.items() if name not in source.schema}
    if not folders:
        return source
    check_names(source.path, [*source.schema, *folders])
    schema = pl.Schema({**source.schema, **dict.fromkeys(folders, pl.String())})
    kinds = {name: spelling.word_kind(pl.Series([word], dtype=pl.String), reading) for name, word in folders.items()}
    frame = source.frame.with_columns(pl.lit(word, pl.String).alias(name) for name, word in folders.items())
    held = source.held | {name: _held(schema[name], kinds[name]) for name in folders if kinds[name] not in NUMBERS}
    return SourceFile(source.path, frame, schema, source.kinds | kinds, held, source.text, source.opening)


def _flat(path: Path, frame: pl.LazyFrame, schema: pl.Schema) -> tuple[pl.LazyFrame, pl.Schema]:
    """Records in columns as columns of their fields."""
    for _ in range(MAX_DEPTH):
        if not any(isinstance(dtype, pl.Struct) for dtype in schema.values()):
            break
        parts: list[pl.Expr] = []
        for name, dtype in schema.items():
            fields = [each.name for each in dtype.fields] if isinstance(dtype, pl.Struct) else []
            parts += [pl.col(name).struct.field(each).alias(f"{name}.{each}") for each in fields] or [pl.col(name)]
        check_names(path, [part.meta.output_name() for part in parts])
        frame = frame.select(parts)
        if frame.collect_schema() == schema:  # records without fields
            break
        schema = frame.collect_schema()
    return frame, schema


def _check_count(path: Path, names: Sequence[str], columns: int) -> None:
    if len(names) != columns:
        raise BadTable(
            f"The recipe gives {len(names)} names, and {path.name} has {columns} columns.",
            "Correct names under [table]: one for each column, also for those that are dropped.",
        )


def check_names(path: Path, names: Sequence[str]) -> None:
    """Errors: BadTable, TooLarge for names that cannot be columns'."""
    if not any(names):
        raise BadTable(f"{path.name} has no columns.", "Give a table with a header and rows.")
    if len(names) > MAX_COLUMNS:
        raise TooLarge(
            f"{path.name} has {len(names)} columns, over the limit of {MAX_COLUMNS}.", "Publish it in several tables."
        )
    for number, name in enumerate(names, 1):
        if not 1 <= len(name) <= MAX_NAME_LENGTH or not name.isprintable():
            raise BadTable(
                f"Column {number} of {path.name} has no name, or one of over {MAX_NAME_LENGTH} characters, or one that"
                " cannot be printed.",
                _MEND_NAME,
            )
    twice = next((name for name, count in Counter(names).items() if count > 1), None)
    if twice is not None:
        first = names.index(twice)
        second = names.index(twice, first + 1)
        raise BadTable(f"Columns {first + 1} and {second + 1} of {path.name} have the same name.", _MEND_NAME)


def _is_text(dtype: pl.DataType) -> bool:
    return dtype == pl.String or isinstance(dtype, pl.Categorical | pl.Enum)


def _kind(dtype: pl.DataType) -> Kind:
    if dtype.is_integer():
        return "integer"
    if dtype.is_float() or dtype.is_decimal():
        return "real"
    plain: dict[type[pl.DataType], Kind] = {
        pl.Boolean: "boolean", pl.Date: "date", pl.Datetime: "datetime", pl.Time: "time",
    }  # fmt: skip
    return plain.get(dtype.base_type(), "other")


def _held(dtype: pl.DataType, kind: Kind) -> str:
    """What a column holds that is no number, in words."""
    if kind in ("date", "datetime", "time"):
        return "dates or times"
    if kind == "text":
        return "text"
    if dtype.is_nested():
        return "lists or records"
    return {pl.Duration: "stretches of time", pl.Binary: "bytes"}.get(dtype.base_type(), "nothing")
