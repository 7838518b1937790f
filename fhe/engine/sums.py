"""Sums over rows, taken on ciphertext: docs/canonical-evaluator.md section 11. Exact modulo 2^64, in any order.

The rows of a job are taken in consecutive blocks (`Circuit.block`). The sum of the rows of a block is one LWE
ciphertext: its body the sum of the rows' body words, its mask the sum of the masks that extraction gives them, which
is a difference of prefix sums of the mask polynomial (`sum_mask`). So a circuit without lookups publishes body words
alone, 8 bytes for a block and output, and whoever decrypts derives the masks from the public seeds.

A linear map and a sum over rows commute: each input's words are added up once, and what comes out is weighted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from app.protocol.data.dataset import EncryptedTable
from app.protocol.ports import Progress
from fhe.arrays import U64
from fhe.circuit.circuit import Circuit, Linear
from fhe.engine.linear import only_linear
from fhe.engine.results import CiphertextSink
from fhe.engine.source import BATCH, Batch, ChunkSource, batches, check_runs_on, spans
from fhe.profile import EncryptionProfile

MOST_SUMS = 1 << 21  # sums of one batch, of inputs and of outputs: 16 MiB each


@dataclass(frozen=True)
class Piece:
    """Coefficients [start, stop) of chunk `index` of a batch, which all belong to one block of the job."""

    index: int
    start: int
    stop: int
    block: int


@dataclass(frozen=True)
class SumBatch:
    """Chunks to read together, their pieces, and the blocks [first, last] that these add to."""

    chunks: Batch
    pieces: tuple[Piece, ...]
    size: int

    @property
    def first(self) -> int:
        """The first block."""
        return self.pieces[0].block

    @property
    def blocks(self) -> int:
        """How many blocks."""
        return self.pieces[-1].block - self.first + 1

    def add_up(self, words: U64) -> U64:
        """What the words (chunks, N) add to each block: u64 (blocks,)."""
        places = np.array([piece.block - self.first for piece in self.pieces])
        if all(piece.stop - piece.start == self.size for piece in self.pieces):
            sums = words.sum(axis=1, dtype=np.uint64)
        else:
            parts = (words[each.index, each.start : each.stop] for each in self.pieces)
            sums = np.array([part.sum(dtype=np.uint64) for part in parts], np.uint64)
        found = np.zeros(self.blocks, np.uint64)
        np.add.at(found, places, sums)
        return found


def sum_batches(
    circuit: Circuit, profile: EncryptionProfile, table: EncryptedTable, first_row: int, rows: int
) -> list[SumBatch]:
    """What to read, in which pieces. Errors: BadModel, MessageOverflow, RowsOutsideDataset."""
    check_runs_on(circuit, profile, table)
    layer, size = only_linear(circuit, profile), profile.polynomial_size
    a_chunk = -(-size // circuit.block) + 1  # blocks
    most = max(1, min(BATCH, MOST_SUMS // (a_chunk * max(len(circuit.inputs), len(layer.bias)))))
    found = spans(table, size, first_row, rows)
    return [SumBatch(batch, tuple(_pieces(batch, circuit.block)), size) for batch in batches(found, most)]


def _pieces(batch: Batch, block: int) -> Iterator[Piece]:
    row = batch.column  # of the job
    for index, span in enumerate(batch.parts):
        start = span.start
        while start < span.stop:
            stop = min(span.stop, start + block - row % block)
            yield Piece(index, start, stop, row // block)
            row, start = row + stop - start, stop


def evaluate_sums(
    circuit: Circuit,
    profile: EncryptionProfile,
    table: EncryptedTable,
    source: ChunkSource,
    first_row: int,
    rows: int,
    *,
    threads: int = 1,
    progress: Progress | None = None,
) -> U64:
    """Output bodies u64 (outputs, blocks) of a linear circuit that sums, on rows [first_row, first_row + rows).

    Errors: BadModel, MessageOverflow, RowsOutsideDataset, and what the source raises.
    """
    parts = sum_batches(circuit, profile, table, first_row, rows)
    layer, blocks = only_linear(circuit, profile), circuit.result_rows(rows)
    counts = np.full(blocks, circuit.block, np.uint64)
    counts[-1] = rows - (blocks - 1) * circuit.block
    bias = layer.bias.view(np.uint64) << np.uint64(63 - layer.width)
    result = bias[:, None] * counts

    def work(part: SumBatch) -> U64:
        chunks = part.chunks
        return np.stack([part.add_up(source.bodies(wire, chunks.shard, chunks.chunks)) for wire in circuit.inputs])

    done, total = 0, sum(len(part.chunks.parts) for part in parts)
    for part, sums in zip(parts, _each(work, parts, threads), strict=True):
        weigh(layer, profile, sums, result[:, part.first : part.first + part.blocks])
        done += len(part.chunks.parts)
        if progress is not None:
            progress(done, total)
    return result


def weigh(layer: Linear, profile: EncryptionProfile, sums: U64, out: U64) -> None:
    """Add the layer's weights times the sums of its inputs (inputs, blocks) to `out` (values, blocks), without bias."""
    weights = layer.values.view(np.uint64) << np.uint64(profile.message_width - layer.width)
    row_of = np.repeat(np.arange(len(layer.bias)), np.diff(layer.indptr))
    for row, column, weight in zip(row_of, layer.columns, weights, strict=True):
        out[row] += sums[column] * weight


