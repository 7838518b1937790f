"""Following a job by what the chain says of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from app.protocol.errors import TryAgain
from app.protocol.market.entities import ZERO

if TYPE_CHECKING:
    from app.chain.market import Market
    from app.client.buyer import Buyer, OpenedResult
    from app.protocol.market.entities import Job

POLL_SECONDS = 1.0
# What whoever waits for a result gives its release to become final: that takes 15 minutes on public chains.
STORED_SECONDS = 1800.0


def follow_job(
    market: Market, number: int, timeout: float | None, pause: Callable[[], None] | None = None
) -> Iterator[Job]:
    """The job as it is now, and again after each change of state, until it is over.

    `timeout` is in seconds, None waits for as long as it takes; `pause` waits until it is time to look again, a second
    by default. Errors: NotFound, Unavailable; TryAgain where the job is not over in time.
    """
    end, seen = None if timeout is None else time.monotonic() + timeout, None
    while True:
        job = market.job(number)
        if job.state is not seen:
            seen = job.state
            yield job
        if job.state.terminal:
            return
        if end is not None and time.monotonic() > end:
            raise TryAgain(f"Job {number} is still {job.state.name.lower()}.", "Watch it again.")
        if pause is None:
            time.sleep(POLL_SECONDS)
        else:
            pause()


def await_result(buyer: Buyer, number: int, timeout: float | None) -> OpenedResult:
    """The opened result of a job, once it is released and stored.

    `timeout` as in `follow_job`. Errors: those of `follow_job` and `Buyer.open_result`.
    """
    end = time.monotonic() + (timeout or 0.0)
    for seen in follow_job(buyer.network.market, number, timeout):
        if seen.sealed != ZERO:
            break
    patience = STORED_SECONDS if timeout is None else max(0.0, end - time.monotonic())
    return buyer.open_result(number, buyer.sealing_key(), patience=patience)
