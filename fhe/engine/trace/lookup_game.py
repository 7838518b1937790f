"""What an honest party shows in a dispute about a circuit with lookups; docs/trace.md, section 8, has the moves.

Both parties compute the same. The line of a lookup is made once a dispute: of it only hashes are kept, and one slot.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from app.protocol.data import merkle
from app.protocol.data.dataset import EncryptedTable
from app.protocol.ids import Digest
from app.protocol.market.disputes import WORD, LookupClaim, LookupProof, ProvenLeaf, SumClaim
from fhe.arrays import U64
from fhe.circuit.circuit import Circuit
from fhe.engine.evaluate import core_for
from fhe.engine.gadget import extract
from fhe.engine.source import ChunkSource, spans
from fhe.engine.trace.lookup import LookupTrace
from fhe.engine.trace.lookups import KeyTables, Lookups, roots_of_unity
from fhe.engine.trace.program import JobProgram, proven
from fhe.engine.trace.reads import ReadPlace, Reads
from fhe.engine.trace.seen import SeenLine
from fhe.engine.trace.tape import LookupTape
from fhe.evaluation_key import EvaluationKey
from fhe.profile import EncryptionProfile

LOOK, WORDS_BELOW = 5, 3  # levels


def look_bits(claim: LookupClaim) -> int:
    """Levels that the next look goes down from a claim's node."""
    return min(LOOK, claim.tree - WORDS_BELOW - claim.level)


