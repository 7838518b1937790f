"""Rows of a table by way of ciphertexts: affine codes, packed bins, bins under the small key."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from app.protocol.data.dataset import EncryptedTable
from benchmarks.bin_table import BinTable, encrypt_bins
from benchmarks.rows_tables import RowsTable
from fhe.arrays import I64, U16, U64
from fhe.ciphertexts.decrypt_linear import decrypt_linear
from fhe.ciphertexts.decrypt_lookup import decrypt_lookups
from fhe.circuit.circuit import Circuit, Input
from fhe.engine.evaluate import evaluate
from fhe.evaluation_key import EvaluationKey
from fhe.keys.secret_keys import SecretKeys
from fhe.profile import EncryptionProfile
from tests.support.tables import MemoryTable, encrypt_codes


@dataclass(frozen=True, eq=False)
class Keys:
    """What encrypted rows need."""

    profile: EncryptionProfile
    secret: SecretKeys
    evaluation: EvaluationKey


@dataclass(frozen=True, eq=False)
class CodesAndBins:
    """One table in both forms, as a dataset publishes it; it is its own `TableSource`."""

    table: EncryptedTable
    codes: MemoryTable
    bins: BinTable

    @classmethod
    def of(cls, table: RowsTable, rows: int, keys: Keys) -> CodesAndBins:
        """The first rows of a table."""
        codes = encrypt_codes(table.codes("affine")[:rows], table.codebook, keys.secret, keys.profile)
        bins = encrypt_bins(table.codes("bins")[:rows], table.codebook, keys.secret, keys.profile)
        (shard,), (more,) = codes.table.shards, bins.table.shards
        shards = (shard.model_copy(update={"files": shard.files + more.files}),)
        named = codes.table.model_copy(update={"shards": shards, "evaluator": "darkroom-canonical-2"})
        return cls(named, codes, bins)

    def bodies(self, input: Input, shard: int, chunks: range) -> U64:
        """Body words (len(chunks), N) of one column's codes or one of its bits."""
        return (self.codes if input.encoding == "affine" else self.bins).bodies(input, shard, chunks)

    def mask(self, input: Input, shard: int, chunks: range) -> U64:
        """Mask words (len(chunks), N) of the same."""
        return (self.codes if input.encoding == "affine" else self.bins).mask(input, shard, chunks)

    def lwe_bodies(self, input: Input, shard: int, chunk: int) -> U16:
        """Bodies (N,) of one bit under the small key."""
        return self.bins.lwe_bodies(input, shard, chunk)

    def lwe_masks(self, input: Input, shard: int, chunk: int, rows: range) -> U64:
        """Mask words (len(rows), n) of rows of that chunk."""
        return self.bins.lwe_masks(input, shard, chunk, rows)


def through_ciphertexts(circuit: Circuit, source: CodesAndBins, keys: Keys) -> I64:
    """The outputs (outputs, rows) of all rows of a table, evaluated under encryption and decrypted."""
    rows, profile = source.table.rows, keys.profile
    output = evaluate(circuit, profile, source.table, source, 0, rows, keys.evaluation, threads=1)
    if output.form != "bodies":
        return decrypt_lookups(keys.secret, profile, circuit, rows, output)
    words = output.words.astype(np.uint64).reshape(output.outputs, rows)
    return decrypt_linear(keys.secret, profile, circuit, source.table, source, 0, rows, words)
