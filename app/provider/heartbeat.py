"""Signs of life: without one for the registry's window a provider loses its seat, and with one it takes it again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.protocol.errors import NotAllowed, NotFound

if TYPE_CHECKING:
    from app.chain.market import Market
    from app.chain.wallet.account import Account

SHARE = 4  # signs a window


class Heartbeat:
    """One provider's signs of life."""

    def __init__(self, market: Market, account: Account) -> None:
        """`window`: seconds after whose silence the seat may be taken. Errors: Unavailable."""
        self._market, self._account = market, account
        self.window = int(market.client.read("ProviderRegistry", "heartbeatWindow"))

    def beat(self) -> bool:
        """Give a sign of life when one is due, at once where the seat was lost; whether one was given.

        Errors: NotAllowed where the bond is below the floor, so that no seat can be taken; Reverted, Unavailable.
        """
        try:
            record = self._market.provider(self._account.address)
        except NotFound:
            return False  # never bonded
        due = not record.seat or record.heartbeat + self.window // SHARE <= self._market.now()
        if not record.bond or record.unbonding or not due:
            return False
        if not record.seat and record.bond < (floor := self._market.stake_floor()):
            raise NotAllowed(
                f"The bond of {record.bond} token units is below the floor of {floor}, so that there is no seat.",
                "Add what is missing: darkroom provider bond.",
            )
        self._market.heartbeat(self._account)
        return True