@dataclass(eq=False)
class LookupGame:
    """A job's circuit as a dispute sees it; rows are the dataset's. `file`, `roots`: as of `LinearGame`."""

    program: JobProgram
    circuit: Circuit
    profile: EncryptionProfile
    key: EvaluationKey
    table: EncryptedTable
    source: ChunkSource
    file: Callable[[int], bytes]
    roots: Callable[[], Sequence[str]]
    _tapes: dict[tuple[int, int], LookupTape] = field(default_factory=dict)

    # The word of the result

    def sums(self, row: int, output: int, word: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Totals over the last layer's terms of one word of a value, and the word of each term's wire."""
        place = self.program.output_at(output)
        bias, first, terms, _ = (int(each) for each in self.program.words[place : place + 4])
        totals, words = [bias if word == self.profile.polynomial_size else 0], list[int]()
        for term in range(first, first + terms):
            wire, weight = self._pair(self.program.term_at(term))
            words.append(int(self.wire(row, wire)[word]))
            totals.append((totals[-1] + weight * words[-1]) % WORD)
        return tuple(totals), tuple(words)

    def sum_evidence(self, claim: SumClaim, term: int) -> tuple[ProvenLeaf, ProvenLeaf, LookupProof]:
        """Leaves of output and term, and what shows the word of a published wire."""
        place = self.program.output_at(claim.output)
        output = self.program.leaf(place)
        if term == 0:
            return output, ProvenLeaf(b""), LookupProof()
        record = self.program.term_at(int(self.program.words[place + 1]) + term - 1)
        wire, _ = self._pair(record)
        proof = LookupProof() if wire >= self.program.inputs else self._datum(claim.row, wire, claim.word)
        return output, self.program.leaf(record), proof

    # The lookups

    def wire(self, row: int, wire: int) -> U64:
        """The ciphertext (N + 1,) of a wire in a row."""
        if wire >= self.program.inputs:
            value, test = self._pair(self.program.lookup_at(wire - self.program.inputs))
            core = core_for(self.profile, self.table, self.key, 1, "auto")
            small = core.keyswitch(self._value(row, value)[0][None])
            polynomials = self._lookups.tests[test : test + 1]
            out: U64 = core.bootstrap(small, polynomials, np.zeros(1, np.int64), centred=self._lookups.centred)[0]
            return out
        (span,) = spans(self.table, self.profile.polynomial_size, row, 1)
        given, chunks = self.circuit.inputs[wire], range(span.chunk, span.chunk + 1)
        mask = self.source.mask(given, span.shard, chunks)[0]
        return extract(mask, self.source.bodies(given, span.shard, chunks)[0], span.start)

    def tape(self, row: int, lookup: int) -> LookupTape:
        """The line of a lookup in a row."""
        if (row, lookup) not in self._tapes:
            self._tapes[row, lookup] = self.made(row, lookup)
        return self._tapes[row, lookup]

    def made(self, row: int, lookup: int) -> LookupTape:
        """The same, made anew."""
        value, test = self._pair(self.program.lookup_at(lookup))
        ciphertext, wires, weights, bias = self._value(row, value)
        tables = self._lookups
        trace = LookupTrace(self.profile, self.key, ciphertext, tables.tests[test], centred=tables.centred)
        return LookupTape(trace, self._key.points, wires, weights, bias)

    def begun(self, claim: LookupClaim, tape: LookupTape) -> tuple[tuple[Digest, ...], LookupProof]:
        """What an executor begins a line with: its first nodes, and the leaves that tie it to the claim."""
        value, _ = self._pair(record := self.program.lookup_at(claim.lookup))
        place, _ = tape.shape.out_at(claim.word)
        leaves = self.program.leaf(record), self.program.leaf(self.program.value_at(value)), tape.opening(place)
        return tape.children(0, 0, min(LOOK, tape.shape.tree - WORDS_BELOW)), LookupProof(leaves)

    def word_proof(self, claim: LookupClaim, index: int) -> LookupProof:
        """What word `index` of a line is judged from, by its leaves. The line is the true one up to it."""
        tape = self.tape(claim.row, claim.lookup)
        return self.proof_of(claim, index, tape)

    def proof_of(self, claim: LookupClaim, index: int, tape: LookupTape | SeenLine) -> LookupProof:
        """The same from another party's line, of which all that is read has been shown to be equal or is its own."""
        reads = Reads(self.profile, tape.shape, claim.table, tape.turns())
        found, proof = list[ProvenLeaf](), LookupProof()
        for read in reads.of(index):
            if read.where == "datum":
                term, word = divmod(read.index, self.profile.polynomial_size + 1)
                wire, _ = self._pair(self.program.value_term_at(claim.first + term))
                if wire >= self.program.inputs:
                    continue
                proof = self._datum(claim.row, wire, word)
                found += proof.leaves
            else:
                found.append(self._opened(claim, tape, read))
        return LookupProof(tuple(found), proof.shard, proof.file_root, proof.file_path)

    def _opened(self, claim: LookupClaim, tape: LookupTape | SeenLine, read: ReadPlace) -> ProvenLeaf:
        tables = self._lookups
        match read.where:
            case "line":
                return tape.opening(read.index)
            case "term":
                return self.program.leaf(self.program.value_term_at(claim.first + read.index))
            case "keyswitch":
                return opened(self._key.keyswitch, read.index)
            case "points":
                return opened(self._key.points, read.index)
            case "tests":
                return opened(tables.tests, read.index)
            case _:
                return opened(roots_of_unity(self.profile), read.index)

    def _datum(self, row: int, wire: int, word: int) -> LookupProof:
        """Leaves of the shard's and the wire's records, then of the word's file, or of the mask's seed."""
        program, shard = self.program, self.program.shard_of(row)
        place = program.input_at(shard, wire)
        leaves = [program.leaf(program.shard_at(shard)), program.leaf(place)]
        if word < self.profile.polynomial_size:
            return LookupProof((*leaves, program.leaf(program.seed_at(shard, wire))), shard)
        file, base = (int(each) for each in program.words[place : place + 2])
        inside, roots = row - int(program.words[program.shard_at(shard)]), self.roots()
        leaves.append(proven(self.file(file), base + inside))
        path = tuple(Digest(each) for each in merkle.file_proof(roots, file))
        return LookupProof(tuple(leaves), shard, Digest(roots[file]), path)

    def _value(self, row: int, value: int) -> tuple[U64, U64, U64, int]:
        """The ciphertext of a value that is looked up, the words of its wires, their weights, its bias."""
        place = self.program.value_at(value)
        bias, first, terms, _ = (int(each) for each in self.program.words[place : place + 4])
        pairs = [self._pair(self.program.value_term_at(term)) for term in range(first, first + terms)]
        wires = np.array([self.wire(row, wire) for wire, _ in pairs], np.uint64)
        weights = np.array([weight for _, weight in pairs], np.uint64)
        ciphertext: U64 = (wires * weights[:, None]).sum(0, dtype=np.uint64)
        ciphertext[-1] += np.uint64(bias)
        return ciphertext, wires, weights, bias

    def _pair(self, place: int) -> tuple[int, int]:
        first, second = self.program.words[place : place + 2].tolist()
        return first, second

    @property
    def _key(self) -> KeyTables:
        key = self._lookups.key
        assert isinstance(key, KeyTables)
        return key

    @property
    def _lookups(self) -> Lookups:
        assert self.program.lookups is not None
        return self.program.lookups


def opened(words: U64, index: int) -> ProvenLeaf:
    """The leaf of an array that has word `index`, and its path. Hashes the whole array, 1 MiB at a time."""
    return proven(np.ascontiguousarray(words).reshape(-1).view(np.uint8).data, index)
