"""What a job's values are sums of, from public records: only what a dispute asks for is read and computed.

Totals are words modulo 2^64, as docs/trace.md has them. Files are read in pieces of a store's block or 1 MiB, whatever
their length.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from app.dispute.play import Move, linear_move
from app.execution.inputs import JobInputs
from app.execution.source import StoreSource
from app.protocol.data.dataset import EncodedFile
from app.protocol.errors import BadModel
from app.protocol.ids import Digest
from app.protocol.market.disputes import Dispute, Evidence, ProvenLeaf, RowsClaim
from app.protocol.market.entities import ZERO
from app.protocol.ports import Store
from fhe.engine.output import HEADER
from fhe.engine.trace.game import LinearGame
from fhe.engine.trace.program import LEAF_WORDS, JobProgram, program_of
from fhe.engine.trace.sums import LinearTrace
from fhe.merkle import prove

WORD_BYTES = 8
HEADER_WORDS = HEADER.size // WORD_BYTES


@dataclass(frozen=True)
class JobTruth:
    """What whoever computes one job honestly knows of it."""

    work: JobInputs
    store: Store

    @cached_property
    def program(self) -> JobProgram:
        """What the job's order states. Errors: BadModel for a job that no contract can judge."""
        found = program_of(self.work.circuit, self.work.profile, self.work.table)
        if found is None:
            raise BadModel("No contract can judge this circuit.", "Its results are recomputed.")
        return found

    @property
    def values(self) -> int:
        """How many values the job's result has."""
        return self.work.circuit.result_rows(self.work.job.rows) * self.program.outputs

    def claim(self, value: int) -> RowsClaim:
        """The value's rows and output, which an executor begins with; its sum is left open."""
        row, output = divmod(value, self.program.outputs)
        job = self.work.job
        low = job.first_row + row * self.program.block
        high = min(low + self.program.block, job.first_row + job.rows)
        return RowsClaim(self.program.digest, self.work.table.data_root, output, low, high, 0, 0, ZERO)

    def place(self, value: int) -> int:
        """Number of the word of the output file that has a value."""
        row, output = divmod(value, self.program.outputs)
        return HEADER_WORDS + output * self.work.circuit.result_rows(self.work.job.rows) + row

    def value(self, bit: int) -> int:
        """The value that a bit of the output file is of; the first one for a bit of its header."""
        rows = self.work.circuit.result_rows(self.work.job.rows)
        output, row = divmod(max(bit // 64 - HEADER_WORDS, 0), rows)
        return row * self.program.outputs + output

    def totals(self, claim: RowsClaim) -> tuple[int, ...]:
        """What an honest executor shows of a claim: of one row the totals over its terms, of more those at the cuts."""
        return self._game.totals(claim)

    def due(self, dispute: Dispute) -> Move | None:
        """The move that is due."""
        return linear_move(dispute, self.totals)

    def evidence(self, claim: RowsClaim, term: int) -> Evidence:
        """What shows the contract total number `term` of a claim about one row. Errors: NotFound, BadBlock."""
        return self._game.evidence(claim, term)

    def shown(self, cid: str, length: int, place: int) -> ProvenLeaf:
        """The leaf of a stored file of so many bytes that has word number `place`. Errors: NotFound, BadBlock."""

        def read(start: int, size: int) -> bytes:
            return self.store.read(cid, start, size, limit=size)

        data, path = prove(read, length, place // LEAF_WORDS)
        return ProvenLeaf(data, tuple(Digest(each) for each in path))

    @cached_property
    def _game(self) -> LinearGame:
        work, files = self.work, self._files
        source = StoreSource(work.table, work.profile, self.store)
        return LinearGame(
            self.program,
            LinearTrace(work.circuit, work.profile, work.table, source, 0),
            lambda file, length, word: self.shown(files[file].cid, length, word),
            lambda: [each.root for each in files],
        )

    @cached_property
    def _files(self) -> list[EncodedFile]:
        """Every file under the data root, in manifest order."""
        return [file for shard in self.work.table.shards for file in shard.files]
