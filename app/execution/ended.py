"""How long a job is over for good: what is kept of it is forgotten by that, and never by a file's age."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from app.protocol.errors import DarkroomError

if TYPE_CHECKING:
    from app.chain.market import Market

DAY = 86_400  # seconds


def days_since_ends(market: Market, numbers: Iterable[int], final: int, now: int) -> dict[int, int]:
    """Whole days since the ends of jobs, in blocks up to `final`; without those that are not over for good. A few
    questions to the node, however many jobs. Errors: Unavailable.
    """
    ends = {number: block for number, block in market.ends(sorted(set(numbers))).items() if block <= final}
    blocks = sorted(set(ends.values()))
    times = {block.number: block.time for block in market.node.blocks_at(blocks)} if blocks else {}
    return {number: max(0, now - times[block]) // DAY for number, block in ends.items()}


def days_since_end(market: Market, number: int, final: int, now: int) -> int | None:
    """The same of one job; None for one that is not over for good, or unreadable."""
    try:
        return days_since_ends(market, [number], final, now).get(number)
    except DarkroomError:
        return None
