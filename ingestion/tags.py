"""Tags: by which an owner's machine knows the persons of a table again in every later one, and nobody else does.

A tag is 8 bytes of BLAKE2b under a secret key that stays at home: of the value in the person's column, or, where no
column names a person, of the row's codes. Rows of one person have equal tags, whatever their order and other columns.
Tags are written as one NumPy file a version, a batch of rows at a time.
"""

from __future__ import annotations

import hashlib
import os
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt

from app.protocol.data.dataset import ColumnCode
from app.protocol.errors import BadRecipe, BadTable
from fhe.arrays import F64, I64, U64
from ingestion.carry import NOBODY, crowded
from ingestion.derive import derived, words_of
from ingestion.identity import Identity
from ingestion.read import Reading, SourceTable, open_table, texts

KEY_BYTES = 32
TAG_BYTES = 8
BATCH_ROWS = 1 << 16


def taggable(identity: Identity, path: Path | str, reading: Reading | None = None) -> bool:
    """Whether a table has what tags under this identity are made of. Errors: BadTable."""
    table = open_table(path, reading)
    if identity.codebook is None:
        return identity.person in table.kinds
    return set(identity.columns) <= {*table.numeric(), *words_of(identity.codebook)} & set(table.kinds)


def write_tags(path: Path | str, reading: Reading | None, identities: Mapping[Path, Identity], key: bytes) -> int:
    """Write a table's tags under each identity to its file, readable by this user alone; how many rows there are.

    A row without a key, or with a value that the identity's codes do not take, gets `NOBODY`. Errors: BadTable.
    """
    table = open_table(path, reading)
    rows = table.rows()
    for file, identity in identities.items():
        tags, done = _blank(file, rows), 0
        for part in _tags(table, reading, identity, key):
            if done + len(part) > rows:
                raise BadTable("The table grew while it was read.", "Try again when nobody writes to it.")
            tags[done : done + len(part)] = part
            done += len(part)
        cast("np.memmap[tuple[int], np.dtype[np.uint64]]", tags).flush()
        if done != rows:
            raise BadTable("The table shrank while it was read.", "Try again when nobody writes to it.")
    return rows


def read_tags(file: Path) -> U64:
    """The tags in a file, mapped, not read. Errors: BadTable."""
    try:
        tags = np.load(file, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError):
        raise BadTable(f"The tags in {file} are missing or damaged.", "Restore the file from a backup.") from None
    if tags.dtype != np.dtype("<u8") or tags.ndim != 1:
        raise BadTable(f"The tags in {file} are damaged.", "Restore the file from a backup.")
    return cast("U64", tags)


def join_tags(file: Path, parts: Sequence[U64]) -> None:
    """Write the tags of one stretch of rows after another to a file, readable by this user alone."""
    tags, done = _blank(file, sum(len(part) for part in parts)), 0
    for part in parts:
        tags[done : done + len(part)] = part
        done += len(part)
    cast("np.memmap[tuple[int], np.dtype[np.uint64]]", tags).flush()


def check_persons(tags: U64, column: str, rows_per_person: int) -> None:
    """Errors: BadRecipe with counts, never a value, when a row names no person, or a person has too many rows."""
    nameless = sum(int((tags[start : start + BATCH_ROWS] == NOBODY).sum()) for start in range(0, len(tags), BATCH_ROWS))
    if nameless:
        raise BadRecipe(
            f"The person's column {column!r} is empty in {nameless:,} rows.", "Give every row a key, or leave them out."
        )
    persons, most = crowded(tags, rows_per_person)
    if persons:
        raise BadRecipe(
            f"{persons:,} persons have more rows than rows_per_person = {rows_per_person} says; one has {most:,}.",
            "State rows_per_person as it is (every charge is multiplied by it), or leave rows out.",
        )


def _blank(file: Path, rows: int) -> U64:
    """A NumPy file of zeros, mapped, that this user alone can read."""
    os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
    return cast("U64", np.lib.format.open_memmap(file, "w+", "<u8", (rows,)))  # type: ignore[no-untyped-call]


def _tags(table: SourceTable, reading: Reading | None, identity: Identity, key: bytes) -> Iterator[U64]:
    if identity.codebook is None:
        mark = b"person\0" + unicodedata.normalize("NFC", identity.numbering).encode() + b"\0"
        for part in texts(table.path, identity.person, BATCH_ROWS, reading):
            named = [None if each is None else mark + unicodedata.normalize("NFC", each).encode() for each in part]
            yield _hashed(named, key)
        return
    book, columns = identity.codebook, identity.codebook.columns
    most = max(1, min(BATCH_ROWS, (1 << 22) // len(columns)))
    for frame in table.batches(book.source_names, most, words_of(book)):
        values = derived(book, frame, refuse=False)
        coded = [_codes(column, values[column.name]) for column in columns]
        codes = np.stack([each for each, _ in coded], axis=1).astype("<i8")
        whole = np.logical_and.reduce([known for _, known in coded])
        yield _hashed([b"row\0" + row.tobytes() if kept else None for row, kept in zip(codes, whole, strict=True)], key)


def _hashed(values: Sequence[bytes | None], key: bytes) -> U64:
    tags = b"".join(
        bytes(TAG_BYTES) if each is None else hashlib.blake2b(each, digest_size=TAG_BYTES, key=key).digest()
        for each in values
    )
    return np.frombuffer(tags, "<u8")


def _codes(column: ColumnCode, values: F64) -> tuple[I64, npt.NDArray[np.bool_]]:
    """(codes, whether a value has one): as `ingestion.codes` makes them, but no row is refused."""
    missing = np.isnan(values)
    known = ~missing if column.impute is None else np.ones(len(values), np.bool_)
    values = np.where(missing, 0.0 if column.impute is None else column.impute, values)
    if column.affine is None:
        return np.searchsorted(np.asarray(column.bins), values, side="right").astype(np.int64), known
    with np.errstate(over="ignore"):
        codes: F64 = np.rint((values - column.affine.low) / column.affine.step)
    inside = (codes >= 0) & (codes < column.affine.levels)
    if column.outside == "reject":
        known &= inside
    return codes.clip(0, column.affine.levels - 1).astype(np.int64), known
