"""What the index says in the log."""

from __future__ import annotations

from typing import Any

from app.market.queries.status import IndexStatus
from app.node.serving import BLOCKS_SECONDS, IndexDiary


def place(height: int, **facts: Any) -> IndexStatus:
    """The index at a block."""
    usual: dict[str, Any] = {
        "chain_id": 1, "market": "", "hash": "", "head": height, "behind": 0, "seen_at": 1, "events": 0,
        "reorganisations": 0, "manifests_pending": 0, "manifests_unavailable": 0, "error": "",
    }  # fmt: skip
    return IndexStatus(height=height, **usual | facts)


def test_blocks_that_hold_nothing_do_not_fill_a_log() -> None:
    """On a chain with a block each second a day of nothing is some hundred lines; what happens is told at once."""
    now = 0.0
    diary = IndexDiary(lambda: now)
    assert not diary.worth(place(0, seen_at=0))  # it has not looked yet
    told = 0
    for block in range(3600):
        now = float(block)
        told += diary.worth(place(block))
    assert told == 3600 / BLOCKS_SECONDS
    assert diary.worth(place(3600, events=1))
    assert diary.worth(place(3600, events=1, error="The chain does not answer."))
    assert not diary.worth(place(3600, events=1, error="The chain does not answer."))
    assert diary.worth(place(3598, events=1, reorganisations=1))
