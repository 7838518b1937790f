"""What an honest party shows in a dispute about a circuit with lookups; docs/trace.md, section 8, has the moves.

Both parties compute the same. The line of a lookup is made once a dispute: of it only hashes are kept, and one slot.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from app.protocol.data import merkle
from app.protocol.data.dataset import EncryptedTable
from app.protocol.ids import Digest
from app.protocol.market.disputes import (
    WORD,
    Dispute,
    LineMove,
    LineStretch,
    LookupClaim,
    ProvenLeaf,
    SumClaim,
    SumEvidence,
)
from app.protocol.market.entities import ZERO
from fhe.arrays import U64
from fhe.circuit.circuit import Circuit
from fhe.engine.evaluate import core_for, output_ciphertexts
from fhe.engine.gadget import extract
from fhe.engine.source import ChunkSource, spans
from fhe.engine.trace.held import HeldChunks
from fhe.engine.trace.lookup import LookupTrace
from fhe.engine.trace.lookups import KeyTables, Lookups, roots_of_unity
from fhe.engine.trace.packed_line import PackedLine
from fhe.engine.trace.packing import PackingTape
from fhe.engine.trace.packing_reads import PackingReads
from fhe.engine.trace.program import JobProgram, proven
from fhe.engine.trace.reads import ReadPlace, Reads, Record
from fhe.engine.trace.slots import LEAF, Tape
from fhe.engine.trace.tape import LookupTape
from fhe.evaluation_key import EvaluationKey
from fhe.profile import EncryptionProfile

LOOK = 5  # most levels that a list of roots goes down


@dataclass(eq=False)
class LookupGame:
    """A job's circuit as a dispute sees it; rows are the dataset's. `file`, `file_roots`: as of `LinearGame`."""

    program: JobProgram
    circuit: Circuit
    profile: EncryptionProfile
    key: EvaluationKey
    table: EncryptedTable
    source: ChunkSource
    file: Callable[[int], bytes]
    file_roots: Callable[[], Sequence[str]]
    _tapes: dict[tuple[int, int], Tape] = field(default_factory=dict)

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

    def named(self, claim: SumClaim, term: int, totals: Sequence[int], words: Sequence[int]) -> int | None:
        """The lookup that a term's wire is, where its total follows; None where the total or its word is false."""
        if term == 0:
            return None
        wire, _ = self._pair(self._summand(claim, term))
        named = wire >= self.program.inputs and self._follows(claim, term, totals, words)
        return wire - self.program.inputs if named else None

    def _follows(self, claim: SumClaim, term: int, totals: Sequence[int], words: Sequence[int]) -> bool:
        _, weight = self._pair(self._summand(claim, term))
        return (totals[term] - totals[term - 1] - weight * words[term - 1]) % WORD == 0

    def _summand(self, claim: SumClaim, term: int) -> int:
        """The place of a term of the last layer."""
        first = int(self.program.words[self.program.output_at(claim.output) + 1])
        return self.program.term_at(first + term - 1)

    def sum_evidence(
        self,
        claim: SumClaim,
        term: int,
        totals: Sequence[int],
        words: Sequence[int],
        tape: Tape | None = None,
    ) -> SumEvidence:
        """What shows a total to be false, or the word of a published wire; or of a lookup the roots over its line.

        That is `tape`, or made here.
        """
        output = self.program.leaf(self.program.output_at(claim.output))
        if term == 0:
            return SumEvidence(output)
        wire, _ = self._pair(record := self._summand(claim, term))
        leaf, lookup = self.program.leaf(record), self.named(claim, term, totals, words)
        if lookup is not None:
            line = LookupClaim(claim.program, claim.data_root, claim.row, lookup, claim.word, 0, levels=claim.levels)
            mine = tape or self.tape(claim.row, lookup)
            return SumEvidence(output, leaf, roots=self.roots(mine, line, _whole(claim.levels)))
        if not self._follows(claim, term, totals, words):
            return SumEvidence(output, leaf)
        proof = LineProof()
        self._datum(proof, claim.row, wire, claim.word)
        return SumEvidence(output, leaf, proof.data)

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
        found = self.line(row, lookup)
        assert isinstance(found, LookupTape)
        return found

    def line(self, row: int, number: int) -> Tape:
        """The same; of a number behind all lookups, the line of a packed ciphertext (`PackedLine`)."""
        if (row, number) not in self._tapes:
            self._tapes[row, number] = self.made(row, number)
        return self._tapes[row, number]

    def made(self, row: int, lookup: int) -> Tape:
        """The same, made anew."""
        return self._packing(row, lookup) or self._looked_up(row, lookup)

    def _packing(self, row: int, number: int) -> PackingTape | None:
        packed = PackedLine.of(self.program, row, number)
        if packed is None:
            return None
        assert self._key.packing is not None
        rows, skipped = packed.rows
        circuit, profile, table = self.circuit, self.profile, self.table
        source = HeldChunks.of(self.source, circuit, spans(table, profile.polynomial_size, rows.start, len(rows)))
        core = core_for(profile, table, self.key, os.cpu_count() or 1, "auto")

        def values() -> U64:
            parts = output_ciphertexts(circuit, profile, table, source, rows.start, len(rows), core)
            flat: U64 = np.concatenate([part.reshape(-1, part.shape[-1]) for part in parts])
            return flat[skipped:][: packed.count]

        return PackingTape(profile, values, self._key.packing.of)

    def _looked_up(self, row: int, lookup: int) -> LookupTape:
        value, test = self._pair(self.program.lookup_at(lookup))
        ciphertext, wires, weights, bias = self._value(row, value)
        tables = self._lookups
        trace = LookupTrace(self.profile, self.key, ciphertext, tables.tests[test], centred=tables.centred)
        room = tables.most - len(wires)
        wires, weights = np.pad(wires, ((0, room), (0, 0))), np.pad(weights, (0, room))
        return LookupTape(trace, self._key.points, wires, weights, bias)

    def roots(self, tape: Tape, line: LookupClaim, stretch: LineStretch) -> tuple[Digest, ...]:
        """A list of roots over the parts of a stretch that has none yet; the line ends before its word."""
        end, _ = tape.shape.out_at(line.word)
        left = stretch.levels - stretch.level
        cut = replace(stretch, bits=-(-left // -(-left // LOOK)))
        return tuple(Digest(tape.prefix(min(words, end)).hex()) for words in cut.ends[1:])

    def move(self, dispute: Dispute, tape: Tape | None = None) -> LineMove:
        """The next move about a line, of a player whose line is `tape`: by default the true one.

        Errors: ValueError where nothing of the other's is false.
        """
        line, stretch = dispute.line, dispute.stretch
        assert line is not None
        tape = tape or self.line(line.row, line.lookup)
        if stretch is None:
            return LineMove("begin", roots=self.roots(tape, line, _whole(line.levels)))
        end, _ = tape.shape.out_at(line.word)
        for part, words in enumerate(stretch.ends[1:]):
            if tape.prefix(min(words, end)).hex() != dispute.roots[part + 1]:
                break
        else:
            if stretch.level:
                raise ValueError("no root of the other player is false")
            return LineMove("result", part, proof=self.result_proof(line, tape))
        below = stretch.part(part)
        if below.level < below.levels:
            return LineMove("cut", part, self.roots(tape, line, below))
        if below.node >= end:
            return LineMove("word", part)
        packed = PackedLine.of(self.program, line.row, line.lookup)
        value = packed.value(below.node) if packed is not None else None
        if value is not None:
            totals, shown = self.sums(*value)
            return LineMove("sum", part, proof=tape.begun(below.node), totals=totals, words=shown)
        return LineMove("word", part, said=tape.word(below.node), proof=self.word_proof(line, below.node, tape))

    def word_proof(self, claim: LookupClaim, index: int, tape: Tape | None = None) -> bytes:
        """What word `index` of a line is worked out from, of which `tape` has all words before."""
        tape = tape or self.line(claim.row, claim.lookup)
        return self._read(claim, index, tape)

    def result_proof(self, claim: LookupClaim, tape: Tape | None = None) -> bytes:
        """What the word that a line is about is worked out from."""
        tape = tape or self.line(claim.row, claim.lookup)
        index, _ = tape.shape.out_at(claim.word)
        return self._read(claim, index, tape)

    def _read(self, claim: LookupClaim, index: int, tape: Tape) -> bytes:
        proof = LineProof(tape.begun(index))
        if isinstance(tape, PackingTape):
            found, record = PackingReads(tape.shape, self.program.packing_at).of(index), None
        else:
            assert isinstance(tape, LookupTape)
            record = self._record(claim.lookup)
            found = Reads(self.profile, tape.shape, record, tape.turns()).of(index)
        for read in found:
            if read.where == "line" and read.index // LEAF == index // LEAF:
                proof.there()
            elif read.where == "line":
                proof.read(read, lambda at=read.index: tape.opening(at, index))  # type: ignore[misc]
            elif read.where == "datum":
                assert record is not None
                term, word = divmod(read.index, self.profile.polynomial_size + 1)
                wire, _ = self._pair(record.term_at(term))
                if wire < self.program.inputs:
                    self._datum(proof, claim.row, wire, word)
            else:
                proof.read(read, lambda place=read: self._opened(place))  # type: ignore[misc]
        return proof.data

    def _record(self, lookup: int) -> Record:
        value, test = self._pair(place := self.program.lookup_at(lookup))
        at = self.program.value_at(value)
        first, terms = (int(each) for each in self.program.words[at + 1 : at + 3])
        return Record((place, at), test, terms, lambda term: self.program.value_term_at(first + term))

    def _opened(self, read: ReadPlace) -> list[bytes]:
        if read.where == "program":
            return _flat(self.program.leaf(read.index))
        if read.where == "packing":
            assert self._key.packing is not None
            return _flat(self._key.packing.opened(read.index))
        arrays = {"keyswitch": self._key.keyswitch, "points": self._key.points, "tests": self._lookups.tests}
        words = roots_of_unity(self.profile) if read.where == "roots" else arrays[read.where]
        return _flat(opened(words, read.index))

    def _datum(self, proof: LineProof, row: int, wire: int, word: int) -> None:
        """The shard, its record and the wire's; then the word's file, or the mask's seed."""
        program, shard = self.program, self.program.shard_of(row)
        proof.data += shard.to_bytes(32, "big")
        place = program.input_at(shard, wire)
        records = [program.shard_at(shard), place]
        if word < self.profile.polynomial_size:
            records.append(program.seed_at(shard, wire))
        for each in records:
            proof.read(ReadPlace("program", each), lambda at=each: _flat(program.leaf(at)))  # type: ignore[misc]
        if word < self.profile.polynomial_size:
            return
        file, base = (int(each) for each in program.words[place : place + 2])
        inside, roots = row - int(program.words[program.shard_at(shard)]), self.file_roots()
        path = [bytes.fromhex(each) for each in merkle.file_proof(roots, file)]
        proof.data += b"".join([bytes.fromhex(roots[file]), *path, *_flat(proven(self.file(file), base + inside))])

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


@dataclass
class LineProof:
    """Leaves as the contract reads them, one after the other; one that was read last is not there again."""

    data: bytes = b""
    _last: tuple[str, int] = ("", 0)

    def there(self) -> None:
        """A word of the leaf that is not full, which the proof begins with."""
        self._last = "", 0

    def read(self, place: ReadPlace, opened: Callable[[], list[bytes]]) -> None:
        """The leaf of a word, unless it was the last one."""
        if self._last != (place.where, place.index // LEAF):
            self._last = place.where, place.index // LEAF
            self.data += b"".join(opened())


def _whole(levels: int) -> LineStretch:
    return LineStretch(ZERO, levels, 0, 0, 0)


def _flat(leaf: ProvenLeaf) -> list[bytes]:
    return [leaf.data, *(bytes.fromhex(each) for each in leaf.path)]


def opened(words: U64, index: int) -> ProvenLeaf:
    """The leaf of an array that has word `index`, and its path. Hashes the whole array, 1 MiB at a time."""
    return proven(np.ascontiguousarray(words).reshape(-1).view(np.uint8).data, index)
