"""The program of a job: what a dispute about its result reads of circuit, dataset and evaluator, as words under a root.

Anybody derives it from circuit, profile and table; docs/trace.md, section 7, is its definition. A job's order states
its digest, executors and custodian compute it themselves, and a contract takes every number that it judges with from
it. Words are U64; a digest is 64 hex digits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from app.protocol.data import merkle
from app.protocol.data.dataset import EncryptedTable, KeyRoots, values_a_row
from app.protocol.data.listing import published_files
from app.protocol.ids import Digest
from app.protocol.market.disputes import ProvenLeaf
from app.protocol.vocabulary import FileEncoding
from fhe.arrays import U64
from fhe.circuit.circuit import Circuit, Linear
from fhe.engine.hashing import prove
from fhe.engine.source import check_runs_on
from fhe.engine.trace.judged import nameless
from fhe.engine.trace.lookups import KeyTables, Lookups, fields_digest, lookups_of, weighted, wire_widths
from fhe.profile import EncryptionProfile

LEAF_WORDS = merkle.LEAF_BYTES // 8
LINEAR, ROW_SUMS, LOOKUPS, PACKING = range(4)  # kinds
RECORD = 4  # words of an output and of an input
PAIR = 2  # words of a term and of a shard


@dataclass(frozen=True, eq=False)
class JobProgram:
    """A program. The sections' words follow one another, each filled up with zeros to whole leaves of 16."""

    kind: int
    evaluator: int  # as in darkroom-canonical-1
    size: int  # N
    width: int  # of the last layer
    outputs: int
    terms: int
    inputs: int
    shards: int
    files: int  # under the data root
    block: int  # rows that a value sums over; 1 without sums
    words: U64
    lookups: Lookups | None = None

    @property
    def header(self) -> tuple[int | str, ...]:
        """Its fields as the contract takes them: numbers, then the words' root and the digest of what lookups need."""
        numbers = (
            self.kind, self.evaluator, self.size, self.width, self.outputs, self.terms, self.inputs, self.shards,
            self.files, self.block, len(self.words),
        )  # fmt: skip
        return (*numbers, merkle.root(self._bytes), "00" * 32 if self.lookups is None else self.lookups.digest)

    @property
    def digest(self) -> Digest:
        """SHA-256 of the header's fields, 32 bytes each, big-endian."""
        return fields_digest(self.header)

    @property
    def _bytes(self) -> bytes:
        return self.words.astype("<u8").tobytes()

    def output_at(self, output: int) -> int:
        """Place of an output's record: bias, number of its first term, how many there are, 0."""
        return RECORD * output

    def term_at(self, term: int) -> int:
        """Place of a term: its wire, then its weight in the ciphertext's scale."""
        return _full(RECORD * self.outputs) + PAIR * term

    def input_at(self, shard: int, wire: int) -> int:
        """Place of a wire's record in a shard: its file's number, word of the shard's first row in it, its bytes, 0."""
        return self.term_at(0) + _full(PAIR * self.terms) + RECORD * (shard * self.inputs + wire)

    def shard_at(self, shard: int) -> int:
        """Place of a shard: its first row, then how many it has."""
        return self.input_at(0, 0) + _full(RECORD * self.shards * self.inputs) + PAIR * shard

    def value_at(self, value: int) -> int:
        """Place of a value that is looked up, of all layers: bias, number of its first term, how many there are, 0."""
        return _full(self.shard_at(self.shards)) + RECORD * value

    def value_term_at(self, term: int) -> int:
        """Place of a term of such a value: its wire, then its weight."""
        return self.value_at(0) + _full(RECORD * len(self._looked_up.values)) + PAIR * term

    def lookup_at(self, lookup: int) -> int:
        """Place of a lookup: its value, then its test polynomial."""
        return self.value_term_at(0) + _full(PAIR * len(self._looked_up.terms)) + PAIR * lookup

    def seed_at(self, shard: int, wire: int) -> int:
        """Place of a wire's seed in a shard."""
        return self.lookup_at(0) + _full(PAIR * len(self._looked_up.lookups)) + PAIR * (shard * self.inputs + wire)

    @property
    def packing_at(self) -> int:
        """Place of the root of the packing key's points, four words, where the program says it."""
        return self.seed_at(0, 0) + _full(PAIR * self.shards * self.inputs)

    @property
    def _looked_up(self) -> Lookups:
        if self.lookups is None:
            raise ValueError("this circuit has no lookups")
        return self.lookups

    def shard_of(self, row: int) -> int:
        """The shard of a row of the dataset. Errors: ValueError."""
        first = self.words[self.shard_at(0) : self.shard_at(self.shards)].reshape(-1, PAIR)
        found = np.flatnonzero((first[:, 0] <= row) & (row < first.sum(1)))
        if len(found) != 1:
            raise ValueError(f"no shard has row {row}")
        return int(found[0])

    def leaf(self, place: int) -> ProvenLeaf:
        """The leaf that has word number `place`."""
        return proven(self._bytes, place)


