"""The files of a table that is too large for its manifest: a list of records, content-addressed, read as needed.

A manifest of at most one block (1 MiB) cannot name the files of every table. Where it cannot, it holds a `FileList`:
the CIDs of the codebook's canonical bytes and of the list, which has one record of 116 bytes a file, in manifest order:

    16 bytes   the file's seed
    32 bytes   its Merkle root
    32 bytes   its SHA-256
    36 bytes   its CID in binary

What else a manifest says of a file follows from codebook and shards: its column and encoding from its place, its
length from the shard's rows. A record is found by its number alone, and a store checks every block of the list.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, cast, overload

from app.protocol.data.dataset import Codebook, EncodedFile, EncryptedTable, FileList, Shard, body_bytes, values_a_row
from app.protocol.data.description import FileCheck
from app.protocol.documents import sha256
from app.protocol.errors import BadDocument
from app.protocol.ids import Digest
from app.protocol.ports import Store
from app.protocol.vocabulary import FileEncoding

RECORD_BYTES = 116
BLOCK_RECORDS = 1 << 12  # read at once: 464 KiB


def published_files(codebook: Codebook, encodings: Sequence[FileEncoding]) -> list[tuple[str, FileEncoding, int]]:
    """(column, encoding, values a row) of each file of a shard, in manifest order."""
    return [
        (column.name, encoding, count)
        for column in codebook.published
        for encoding, count in values_a_row(column).items()
        if encoding in encodings
    ]


def published(table: EncryptedTable) -> set[tuple[str, FileEncoding]]:
    """(column, encoding) of everything that a table has a file of."""
    if table.listed is not None:
        return {(column, encoding) for column, encoding, _ in published_files(table.codebook, table.listed.encodings)}
    return {(file.column, file.encoding) for file in table.shards[0].files}


def record(file: EncodedFile, check: FileCheck) -> bytes:
    """A file's record. Errors: BadDocument for what is no CID."""
    return bytes.fromhex(file.seed) + bytes.fromhex(file.root) + bytes.fromhex(check.sha256) + _binary(file.cid)


