"""The constants that the contracts were deployed with, as far as events have to be read with them."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.chain.market import Market


@dataclass(frozen=True)
class Rules:
    """Times in seconds, amounts in token units."""

    draw_window: int  # from opening or dispute to the draw
    heartbeat_window: int  # for which a provider's heartbeat counts
    stake_floor: int
    stake_multiple: int

    @classmethod
    def of(cls, market: Market) -> Rules:
        """As the contracts say. Errors: Unavailable."""
        read = market.desk.read
        return cls(
            draw_window=int(read("JobMarket", "drawWindow")),
            heartbeat_window=int(read("ProviderRegistry", "heartbeatWindow")),
            stake_floor=int(read("ProviderRegistry", "stakeFloor")),
            stake_multiple=int(read("ProviderRegistry", "STAKE_MULTIPLE")),
        )

    def stake(self, fee: int) -> int:
        """What a job with this fee holds of an executor's bond: ProviderRegistry.stakeFor."""
        return max(fee * self.stake_multiple, self.stake_floor)

    def to_text(self) -> str:
        """JSON to store."""
        return json.dumps(asdict(self))

    @classmethod
    def from_text(cls, text: str) -> Rules:
        """Inverse of `to_text`."""
        return cls(**json.loads(text))
