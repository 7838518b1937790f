"""The constants that the contracts were deployed with, as far as events have to be read with them."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from app.protocol.market.fees import DrawRules

if TYPE_CHECKING:
    from app.chain.market import Market


@dataclass(frozen=True)
class Rules(DrawRules):
    """Times in seconds, amounts in token units."""

    draw_window: int  # from opening or dispute to the draw

    @classmethod
    def of(cls, market: Market) -> Rules:
        """As the contracts say. Errors: Unavailable."""
        return cls(draw_window=int(market.client.read("JobMarket", "drawWindow")), **asdict(market.draw_rules()))

    def to_text(self) -> str:
        """JSON to store."""
        return json.dumps(asdict(self))

    @classmethod
    def from_text(cls, text: str) -> Rules:
        """Inverse of `to_text`."""
        return cls(**json.loads(text))
