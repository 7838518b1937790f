"""Whether what this node shows is what the chain says now; told on every page where it is not."""

from __future__ import annotations

from dataclasses import dataclass

from app.market.db.tables import SyncStateRow
from app.market.queries.status import read_place
from app.market.web.dependencies.state import AppState
from app.market.web.pages.formatting import count, moment, span
from app.protocol.errors import DarkroomError, NotFound
from app.protocol.plural import plural

LAG_BLOCKS = 3  # what a healthy index may be behind between two looks at the chain
SILENT_SECONDS = 60  # above the longest pause between two tries


@dataclass(frozen=True)
class Trouble:
    """What everybody who reads this node should know."""

    tone: str
    sign: str
    title: str
    words: str


STARTING = Trouble(
    "wait",
    "clock",
    "This node is just starting",
    "It has not read the chain yet. Load the page again in a few seconds.",
)
KEPT = "Money and records are safe: they are on the chain, and this node only reads them. It tries again by itself."


def trouble(place: SyncStateRow, now: int) -> Trouble | None:
    """What keeps the index from being what the chain says at the time `now` of this machine."""
    seen = place.height >= 0
    until = f"What you see is as of block {count(place.height)}." if seen else "There is nothing to see yet."
    if place.error:
        return Trouble("bad", "unplug", "This node cannot follow the chain", f"{place.error} {until} {KEPT}")
    if now - place.seen_at > SILENT_SECONDS:
        asleep = f"Its index looked at the chain {span(now - place.seen_at)} ago, at {moment(place.seen_at)}."
        return Trouble("bad", "unplug", "This node has stopped following the chain", f"{asleep} {until} {KEPT}")
    if (behind := place.head - place.height) > LAG_BLOCKS:
        lag = f"It is {plural(behind, 'block')} behind, so what happened last is not here yet."
        return Trouble("wait", "clock", "This node is catching up with the chain", f"{lag} {until}")
    return None


def look(here: AppState) -> Trouble | None:
    """The index's trouble, if any; a database that does not answer is told by the page that needs it."""
    try:
        with here.session() as session:
            return trouble(read_place(session), int(here.parts.clock()))
    except NotFound:
        return STARTING
    except DarkroomError:
        return None
