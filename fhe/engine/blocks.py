"""A job cut into blocks of rows, which anybody computes in any order and as often as it takes: the bytes are the same.

The output is made of *places*: a column of a result of bodies (one row or one sum, all outputs), one value of the other
forms. A block of rows gives words for a stretch of places, and what several blocks give to one place adds up modulo
2^64 (sums over more rows than a block has). A *piece* of the output is final as soon as all blocks that touch it are
there: bodies and ciphertexts are rounded where they stand, a packed ciphertext waits for its N values.

The cut follows from circuit, table and rows alone, so that work goes on from a checkpoint whatever machine goes on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from app.protocol.data.dataset import EncryptedTable
from app.protocol.errors import BadKey
from app.protocol.ports import Progress
from fhe.arrays import U64
from fhe.circuit.circuit import Circuit, Linear
from fhe.circuit.compatible import check_packs
from fhe.circuit.cost import cost
from fhe.circuit.well_formed import check_form
from fhe.engine.core import BackendName, Core
from fhe.engine.evaluate import combine_for, core_for, output_ciphertexts
from fhe.engine.linear import evaluate_bodies, mask_batches
from fhe.engine.output import FORMS, HEADER, MAGIC, PACKED_BITS, Form, choose_form, lwe_bits, lwe_bytes, payload_bytes
from fhe.engine.results import CiphertextSink, LweResults, PackedResults, Results
from fhe.engine.source import ChunkSource, check_runs_on
from fhe.engine.sums import BlockSums, evaluate_sums
from fhe.evaluation_key import EvaluationKey
from fhe.profile import EncryptionProfile

RULE = 1  # counts how blocks are cut: what was kept of another rule is of no use


@dataclass(frozen=True)
class BlockSize:
    """How much a block is, about."""

    linear_words: int = 1 << 20  # rows times outputs, without lookups: 8 MiB of output
    lookup_units: int = 1 << 18  # static cost, with lookups: two minutes of one core


USUAL = BlockSize()


@dataclass(frozen=True)
class RowBlock:
    """Rows [first, first + rows) of the table, which add to places [start, stop) of the output."""

    number: int
    first: int
    rows: int
    start: int
    stop: int


@dataclass(frozen=True)
class OutputPiece:
    """Places [start, stop) of the output, final together, and the numbers of the blocks that they need."""

    number: int
    start: int
    stop: int
    blocks: range


class BlockPlan:
    """How one job is cut, what each block computes, and where it stands in the output's bytes."""

    def __init__(
        self,
        circuit: Circuit,
        profile: EncryptionProfile,
        table: EncryptedTable,
        first_row: int,
        rows: int,
        key: EvaluationKey | None = None,
        of: BlockSize = USUAL,
    ) -> None:
        """`key`: of a circuit with lookups.

        Errors: BadDocument (not well-formed), BadModel, MessageOverflow, BadKey, RowsOutsideDataset.
        """
        check_form(circuit)
        check_runs_on(circuit, profile, table)
        last = circuit.layers[-1]
        assert isinstance(last, Linear)
        self._circuit, self._profile, self._table, self._last = circuit, profile, table, last
        self._first, self.rows, self._key, self.of = first_row, rows, key, of
        self.linear, self.outputs = len(circuit.layers) == 1, len(last.bias)
        self.columns = circuit.result_rows(rows)  # rows or sums
        self.form: Form = "bodies"
        if not self.linear:
            if key is None:
                raise BadKey("This circuit has lookups, which need the dataset's evaluation key.", "Fetch it.")
            check_packs(circuit, packs=key.packing is not None)
            self.form = choose_form(profile, self.columns * self.outputs, key.packing is not None)
        self._a_place = 1 if self.linear else self.outputs  # places of one column
        cuts = self._linear_cuts(of.linear_words) if self.linear else self._lookup_cuts(of.lookup_units)
        self.blocks = tuple(self._blocks(cuts))
        self.pieces = tuple(self._pieces())

    # --- the cut ----------------------------------------------------------------------------------------------------

    def _linear_cuts(self, words: int) -> Iterator[int]:
        """How many rows each block has, in order."""
        most = max(1, words // self.outputs)
        if self._circuit.block:
            yield from self._aligned(most)
            return
        waiting = 0
        for batch in mask_batches(self._circuit, self._profile, self._table, self._first, self.rows):
            rows = sum(span.rows for span in batch.parts)
            if waiting and waiting + rows > most:
                yield waiting
                waiting = 0
            waiting += rows
        yield waiting

    def _lookup_cuts(self, units: int) -> Iterator[int]:
        size = self._profile.polynomial_size
        by_work = units // cost(self._circuit, self._profile, 1).units
        by_words = size * (self._circuit.block or 1) // self.outputs
        yield from self._aligned(max(1, min(by_work, by_words)))

    def _aligned(self, most: int) -> Iterator[int]:
        """At most so many rows at once: whole blocks of a circuit that sums, or parts of a single one."""
        sums = self._circuit.block or 1
        if sums <= most:
            most -= most % sums
        left, inside = self.rows, 0
        while left:
            rows = min(left, most if sums <= most else min(most, sums - inside))
            yield rows
            left, inside = left - rows, (inside + rows) % sums

    def _blocks(self, cuts: Iterable[int]) -> Iterator[RowBlock]:
        row, sums, a_place = 0, self._circuit.block or 1, self._a_place
        for number, rows in enumerate(cuts):
            start, stop = row // sums * a_place, -(-(row + rows) // sums) * a_place
            yield RowBlock(number, self._first + row, rows, start, stop)
            row += rows

    def _pieces(self) -> Iterator[OutputPiece]:
        """Packed ciphertexts; else the stretches that share no place with a block beside them."""
        if self.form == "packed":
            size, places, low = self._profile.polynomial_size, self.columns * self.outputs, 0
            for number, start in enumerate(range(0, places, size)):
                stop = min(start + size, places)
                while self.blocks[low].stop <= start:
                    low += 1
                high = low
                while high < len(self.blocks) and self.blocks[high].start < stop:
                    high += 1
                yield OutputPiece(number, start, stop, range(low, high))
            return
        begin, number = 0, 0
        for end in range(1, len(self.blocks) + 1):
            if end < len(self.blocks) and self.blocks[end].start < self.blocks[end - 1].stop:
                continue
            yield OutputPiece(number, self.blocks[begin].start, self.blocks[end - 1].stop, range(begin, end))
            begin, number = end, number + 1

    # --- what a block computes --------------------------------------------------------------------------------------

    def words(
        self,
        block: RowBlock,
        source: ChunkSource,
        *,
        threads: int = 1,
        backend: BackendName = "auto",
        progress: Progress | None = None,
    ) -> U64:
        """What a block adds: (outputs, places) of bodies, else ciphertexts (places, N + 1).

        Errors: BadKey, VerificationFailed, Unavailable, and what the source raises.
        """
        circuit, profile, table = self._circuit, self._profile, self._table
        place = (block.first, block.rows)
        if self.linear and circuit.block:
            return evaluate_sums(circuit, profile, table, source, *place, threads=threads, progress=progress)
        if self.linear:
            combine = combine_for(profile, backend)
            return evaluate_bodies(
                circuit, profile, table, source, *place, threads=threads, progress=progress, combine=combine
            )
        core = core_for(profile, table, self._key, threads, backend)
        taken = _Raw(block.stop - block.start, profile.polynomial_size)
        results: CiphertextSink = taken
        if circuit.block:
            results = BlockSums(circuit, profile.polynomial_size, block.rows, taken)
        for ciphertexts in output_ciphertexts(circuit, profile, table, source, *place, core, progress):
            results.add(ciphertexts)
        return taken.words

    @property
    def key_bytes(self) -> int:
        """Of the evaluation key that lookups need."""
        if self._key is None:
            return 0
        packing = self._key.packing.bodies.nbytes if self._key.packing is not None else 0
        return self._key.bootstrap.nbytes + self._key.keyswitch.nbytes + packing

    def shape(self, block: RowBlock) -> tuple[int, int]:
        """Of a block's words."""
        places = block.stop - block.start
        return (self.outputs, places) if self.linear else (places, self._profile.polynomial_size + 1)

    # --- where it stands --------------------------------------------------------------------------------------------

    @property
    def header(self) -> bytes:
        """The output's first bytes."""
        scale, number = self._profile.polynomial_size.bit_length() - 1, FORMS.index(self.form)
        return HEADER.pack(MAGIC, number, self._bits, self._last.width, scale, self.outputs, self.columns)

    @property
    def size(self) -> int:
        """Bytes of the output."""
        values, size = self.columns * self.outputs, self._profile.polynomial_size
        return HEADER.size + payload_bytes(self.form, size, values, self._bits)

    @cached_property
    def _bits(self) -> int:
        return {"bodies": 64, "packed": PACKED_BITS, "lwe": lwe_bits(self._profile)}[self.form]

    def stretches(self, piece: OutputPiece) -> list[tuple[int, int]]:
        """Where a piece's bytes stand in the output, one after the other: (offset, length)."""
        size, count = self._profile.polynomial_size, piece.stop - piece.start
        if self.form == "bodies":
            firsts = [HEADER.size + 8 * (output * self.columns + piece.start) for output in range(self.outputs)]
            return [(first, 8 * count) for first in firsts]
        if self.form == "lwe":
            each = lwe_bytes(size, self._bits)
            return [(HEADER.size + each * piece.start, each * count)]
        return [(HEADER.size + 8 * size * piece.number, 4 * (size + count))]

    def data(
        self, piece: OutputPiece, found: Mapping[int, U64], *, threads: int = 1, backend: BackendName = "auto"
    ) -> bytes:
        """A piece's bytes from the words of its blocks, by number. Errors: BadKey, VerificationFailed, Unavailable."""
        words = self._added(piece, found)
        if self.form == "bodies":
            return words.astype("<u8", copy=False).tobytes()
        results: Results = LweResults(self._profile, len(words))
        if self.form == "packed":
            core: Core = core_for(self._profile, self._table, self._key, threads, backend)
            results = PackedResults(core, self._profile, len(words))
        results.add(words[:, None])
        return replace(results.output(len(words), self._last), outputs=1).to_bytes()[HEADER.size :]

    def _added(self, piece: OutputPiece, found: Mapping[int, U64]) -> U64:
        first = self.blocks[piece.blocks[0]]
        if len(piece.blocks) == 1 and (first.start, first.stop) == (piece.start, piece.stop):
            return found[first.number]
        count, size = piece.stop - piece.start, self._profile.polynomial_size
        total = np.zeros((self.outputs, count) if self.linear else (count, size + 1), np.uint64)
        for number in piece.blocks:
            block = self.blocks[number]
            low, high = max(block.start, piece.start), min(block.stop, piece.stop)
            here, there = slice(low - piece.start, high - piece.start), slice(low - block.start, high - block.start)
            if self.linear:
                total[:, here] += found[number][:, there]
            else:
                total[here] += found[number][there]
        return total


class _Raw:
    """Keeps ciphertexts as they come."""

    def __init__(self, values: int, size: int) -> None:
        self.words: U64 = np.empty((values, size + 1), np.uint64)
        self._filled = 0

    def add(self, ciphertexts: U64) -> None:
        """Take (rows, outputs, N + 1)."""
        flat = ciphertexts.reshape(-1, self.words.shape[1])
        self.words[self._filled : self._filled + len(flat)] = flat
        self._filled += len(flat)
