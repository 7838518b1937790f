"""Moves on what nobody else moves on: jobs and disputes whose deadline has passed, so that refunds come without anybody
asking.

Anyone may do it; it costs gas and earns nothing. Whoever is late pays as the contract says, not as the keeper does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from app.chain.live import LiveJobs
from app.chain.market import Market
from app.chain.wallet.account import Account
from app.dispute.player import running as disputes_of
from app.execution.reporting import reported
from app.protocol.errors import DarkroomError, Reverted
from app.protocol.market.entities import Job

GRACE_SECONDS = 30  # after a deadline, for those who are concerned to do it themselves


@dataclass(frozen=True)
class Moved:
    """One job, and the state it is in now."""

    job: int
    what: str
    detail: str = ""


def overdue(job: Job, now: int) -> bool:
    """Whether a job's deadline is over, and the grace too."""
    return not job.state.terminal and 0 < job.deadline < now - GRACE_SECONDS


def keep(
    market: Market,
    account: Account,
    live: LiveJobs,
    report: Callable[[Moved], None] | None = None,
    stopping: Callable[[], bool] = lambda: False,
) -> list[Moved]:
    """Move every overdue job on, once, until it is `stopping`. `report` hears of each when it is done.

    Errors: Unavailable.
    """
    return reported(_moves(market, account, live, stopping), report)


def _moves(market: Market, account: Account, live: LiveJobs, stopping: Callable[[], bool]) -> Iterator[Moved]:
    now = market.now()
    unread: list[Moved] = []
    running = market.live(live.ids(), lambda job, error: unread.append(Moved(job, "failed", str(error))))
    yield from unread
    yield from _ended(market, account, running, stopping)
    for number in [job.id for job in running if overdue(job, now)]:
        if stopping():
            return
        try:
            yield Moved(number, "expired", market.expire(account, number).value.name.lower())
        except Reverted as error:  # somebody was faster, or has to act first
            yield Moved(number, "waiting", str(error))
        except DarkroomError as error:
            yield Moved(number, "failed", str(error))


def _ended(market: Market, account: Account, jobs: list[Job], stopping: Callable[[], bool]) -> Iterator[Moved]:
    """End the disputes whose player is late: a job stands still while one runs, whoever of the two is there."""
    for job in jobs:
        if stopping():
            return
        try:
            for each in disputes_of(market, job):
                if each.deadline < market.now() - GRACE_SECONDS:
                    ended = market.expire_dispute(account, each).value
                    yield Moved(job.id, "dispute ended", ended.verdict.name.lower())
        except Reverted as error:
            yield Moved(job.id, "waiting", str(error))
        except DarkroomError as error:
            yield Moved(job.id, "failed", str(error))
