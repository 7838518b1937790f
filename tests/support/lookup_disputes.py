"""Jobs with lookups whose executors may lie, and both sides of a dispute about them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from app.chain.node import DevNode
from app.chain.wallet.account import Account
from app.execution.source import StoreSource
from app.protocol.market.disputes import WORD, Dispute, DisputePhase
from fhe.arrays import U64
from fhe.engine.trace.lookup_game import LookupGame
from fhe.engine.trace.lookups import KeyTables
from fhe.engine.trace.packing import PackingShape, PackingTape
from fhe.engine.trace.program import JobProgram, program_of, proven
from fhe.engine.trace.slots import Tape
from fhe.engine.trace.tape import LookupTape, TapeShape
from fhe.evaluation_key import EvaluationKey
from fhe.profile import EncryptionProfile
from tests.support.custody import tree_circuit
from tests.support.disputes import Claimed, Trial, trial

LEAF_BYTES = 128


class _False(Tape):
    """A line with some other words: what a liar stands for, whatever follows from what."""

    def __init__(self, true: Tape, changes: dict[int, int]) -> None:
        """`changes`: what is added to words, by place."""
        self.__dict__.update({name: value for name, value in vars(true).items() if name != "_trees"})
        self._true, self._kept, self._changes = true, {}, changes

    def slot(self, number: int) -> U64:
        """The true words, but for the changes."""
        words = self._true.slot(number).copy()
        for place, change in self._changes.items():
            if place // self.shape.slot == number:
                inside = place % self.shape.slot
                words[inside : inside + 1] += np.uint64(change % WORD)
        return words


class FalseTape(_False, LookupTape):
    """Of a lookup."""


class FalsePacking(_False, PackingTape):
    """Of a packed ciphertext."""


@dataclass
class LookupTrial(Trial):
    """A market with a job that has lookups."""

    key: EvaluationKey | None = None
    _program: JobProgram | None = None
    tapes: dict[int, LookupTape] = field(default_factory=dict)

    @property
    def program(self) -> JobProgram:
        """Of its circuit."""
        if self._program is None:
            table = self.world.manifest.table
            assert table.evaluation_key is not None
            self.key = EvaluationKey.fetch(self.world.store, table.evaluation_key, self.world.profile, table.epoch)
            self._program = program_of(self.circuit, self.world.profile, table, KeyTables.of(self.key))
        assert self._program is not None
        return self._program

    @property
    def tables(self) -> tuple[int | str, ...]:
        """The header of what lookups need."""
        assert self.program.lookups is not None
        return self.program.lookups.header

    def lookup_game(self) -> LookupGame:
        """What anybody can compute."""
        table, store, profile = self.world.manifest.table, self.world.store, self.world.profile
        files = [file for shard in table.shards for file in shard.files]
        program = self.program
        assert self.key is not None
        return LookupGame(
            program, self.circuit, profile, self.key, table, StoreSource(table, profile, store),
            lambda number: store.read(files[number].cid, limit=1 << 30), lambda: [each.root for each in files],
        )  # fmt: skip

    def place(self, value: int) -> tuple[int, int, int]:
        """Row of the dataset, output and word of a value's number."""
        value, word = divmod(value, self.world.profile.polynomial_size + 1)
        row, output = divmod(value, len(self.circuit.outputs))
        return 3 + row, output, word

    def false_word(self, truth: Claimed, value: int, change: int) -> Claimed:
        """Another rounded word in the result. `change` is of the rounded word."""
        assert self.program.lookups is not None
        bits, size = int(self.tables[11]), self.world.profile.polynomial_size
        ciphertext, word = divmod(value, size + 1)
        start = 24 + ciphertext * (size // 2 + 1) * bits // 4 + word // 2 * bits // 4
        data = bytearray(truth.output)
        pair = int.from_bytes(data[start : start + bits // 4], "little")
        low, high = pair % (1 << bits), pair >> bits
        mask = (1 << bits) - 1
        low, high = (low + change & mask, high) if word % 2 == 0 else (low, high + change & mask)
        data[start : start + bits // 4] = (low | high << bits).to_bytes(bits // 4, "little")
        return truth.with_output(bytes(data))

    def answered(self, dispute: Dispute, claim: Claimed, totals: list[int], words: list[int]) -> Dispute:
        """The executor's answer."""
        bits, size = int(self.tables[11]), self.world.profile.polynomial_size
        ciphertext, word = divmod(dispute.value, size + 1)
        start = 24 + ciphertext * (size // 2 + 1) * bits // 4 + word // 2 * bits // 4
        places = sorted({start // LEAF_BYTES, (start + bits // 4 - 1) // LEAF_BYTES})
        leaves = [proven(claim.output, place * LEAF_BYTES // 8) for place in places]
        executor = self.stage.by_address(dispute.executor)
        sent = self.market.answer_lookup_dispute(
            executor, dispute, self.program.header, self.tables, claim.receipt, leaves, totals, words
        )
        self.gas["answer"] = sent.gas
        return sent.value

    def lie_in(self, dispute: Dispute, change: int, term: int = 0) -> tuple[list[int], list[int]]:
        """True totals and words but for one term's word, so that the last total is off by its weight times `change`."""
        totals, words = (list(each) for each in self.lookup_game().sums(*self.place(dispute.value)))
        step = (totals[term + 1] - totals[term]) % WORD
        weight = step * pow(words[term], -1, WORD) % WORD if words[term] % 2 else None
        assert weight is None or weight
        record = self.program.term_at(
            int(self.program.words[self.program.output_at(self.place(dispute.value)[1]) + 1]) + term
        )
        weight = int(self.program.words[record + 1])
        words[term] = (words[term] + change) % WORD
        return [*totals[: term + 1], *((each + weight * change) % WORD for each in totals[term + 1 :])], words

    def descended(self, dispute: Dispute, tape_of) -> Dispute:  # type: ignore[no-untyped-def]
        """From a lookup's word to the end; `tape_of(claim)`: the executor's line."""
        game, moves = self.lookup_game(), 0
        lines: dict[int, LookupTape] = {}
        while dispute.phase is not DisputePhase.OVER:
            claim = dispute.line
            assert claim is not None
            if claim.lookup not in lines:
                lines[claim.lookup] = tape_of(claim)
            executors = dispute.phase.executors
            move = game.move(dispute, lines[claim.lookup] if executors else None)
            player = self._account(dispute.executor if executors else dispute.challenger)
            sent = self.market.move_on_line(player, dispute, self.program.header, self.tables, move)
            moves += 1
            self.gas[f"{move.kind} {moves}"] = sent.gas
            dispute = sent.value
        return dispute

    def _account(self, address: str) -> Account:
        return next(each for each in self.stage.people() if each.address == address)


def lookup_trial(node: DevNode, folder: Path, profile: EncryptionProfile, *, providers: int = 3) -> LookupTrial:
    """A market with a tree of one lookup, on a profile of no security."""
    base = trial(node, folder, providers=providers, insecure=profile)
    circuit = tree_circuit([(0, 1), (1, 2), (3, 4)], [1, 2, 3, 4, 5, 6, 7, 8], profile)
    return LookupTrial(base.stage, base.world, circuit)


def named_kinds(shape: TapeShape) -> dict[str, tuple[int, int]]:
    """Stretches of a line, one for each rule; of the steps, the first and the last."""
    s = shape
    found = {
        "wires": (0, s.terms * (s.size + 1)),
        "totals": (s.sums_at, s.sums_at + (s.size + 1) * (s.terms + 1)),
        "switch": (s.switch_at, s.switch_at + (s.steps + 1) * (s.size + 1)),
        "small": (s.small_at, s.small_at + s.steps + 1),
        "lost": (s.lost_at, s.lost_at + s.steps + 1),
        "turns": (s.turns_at, s.turns_at + s.steps + 1),
        "step 0": (s.start_at, s.start_at + 2 * s.size),
    }
    for step in (0, s.steps - 1):
        for stage in range(2 * s.depth + 2):
            found[f"stage {stage} of step {step}"] = s.stage_at(step, stage), s.stage_at(step, stage + 1)
        added = s.stage_at(step, 0) + s.last_at
        found[f"added by step {step}"] = added, added + 2 * s.size
        found[f"step {step + 1}"] = added + 2 * s.size, added + 4 * s.size
    return found


def packing_kinds(shape: PackingShape) -> list[tuple[int, int]]:
    """The same of a packed ciphertext's line."""
    found = [(0, shape.size * (shape.size + 1))]
    for bit in (0, 1, 31, 32, shape.size - 1):
        found += [(shape.stage_at(bit, stage), shape.stage_at(bit, stage + 1)) for stage in range(shape.depth + 1)]
        found.append((shape.subtotal_at(bit), shape.subtotal_at(bit) + 2 * shape.size))
    found += [(shape.total_at(group), shape.total_at(group + 1)) for group in range(shape.groups)]
    found += [(shape.join_at(joins), shape.join_at(joins + 1)) for joins in range(1, shape.depth + 1)]
    out, _ = shape.out_at(0)
    return [*found, (out, out + shape.size), (out + shape.size, out + 2 * shape.size)]


def kinds(shape: TapeShape) -> list[tuple[int, int]]:
    """The same without names."""
    return list(named_kinds(shape).values())
