"""The part of a program that circuits with lookups have: docs/trace.md, section 8.

Its sections follow those of linear circuits, in the program's words; what is larger (key, test polynomials, roots of
unity) stands under roots of its own. Words are U64.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import cast

import numpy as np

from app.protocol.data.dataset import EncryptedTable, KeyRoots
from app.protocol.ids import Digest
from fhe.arrays import I64, U64
from fhe.circuit.circuit import Circuit, Linear, Lookup, word_weight
from fhe.engine.gadget import table_polynomials
from fhe.engine.hashing import builder, root_of
from fhe.engine.output import lwe_bits
from fhe.engine.roots import roots
from fhe.engine.trace.packing import PackingShape
from fhe.engine.trace.packing_points import PackingPoints
from fhe.engine.trace.tape import TapeShape
from fhe.engine.transform import key_points
from fhe.evaluation_key import EvaluationKey
from fhe.profile import EncryptionProfile


@dataclass(frozen=True, eq=False)
class KeyTables:
    """What of an evaluation key a lookup reads, so that the words of one rule stand together: the keyswitch key
    (n + 1, N, L'), and the bootstrap key's points (n, 2, H, 2, L, 2): step, column, point, row, level, part.
    """

    keyswitch: U64
    points: U64
    packing: PackingPoints | None = None  # of a key that packs results

    @classmethod
    def of(cls, key: EvaluationKey) -> KeyTables:
        """From the key, polynomial by polynomial: as much memory again as its bootstrap part."""
        points = np.stack([points_of(polynomials) for polynomials in key.bootstrap])
        packing = PackingPoints(key.packing) if key.packing is not None else None
        return cls(np.ascontiguousarray(key.keyswitch.transpose(2, 0, 1)), points, packing)

    @cached_property
    def digests(self) -> tuple[Digest, Digest]:
        """Roots of keyswitch rows and points."""
        return file_root(self.keyswitch), file_root(self.points)


def points_of(polynomials: U64) -> U64:
    """The points of a step's polynomials (L, 2, 2, N) as words (2, H, 2, L, 2): column, point, row, level, part."""
    re, im = key_points(polynomials)
    return np.ascontiguousarray(np.stack([re, im], -1).transpose(2, 3, 1, 0, 4)).view(np.uint64)


def roots_of_key(key: EvaluationKey) -> KeyRoots:
    """What a manifest says of its evaluation key: as `KeyTables.digests`, of which one step's points are in memory."""
    rows, points = builder(), builder()
    for word in range(key.keyswitch.shape[2]):
        rows.update(key.keyswitch[:, :, word].astype("<u8").tobytes())
    for polynomials in key.bootstrap:
        points.update(points_of(polynomials).astype("<u8").tobytes())
    packing = PackingPoints(key.packing).root if key.packing is not None else None
    return KeyRoots(keyswitch=rows.root(), points=points.root(), packs=packing is not None, packing=packing)


@dataclass(frozen=True, eq=False)
class Lookups:
    """All lookups of a circuit, numbered layer by layer, and the values that they read, with all terms of these."""

    profile: EncryptionProfile
    centred: bool
    values: U64  # (values, 4): bias, first term, terms, 0
    terms: U64  # (terms, 2): wire, weight
    lookups: U64  # (lookups, 2): value, table
    tests: U64  # (tables, N): test polynomials
    seeds: U64  # (shards * inputs, 2)
    key: KeyTables | KeyRoots

    @property
    def header(self) -> tuple[int | str, ...]:
        """As the contract takes it."""
        bootstrap, keyswitch = self.profile.bootstrap, self.profile.keyswitch
        return (
            self.profile.lwe_dimension, keyswitch.base_log, keyswitch.levels, bootstrap.base_log, bootstrap.levels,
            int(self.centred), len(self.values), len(self.terms), self.most, len(self.lookups), len(self.tests),
            lwe_bits(self.profile), self._levels_of_words, *self.key.digests,
            file_root(self.tests), file_root(roots_of_unity(self.profile)),
        )  # fmt: skip

    @property
    def _levels_of_words(self) -> int:
        """Of the tree over the words of every line: of the longest one."""
        found = TapeShape.of(self.profile, self.most).levels_of_words
        return found if self.packing is None else max(found, PackingShape.of(self.profile).levels_of_words)

    @property
    def digest(self) -> Digest:
        """SHA-256 of the header's fields, 32 bytes each, big-endian."""
        return fields_digest(self.header)

    @property
    def most(self) -> int:
        """Terms of the value that has most."""
        return int(self.values[:, 2].max())

    @property
    def packing(self) -> Digest | None:
        """The root of the packing key's points; None where the key packs nothing, or nobody says its root."""
        found = self.key.packing
        return found.root if isinstance(found, PackingPoints) else None if found is None else Digest(found)

    @property
    def sections(self) -> tuple[U64, ...]:
        """What follows the shards in the program's words."""
        found = self.values, self.terms, self.lookups, self.seeds
        if self.packing is None:
            return found
        return *found, np.frombuffer(bytes.fromhex(self.packing), "<u8").astype(np.uint64)


def roots_of_unity(profile: EncryptionProfile) -> U64:
    """(2 N, 4, 2): of each root its powers 0 to 3, real and imaginary part, as words."""
    turn = 2 * profile.polynomial_size
    real, imaginary = roots(turn)
    powers = np.arange(turn)[:, None] * np.arange(4) % turn
    words: U64 = np.stack([real[powers], imaginary[powers]], -1).view(np.uint64)
    return words


def file_root(words: U64) -> Digest:
    """The root of words as little-endian bytes."""
    return root_of(np.ascontiguousarray(words.astype("<u8", copy=False)).reshape(-1).view(np.uint8).data)


def fields_digest(fields: tuple[int | str, ...]) -> Digest:
    """SHA-256 over numbers and digests, 32 bytes each, big-endian."""
    found = (bytes.fromhex(each) if isinstance(each, str) else each.to_bytes(32, "big") for each in fields)
    return Digest(sha256(b"".join(found)).hexdigest())


def lookups_of(
    circuit: Circuit, profile: EncryptionProfile, table: EncryptedTable, key: KeyTables | KeyRoots
) -> Lookups:
    """Of a circuit with lookups, whose inputs are packed values."""
    layers = [layer for layer in circuit.layers if isinstance(layer, Lookup)]
    before = [cast(Linear, circuit.layers[number]) for number in range(0, len(circuit.layers) - 1, 2)]
    widths = wire_widths(circuit, profile)
    values, terms, lookups = list[list[int]](), list[tuple[int, int]](), list[tuple[int, int]]()
    polynomials = list[U64]()
    for linear, layer in zip(before, layers, strict=True):
        first = len(values)
        for row in range(len(linear.bias)):
            found = weighted(linear, row, widths)
            values.append([int(linear.bias[row]) << 63 - linear.width & (1 << 64) - 1, len(terms), len(found), 0])
            terms += found
        distinct, which = np.unique(layer.tables, axis=0, return_inverse=True)
        tables = sum(len(each) for each in polynomials)
        lookups += [
            (first + int(source), tables + int(each))
            for source, each in zip(layer.source, which.reshape(-1), strict=True)
        ]
        polynomials.append(table_polynomials(distinct, layer.width_out, profile.polynomial_size))
    return Lookups(
        profile, circuit.centred, np.array(values, np.uint64), np.array(terms, np.uint64),
        np.array(lookups, np.uint64), np.concatenate(polynomials), _seeds(circuit, table), key,
    )  # fmt: skip


def wire_widths(circuit: Circuit, profile: EncryptionProfile) -> list[int]:
    """Bits under the padding bit of every wire."""
    widths = [profile.message_width] * len(circuit.inputs)
    for layer in circuit.layers:
        if isinstance(layer, Lookup):
            widths += [layer.width_out] * len(layer.source)
    return widths


def weighted(linear: Linear, row: int, widths: list[int]) -> list[tuple[int, int]]:
    """Wire and weight, in the ciphertext's scale, of the terms of one value."""
    terms = slice(linear.indptr[row], linear.indptr[row + 1])
    columns: I64 = linear.columns[terms]
    return [
        (wire, word_weight(weight, widths[wire], linear.width) % (1 << 64))
        for wire, weight in zip(columns.tolist(), linear.values[terms].tolist(), strict=True)
    ]


def _seeds(circuit: Circuit, table: EncryptedTable) -> U64:
    rows = []
    for shard in table.shards:
        seeds = {(file.column, file.encoding): file.seed for file in shard.files}
        rows += [bytes.fromhex(seeds[name]) for name in circuit.files]
    return np.frombuffer(b"".join(rows), "<u8").astype(np.uint64).reshape(-1, 2)
