"""What is true of a job with lookups, from public records: words of its values, and lines of its lookups.

The evaluation key and its points are in memory as long as the job is played: some 250 MB under the reference profile.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from app.dispute.lines import Lines
from app.dispute.play import Move, OnLine, Refute
from app.dispute.truth import HEADER_WORDS, JobTruth
from app.execution.inputs import load_evaluation_key
from app.execution.source import StoreSource
from app.protocol.errors import BadModel
from app.protocol.market.disputes import Dispute, ProvenLeaf, SumClaim, SumEvidence
from app.protocol.market.entities import ZERO
from fhe.engine.output import PACKED_BITS, choose_form, lwe_bits, lwe_bytes, payload_bytes
from fhe.engine.trace.finder import false_term
from fhe.engine.trace.lookup_game import LookupGame
from fhe.engine.trace.lookups import KeyTables
from fhe.engine.trace.program import LEAF_WORDS, JobProgram, program_of
from fhe.engine.trace.slots import Tape
from fhe.evaluation_key import EvaluationKey

WORD_BYTES = 8
PACKED_BYTES = PACKED_BITS // 8  # of a word of a packed result
LEAF_BYTES = WORD_BYTES * LEAF_WORDS


@dataclass(frozen=True)
class LookupTruth(JobTruth):
    """What whoever computes one job with lookups honestly knows of it. Values are value * (N + 1) + word; of a packed
    result the numbers of its words.
    """

    lines: Lines

    @cached_property
    def key(self) -> EvaluationKey:
        """The dataset's. Errors: BadKey, NotFound, BadBlock."""
        return load_evaluation_key(self.store, self.work.table, self.work.profile)

    @cached_property
    def program(self) -> JobProgram:
        """What the job's order states, by the key itself. Errors: BadModel for a job that no contract can judge."""
        found = program_of(self.work.circuit, self.work.profile, self.work.table, KeyTables.of(self.key))
        if found is None:
            raise BadModel("No contract can judge this circuit.", "Its results are recomputed.")
        return found

    @property
    def headers(self) -> tuple[tuple[int | str, ...], tuple[int | str, ...]]:
        """The program's, and that of what its lookups need."""
        assert self.program.lookups is not None
        return self.program.header, self.program.lookups.header

    @cached_property
    def packed(self) -> bool:
        """Whether the job's result is packed."""
        values = self.work.job.rows * self._outputs
        return choose_form(self.work.profile, values, self.key.packing is not None) == "packed"

    @property
    def values(self) -> int:
        """How many words the job's result has."""
        values = self.work.job.rows * self._outputs
        if self.packed:
            return payload_bytes("packed", self._words - 1, values, PACKED_BITS) // PACKED_BYTES
        return values * self._words

    def value(self, bit: int) -> int:
        """The word that a bit of the output file is of; the first one for a bit of its header."""
        if self.packed:
            return max(bit - 64 * HEADER_WORDS, 0) // PACKED_BITS
        ciphertext, inside = divmod(max(bit - 64 * HEADER_WORDS, 0), 8 * lwe_bytes(self._words - 1, self._bits))
        return ciphertext * self._words + min(inside // self._bits, self._words - 1)

    def leaves(self, cid: str, length: int, value: int) -> tuple[ProvenLeaf, ...]:
        """The leaf or two of a stored output file that have a word. Errors: NotFound, BadBlock."""
        if self.packed:
            return (self.shown(cid, length, HEADER_WORDS + value * PACKED_BYTES // WORD_BYTES),)
        ciphertext, word = divmod(value, self._words)
        pair = self._bits // 4  # bytes of two words
        first = WORD_BYTES * HEADER_WORDS + ciphertext * lwe_bytes(self._words - 1, self._bits) + word // 2 * pair
        numbers = sorted({first // LEAF_BYTES, (first + pair - 1) // LEAF_BYTES})
        return tuple(self.shown(cid, length, number * LEAF_WORDS) for number in numbers)

    def asked(self, value: int) -> SumClaim:
        """What an executor says of a word: the row, the output and the word that it is."""
        ciphertext, word = divmod(value, self._words)
        row, output = divmod(ciphertext, self._outputs)
        root, program = self.work.table.data_root, self.program.digest
        return SumClaim(program, root, self.work.job.first_row + row, output, word, 0, ZERO)

    def sums(self, claim: SumClaim) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Totals over the last layer's terms of one word, and the word of each term's wire."""
        return self.game.sums(claim.row, claim.output, claim.word)

    def line(self, row: int, lookup: int) -> Tape | None:
        """The line of a claim about a lookup in a row, or a packed ciphertext; None as long as it is computed.

        Errors: those of `key`; where it is a packed ciphertext's, those of reading its rows.
        """
        key = self.work.table.data_root, self.work.job.circuit, row, lookup
        return self.lines.get(key, lambda: self.game.made(row, lookup))

    def due(self, dispute: Dispute) -> Move | None:
        """The move that is due; None where the other says the truth, and while a line that it takes is computed."""
        if (claim := dispute.summed) is not None:
            term = false_term(dispute.totals, dispute.words, *self.sums(claim))
            lookup = None if term is None else self.game.named(claim, term, dispute.totals, dispute.words)
            wanting = lookup is not None and self.line(claim.row, lookup) is None
            return None if term is None or wanting else Refute(term)
        if (line := dispute.line) is None or (mine := self.line(line.row, line.lookup)) is None:
            return None
        try:
            return OnLine(self.game.move(dispute, mine))
        except ValueError:  # nothing that the other says is false
            return None

    def sum_evidence(self, dispute: Dispute, term: int) -> SumEvidence:
        """What shows a total false, or the word of its wire, or what one's line of its lookup is."""
        claim, said = dispute.summed, (dispute.totals, dispute.words)
        assert claim is not None
        lookup = self.game.named(claim, term, *said)
        tape = None if lookup is None else self.line(claim.row, lookup)
        return self.game.sum_evidence(claim, term, *said, tape)

    @cached_property
    def game(self) -> LookupGame:
        """What either party can show."""
        work, files, store = self.work, self._files, self.store
        return LookupGame(
            self.program, work.circuit, work.profile, self.key, work.table,
            StoreSource(work.table, work.profile, store), self._file, lambda: [each.root for each in files],
        )  # fmt: skip

    def _file(self, number: int) -> bytes:
        cid = self._files[number].cid
        return self.store.read(cid, limit=self.store.size(cid))

    @property
    def _bits(self) -> int:
        return lwe_bits(self.work.profile)

    @property
    def _words(self) -> int:
        return self.work.profile.polynomial_size + 1

    @property
    def _outputs(self) -> int:
        return len(self.work.circuit.outputs)
