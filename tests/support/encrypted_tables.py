"""Small encrypted tables in memory, and keys of no security, for fast tests of the engine."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from app.protocol.data.dataset import Affine, Codebook, ColumnCode, EncodedFile, EncryptedTable, Shard
from app.protocol.ids import Digest
from app.protocol.vocabulary import FileEncoding
from fhe.arrays import I64, U16, U64
from fhe.ciphertexts.packing import Encryptor, mask
from fhe.circuit.circuit import Circuit, Input, Linear, Lookup, Readout
from fhe.evaluation_key import EvaluationKey
from fhe.keys.secret_keys import SecretKeys
from fhe.mask import lwe_masks
from fhe.profile import EncryptionProfile

EDGES = 8


class MemorySource:
    """A `ChunkSource` over arrays, which counts what it is asked for."""

    def __init__(self, size: int, dimension: int = 0) -> None:
        self.size, self.dimension = size, dimension
        self.bins: dict[tuple[int, str], tuple[bytes, int, U16]] = {}
        self.files: dict[tuple[int, str, str], tuple[bytes, int, U64]] = {}

    def bodies(self, input: Input, shard: int, chunks: range) -> U64:
        _, per_index, words = self.files[shard, input.column, input.encoding]
        first = input.index * per_index + chunks.start
        return words[first : first + len(chunks)]

    def mask(self, input: Input, shard: int, chunks: range) -> U64:
        seed, per_index, _ = self.files[shard, input.column, input.encoding]
        return mask(seed, input.index * per_index + chunks.start, len(chunks), self.size)

    def lwe_bodies(self, input: Input, shard: int, chunk: int) -> U16:
        _, per_index, words = self.bins[shard, input.column]
        bodies: U16 = words[input.index * per_index + chunk]
        return bodies

    def lwe_masks(self, input: Input, shard: int, chunk: int, rows: range) -> U64:
        seed, per_index, _ = self.bins[shard, input.column]
        first = (input.index * per_index + chunk) * self.size + rows.start
        return lwe_masks(seed, first, len(rows), self.dimension)


@dataclass(frozen=True)
class TableWithKeys:
    """A table, its plain codes, and every key."""

    profile: EncryptionProfile
    secret: SecretKeys
    key: EvaluationKey
    table: EncryptedTable
    source: MemorySource
    codes: I64  # (rows, columns), 0 to EDGES: affine code and bin code alike

    def inputs(self, circuit: Circuit) -> I64:
        """The circuit's inputs in the clear, (rows, inputs)."""
        found = []
        for wire in circuit.inputs:
            code = self.codes[:, int(wire.column[1:])]
            found.append(code if wire.encoding == "affine" else code > wire.index)
        inputs: I64 = np.stack(found, 1).astype(np.int64)
        return inputs


