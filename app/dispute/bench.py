"""What a custodian asks of the contract that judges results: `app.custodian.court.Court` over a market."""

from __future__ import annotations

from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING

from app.execution.program import own_program
from app.protocol.errors import NotAllowed

if TYPE_CHECKING:
    from app.chain.market import Market
    from app.dispute.player import Player
    from app.execution.execute import Evaluation
    from app.execution.inputs import JobInputs
    from app.execution.key_roots import RootsOf
    from app.protocol.ids import Digest
    from app.protocol.market.entities import Job

HOUR = 3600


class Bench:
    """`app.custodian.court.Court` of an account: it plays, challenges, and says how long anybody may object."""

    def __init__(self, player: Player, market: Market, roots_of: RootsOf) -> None:
        self._player, self._market, self._roots_of = player, market, roots_of

    def program(self, work: JobInputs) -> Digest:
        """What an order of this circuit states; zeros for what cannot be judged. Errors: those of `own_program`."""
        return own_program(work, self._roots_of)

    def play(self, job: Job) -> bool:
        """Make the moves that are this account's; whether a dispute about the job ran."""
        if not self._player.running(job):
            return False
        for _ in self._player.moves(job):
            pass
        return True

    def challenge(self, job: Job, own: Evaluation) -> bool:
        """Object to each executor whose result differs, as far as the account's money for bonds goes; whether a dispute
        runs.
        """
        with suppress(NotAllowed):  # too little money, or no time: others are asked, or what stands is refused
            for each in self._player.accusations(job, own):
                self._player.accuse(job, each)
        return bool(self._player.running(job))

    def objections_end(self, job: Job, hours: int) -> int | None:
        """When anybody could object for so many hours to what the job holds now; None where that is never so."""
        running, until = self._market.dispute_window(job.id)
        end = job.deadline - self._release_window + hours * HOUR
        return None if running or until < end else end

    @cached_property
    def _release_window(self) -> int:
        return int(self._market.client.read("JobMarket", "releaseWindow"))
