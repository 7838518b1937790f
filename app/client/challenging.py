"""Objecting to a job's results from this machine: what would be said against whom, and saying it until it is judged."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.dispute.made import Accusation, Played
from app.dispute.player import Player
from app.home.network import Network, threads_available
from app.protocol.errors import NotAllowed, TryAgain
from app.protocol.market.disputes import Dispute
from app.protocol.market.entities import ZERO

if TYPE_CHECKING:
    from app.chain.wallet.account import Account
    from app.execution.checkpoint import Checkpoints
    from app.execution.execute import Evaluation
    from app.protocol.ports import Progress
    from fhe.engine.core import BackendName

POLL_SECONDS = 5.0


@dataclass(frozen=True)
class Objection:
    """Whom this machine can show to be wrong about a job, by its own re-execution."""

    job: int
    own: Evaluation
    accusations: tuple[Accusation, ...]
    until: int  # seconds since the epoch: disputes can be opened as long
    running: int  # disputes about the job, this account's among them

    @property
    def bond(self) -> int:
        """Token units that all disputes together take; they come back with as much of each liar's stake."""
        return sum(each.bond for each in self.accusations)


class Challenger:
    """One account that objects to one job."""

    def __init__(self, network: Network, account: Account, job: int) -> None:
        """Errors: NotAllowed for a job that no contract can judge; NotFound."""
        self._network, self._market = network, network.market
        self._player, self._job = Player(network.market, network.store, account), job
        if not self._market.has_disputes or self._market.job(job).program == ZERO:
            raise NotAllowed(
                f"No contract can judge the results of job {job}: its order states no program.",
                "Audit it: darkroom audit; its custodian recomputes it before it decrypts.",
            )

    def objection(
        self,
        *,
        threads: int | None = None,
        device: BackendName = "auto",
        progress: Progress | None = None,
        checkpoints: Checkpoints | None = None,
    ) -> Objection:
        """Re-execute the job and compare; nothing is sent. Errors: those of re-execution; Unavailable."""
        from app.execution.execute import execute
        from app.execution.inputs import load_job_inputs
        from fhe.engine.conformance import self_test

        count = threads or threads_available()
        self_test(device, count)
        own = execute(
            load_job_inputs(self._market, self._network.store, self._job),
            self._network.store,
            threads=count,
            progress=progress,
            backend=device,
            runner=self._network.runner(device),
            checkpoints=checkpoints,
        )
        accusations = tuple(self._player.accusations(self._market.job(self._job), own))
        running, until = self._market.dispute_window(self._job)
        return Objection(self._job, own, accusations, until, running)

    def raise_(self, objection: Objection, most_bond: int, report: Callable[[Played], None]) -> None:
        """Open a dispute against everybody who is accused. Errors: NotAllowed where the bonds are more than
        `most_bond` or than the account has; Reverted.
        """
        if objection.bond > most_bond:
            raise NotAllowed(
                f"Objecting to job {self._job} takes bonds of {objection.bond} token units, and you allow {most_bond}.",
                "Name a higher --bond: they come back when you are right.",
            )
        for each in objection.accusations:
            report(self._player.accuse(self._market.job(self._job), each))

    def play(self, report: Callable[[Played], None], timeout: float | None = None) -> list[Dispute]:
        """Move until no dispute about the job runs; all of them. Errors: TryAgain where that takes longer."""
        end = None if timeout is None else time.monotonic() + timeout
        while True:
            job = self._market.job(self._job)
            for played in self._player.moves(job):
                report(played)
            if not self._player.running(job):
                return self._market.disputes(self._job)
            if end is not None and time.monotonic() > end:
                raise TryAgain(f"Disputes about job {self._job} are still running.", "Run the same command again.")
            time.sleep(POLL_SECONDS)