class ListedFiles(Sequence[EncodedFile]):
    """The files of one shard, read from the list each time they are asked for; no more are in memory."""

    def __init__(
        self, store: Store, listed: FileList, names: Sequence[tuple[str, FileEncoding, int]], shard: int, rows: int
    ) -> None:
        """Shard number `shard`, of `rows` rows, each of whose files is named by `published_files`."""
        self._store, self._listed, self._names = store, listed, names
        self._shard, self._rows = shard, rows

    def __len__(self) -> int:
        return len(self._names)

    @overload
    def __getitem__(self, index: int) -> EncodedFile: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[EncodedFile]: ...
    def __getitem__(self, index: int | slice) -> EncodedFile | Sequence[EncodedFile]:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        place = range(len(self))[index]
        first = self._shard * len(self) + place
        return self._file(place, next(records(self._store, self._listed, first, 1)))

    def __iter__(self) -> Iterator[EncodedFile]:
        found = records(self._store, self._listed, self._shard * len(self), len(self))
        return (self._file(place, data) for place, data in enumerate(found))

    def _file(self, place: int, data: bytes) -> EncodedFile:
        column, encoding, count = self._names[place]
        return EncodedFile(
            column=column,
            encoding=encoding,
            cid=_text(data[80:]),
            polys=count * -(-self._rows // self._listed.size),
            seed=data[:16].hex(),
            root=Digest(data[16:48].hex()),
        )


class ListedChecks(Sequence[FileCheck]):
    """Length and SHA-256 of every file of a table, in manifest order, read from the list as they are asked for."""

    def __init__(self, store: Store, table: EncryptedTable, lengths: Sequence[int]) -> None:
        """`lengths`: bytes of a chunk's words in each file of a shard."""
        assert table.listed is not None
        self._store, self._listed, self._shards, self._lengths = store, table.listed, table.shards, lengths

    def __len__(self) -> int:
        return self._listed.files

    @overload
    def __getitem__(self, index: int) -> FileCheck: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[FileCheck]: ...
    def __getitem__(self, index: int | slice) -> FileCheck | Sequence[FileCheck]:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        place = range(len(self))[index]
        return self._check(place, next(records(self._store, self._listed, place, 1)))

    def __iter__(self) -> Iterator[FileCheck]:
        found = records(self._store, self._listed, 0, len(self))
        return (self._check(place, data) for place, data in enumerate(found))

    def total_bytes(self) -> int:
        """Bytes of all files, from the shape alone."""
        chunks = sum(-(-shard.rows // self._listed.size) for shard in self._shards)
        return chunks * sum(self._lengths)

    def _check(self, place: int, data: bytes) -> FileCheck:
        shard, file = divmod(place, len(self._lengths))
        chunks = -(-self._shards[shard].rows // self._listed.size)
        return FileCheck(bytes=chunks * self._lengths[file], sha256=Digest(data[48:80].hex()))


def records(store: Store, listed: FileList, first: int, count: int) -> Iterator[bytes]:
    """Records [first, first + count) of a list, a block of them in memory. Errors: NotFound, BadBlock, BadDocument."""
    for start in range(first, first + count, BLOCK_RECORDS):
        length = min(BLOCK_RECORDS, first + count - start) * RECORD_BYTES
        data = store.read(listed.cid, start * RECORD_BYTES, length, limit=length)
        yield from (data[place : place + RECORD_BYTES] for place in range(0, length, RECORD_BYTES))


def link(
    store: Store, table: EncryptedTable, checks: Sequence[FileCheck], encodings: Sequence[FileEncoding], size: int
) -> FileList:
    """Put a table's codebook and list of files into a store. Errors: Unavailable, TooLarge."""
    book, digest, files = table.codebook.to_bytes(), hashlib.sha256(), 0

    def pieces() -> Iterator[bytes]:
        nonlocal files
        named = zip((file for shard in table.shards for file in shard.files), checks, strict=True)
        while part := list(islice(named, BLOCK_RECORDS)):
            data = b"".join(record(file, check) for file, check in part)
            files += len(part)
            digest.update(data)
            yield data

    cid = store.put_pieces(pieces())
    return FileList(
        cid=cid,
        sha256=Digest(digest.hexdigest()),
        files=files,
        encodings=tuple(encodings),
        size=size,
        codebook=store.put(book),
        codebook_digest=sha256(book),
        codebook_bytes=len(book),
    )


def linked(table: EncryptedTable, listed: FileList) -> EncryptedTable:
    """The table as a manifest holds it: without codebook and files, which are linked."""
    shards = tuple(Shard(first_row=shard.first_row, rows=shard.rows, files=()) for shard in table.shards)
    return table.model_copy(update={"codebook": Codebook(columns=()), "shards": shards, "listed": listed})


def opened(store: Store, table: EncryptedTable) -> tuple[EncryptedTable, Sequence[FileCheck]]:
    """A linked table with its codebook, and with files that are read as they are asked for; and their checks.

    Errors: BadDocument for a list that does not fit the table; NotFound, BadBlock.
    """
    listed = table.listed
    if listed is None or table.codebook.columns or any(shard.files for shard in table.shards):
        raise BadDocument("A table names its files in its manifest or in a list, not in both.")
    data = store.read(listed.codebook, limit=Codebook.max_bytes)
    codebook = Codebook.from_bytes(data)
    if (sha256(data), len(data)) != (listed.codebook_digest, listed.codebook_bytes):
        raise BadDocument("The codebook that the manifest links has another digest or length than it says.")
    names = published_files(codebook, listed.encodings)
    if not 1 <= listed.size <= 1 << 16 or listed.files != len(names) * len(table.shards):
        raise BadDocument("The list of files has another length than codebook and shards give it.")
    if store.size(listed.cid) != listed.files * RECORD_BYTES:
        raise BadDocument("The list of files is not as long as the manifest says.")

    def shard(number: int, of: Shard) -> Shard:
        files = ListedFiles(store, listed, names, number, of.rows)
        as_tuple = cast("tuple[EncodedFile, ...]", files)  # to whoever reads it: a sequence that never changes
        return Shard.model_construct(first_row=of.first_row, rows=of.rows, files=as_tuple)

    shards = tuple(shard(number, of) for number, of in enumerate(table.shards))
    whole = table.model_copy(update={"codebook": codebook, "shards": shards})
    return whole, ListedChecks(
        store, whole, [count * listed.size * body_bytes(encoding) for _, encoding, count in names]
    )


def _binary(cid: str) -> bytes:
    try:
        found = base64.b32decode(cid[1:].upper() + "=" * (-(len(cid) - 1) % 8))
    except binascii.Error:
        found = b""
    if len(found) != 36 or _text(found) != cid:
        raise BadDocument("A file of the table is named by something that is no content identifier.")
    return found


def _text(binary: bytes) -> str:
    return "b" + base64.b32encode(binary).decode().rstrip("=").lower()


def total_bytes(checks: Sequence[Any]) -> int:
    """Bytes of all files of a table."""
    return checks.total_bytes() if isinstance(checks, ListedChecks) else sum(check.bytes for check in checks)
