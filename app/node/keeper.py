"""Moves on what nobody else moves on: jobs whose deadline has passed, so that refunds come without anybody asking.

Anyone may do it; it costs gas and earns nothing. Whoever is late pays as the contract says, not as the keeper does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from app.chain.account import Account
from app.chain.market import Market
from app.protocol.errors import DarkroomError, Reverted
from app.protocol.market import Job

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


def keep(market: Market, account: Account) -> list[Moved]:
    """Move every overdue job on, once. Errors: Unavailable."""
    return list(_moves(market, account))


def _moves(market: Market, account: Account) -> Iterator[Moved]:
    now = market.now()
    for job in market.jobs():
        if not overdue(job, now):
            continue
        try:
            yield Moved(job.id, "expired", market.expire(account, job.id).value.name.lower())
        except Reverted as error:  # somebody was faster, or has to act first
            yield Moved(job.id, "waiting", str(error))
        except DarkroomError as error:
            yield Moved(job.id, "failed", str(error))
