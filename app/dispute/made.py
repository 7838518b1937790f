"""What a player did: one move, or an accusation that it could make."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from app.protocol.market.disputes import Dispute

if TYPE_CHECKING:
    from app.chain.market import Sent

MoveName = Literal["opened", "answered", "shown", "narrowed", "judged", "ended"]


@dataclass(frozen=True)
class Played:
    """One move that was made."""

    job: int
    dispute: int
    what: MoveName
    sent: Sent[Dispute]

    @property
    def said(self) -> str:
        """The move in words."""
        verdict = self.sent.value.verdict
        over = f": {verdict.name.lower()}" if verdict else ""
        return f"{self.what} dispute {self.dispute}{over}"


@dataclass(frozen=True)
class Accusation:
    """An executor whose revealed result differs from one's own, and a value that shows it."""

    index: int
    executor: str
    value: int
    bond: int  # token units that opening it takes now
