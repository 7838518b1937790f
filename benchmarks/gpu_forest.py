"""A forest over packed columns of uniform words: as many lookups as the demo's tree model, and no key to make."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from app.protocol.data.dataset import Affine, Codebook, ColumnCode, EncryptedTable, Shard
from app.protocol.ids import Digest
from fhe.arrays import U64
from fhe.circuit.circuit import Circuit, Input, Linear, Lookup, Readout
from fhe.mask import mask
from fhe.profile import EncryptionProfile


@dataclass(frozen=True)
class RandomWords:
    """A `ChunkSource` of uniform words."""

    size: int

    def bodies(self, input: Input, shard: int, chunks: range) -> U64:
        """Body words."""
        return mask(bytes([input.index, 1, shard] + [0] * 13), chunks.start, len(chunks), self.size)

    def mask(self, input: Input, shard: int, chunks: range) -> U64:
        """Mask words."""
        return mask(bytes([input.index, 2, shard] + [0] * 13), chunks.start, len(chunks), self.size)


def forest(trees: int, table: EncryptedTable) -> Circuit:
    """As many lookups of three bits as the demo's tree model has, summed into one score."""
    rng = np.random.default_rng(2)
    chosen = np.concatenate([np.sort(rng.choice(30, 3, replace=False)) for _ in range(trees)])
    edges, reads = np.unique(chosen, return_inverse=True)  # a circuit has no input that it does not read
    inputs = tuple(Input("c0", "bins", int(edge)) for edge in edges)
    weights, bounds = np.tile([4, 2, 1], trees), np.arange(0, 3 * trees + 1, 3)
    first = Linear(3, bounds, reads, weights, np.zeros(trees, np.int64))
    lookups = Lookup(12, np.arange(trees), rng.integers(-64, 64, (trees, 8)))
    wires = np.arange(len(inputs), len(inputs) + trees)
    last = Linear(12, np.array([0, trees]), wires, np.ones(trees, np.int64), np.zeros(1, np.int64))
    return Circuit(table.profile, table.codebook.digest, inputs, (first, lookups, last), ("score",), Readout("value"))


def table_of(profile: EncryptionProfile, rows: int) -> EncryptedTable:
    """A table of one column with 30 bins; what it holds comes from `RandomWords`."""
    edges = tuple(float(edge) for edge in range(1, 31))
    code = ColumnCode(name="c0", dtype="int", affine=Affine(low=0.0, step=1.0, levels=31), bins=edges, declared=True)
    shard = Shard.model_construct(first_row=0, rows=rows, files=())
    return EncryptedTable.model_construct(
        profile=profile.digest,
        codebook=Codebook(columns=(code,)),
        epoch=1,
        rows=rows,
        shards=(shard,),  # without files: `RandomWords` stands for them
        evaluation_key=None,
        data_root=Digest(""),
    )
