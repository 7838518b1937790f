"""Which of the jobs that wait for a provider it can still compute in time, and whose turn it is to draw. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from app.protocol.documents import sha256
from app.protocol.market.entities import Job, ProviderRecord

LAST_TURN = 8  # of those who wait; all after them draw together, however many there are
JOB_SECONDS = 2  # that a job takes whatever its size: reading it, sending and waiting for two transactions
SLACK = 60  # seconds before a deadline that fetching, sending and other people's clocks may take


def too_late(
    waiting: Iterable[Job],
    units_per_second: float,
    now: int,
    *,
    before: float = 0,
    done: Callable[[Job], float] = lambda job: 0.0,
) -> list[Job]:
    """Jobs that would miss their deadlines, when these are computed one after the other, the earliest deadline first.

    `before`: units that are computed first, whatever their deadline, since they are under way. `done`: which part of a
    job is computed already, from 0 to 1. One that would be late gives way, so that those after it are not late because
    of it.
    """
    ready, late = now + before / units_per_second, []
    for job in sorted(waiting, key=lambda job: (job.deadline, job.id)):
        ends = ready + JOB_SECONDS + job.units * (1 - done(job)) / units_per_second
        if ends + SLACK > job.deadline:
            late.append(job)
        else:
            ready = ends
    return late


def turn(job: int, address: str, providers: Iterable[ProviderRecord]) -> int:
    """How many providers draw this job before `address` does, at most `LAST_TURN`.

    Anyone may draw, one transaction is enough, and all others would pay gas for nothing. The order differs from job to
    job, so that the gas falls on all alike; a provider that is away is waited for no longer than its turn.
    """
    serving = {each.address for each in providers if each.seat and not each.unbonding} | {address}
    order = sorted(serving, key=lambda each: sha256(f"{job}:{each}".encode()))
    return min(order.index(address), LAST_TURN)
