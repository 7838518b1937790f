"""The codes of one shard in memory, and a file's way from them to the store: seed, bodies, root and hash in one pass.

Codes take one or two bytes a value: bin codes up to 32, affine codes below 2^16. A file's bodies go to the store piece
by piece as they are made, so nothing waits on a disk.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from app.protocol.data.dataset import ColumnCode, EncodedFile, body_bytes
from app.protocol.data.description import FileCheck
from app.protocol.ids import Digest
from app.protocol.ports import Store
from app.protocol.vocabulary import FileEncoding
from fhe.arrays import F64, I64, U8, U16
from fhe.ciphertexts.packing import BinEncryptor, Encryptor, FileEncryptor
from fhe.ciphertexts.seeds import SeedDerivation
from fhe.merkle import builder
from ingestion.codes import affine_codes, bin_codes
from ingestion.layout import Cut

PIECE_BYTES = 1 << 20  # one leaf of a store's file


@dataclass(frozen=True)
class FinishedFile:
    """A file that lies in the store, as a manifest names it."""

    file: EncodedFile
    check: FileCheck


@dataclass
class CodedFile:
    """One column of one shard in one encoding: `count` values a row."""

    column: ColumnCode
    encoding: FileEncoding
    count: int
    cut: Cut
    size: int  # rows of a chunk
    _codes: U8 | U16 = field(init=False, repr=False)

    def __post_init__(self) -> None:
        shape = self.chunks, self.size
        self._codes = np.zeros(shape, np.uint16) if self.encoding == "affine" else np.zeros(shape, np.uint8)

    @property
    def chunks(self) -> int:
        """Chunks of each packed value."""
        return self.cut.chunks(self.size)

    @property
    def bytes(self) -> int:
        """Length of the ciphertext."""
        return self.count * self.chunks * self.size * body_bytes(self.encoding)

    def add(self, start: int, values: F64) -> None:
        """Code values (rows,) of rows [start, start + rows) of the shard. Errors: OutOfRange, by the table's rows."""
        code = affine_codes if self.encoding == "affine" else bin_codes
        self._codes.reshape(-1)[start : start + len(values)] = code(self.column, values, self.cut.first + start)

    def finish(
        self,
        store: Store,
        encryptor: Encryptor,
        derive: SeedDerivation,
        known: Mapping[str, FinishedFile],
        finished: Callable[[FinishedFile], None],
    ) -> tuple[FinishedFile, bool]:
        """Encrypt the file into the store, unless one of its seed is `known`: (the file, whether it is new).

        `finished` is told of a new one as soon as the store has it. Errors: Unavailable.
        """
        name, rows = self.column.name, self.cut.rows
        seeds = derive.seeds(name, self.encoding, self.count, self.cut.first, [self._codes.reshape(-1)[:rows]], rows)
        found = known.get(seeds.mask.hex())
        if found is not None:
            return found, False
        root, digest = builder(), hashlib.sha256()

        def pieces() -> Iterator[memoryview]:
            for piece in self._pieces(encryptor.bins(seeds) if self.encoding == "lwe-bins" else encryptor.file(seeds)):
                root.update(piece)
                digest.update(piece)
                yield piece

        cid = store.put_pieces(pieces())
        polys = self.count * self.chunks
        file = EncodedFile(
            column=name, encoding=self.encoding, cid=cid, polys=polys, seed=seeds.mask.hex(), root=root.root()
        )
        done = FinishedFile(file, FileCheck(bytes=self.bytes, sha256=Digest(digest.hexdigest())))
        finished(done)
        return done, True

    def _pieces(self, file: FileEncryptor | BinEncryptor) -> Iterator[memoryview]:
        """The file's bodies in order, little-endian, about PIECE_BYTES at a time."""
        polys = self.count * self.chunks
        width = body_bytes(self.encoding)
        step = max(1, PIECE_BYTES // (self.size * width))
        for first in range(0, polys, step):
            bodies = file.encrypt(first, self._values(first, min(first + step, polys)))
            yield bodies.astype(f"<u{width}", copy=False).data.cast("B")

    def _values(self, first: int, stop: int) -> I64:
        """What polynomials [first, stop) encrypt, (polys, size): codes, or the bits "code > edge", edge after edge."""
        if self.encoding == "affine":
            return self._codes[first:stop].astype(np.int64)
        values = np.empty((stop - first, self.size), np.int64)
        while first < stop:
            edge, chunk = divmod(first, self.chunks)
            count = min(self.chunks - chunk, stop - first)
            place = len(values) - (stop - first)
            values[place : place + count] = self._codes[chunk : chunk + count] > edge
            first += count
        return values