def proven(data: bytes | memoryview, word: int) -> ProvenLeaf:
    """The leaf of a file's bytes that has a word of 8 bytes, and its path. Errors: IndexError."""
    view = memoryview(data)
    found, path = prove(lambda start, length: bytes(view[start : start + length]), len(view), word // LEAF_WORDS)
    return ProvenLeaf(found, tuple(Digest(each) for each in path))


def program_of(
    circuit: Circuit, profile: EncryptionProfile, table: EncryptedTable, key: KeyTables | KeyRoots | None = None
) -> JobProgram | None:
    """The program of a job with this circuit on this table; None where no dispute about a result is possible: what is
    `nameless`, and lookups of which no `key` is known.

    `key`: what of the dataset's evaluation key lookups read, by default what the table says of it. Whether packed
    results can be judged depends on the job's rows too: `fhe.engine.trace.judged.unjudged`.
    Errors: BadModel, MessageOverflow for a circuit that does not run on the table.
    """
    check_runs_on(circuit, profile, table)
    layer = circuit.layers[-1]
    assert isinstance(layer, Linear)
    key = key or table.key_roots
    lookups = None
    if nameless(circuit, table) is not None or (len(circuit.layers) > 1 and key is None):
        return None
    if len(circuit.layers) > 1:
        assert key is not None
        lookups = lookups_of(circuit, profile, table, key)
    names = _files(table)
    sections = (
        _outputs(layer),
        _terms(layer, profile) if lookups is None else _last_terms(layer, wire_widths(circuit, profile)),
        _inputs(circuit, profile, table, names),
        np.array([(shard.first_row, shard.rows) for shard in table.shards], np.uint64),
        *(lookups.sections if lookups is not None else ()),
    )
    return JobProgram(
        kind=_kind(circuit, lookups),
        evaluator=int(table.evaluator.rsplit("-", 1)[1]),
        size=profile.polynomial_size,
        width=layer.width,
        outputs=len(layer.bias),
        terms=len(layer.columns),
        inputs=len(circuit.inputs),
        shards=len(table.shards),
        files=len(names) * len(table.shards),
        block=min(circuit.block, table.rows) or 1,
        words=np.concatenate([_filled(section) for section in sections]),
        lookups=lookups,
    )


def _kind(circuit: Circuit, lookups: Lookups | None) -> int:
    if lookups is not None:
        return LOOKUPS if lookups.packing is None else PACKING
    return ROW_SUMS if circuit.block else LINEAR


def _outputs(layer: Linear) -> U64:
    records = np.zeros((len(layer.bias), RECORD), np.uint64)
    records[:, 0] = layer.bias.view(np.uint64) << np.uint64(63 - layer.width)
    records[:, 1], records[:, 2] = layer.indptr[:-1], np.diff(layer.indptr)
    return records


def _terms(layer: Linear, profile: EncryptionProfile) -> U64:
    weights = layer.values.view(np.uint64) << np.uint64(profile.message_width - layer.width)
    return np.stack([layer.columns.astype(np.uint64), weights], 1)


def _last_terms(layer: Linear, widths: list[int]) -> U64:
    found = [term for row in range(len(layer.bias)) for term in weighted(layer, row, widths)]
    return np.array(found, np.uint64)


def _inputs(
    circuit: Circuit, profile: EncryptionProfile, table: EncryptedTable, names: list[tuple[str, FileEncoding]]
) -> U64:
    size = profile.polynomial_size
    place = {name: number for number, name in enumerate(names)}
    counts = {column.name: values_a_row(column) for column in table.codebook.published}
    wires = [
        (place[wire.column, wire.encoding], wire.index, counts[wire.column][wire.encoding]) for wire in circuit.inputs
    ]
    file, index, count = np.array(wires, np.uint64).T
    records = np.zeros((len(table.shards), len(wires), RECORD), np.uint64)
    for number, shard in enumerate(table.shards):
        words = np.uint64(-(-shard.rows // size) * size)  # of one value
        records[number, :, 0] = file + np.uint64(number * len(names))
        records[number, :, 1], records[number, :, 2] = index * words, np.uint64(8) * count * words
    return records


def _files(table: EncryptedTable) -> list[tuple[str, FileEncoding]]:
    """Column and encoding of every file of a shard, in manifest order."""
    if table.listed is not None:
        return [(column, encoding) for column, encoding, _ in published_files(table.codebook, table.listed.encodings)]
    return [(file.column, file.encoding) for file in table.shards[0].files]


def _full(words: int) -> int:
    return -(-words // LEAF_WORDS) * LEAF_WORDS


def _filled(section: U64) -> U64:
    flat = np.zeros(_full(section.size), np.uint64)
    flat[: section.size] = section.reshape(-1)
    return flat
