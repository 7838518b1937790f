"""An encrypted table of bins in memory: what a dataset publishes for trees, without a store or a manifest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from app.protocol.data.dataset import Codebook, EncodedFile, EncryptedTable, Shard
from app.protocol.errors import BadModel
from app.protocol.ids import Digest
from app.protocol.vocabulary import FileEncoding
from fhe.arrays import I64, U16, U64
from fhe.ciphertexts.packing import Encryptor, mask
from fhe.circuit.circuit import Input
from fhe.keys.secret_keys import SecretKeys
from fhe.mask import lwe_masks
from fhe.profile import EVALUATOR, EncryptionProfile


@dataclass(frozen=True, eq=False)
class BinTable:
    """A table and its words; it is its own `ChunkSource`."""

    table: EncryptedTable
    size: int
    chunks: int
    files: dict[str, tuple[bytes, U64]]  # seed and bodies (edges * chunks, N) by column
    dimension: int  # n of the LWE key
    small: dict[str, tuple[bytes, U16]]  # the same of bins under the small key

    def bodies(self, input: Input, shard: int, chunks: range) -> U64:
        """Body words (len(chunks), N) of one bit."""
        first = self._place(input, shard) + chunks.start
        return self.files[input.column][1][first : first + len(chunks)]

    def mask(self, input: Input, shard: int, chunks: range) -> U64:
        """Mask words (len(chunks), N) of one bit."""
        first = self._place(input, shard) + chunks.start
        return mask(self.files[input.column][0], first, len(chunks), self.size)

    def lwe_bodies(self, input: Input, shard: int, chunk: int) -> U16:
        """Bodies (N,) of one bit under the small key."""
        bodies: U16 = self.small[input.column][1][self._place(input, shard) + chunk]
        return bodies

    def lwe_masks(self, input: Input, shard: int, chunk: int, rows: range) -> U64:
        """Mask words (len(rows), n) of rows of that chunk."""
        first = (self._place(input, shard) + chunk) * self.size + rows.start
        return lwe_masks(self.small[input.column][0], first, len(rows), self.dimension)

    def _place(self, input: Input, shard: int) -> int:
        if input.encoding != "bins" or shard or input.column not in self.files:
            raise BadModel(f"This table does not publish {input}.")
        return input.index * self.chunks


def encrypt_bins(
    codes: I64, codebook: Codebook, secret: SecretKeys, profile: EncryptionProfile, epoch: int = 1
) -> BinTable:
    """Encrypt bin codes (rows, columns) as one shard, a bit for each edge, packed and under the small key."""
    size, rows = profile.polynomial_size, len(codes)
    chunks = -(-rows // size)
    files: dict[str, tuple[bytes, U64]] = {}
    small: dict[str, tuple[bytes, U16]] = {}
    with Encryptor(secret, profile) as encryptor:
        for column, own in zip(codebook.columns, codes.T, strict=True):
            bits = np.zeros((len(column.bins or ()), chunks * size), np.int64)
            bits[:, :rows] = own > np.arange(len(bits))[:, None]
            file = encryptor.file()
            files[column.name] = file.seed, file.encrypt(0, bits.reshape(-1, size))
            bins = encryptor.bins()
            small[column.name] = bins.seed, bins.encrypt(0, bits.reshape(-1, size))
    nowhere = "0" * 64  # in memory there is nothing to fetch, so nothing to check
    forms: dict[FileEncoding, dict[str, bytes]] = {
        "bins": {name: seed for name, (seed, _) in files.items()},
        "lwe-bins": {name: seed for name, (seed, _) in small.items()},
    }
    encoded = tuple(
        EncodedFile(
            column=name,
            encoding=encoding,
            cid="memory",
            polys=len(files[name][1]),
            seed=seeds[name].hex(),
            root=Digest(nowhere),
        )
        for name in files
        for encoding, seeds in forms.items()
    )
    table = EncryptedTable(
        profile=profile.digest,
        codebook=codebook,
        epoch=epoch,
        rows=rows,
        shards=(Shard(first_row=0, rows=rows, files=encoded),),
        evaluation_key=None,
        data_root=Digest(nowhere),
        evaluator=EVALUATOR,
    )
    return BinTable(table, size, chunks, files, profile.lwe_dimension, small)
