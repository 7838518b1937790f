"""Opponents of one honest executor, on one market with linear jobs and jobs with lookups: false, silent, late, or many.

Each stands for its own false result and says that the honest one is wrong, as well as its kind can.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from app.chain.wallet.account import Account
from app.dispute.made import Played
from app.dispute.play import next_move
from app.dispute.player import Player
from app.execution.execute import Evaluation
from app.protocol.errors import Reverted
from app.protocol.market.entities import Job
from fhe.circuit.circuit import Circuit
from tests.dispute.arena import WEIGHTS, Arena, Liar, forged
from tests.dispute.lookup_arena import PROFILE, SIZE, TREE, LookupLiar, corrupted
from tests.support.custody import linear_circuit

SUMS = linear_circuit(WEIGHTS, profile=PROFILE, bins=True, block=20)


@dataclass(frozen=True)
class Matter:
    """What a job is about, a false result of it, who stands for that, and a value that is right."""

    circuit: Circuit
    lie: Callable[[Evaluation], Evaluation]
    liar: Callable[[Arena, Account, Evaluation], Player]
    value: int


MATTERS = {
    "linear": Matter(SUMS, lambda own: forged(own, 4, 7), lambda town, account, own: Liar(town, account, own, 0.0), 1),
    "lookups": Matter(
        TREE,
        lambda own: corrupted(own, 7, 64, 3),
        lambda town, account, own: LookupLiar(town, account, own, random.Random(5)),
        7 * (SIZE + 1) + 64,
    ),
}


class Silent:
    """Says something once, and then nothing."""

    def __init__(self, player: Player) -> None:
        self.player = player

    def moves(self, _job: Job) -> Iterator[Played]:
        """None."""
        return iter(())


class Late(Silent):
    """Makes the moves that are its own when their time is over: each is refused."""

    refused = 0

    def moves(self, job: Job) -> Iterator[Played]:
        """None that counts."""
        player = self.player
        for dispute in player.running(job):
            if dispute.player == player._account.address and player._market.now() > dispute.deadline:
                move = next_move(dispute, dispute.player, dispute.deadline, player.truth(job.id))
                assert move is not None
                with pytest.raises(Reverted, match="The time for a move"):
                    player._make(dispute, move)
                self.refused += 1
        return iter(())
