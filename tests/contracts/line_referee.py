"""The game of StretchGame.sol about one line, without chain, money and time: thousands are played in minutes.

Which word follows is asked of the contract that has the rules; whole games are in `test_lookup_disputes.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from app.protocol.errors import Reverted
from app.protocol.ids import Address, Digest, Seconds, Units
from app.protocol.market.disputes import Dispute, DisputePhase, LineMove, LineStretch, LookupClaim, Verdict
from app.protocol.market.entities import ZERO
from fhe.engine.trace.lookup_game import LOOK, LookupGame
from fhe.engine.trace.tape import LookupTape

EXECUTOR, CHALLENGER = Address("0x" + "e" * 40), Address("0x" + "c" * 40)
MOST_MOVES = 12


class Rules(Protocol):
    """What words of a line follow from."""

    def judge(self, claim: LookupClaim, low: str, index: int, said: int, proof: bytes) -> tuple[int, bytes]:
        """A word behind those under a root, and the root with it. Errors: Reverted."""

    def result(self, claim: LookupClaim, high: str, proof: bytes) -> int:
        """The word of the lookup behind a whole line. Errors: Reverted."""


class Refused(Exception):
    """The contract reverts."""


@dataclass
class LineReferee:
    """One dispute about the word of a lookup, from its naming on: what is taken, what is refused, who is convicted."""

    rules: Rules
    dispute: Dispute

    @classmethod
    def about(cls, rules: Rules, claim: LookupClaim) -> LineReferee:
        """The executor said `claim.said`; the challenger has to begin."""
        parties = EXECUTOR, CHALLENGER, Units(1), ZERO, ZERO, 0, ZERO
        return cls(rules, Dispute(1, 1, 0, DisputePhase.NARROW, Seconds(1), *parties, line=claim))

    def play(self, move: LineMove) -> None:
        """The move of whoever's turn it is. Errors: Refused."""
        line, stretch = self.dispute.line, self.dispute.stretch
        assert line is not None
        if stretch is None or move.kind == "begin":
            if stretch is not None or move.kind != "begin":
                raise Refused
            return self._cut(LineStretch(ZERO, line.levels, 0, 0, 0), ZERO, move.roots)
        below, low, high = stretch.part(move.part), self.dispute.roots[move.part], self.dispute.roots[move.part + 1]
        if move.kind == "cut":
            if below.level == below.levels or move.roots[-1] == high:
                raise Refused
            return self._cut(below, low, move.roots)
        try:
            if move.kind == "word":
                if below.level != below.levels:
                    raise Refused
                _, root = self.rules.judge(line, low, below.node, move.said, move.proof)
                return self._judged(root.hex() != high)
            if stretch.level or move.part + 1 != 1 << stretch.bits:
                raise Refused
            self._judged(self.rules.result(line, high, move.proof) == line.said)
        except Reverted:
            raise Refused from None

    def silent(self) -> None:
        """Whoever is to move lets its time pass."""
        self._judged(False)

    def _cut(self, stretch: LineStretch, low: Digest, roots: tuple[Digest, ...]) -> None:
        left = stretch.levels - stretch.level
        stretch = replace(stretch, bits=-(-left // -(-left // LOOK)))
        if len(roots) != 1 << stretch.bits:
            raise Refused
        other = DisputePhase.NARROW if self.dispute.phase is DisputePhase.SHOW else DisputePhase.SHOW
        self.dispute = replace(self.dispute, phase=other, stretch=stretch, roots=(low, *roots))

    def _judged(self, right: bool) -> None:
        executors = self.dispute.phase is DisputePhase.SHOW
        verdict = Verdict.CLEARED if right == executors else Verdict.CONVICTED
        self.dispute = replace(self.dispute, phase=DisputePhase.OVER, verdict=verdict)


@dataclass
class LineLiar:
    """Stands for a false line as it must, or goes anywhere, or falls silent at some move."""

    game: LookupGame
    tape: LookupTape
    rng: np.random.Generator

    def __post_init__(self) -> None:
        self.anywhere = self.rng.random() < 0.3
        self.silent_at = int(self.rng.integers(1, 5)) if self.rng.random() < 0.1 else MOST_MOVES

    def move(self, dispute: Dispute) -> LineMove:
        """Something that may be taken. Errors: ValueError where it has nothing to say."""
        line, stretch = dispute.line, dispute.stretch
        assert line is not None
        if stretch is None or not self.anywhere:
            return self.game.move(dispute, self.tape)
        part = int(self.rng.integers(1 << stretch.bits))
        below = stretch.part(part)
        if below.level < below.levels:
            return LineMove("cut", part, self.game.roots(self.tape, line, below))
        end, _ = self.tape.shape.out_at(line.word)
        proof = self.game.word_proof(line, below.node, self.tape) if below.node < end else b""
        return LineMove("word", part, proof=proof)


def verdict_on(referee: LineReferee, honest: LookupTape, liar: LineLiar, executor_lies: bool) -> Verdict:
    """How a game ends of which one side is honest."""
    for number in range(MOST_MOVES):
        dispute = referee.dispute
        if dispute.phase is DisputePhase.OVER:
            return dispute.verdict
        if dispute.phase.executors != executor_lies:
            referee.play(liar.game.move(dispute, honest))
            continue
        try:
            if number >= liar.silent_at:
                raise Refused
            referee.play(liar.move(dispute))
        except (Refused, ValueError):
            referee.silent()
    raise AssertionError("a dispute that does not end")
