"""What the parts of the face share: a home, its network, and one role, each opened when it is first needed."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.client.models import ModelStore
from app.home.home import Actor, Home
from app.home.network import Network
from app.home.setup import join
from app.protocol.market.money import amount, token_units
from darkroom.display import Shown

if TYPE_CHECKING:
    from app.chain.wallet.account import Account
    from app.client.buyer import Buyer
    from app.client.owner import Owner
    from app.client.provider import Provider
    from app.protocol.market.mandate import SignedMandate


class Session:
    """One role of one home."""

    def __init__(
        self, home: Home, network: Network, role: str, *, create: bool = False, mandate: str | Path | None = None
    ) -> None:
        """With `create` the role is made where there is none yet; with a `mandate` it buys as an agent."""
        self.home, self.network, self.role, self.create, self._named = home, network, role, create, mandate

    def as_role(self, role: str) -> Session:
        """Another role of the same home, with money of its own."""
        return self if role == self.role else Session(self.home, self.network, role, create=self.create)

    @cached_property
    def _joined(self) -> tuple[Actor, Account]:
        from app.chain.wallet.account import Account

        if self.create:
            return join(self.home, self.network, self.role)
        actor = self.home.actor(self.role)
        return actor, Account.load(actor.path("account.json"), actor.passphrase())

    @property
    def actor(self) -> Actor:
        """The role's folder. Errors: NotFound, UsageError."""
        return self._joined[0] if self.create else self.home.actor(self.role)

    @property
    def account(self) -> Account:
        """The role's account. Errors: NotFound, WrongPassphrase, UsageError."""
        return self._joined[1]

    @cached_property
    def models(self) -> ModelStore:
        """The models that the role keeps."""
        return ModelStore(self.actor.path("models"))

    @cached_property
    def buyer(self) -> Buyer:
        """The role as a buyer."""
        from app.client.buyer import Buyer

        return Buyer(self.network, self.actor, self.account, self._mandate)

    @property
    def holder(self) -> str:
        """Who buys: the role's account, or that of the mandate under which it acts."""
        return self.account.address if self._named is None else self.buyer.purse.address

    @cached_property
    def _mandate(self) -> SignedMandate | None:
        """Errors: NotFound, BadDocument; VerificationFailed for another market's."""
        from app.client.mandates import Mandates, read_signed

        if self._named is None:
            return None
        kept = Mandates(self.network, self.actor, self.account)
        if isinstance(self._named, str) and not Path(self._named).exists():
            return kept.find(self._named)
        signed = read_signed(Path(self._named))
        kept.keep(signed)
        return signed

    @cached_property
    def owner(self) -> Owner:
        """The role as an owner."""
        from app.client.owner import Owner

        return Owner(self.network, self.actor, self.account)

    @cached_property
    def provider(self) -> Provider:
        """The role as a provider."""
        from app.client.provider import Provider

        return Provider(self.network, self.actor, self.account)


class Party(Shown):
    """One role's account: what buyers, owners and providers have alike. Amounts are test dollars."""

    def __init__(self, session: Session) -> None:
        """Made by `darkroom.connect`, `darkroom.owner` and `Market.provider`."""
        self._session = session

    @property
    def address(self) -> str:
        """The address of the role's account. Errors: NotFound without the role; WrongPassphrase, UsageError."""
        return self._session.account.address

    @property
    def balance(self) -> Decimal:
        """What is in the role's account. Errors as for `address`."""
        return amount(self._session.network.market.balance(self.address))

    def faucet(self, dollars: Decimal | float | str = 1000) -> Decimal:
        """Take test dollars from the test token's faucet; the new balance. Errors: Reverted where there is none."""
        self._session.network.market.faucet(self._session.account, token_units(dollars))
        return self.balance

    def withdraw(self) -> Decimal:
        """Take out everything that the contracts owe the role: refunds, fees, revenue; the amount. Errors: Reverted."""
        market = self._session.network.market
        sent = market.withdraw(self._session.account, market.offers_of(self.address))
        return amount(sum(each.value for each in sent))

    def _facts(self) -> Mapping[str, Any]:
        return {"role": self._session.role, "contract": self._session.network.market.address}
