"""Where the words of a job come from: which chunks hold its rows, and the seam that reads them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from app.protocol.data.dataset import EncryptedTable
from app.protocol.errors import RowsOutsideDataset
from fhe.arrays import U16, U64
from fhe.circuit.circuit import Circuit, Input
from fhe.circuit.compatible import check_compatible, check_reads, check_widths
from fhe.profile import EncryptionProfile

BATCH = 64  # chunks read at once: 1 MiB at N = 2048, one block of a store


class ChunkSource(Protocol):
    """Packed words of a table's published values. What it gives has been checked against the table's CIDs and seeds."""

    def bodies(self, input: Input, shard: int, chunks: range) -> U64:
        """Body words (len(chunks), N). Errors: BadModel for a value that is not published; NotFound, BadBlock."""

    def mask(self, input: Input, shard: int, chunks: range) -> U64:
        """Mask words (len(chunks), N). Errors: BadModel for a value that is not published."""


@runtime_checkable
class BinSource(Protocol):
    """A table's bins under the small key, where it publishes them; checked like the words of a `ChunkSource`."""

    def lwe_bodies(self, input: Input, shard: int, chunk: int) -> U16:
        """The bodies (N,) of a chunk of one bin, their highest 16 bits. Errors: as `ChunkSource.bodies`."""

    def lwe_masks(self, input: Input, shard: int, chunk: int, rows: range) -> U64:
        """Mask words (len(rows), n) of rows of that chunk. Errors: BadModel for a bin that is not published so."""


class TableSource(ChunkSource, BinSource, Protocol):
    """Words of all that a table may publish."""


@runtime_checkable
class SeededSource(Protocol):
    """A source that says which seed its masks follow from, so that their sums need no mask words in memory."""

    def seed(self, input: Input, shard: int, chunks: range) -> tuple[bytes, int]:
        """The file's seed, and the number of its first word among these chunks. Errors: BadModel, as `mask`."""


@dataclass(frozen=True)
class Span:
    """Rows of one chunk: coefficients [start, stop) of chunk number `chunk` of shard number `shard`."""

    shard: int
    chunk: int
    start: int
    stop: int

    @property
    def rows(self) -> int:
        """How many rows it covers."""
        return self.stop - self.start


def spans(table: EncryptedTable, size: int, first_row: int, rows: int) -> list[Span]:
    """The chunks of N = `size` rows that hold rows [first_row, first_row + rows), in order, each with its part.

    Errors: RowsOutsideDataset.
    """
    if first_row < 0 or rows < 1 or first_row + rows > table.rows:
        raise RowsOutsideDataset(
            f"Rows {first_row} to {first_row + rows - 1} are not all in this dataset of {table.rows} rows.",
            "Choose rows inside the dataset: darkroom dataset show.",
        )
    found = []
    for number, shard in enumerate(table.shards):
        low = max(first_row - shard.first_row, 0)
        high = min(first_row + rows - shard.first_row, shard.rows)
        for chunk in range(low // size, -(-high // size) if high > low else 0):
            start = chunk * size
            found.append(Span(number, chunk, max(low - start, 0), min(high - start, size)))
    if sum(span.rows for span in found) != rows:
        raise RowsOutsideDataset("The shards of this dataset do not cover the rows.", "Ask its owner to publish again.")
    return found


@dataclass(frozen=True)
class Batch:
    """Consecutive chunks of one shard, and where their rows go in the output: columns from `column`."""

    shard: int
    chunks: range
    parts: tuple[Span, ...]
    column: int


def batches(found: list[Span], most: int = BATCH) -> Iterator[Batch]:
    """Spans grouped for reading: at most `most` chunks, none across a multiple of `BATCH`, so blocks are read once."""
    column, begin = 0, 0
    for end in range(1, len(found) + 1):
        first = found[begin]
        if end < len(found):
            span = found[end]
            together = span.shard == first.shard and span.chunk == first.chunk + end - begin
            if together and end - begin < most and span.chunk // BATCH == first.chunk // BATCH:
                continue
        parts = tuple(found[begin:end])
        yield Batch(first.shard, range(first.chunk, first.chunk + len(parts)), parts, column)
        column += sum(span.rows for span in parts)
        begin = end


def check_runs_on(circuit: Circuit, profile: EncryptionProfile, table: EncryptedTable) -> None:
    """Whether a well-formed circuit and the table are of this profile, of each other's codes, and of one evaluator.

    Errors: BadModel, MessageOverflow.
    """
    check_compatible(circuit, profile.digest, table.codebook.digest)
    check_reads(circuit, table)
    check_widths(circuit, profile)
