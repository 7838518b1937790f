"""NDJSON: one JSON object a line, as polars reads it, and the line of what it refuses."""

from __future__ import annotations

import json

import polars as pl

from app.protocol.errors import BadTable
from ingestion.csv_text import check_kind, not_utf8
from ingestion.text_files import TextFile

MAX_LINE_CHARACTERS = 1 << 24


def scan_lines(file: TextFile) -> pl.LazyFrame:
    """A file's rows; its columns are the keys of any line, in the order of their first appearance.

    Errors: BadTable with the line of what is no JSON object.
    """
    path, head = file.path, file.head(1 << 16)
    check_kind(path, head)
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"["):
        raise BadTable(f"{path.name} is one JSON array.", "Write one object a line (NDJSON): jq -c '.[]'.")
    try:
        schema = _schema(file)
    except pl.exceptions.PolarsError:
        check_lines(file)
        raise
    if not len(schema):
        raise BadTable(f"{path.name} has no columns.", "Give one JSON object a line.")
    return pl.scan_ndjson(file.source, schema=schema)


def check_lines(file: TextFile) -> None:
    """Errors: BadTable for the first line that is no JSON object."""
    odd = file.odd_line()
    if odd:
        raise not_utf8(file.path, odd)
    for number, line in enumerate(file.lines(), 1):
        if not line.strip():
            continue
        try:
            whole = isinstance(json.loads(line), dict)
        except (ValueError, RecursionError):
            whole = False
        if not whole:
            raise BadTable(
                f"Line {number} of {file.path.name} is not one JSON object.", "Mend that line, or take it out."
            )


_KNOWN: dict[tuple[object, ...], pl.Schema] = {}  # of files that were read whole for it


def _schema(file: TextFile) -> pl.Schema:
    """Of all lines: a key that appears late is a column too, and a late fraction makes its column one of fractions."""
    state = file.path.stat()
    key = (file.path, file.packing, state.st_ino, state.st_mtime_ns, state.st_size)
    if key not in _KNOWN:
        if len(_KNOWN) > 64:
            _KNOWN.clear()
        _KNOWN[key] = pl.scan_ndjson(file.source, infer_schema_length=None).collect_schema()
    return _KNOWN[key]
