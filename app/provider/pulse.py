"""Signs of life: without one for the registry's window, and after a silence, a provider is not drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.protocol.errors import NotFound

if TYPE_CHECKING:
    from app.chain.account import Account
    from app.chain.market import Market

SHARE = 4  # signs a window


class Pulse:
    """One provider's signs of life."""

    def __init__(self, market: Market, account: Account) -> None:
        """Errors: Unavailable."""
        self._market, self._account = market, account
        self._window = int(market.desk.read("ProviderRegistry", "heartbeatWindow"))

    def beat(self) -> bool:
        """Give a sign of life when one is due; whether one was given. Errors: Reverted, Unavailable."""
        try:
            record = self._market.provider(self._account.address)
        except NotFound:
            return False  # never bonded
        due = record.heartbeat + self._window // SHARE <= self._market.now()
        if not record.bond or record.unbonding or not due:
            return False
        self._market.heartbeat(self._account)
        return True
