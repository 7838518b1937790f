"""Which of the jobs that wait for a provider it can still compute in time. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from app.protocol.market.entities import Job

SLACK = 60  # seconds before a deadline that fetching, sending and other people's clocks may take


def too_late(waiting: Iterable[Job], units_per_second: float, now: int) -> list[Job]:
    """Jobs that would miss their deadlines, when these are computed one after the other, the earliest deadline first.

    One that would be late gives way, so that those after it are not late because of it.
    """
    ready, late = float(now), []
    for job in sorted(waiting, key=lambda job: (job.deadline, job.id)):
        done = ready + job.units / units_per_second
        if done + SLACK > job.deadline:
            late.append(job)
        else:
            ready = done
    return late
