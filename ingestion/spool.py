"""Ciphertext files on their way to the store: written in pieces, out of order, under mode 0600, then kept whole."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from app.protocol.data import merkle
from app.protocol.data.dataset import ColumnCode, EncodedFile
from app.protocol.ids import Digest
from app.protocol.ports import Store
from app.protocol.vocabulary import Encoding
from fhe.arrays import F64, I64
from fhe.ciphertexts.packing import FileEncryptor
from ingestion.codes import affine_codes, bin_bits, bin_codes

WORD_BYTES = 8
_READ_BYTES = 1 << 20


def indices(column: ColumnCode) -> dict[Encoding, int]:
    """How many packed values each encoding of a column takes per row: one affine code, one bit per edge."""
    has: dict[Encoding, int] = {}
    if column.affine is not None:
        has["affine"] = 1
    if column.bins is not None:
        has["bins"] = len(column.bins)
    return has


@dataclass
class SpooledFile:
    """One column of one shard in one encoding, `chunks` chunks of rows long."""

    column: ColumnCode
    encoding: Encoding
    chunks: int
    encryptor: FileEncryptor | None  # None once the file is whole
    path: Path
    seed: str

    def add(self, chunk: int, values: F64, size: int, row: int) -> None:
        """Encrypt values (rows,) as the chunks of `size` rows from number `chunk`, the last one filled up with zeros.

        `row` is the table's number of the first value, for messages. Errors: OutOfRange.
        """
        if self.encoding == "affine":
            self._write(chunk, _chunks(affine_codes(self.column, values, row), size))
            return
        codes = bin_codes(self.column, values, row)
        for edge in range(indices(self.column)["bins"]):
            self._write(edge * self.chunks + chunk, _chunks(bin_bits(codes, edge), size))

    def close(self) -> None:
        """No more values come: forget the secret noise seed and the record of what was encrypted."""
        self.encryptor = None

    def keep(self, store: Store) -> EncodedFile:
        """Put the whole file into the store."""
        return EncodedFile(
            column=self.column.name,
            encoding=self.encoding,
            cid=store.put_file(self.path),
            polys=self.chunks * indices(self.column)[self.encoding],
            seed=self.seed,
            root=merkle_root(self.path),
        )

    def _write(self, first: int, codes: I64) -> None:
        if self.encryptor is None:
            raise ValueError("the file is closed")
        bodies = self.encryptor.encrypt(first, codes).astype("<u8", copy=False)
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            view, offset = memoryview(bodies.data).cast("B"), first * codes.shape[1] * WORD_BYTES
            while view:
                written = os.pwrite(descriptor, view, offset)
                view, offset = view[written:], offset + written
        finally:
            os.close(descriptor)


def merkle_root(path: Path) -> Digest:
    """The Merkle root of a file's bytes."""
    builder, buffer = merkle.Builder(), memoryview(bytearray(_READ_BYTES))
    with path.open("rb") as file:
        while count := file.readinto(buffer):
            builder.update(buffer[:count])
    return builder.root()


def _chunks(codes: I64, size: int) -> I64:
    chunks = -(-len(codes) // size)
    padded = np.zeros(chunks * size, np.int64)
    padded[: len(codes)] = codes
    return padded.reshape(chunks, size)
