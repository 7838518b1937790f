"""Who computes the blocks of a job: this process, or the workers of a cluster. One port, whatever stands behind it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from app.execution.inputs import JobInputs, load_evaluation_key
from app.execution.source import KeptChunk, StoreSource
from app.protocol.data.dataset import EncryptedTable
from app.protocol.ports import Store
from fhe.arrays import U64
from fhe.circuit.circuit import Circuit, rotating
from fhe.engine.blocks import USUAL, BlockPlan, BlockSize, RowBlock
from fhe.engine.core import BackendName
from fhe.engine.source import ChunkSource
from fhe.evaluation_key import EvaluationKey
from fhe.profile import EncryptionProfile

RowsUnderWay = Callable[[int], None]


class BlockRunner(Protocol):
    """Computes blocks of rows. What it gives depends on the job and the block alone."""

    def run(
        self, inputs: JobInputs, plan: BlockPlan, blocks: Sequence[RowBlock], progress: RowsUnderWay
    ) -> Iterator[tuple[RowBlock, U64]]:
        """The words of these blocks (`BlockPlan.words`), each when it is there, in any order.

        `progress` is called at least every few seconds with the rows that are done of blocks under way, and ends the
        work by raising.
        Errors: what reading the dataset's files and keys can raise; VerificationFailed, Unavailable.
        """


def block_source(table: EncryptedTable, profile: EncryptionProfile, store: Store) -> ChunkSource:
    """Where blocks read from, as they come one after the other."""
    return KeptChunk(StoreSource(table, profile, store))


def cut(
    circuit: Circuit,
    profile: EncryptionProfile,
    table: EncryptedTable,
    first_row: int,
    rows: int,
    store: Store,
    size: BlockSize = USUAL,
) -> BlockPlan:
    """The blocks of rows [first_row, first_row + rows), with the table's evaluation key where lookups need it.

    Errors: those of `BlockPlan`; NotFound and BadBlock for the key.
    """
    key: EvaluationKey | None = None
    if rotating(circuit.layers):
        key = load_evaluation_key(store, table, profile)
    return BlockPlan(circuit, profile, table, first_row, rows, key, size)


@dataclass(frozen=True)
class LocalRunner:
    """This process computes, one block after the other, each on all of its threads."""

    store: Store
    threads: int = 1
    backend: BackendName = "auto"

    def run(
        self, inputs: JobInputs, plan: BlockPlan, blocks: Sequence[RowBlock], progress: RowsUnderWay
    ) -> Iterator[tuple[RowBlock, U64]]:
        """In order."""
        source = block_source(inputs.table, inputs.profile, self.store)
        for block in blocks:
            yield block, self._words(plan, block, source, progress)

    def _words(self, plan: BlockPlan, block: RowBlock, source: ChunkSource, progress: RowsUnderWay) -> U64:
        def told(done: int, total: int) -> None:
            progress(block.rows * done // total)

        return plan.words(block, source, threads=self.threads, backend=self.backend, progress=told)
