"""The part of the dispute benchmark that is about one lookup, under the reference profile."""

from __future__ import annotations

import time
from typing import Any, Literal

import numpy as np

from app.protocol.data import merkle
from app.protocol.data.dataset import Codebook, ColumnCode, EncodedFile, EncryptedTable, Shard
from app.protocol.market.disputes import WORD, Dispute, DisputePhase, Verdict
from benchmarks.dispute import Stage, measured
from fhe.arrays import U64
from fhe.circuit.circuit import Circuit, Input, Linear, Lookup, Readout
from fhe.engine.output import OutputStage, lwe_bits, round_words
from fhe.engine.trace.lookup_game import LOOK, WORDS_BELOW, LookupGame
from fhe.engine.trace.lookups import KeyTables
from fhe.engine.trace.program import program_of, proven
from fhe.engine.trace.tape import LookupTape
from fhe.evaluation_key import EvaluationKey, shapes
from fhe.mask import mask
from fhe.merkle import root_of
from fhe.profile import EVALUATOR
from fhe.profiles import REFERENCE

BOOTSTRAP_AIM = 900_000
STEP = 400
SEED = "11" * 16


class LookupWorld:
    """A table of three bits a row and a key, all of arbitrary words, and a circuit of one lookup on one row."""

    def __init__(self) -> None:
        size, rng = REFERENCE.polynomial_size, np.random.default_rng(7)
        self.files = [rng.integers(0, 1 << 64, size, np.uint64) for _ in range(3)]
        names = [f"column {number}" for number in range(3)]
        codebook = Codebook(
            columns=tuple(ColumnCode(name=name, dtype="float64", bins=(1.0,), declared=True) for name in names)
        )
        self.roots = [root_of(file.view(np.uint8).data) for file in self.files]
        files = tuple(
            EncodedFile(column=name, encoding="bins", cid="", polys=1, seed=SEED, root=root)
            for name, root in zip(names, self.roots, strict=True)
        )
        self.table = EncryptedTable(
            profile=REFERENCE.digest, codebook=codebook, epoch=1, rows=size, evaluation_key=None, evaluator=EVALUATOR,
            shards=(Shard(first_row=0, rows=size, files=files),), data_root=merkle.data_root(self.roots),
        )  # fmt: skip
        bits = Linear(3, np.array([0, 3]), np.arange(3), np.array([4, 2, 1]), np.zeros(1, np.int64))
        lookup = Lookup(10, np.zeros(1, np.int64), np.arange(8)[None])
        last = Linear(10, np.array([0, 1]), np.array([3]), np.array([1]), np.zeros(1, np.int64))
        inputs = tuple(Input(name, "bins", 0) for name in names)
        self.circuit = Circuit(
            REFERENCE.digest, codebook.digest, inputs, (bits, lookup, last), ("y",), Readout("value")
        )
        bootstrap, keyswitch, _ = shapes(REFERENCE)
        first, second = (rng.integers(0, 1 << 64, shape, np.uint64) for shape in (bootstrap, keyswitch))
        self.key = EvaluationKey(REFERENCE.digest, 1, first, second)
        start = time.perf_counter()
        program = program_of(self.circuit, REFERENCE, self.table, KeyTables.of(self.key))
        assert program is not None
        assert program.lookups is not None
        self.program, self.tables = program, program.lookups.header
        self.program_seconds = time.perf_counter() - start
        self.rows = 1
        self.form: Literal["bodies", "lwe"] = "lwe"
        self.game = LookupGame(
            program, self.circuit, REFERENCE, self.key, self.table, self,
            lambda number: self.files[number].tobytes(), lambda: self.roots,
        )  # fmt: skip

    def bodies(self, input: Input, shard: int, chunks: range) -> U64:  # noqa: ARG002 - there is one of each
        """Words of one input, as `ChunkSource`."""
        return self.files[int(input.column.split()[1])][None]

    def mask(self, input: Input, shard: int, chunks: range) -> U64:  # noqa: ARG002
        """Mask words of one input."""
        return mask(bytes.fromhex(SEED), 0, 1, REFERENCE.polynomial_size)

    def convicted(self, stage: Stage) -> dict[str, Any]:
        """A liar is caught at one point of a product: figures."""
        size, bits = REFERENCE.polynomial_size, lwe_bits(REFERENCE)
        stage.ordered()
        true = self.game.wire(0, 3)
        change = 1 << 64 - bits
        lie = true.copy()
        lie[size:] += np.uint64(change)
        words = round_words(lie[None], bits).astype(np.uint32)
        output = OutputStage("lwe", 1, 1, 10, size, bits, words).to_bytes()
        receipt = stage.revealed(output)
        gas: dict[str, int] = {}
        header, market = (self.program.header, self.tables), stage.market
        sent = market.open_dispute(stage.buyer, stage.job, 0, size)
        gas["open"], dispute = sent.gas, sent.value
        place = 24 + size // 2 * bits // 4
        leaves = [proven(output, at // 8) for at in sorted({place, place + bits // 4 - 1} | {place})]
        leaves = leaves[: 1 if place // 128 == (place + bits // 4 - 1) // 128 else 2]
        said = int(lie[size])
        sent = market.answer_lookup_dispute(stage.executor, dispute, *header, receipt, leaves, (0, said), (said,))
        gas["answer"], dispute = sent.gas, sent.value
        assert dispute.summed is not None
        sent = market.judge_sum_dispute(stage.buyer, dispute, *header, 1, self.game.sum_evidence(dispute.summed, 1))
        gas["name"], dispute = sent.gas, sent.value
        made = measured(lambda: self.game.made(0, 0).root)
        mine = self.game.tape(0, 0)
        at = mine.shape.stage_at(STEP, mine.shape.depth + 1) + 10
        place, _ = mine.shape.out_at(size)
        theirs = _False(mine, {at: 1, place: change})
        gas |= self._descended(stage, dispute, mine, theirs)
        return {
            "bootstrap_gas": sum(gas.values()),
            "bootstrap_aim_met": sum(gas.values()) <= BOOTSTRAP_AIM,
            "bootstrap_moves": gas,
            "line_seconds": made.seconds,
            "line_mib": made.mib,
            "program_seconds": self.program_seconds,
        }

    def _descended(self, stage: Stage, dispute: Dispute, mine: LookupTape, theirs: LookupTape) -> dict[str, int]:
        market, header, gas = stage.market, (self.program.header, self.tables), dict[str, int]()
        while dispute.phase is not DisputePhase.OVER:
            claim = dispute.line
            assert claim is not None
            level, node = claim.level, claim.node
            if dispute.phase is DisputePhase.NARROW:
                true = mine.children(level, node, claim.bits)
                said = [dispute.shown[place : place + 32].hex() for place in range(0, len(dispute.shown), 32)]
                sent = market.pick_node(
                    stage.buyer, dispute, [a == b for a, b in zip(true, said, strict=True)].index(False)
                )
            elif dispute.phase is DisputePhase.JUDGE:
                words, shown = (np.frombuffer(each, "<u8") for each in (mine.leaves(level, node), dispute.shown))
                place = int(np.flatnonzero(words != shown)[0])
                proof = self.game.proof_of(claim, (node << WORDS_BELOW) * 16 + place, theirs)
                sent = market.judge_word(stage.buyer, dispute, *header, place, proof)
            elif claim.tree == 0:
                sent = market.begin_line(stage.executor, dispute, *header, self.game.begun(claim, theirs))
            elif claim.tree - level == WORDS_BELOW:
                sent = market.show_words(stage.executor, dispute, theirs.leaves(level, node), theirs.path(level, node))
            else:
                nodes = theirs.children(level, node, min(LOOK, claim.tree - WORDS_BELOW - level))
                sent = market.show_nodes(stage.executor, dispute, nodes, theirs.path(level, node))
            gas[f"{len(gas) + 1} {dispute.phase.name.lower()}"] = sent.gas
            dispute = sent.value
        if dispute.verdict is not Verdict.CONVICTED:
            raise AssertionError("the liar was not convicted")
        return gas


class _False(LookupTape):
    """A line with some other words."""

    def __init__(self, true: LookupTape, changes: dict[int, int]) -> None:
        self.__dict__.update({name: value for name, value in vars(true).items() if name != "_top"})
        self._tree, self._changes = None, changes

    def slot(self, number: int) -> U64:
        """The true words, but for the changes."""
        words = super().slot(number)
        for place, change in self._changes.items():
            if place // self.shape.slot == number:
                inside = place % self.shape.slot
                words[inside : inside + 1] += np.uint64(change % WORD)
        return words