def make_table(
    profile: EncryptionProfile,
    secret: SecretKeys,
    key: EvaluationKey,
    shard_rows: tuple[int, ...],
    columns: int = 3,
    *,
    lwe: bool = False,
) -> TableWithKeys:
    """Encrypt random codes, in shards, as affine values and as bins; with `lwe` also as bins under the small key."""
    rng, size = np.random.default_rng(5), profile.polynomial_size
    codes = rng.integers(0, EDGES + 1, (sum(shard_rows), columns))
    source, shards, first = MemorySource(size, profile.lwe_dimension), [], 0
    with Encryptor(secret, profile, 1) as encryptor:
        for number, rows in enumerate(shard_rows):
            part, chunks, files = codes[first : first + rows], -(-rows // size), []
            for column in range(columns):
                encodings: dict[FileEncoding, I64] = {
                    "affine": part[:, column][None],
                    "bins": (part[:, column][None] > np.arange(EDGES)[:, None]).astype(np.int64),
                }
                if lwe:
                    encodings["lwe-bins"] = encodings["bins"]
                for encoding, values in encodings.items():
                    padded = np.zeros((len(values), chunks * size), np.int64)
                    padded[:, :rows] = values
                    file = encryptor.bins() if encoding == "lwe-bins" else encryptor.file()
                    bodies = file.encrypt(0, padded.reshape(-1, size))
                    if encoding == "lwe-bins":
                        source.bins[number, f"c{column}"] = file.seed, chunks, bodies.astype(np.uint16)
                    else:
                        source.files[number, f"c{column}", encoding] = file.seed, chunks, bodies.astype(np.uint64)
                    files.append(
                        EncodedFile.model_construct(
                            column=f"c{column}",
                            encoding=encoding,
                            cid="",
                            polys=len(bodies),
                            seed=file.seed.hex(),
                            root=Digest(""),
                        )
                    )
            shards.append(Shard.model_construct(first_row=first, rows=rows, files=tuple(files)))
            first += rows
    edges = tuple(float(edge) for edge in range(1, EDGES + 1))
    code = Affine(low=0.0, step=1.0, levels=EDGES + 1)
    names = [f"c{column}" for column in range(columns)]
    codebook = Codebook(
        columns=tuple(ColumnCode(name=name, dtype="int", affine=code, bins=edges, declared=True) for name in names)
    )
    table = EncryptedTable.model_construct(
        profile=profile.digest,
        codebook=codebook,
        epoch=key.epoch,
        rows=first,
        shards=tuple(shards),
        evaluation_key=None,
        data_root=Digest(""),
    )
    return TableWithKeys(profile, secret, key, table, source, codes)


def sparse(width: int, matrix: I64, bias: I64) -> Linear:
    """A Linear from a dense matrix."""
    row, column = np.nonzero(matrix)
    counts = np.bincount(row, minlength=len(matrix))
    return Linear(width, np.concatenate([[0], np.cumsum(counts)]), column, matrix[row, column], bias)


def tree_like(world: TableWithKeys, trees: int = 3, *, stages: int = 1, outputs: int = 1) -> Circuit:
    """Random lookups on three bits each, one value shared by two lookups, summed into scores of 12 bits."""
    rng = np.random.default_rng(7)
    inputs = tuple(Input(f"c{c}", "bins", e) for c in range(world.codes.shape[1]) for e in range(EDGES))
    layers: list[Linear | Lookup] = []
    wires = len(inputs)
    for stage in range(stages):
        matrix = np.zeros((trees, wires), np.int64)
        for tree in range(trees):
            chosen = rng.choice(len(inputs), 3, replace=False)
            matrix[tree, chosen] = (4, 2, 1)
            if stage:  # the last bit comes from the stage before
                matrix[tree, chosen[2]] = 0
                matrix[tree, len(inputs) + tree] = 1
        layers.append(sparse(3, matrix, np.zeros(trees, np.int64)))
        last = stage == stages - 1
        source = np.array([*range(trees), 0]) if last else np.arange(trees)
        top = 1 << 7 if last else 2
        tables = rng.integers(-top if last else 0, top, (len(source), 8))
        layers.append(Lookup(12 if last else 4, source, tables))
        wires += len(source)
    final = np.zeros((outputs, wires), np.int64)
    final[:, wires - trees - 1 :] = rng.integers(1, 4, (outputs, trees + 1))
    layers.append(sparse(12, final, rng.integers(-50, 50, outputs)))
    read = np.unique(np.concatenate([layer.columns for layer in layers if isinstance(layer, Linear)]))
    kept = [wire for wire in range(wires) if wire >= len(inputs) or wire in read]  # a circuit reads all its inputs
    renumbered = [
        replace(layer, columns=np.searchsorted(kept, layer.columns)) if isinstance(layer, Linear) else layer
        for layer in layers
    ]
    return Circuit(
        world.profile.digest,
        world.table.codebook.digest,
        tuple(inputs[wire] for wire in kept if wire < len(inputs)),
        tuple(renumbered),
        tuple(f"s{o}" for o in range(outputs)),
        Readout("value"),
    )


def small_key_trees(world: TableWithKeys, trees: int = 3) -> Circuit:
    """Random 16-entry tables on four bits, then 8-entry ones on a bit and two of the first, summed into 12 bits."""
    rng, edges = np.random.default_rng(9), world.codes.shape[1] * EDGES
    chosen = np.stack([rng.choice(edges, 4, replace=False) for _ in range(trees)])
    read = np.unique(chosen)
    inputs = tuple(Input(f"c{edge // EDGES}", "bins", int(edge) % EDGES) for edge in read)
    first, second = (np.zeros((trees, len(read) + found), np.int64) for found in (0, trees))
    for tree in range(trees):
        first[tree, np.searchsorted(read, chosen[tree])] = (8, 4, 2, 1)
        second[tree, np.searchsorted(read, chosen[tree][0])] = 4
        second[tree, [len(read) + tree, len(read) + (tree + 1) % trees]] = (2, 1)
    last = np.concatenate([np.zeros((1, len(read)), np.int64), rng.integers(1, 4, (1, 3 * trees))], axis=1)
    layers = (
        sparse(4, first, np.zeros(trees, np.int64)),
        Lookup(4, np.arange(trees), rng.integers(0, 2, (trees, 16))),
        sparse(4, first, np.zeros(trees, np.int64)),
        Lookup(12, np.arange(trees), rng.integers(-128, 128, (trees, 16))),
        sparse(3, np.concatenate([second, np.zeros((trees, trees), np.int64)], axis=1), np.zeros(trees, np.int64)),
        Lookup(12, np.arange(trees), rng.integers(-128, 128, (trees, 8))),
        sparse(12, np.concatenate([last[:, : len(read)], 0 * last[:, :trees], last[:, len(read) + trees :]], axis=1),
               rng.integers(-50, 50, 1)),
    )  # fmt: skip
    digests = world.profile.digest, world.table.codebook.digest
    return Circuit(*digests, inputs, layers, ("score",), Readout("value"), centred=True, lwe_bins=True)
