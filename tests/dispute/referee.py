"""The game of Disputes.sol without chain, proofs and money: what it takes, what it refuses, and whom it convicts.

Liars play it by their strategies against honest players, thousands of times a second; the contract itself is played in
`test_market.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from app.dispute.play import Expire, Move, Narrow, Refute, Show, Stand, linear_move
from app.protocol.ids import Address, Digest, Seconds, Units
from app.protocol.market.disputes import WORD, Dispute, DisputePhase, RowsClaim, Verdict
from app.protocol.market.entities import ZERO
from fhe.arrays import U64

EXECUTOR, CHALLENGER = Address("0x" + "e" * 40), Address("0x" + "c" * 40)
WINDOW = 100  # seconds for a move


@dataclass(frozen=True)
class Facts:
    """A layer's one output in words: bias, and what each term adds in each row, u64 (rows, terms)."""

    bias: int
    products: U64
    first: int = 1000

    def totals(self, claim: RowsClaim) -> tuple[int, ...]:
        """What an honest executor shows of a claim."""
        rows = self.products[claim.low - self.first : claim.high - self.first]
        if claim.rows == 1:
            row = np.concatenate([np.array([self.bias], np.uint64), rows[0]])
            return tuple(np.cumsum(row, dtype=np.uint64).tolist())
        ends = np.cumsum(self.words[claim.low - self.first : claim.high - self.first], dtype=np.uint64)
        return tuple((claim.at_low + int(ends[cut - claim.low - 1])) % WORD for cut in claim.cuts[1:-1])

    def due(self, dispute: Dispute) -> Move | None:
        """`app.dispute.play.Truth`."""
        return linear_move(dispute, self.totals)

    @property
    def words(self) -> U64:
        """What each row adds, u64 (rows,)."""
        summed: U64 = self.products.sum(1, dtype=np.uint64) + np.uint64(self.bias)
        return summed

    @property
    def word(self) -> int:
        """The value."""
        return int(self.words.sum(dtype=np.uint64))


class Refused(Exception):
    """The contract reverts."""


@dataclass
class Game:
    """One dispute about a value of `facts` that the executor said to be `word`. Time stands still between moves."""

    facts: Facts
    word: int
    now: int = 0
    dispute: Dispute = field(init=False)

    def __post_init__(self) -> None:
        self.dispute = Dispute(
            1, 7, 0, DisputePhase.ANSWER, Seconds(WINDOW), EXECUTOR, CHALLENGER, Units(1), ZERO, ZERO, 0, ZERO
        )

    def play(self, move: Move, stand: Callable[[RowsClaim], tuple[int, ...]]) -> None:
        """Make a move of whoever's turn it is; `stand` gives the totals that an executor begins with.

        Errors: Refused.
        """
        if isinstance(move, Expire):
            if self.now <= self.dispute.deadline:
                raise Refused
            self._end(Verdict.CONVICTED if self.dispute.phase.executors else Verdict.CLEARED)
            return
        wanted = {DisputePhase.ANSWER: Stand, DisputePhase.SHOW: Show, DisputePhase.NARROW: Narrow}
        if not isinstance(move, wanted.get(self.dispute.phase, Refute)) or self.now > self.dispute.deadline:
            raise Refused
        match move:
            case Stand():
                rows = len(self.facts.products)
                claim = RowsClaim(ZERO, ZERO, 0, self.facts.first, self.facts.first + rows, 0, self.word, ZERO)
                self._shown(claim, stand(claim))
            case Show(totals):
                assert self.dispute.claim is not None
                self._shown(self.dispute.claim, totals)
            case Narrow(stretch):
                self._narrowed(stretch)
            case Refute(term):
                self._end(Verdict.CLEARED if self._follows(term) else Verdict.CONVICTED)

    def _shown(self, claim: RowsClaim, totals: tuple[int, ...]) -> None:
        if claim.rows == 1:
            if not totals or totals[-1] != claim.sum:
                raise Refused
        elif len(totals) != len(claim.cuts) - 2:
            raise Refused
        self._next(DisputePhase.JUDGE if claim.rows == 1 else DisputePhase.NARROW, claim, totals)

    def _narrowed(self, stretch: int) -> None:
        claim, totals = self.dispute.claim, self.dispute.totals
        assert claim is not None
        if not 0 <= stretch < len(claim.cuts) - 1:
            raise Refused
        ends = (claim.at_low, *totals, claim.at_high)
        cuts = claim.cuts
        smaller = replace(
            claim, low=cuts[stretch], high=cuts[stretch + 1], at_low=ends[stretch], at_high=ends[stretch + 1]
        )
        self._next(DisputePhase.SHOW, smaller, ())

    def _follows(self, term: int) -> bool:
        claim, totals = self.dispute.claim, self.dispute.totals
        assert claim is not None
        terms = self.facts.products[claim.low - self.facts.first].tolist()
        if len(totals) != len(terms) + 1:
            return False
        if term > len(terms):
            raise Refused
        if term == 0:
            return bool(totals[0] == self.facts.bias)
        return bool(totals[term] == (totals[term - 1] + terms[term - 1]) % WORD)

    def _next(self, phase: DisputePhase, claim: RowsClaim, totals: tuple[int, ...]) -> None:
        deadline = Seconds(self.now + WINDOW)
        self.dispute = replace(self.dispute, phase=phase, claim=claim, totals=totals, deadline=deadline)

    def _end(self, verdict: Verdict) -> None:
        self.dispute = replace(self.dispute, phase=DisputePhase.OVER, verdict=verdict, claimed=Digest(ZERO))
