"""Arrow IPC streams, one record batch at a time: polars alone would read a whole one into memory.

A stream is messages: a schema, dictionaries, record batches. Each is four bytes FF, the length of its header, the
header (a FlatBuffer that says what it is and how long its body is), the body. Of each record batch a small stream of
its own is made, with the schema and the dictionaries that hold then. Format: "Encapsulated message format" and "IPC
Streaming Format" of the Arrow columnar format, https://arrow.apache.org/docs/format/Columnar.html.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import polars as pl
from polars.io.plugins import register_io_source

from app.protocol.errors import BadTable, TooLarge

CONTINUES = b"\xff\xff\xff\xff"
MAX_HEADER_BYTES = 1 << 26
MAX_BATCH_BYTES = 1 << 31
_END = CONTINUES + bytes(4)
_SCHEMA, _DICTIONARY, _BATCH = 1, 2, 3


def scan_stream(path: Path) -> pl.LazyFrame:
    """A stream's rows, categories as their texts. Errors: BadTable for a damaged one; TooLarge for a huge batch."""
    schema = pl.Schema({name: _plain(dtype) for name, dtype in _first(path).schema.items()})

    def source(
        columns: list[str] | None, predicate: pl.Expr | None, rows: int | None, _size: int | None
    ) -> Iterator[pl.DataFrame]:
        left = rows
        for frame in frames(path):
            part = frame if columns is None else frame.select(columns)
            if predicate is not None:
                part = part.filter(predicate)
            if left is not None:
                part, left = part.head(left), max(0, left - part.height)
            yield part
            if left == 0:
                return

    return register_io_source(source, schema=schema)


def frames(path: Path) -> Iterator[pl.DataFrame]:
    """The record batches of a stream, in order. Errors: BadTable, TooLarge."""
    for part in _parts(path):
        frame = pl.read_ipc_stream(io.BytesIO(part))
        yield frame.with_columns(
            pl.col(name).cast(pl.String) for name, dtype in frame.schema.items() if _plain(dtype) != dtype
        )


def _first(path: Path) -> pl.DataFrame:
    """An empty frame of a stream's columns."""
    with path.open("rb") as file:
        found = _message(path, file)
    if found is None or found[0] != _SCHEMA:
        raise _damaged(path)
    return pl.read_ipc_stream(io.BytesIO(found[2] + _END))


def _plain(dtype: pl.DataType) -> pl.DataType:
    return pl.String() if isinstance(dtype, pl.Categorical | pl.Enum) else dtype


def _parts(path: Path) -> Iterator[bytes]:
    """Each record batch of a stream as a stream of its own."""
    schema, dictionaries = b"", dict[int, bytes]()
    with path.open("rb") as file:
        while (found := _message(path, file)) is not None:
            kind, (number, delta), data = found
            if kind == _SCHEMA:
                schema = data
            elif kind == _DICTIONARY:
                dictionaries[number] = (dictionaries.get(number, b"") if delta else b"") + data
            elif kind == _BATCH:
                yield b"".join((schema, *dictionaries.values(), data, _END))


def _message(path: Path, file: IO[bytes]) -> tuple[int, tuple[int, bool], bytes] | None:
    """The next message: (kind, a dictionary's number and whether it adds to it, all bytes); None at the end."""
    mark = file.read(4)
    length = file.read(4) if mark == CONTINUES else mark
    if len(length) < 4 or length == bytes(4):
        return None
    size = int.from_bytes(length, "little")
    if size > MAX_HEADER_BYTES:
        raise _damaged(path)
    header = file.read(size)
    try:
        kind, at, body = _read_header(header)
        if not 0 <= body <= MAX_BATCH_BYTES:
            raise TooLarge(
                f"{path.name} has a record batch of {body} bytes.", "Write it in batches of under two gibibytes."
            )
        dictionary = _read_dictionary(header, at) if kind == _DICTIONARY else (0, False)
    except (struct.error, IndexError):
        raise _damaged(path) from None
    data = file.read(body)
    if len(header) < size or len(data) < body:
        raise _damaged(path)
    return kind, dictionary, CONTINUES + length + header + data


def _read_header(data: bytes) -> tuple[int, int, int]:
    """Of a FlatBuffer `Message`: (kind, where what it is about stands, bytes of its body)."""
    table = struct.unpack_from("<I", data)[0]
    kind, about, body = (_field(data, table, number) for number in (1, 2, 3))
    at = about + struct.unpack_from("<I", data, about)[0] if about else 0
    return data[kind] if kind else 0, at, struct.unpack_from("<q", data, body)[0] if body else 0


def _read_dictionary(data: bytes, table: int) -> tuple[int, bool]:
    """Of a FlatBuffer `DictionaryBatch`: its number, and whether it adds to what it was."""
    number, delta = _field(data, table, 0), _field(data, table, 2)
    return struct.unpack_from("<q", data, number)[0] if number else 0, bool(delta and data[delta])


def _field(data: bytes, table: int, number: int) -> int:
    """Where a FlatBuffer table's field stands; 0 where it has its default."""
    fields = table - struct.unpack_from("<i", data, table)[0]
    if fields < 0:
        raise IndexError
    size = struct.unpack_from("<H", data, fields)[0]
    offset = struct.unpack_from("<H", data, fields + 4 + 2 * number)[0] if 4 + 2 * number < size else 0
    return table + offset if offset else 0


def _damaged(path: Path) -> BadTable:
    return BadTable(f"{path.name} is a damaged Arrow stream.", "Write the file again from its source.")
