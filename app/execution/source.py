"""Packed columns of a published dataset, read from a store block by block as a circuit asks for them."""

from __future__ import annotations

from typing import Literal

import numpy as np

from app.protocol.data.dataset import EncodedFile, EncryptedTable, Shard, body_bytes
from app.protocol.errors import BadDocument, BadModel
from app.protocol.ports import Store
from app.protocol.vocabulary import FileEncoding
from fhe.arrays import U16, U64
from fhe.circuit.circuit import Input
from fhe.engine.source import TableSource
from fhe.mask import lwe_masks
from fhe.mask import mask as expand_mask
from fhe.profile import EncryptionProfile

KEPT_INPUTS = 4096  # 128 MiB of words of one chunk at N = 2048


class StoreSource:
    """`fhe.engine.source.ChunkSource` over a store; every byte is checked against its CID on the way in."""

    def __init__(self, table: EncryptedTable, profile: EncryptionProfile, store: Store) -> None:
        self._size, self._dimension = profile.polynomial_size, profile.lwe_dimension
        self._store = store
        self._shards = table.shards
        self._files: dict[int, dict[tuple[str, str], EncodedFile]] = {}  # of the shards that were asked for

    def bodies(self, input: Input, shard: int, chunks: range) -> U64:
        """Body words (len(chunks), N) of one input. Errors: BadModel, BadDocument, NotFound, BadBlock."""
        data = self._read(*self._place(input, input.encoding, shard, chunks.start), len(chunks))
        return np.frombuffer(data, dtype="<u8").reshape(len(chunks), self._size)

    def mask(self, input: Input, shard: int, chunks: range) -> U64:
        """Mask words (len(chunks), N) of one input, from the file's public seed. Errors: BadModel."""
        file, first = self._place(input, input.encoding, shard, chunks.start)
        return expand_mask(bytes.fromhex(file.seed), first, len(chunks), self._size)

    def seed(self, input: Input, shard: int, chunks: range) -> tuple[bytes, int]:
        """As `fhe.engine.source.SeededSource.seed`."""
        file, first = self._place(input, input.encoding, shard, chunks.start)
        return bytes.fromhex(file.seed), first * self._size

    def lwe_bodies(self, input: Input, shard: int, chunk: int) -> U16:
        """Bodies (N,) of a bin under the small key. Errors: BadModel, BadDocument, NotFound, BadBlock."""
        data = self._read(*self._place(input, "lwe-bins", shard, chunk), 1)
        return np.frombuffer(data, dtype="<u2").astype(np.uint16, copy=False)

    def lwe_masks(self, input: Input, shard: int, chunk: int, rows: range) -> U64:
        """Mask words (len(rows), n) of rows of that chunk, from the file's public seed. Errors: BadModel."""
        file, place = self._place(input, "lwe-bins", shard, chunk)
        return lwe_masks(bytes.fromhex(file.seed), place * self._size + rows.start, len(rows), self._dimension)

    def _read(self, file: EncodedFile, first: int, chunks: int) -> bytes:
        chunk = self._size * body_bytes(file.encoding)
        data = self._store.read(file.cid, first * chunk, chunks * chunk, limit=chunks * chunk)
        if len(data) != chunks * chunk:
            raise BadDocument(f"The file of column {file.column!r} ends early.", "Ask the owner to publish it again.")
        return data

    def _place(self, input: Input, encoding: FileEncoding, shard: int, chunk: int) -> tuple[EncodedFile, int]:
        if shard not in self._files:
            self._files[shard] = {(file.column, file.encoding): file for file in self._shards[shard].files}
        file = self._files[shard].get((input.column, encoding))
        if file is None:
            raise BadModel(
                f"The dataset does not publish column {input.column!r} as {encoding}.",
                "See what it publishes: darkroom dataset show.",
            )
        per_index = chunk_count(self._shards[shard], self._size)
        if (input.index + 1) * per_index > file.polys:
            raise BadModel(f"Column {input.column!r} has no {encoding} number {input.index}.")
        return file, input.index * per_index + chunk


class KeptChunk:
    """The same words, those of the last chunk kept: blocks with lookups are parts of a chunk, and follow each other.

    Reads of several chunks, as linear circuits make them, are passed on.
    """

    def __init__(self, source: TableSource) -> None:
        self._source, self._place = source, (-1, -1)
        self._kept: dict[tuple[Input, str], U64] = {}
        self._bins: dict[Input, U16] = {}

    def bodies(self, input: Input, shard: int, chunks: range) -> U64:
        """As `StoreSource.bodies`."""
        return self._read("bodies", input, shard, chunks)

    def mask(self, input: Input, shard: int, chunks: range) -> U64:
        """As `StoreSource.mask`."""
        return self._read("mask", input, shard, chunks)

    def lwe_bodies(self, input: Input, shard: int, chunk: int) -> U16:
        """As `StoreSource.lwe_bodies`."""
        self._at(shard, chunk)
        bodies = self._bins.get(input)
        if bodies is None:
            bodies = self._source.lwe_bodies(input, shard, chunk)
            if len(self._bins) < KEPT_INPUTS:
                self._bins[input] = bodies
        return bodies

    def lwe_masks(self, input: Input, shard: int, chunk: int, rows: range) -> U64:
        """As `StoreSource.lwe_masks`."""
        return self._source.lwe_masks(input, shard, chunk, rows)

    def _at(self, shard: int, chunk: int) -> None:
        if self._place != (shard, chunk):
            self._place, self._kept, self._bins = (shard, chunk), {}, {}

    def _read(self, what: Literal["bodies", "mask"], input: Input, shard: int, chunks: range) -> U64:
        read = self._source.bodies if what == "bodies" else self._source.mask
        if len(chunks) != 1:
            return read(input, shard, chunks)
        self._at(shard, chunks.start)
        words = self._kept.get((input, what))
        if words is None:
            words = read(input, shard, chunks)
            if len(self._kept) < 2 * KEPT_INPUTS:
                self._kept[input, what] = words
        return words


def chunk_count(shard: Shard, size: int) -> int:
    """Chunks of `size` rows that hold a shard's rows."""
    return -(-shard.rows // size)