def sum_mask(masks: U64, start: int, stop: int) -> U64:
    """Mask words (polys, N) of the sums of coefficients [start, stop) of RLWE ciphertexts with masks a (polys, N).

    Word j is the sum over rows r of what extraction gives row r there: a[r - j], or -a[N + r - j] where r < j. With the
    prefix sums P(k) = a[0] + ... + a[k - 1] a whole polynomial has 2 P(N - j) - P(N).
    """
    size = masks.shape[1]
    prefix = np.zeros((len(masks), size + 1), np.uint64)
    np.cumsum(masks, axis=1, dtype=np.uint64, out=prefix[:, 1:])
    j = np.arange(size)
    plain = prefix[:, np.maximum(stop - j, 0)] - prefix[:, np.maximum(start - j, 0)]
    wrapped = prefix[:, size + np.minimum(stop - j, 0)] - prefix[:, size + np.minimum(start - j, 0)]
    return plain - wrapped


class BlockSums:
    """Adds up the output ciphertexts of a circuit with lookups, row by row, and hands full blocks on.

    It is a `fhe.engine.results.CiphertextSink` in front of another.
    """

    def __init__(self, circuit: Circuit, size: int, rows: int, results: CiphertextSink) -> None:
        self._block, self._rows, self._results = circuit.block, rows, results
        self._sums = np.zeros((len(circuit.outputs), size + 1), np.uint64)
        self._taken, self._output = 0, 0  # rows whose ciphertexts are all there; outputs of the row after them

    def add(self, ciphertexts: U64) -> None:
        """Take (rows, outputs, N + 1); of a single row, any number of its next outputs."""
        outputs = len(self._sums)
        while len(ciphertexts):
            if ciphertexts.shape[1] < outputs:
                here, rest = ciphertexts[0], ciphertexts[1:]
                self._sums[self._output : self._output + len(here)] += here
                self._output += len(here)
                count, self._output = divmod(self._output, outputs)
            else:
                count = min(len(ciphertexts), self._block - self._taken % self._block)
                self._sums += ciphertexts[:count].sum(axis=0, dtype=np.uint64)
                rest = ciphertexts[count:]
            self._taken += count
            if count and (self._taken % self._block == 0 or self._taken == self._rows):
                self._results.add(self._sums[None])
                self._sums = np.zeros_like(self._sums)
            ciphertexts = rest


def _each(work: Callable[[SumBatch], U64], parts: Sequence[SumBatch], threads: int) -> Iterator[U64]:
    if threads <= 1 or len(parts) <= 1:
        yield from map(work, parts)
        return
    with ThreadPoolExecutor(min(threads, len(parts))) as pool:
        try:
            yield from pool.map(work, parts)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
