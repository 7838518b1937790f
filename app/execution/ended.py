"""How long a job is over for good: what is kept of it is forgotten by that, and never by a file's age."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.protocol.errors import DarkroomError
from app.protocol.market.entities import JobState

if TYPE_CHECKING:
    from app.chain.market import Market

DAY = 86_400  # seconds


def days_since_end(market: Market, number: int, final: int, now: int) -> int | None:
    """Whole days since a job's end, in a block up to `final`; None for one that is not over for good, or unreadable."""
    try:
        job = market.job(number)
    except DarkroomError:
        return None
    if not job.state.terminal or job.state is JobState.NONE or not 0 < job.closed_block <= final:
        return None
    return max(0, now - market.node.block(job.closed_block).time) // DAY
