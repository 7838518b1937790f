"""Encrypted tables in memory, for tests of the engine and the compiler."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.protocol.data.dataset import Affine, Codebook, ColumnCode, EncodedFile, EncryptedTable, Shard
from app.protocol.ids import Digest
from fhe.arrays import I64, U64
from fhe.ciphertexts.packing import Encryptor, mask
from fhe.circuit.circuit import Circuit, Input, Linear, Readout
from fhe.keys.secret_keys import SecretKeys
from fhe.profile import EncryptionProfile


def codebook(columns: int, levels: int = 256, bins: int = 0) -> Codebook:
    """Columns c0, c1, ... of declared affine codes, and bins if asked for."""
    edges = tuple(float(edge) for edge in range(bins)) or None
    return Codebook(
        columns=tuple(
            ColumnCode(
                name=f"c{i}",
                dtype="float64",
                affine=Affine(low=0.0, step=1.0, levels=levels),
                bins=edges,
                declared=True,
            )
            for i in range(columns)
        )
    )


@dataclass(frozen=True, eq=False)
class MemoryTable:
    """A table and its words; it is its own ChunkSource."""

    table: EncryptedTable
    seeds: dict[tuple[int, str], bytes]
    words: dict[tuple[int, str], U64]
    size: int

    def bodies(self, input: Input, shard: int, chunks: range) -> U64:
        """Body words of one input's chunks."""
        return self.words[shard, input.column][chunks.start : chunks.stop]

    def mask(self, input: Input, shard: int, chunks: range) -> U64:
        """Mask words of one input's chunks."""
        return mask(self.seeds[shard, input.column], chunks.start, len(chunks), self.size)


def encrypt_codes(
    codes: I64, book: Codebook, secret: SecretKeys, profile: EncryptionProfile, shards: Sequence[int] | None = None
) -> MemoryTable:
    """Encrypt affine codes (rows, columns); `shards` are row counts that add up to the rows."""
    size, rows = profile.polynomial_size, len(codes)
    seeds, words, made, first = {}, {}, [], 0
    with Encryptor(secret, profile, threads=2) as encryptor:
        for number, count in enumerate(shards or [rows]):
            polys = -(-count // size)
            files = []
            for index, column in enumerate(book.columns):
                packed = np.zeros(polys * size, np.int64)
                packed[:count] = codes[first : first + count, index]
                file = encryptor.file()
                words[number, column.name] = file.encrypt(0, packed.reshape(polys, size))
                seeds[number, column.name] = file.seed
                files.append(
                    EncodedFile(
                        column=column.name,
                        encoding="affine",
                        cid="none",
                        polys=polys,
                        seed=file.seed.hex(),
                        root=Digest("0" * 64),
                    )
                )
            made.append(Shard(first_row=first, rows=count, files=tuple(files)))
            first += count
    table = EncryptedTable(
        profile=profile.digest,
        codebook=book,
        epoch=1,
        rows=rows,
        shards=tuple(made),
        evaluation_key=None,
        data_root=Digest("0" * 64),
    )
    return MemoryTable(table, seeds, words, size)


def linear_circuit(weights: I64, bias: I64, book: Codebook, profile: EncryptionProfile) -> Circuit:
    """A circuit of dense weights (outputs, columns); columns without a weight are left out."""
    used = np.flatnonzero((weights != 0).any(axis=0))
    kept = weights[:, used]
    rows, columns = np.nonzero(kept)
    counts = np.bincount(rows, minlength=len(kept))
    layer = Linear(
        profile.message_width,
        np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        columns.astype(np.int64),
        kept[rows, columns],
        bias,
    )
    return Circuit(
        profile.digest,
        book.digest,
        tuple(Input(book.columns[int(i)].name, "affine") for i in used),
        (layer,),
        tuple(f"value {i}" for i in range(len(bias))),
        Readout("value"),
    )
