"""The part of the dispute benchmark that is about one lookup, under the reference profile."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from app.protocol.data import merkle
from app.protocol.data.dataset import Codebook, ColumnCode, EncodedFile, EncryptedTable, Shard
from app.protocol.market.disputes import WORD, DisputePhase, Verdict
from benchmarks.dispute import Measured, Stage, measured
from fhe.arrays import U64
from fhe.circuit.circuit import Circuit, Input, Linear, Lookup, Readout
from fhe.engine.output import OutputStage, lwe_bits, round_words
from fhe.engine.trace.lookup_game import LookupGame
from fhe.engine.trace.lookups import KeyTables
from fhe.engine.trace.program import program_of, proven
from fhe.engine.trace.tape import LookupTape, TapeShape
from fhe.evaluation_key import EvaluationKey, shapes
from fhe.mask import mask
from fhe.merkle import root_of
from fhe.profile import EVALUATOR
from fhe.profiles import REFERENCE

BOOTSTRAP_AIM = 900_000
STEP, JUDGED = 400, "judge"
# Words of the kinds that are dear to judge, by a line's shape.
FALSE: dict[str, Callable[[TapeShape], int]] = {
    "product": lambda shape: shape.stage_at(STEP, shape.depth + 1) + 10,
    "split": lambda shape: shape.stage_at(STEP, 3) + 1003,
    "join": lambda shape: shape.stage_at(STEP, shape.depth + 3) + 1003,
    "digit": lambda shape: shape.stage_at(STEP, 0) + 1002,
    "switch": lambda shape: shape.switch_at + 300 * (shape.size + 1) + 1000,
    "test": lambda shape: shape.start_at + shape.size + 1000,
}
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
        self.made: Measured | None = None
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
        """A liar is caught at one word of a step or of the keyswitch, whatever word it chose: figures of the dearest.

        The first time in a market it is one kind alone.
        """
        kinds = FALSE if self.made else dict.fromkeys(["product"], FALSE["product"])
        self.made = self.made or measured(lambda: self.game.made(0, 0).prefix(1 << 20))
        games = {kind: self._game(stage, place(self.game.tape(0, 0).shape)) for kind, place in kinds.items()}
        most = max((sum(gas.values()), kind) for kind, gas in games.items())
        return {
            "bootstrap_gas": most[0],
            "bootstrap_aim_met": most[0] <= BOOTSTRAP_AIM,
            "bootstrap_moves": games[most[1]],
            "bootstrap_judged": {kind: gas[JUDGED] for kind, gas in games.items()},
            "bootstrap_dearest": most[1],
            "line_seconds": self.made.seconds,
            "line_mib": self.made.mib,
            "program_seconds": self.program_seconds,
        }

    def _game(self, stage: Stage, false: int) -> dict[str, int]:
        """A dispute of which word number `false` of the liar's line is false; gas of each move."""
        size, bits = REFERENCE.polynomial_size, lwe_bits(REFERENCE)
        stage.ordered()
        lie = self.game.wire(0, 3).copy()
        lie[size:] += np.uint64(1 << 64 - bits)
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
        evidence = self.game.sum_evidence(dispute.summed, 1, dispute.totals, dispute.words)
        sent = market.judge_sum_dispute(stage.buyer, dispute, *header, 1, evidence)
        gas["name"], dispute = sent.gas, sent.value
        mine = self.game.tape(0, 0)
        theirs, cuts = _False(mine, {false: 1}), 0
        while dispute.phase is not DisputePhase.OVER:
            executors = dispute.phase.executors
            move = self.game.move(dispute, theirs if executors else mine)
            player = stage.executor if executors else stage.buyer
            sent = market.move_on_line(player, dispute, *header, move)
            cuts += move.kind == "cut"
            gas[f"cut {cuts}" if move.kind == "cut" else JUDGED] = sent.gas
            dispute = sent.value
        if dispute.verdict is not Verdict.CONVICTED:
            raise AssertionError("the liar was not convicted")
        return gas


class _False(LookupTape):
    """A line with some other words."""

    def __init__(self, true: LookupTape, changes: dict[int, int]) -> None:
        self.__dict__.update({name: value for name, value in vars(true).items() if name != "_trees"})
        self._kept, self._changes = {}, changes

    def slot(self, number: int) -> U64:
        """The true words, but for the changes."""
        words = super().slot(number)
        for place, change in self._changes.items():
            if place // self.shape.slot == number:
                inside = place % self.shape.slot
                words[inside : inside + 1] += np.uint64(change % WORD)
        return words
