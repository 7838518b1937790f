"""Keeping a provider's fixed fee at what gas costs: it is stated again when their price has moved away."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from app.protocol.errors import NotFound
from app.provider.pricing import kept

if TYPE_CHECKING:
    from app.chain.market import Market
    from app.chain.wallet.account import Account


class StandingTerms:
    """One provider's terms, as its folder prices them."""

    def __init__(self, market: Market, account: Account, folder: Path) -> None:
        self._market, self._account, self._folder = market, account, folder

    def follow(self) -> int | None:
        """State the fixed fee again where it is out of date; the new one. Price and capacity stay as they were stated.

        Nothing is done for a provider without a seat, nor where the folder says no prices. Errors: BadDocument,
        Reverted, Unavailable.
        """
        pricing = kept(self._folder)
        if pricing is None or not self._market.fixed_fees:
            return None
        try:
            record = self._market.provider(self._account.address)
        except NotFound:
            return None  # never bonded
        fees = self._market.node.fees()
        if not record.seat or not pricing.stale(record.fixed_fee, fees.present, fees.max_fee):
            return None
        fixed = pricing.fixed_fee(fees.max_fee)
        self._market.set_terms(self._account, fixed_fee=fixed, price=record.price, capacity=record.capacity)
        return fixed

    def pays(self, fee: int) -> bool:
        """Whether a drawn job's fee still covers the gas that answering takes. Errors: BadDocument, Unavailable."""
        pricing = kept(self._folder)
        return pricing is None or pricing.pays(fee, self._market.node.fees().present)
