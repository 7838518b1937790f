"""Whose money a buyer spends: its own account's, or a mandate's, under which the same account acts as an agent.

Everything that finds terms, judges and orders is the same for both. What a mandate does not cover is refused before
anything is published or sent (`app.policy.preflight`), by the rule that the contract and the custodian have.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from app.client.ordered import purpose_of
from app.protocol.ids import Address, Digest
from app.protocol.market.entities import ZERO
from app.protocol.market.mandate import MandateAction, MandateState, SignedMandate

if TYPE_CHECKING:
    from app.chain.market import Market, Sent
    from app.chain.wallet.account import Account


class Purse(Protocol):
    """Pays for licenses and jobs. An order with a `purpose` is known again by it; see `app.chain.sender`."""

    @property
    def address(self) -> str:
        """Who the buyer is on the chain."""

    def state(self) -> MandateState | None:
        """What an order is judged by besides the market's rules; None for an account's own money."""

    def buy_license(self, offer: int, *, purpose: str, again: bool) -> Sent[int]:
        """Buy a license; the value is its id. Errors: MandateRefused, Reverted."""

    def open_job(
        self, license: int, *, program: Digest = ZERO, purpose: str = "", again: bool = False, **order: Any
    ) -> Sent[int]:
        """Open a job; the value is its id. `order`: as `Jobs.open_job`. Errors: Reverted."""

    def ordered_license(self, purpose: str) -> Sent[int] | None:
        """The license that was bought for a purpose, waited for."""

    def ordered_job(self, purpose: str) -> Sent[int] | None:
        """The job that was opened for a purpose, waited for."""


class OwnPurse:
    """An account's own money."""

    def __init__(self, market: Market, account: Account) -> None:
        self._market, self._account = market, account

    @property
    def address(self) -> str:
        """The account."""
        return self._account.address

    def state(self) -> MandateState | None:
        """Its own money needs nobody's leave."""
        return None

    def buy_license(self, offer: int, *, purpose: str, again: bool) -> Sent[int]:
        """See `Purse`."""
        return self._market.buy_license(self._account, offer, purpose=purpose, again=again)

    def open_job(
        self, license: int, *, program: Digest = ZERO, purpose: str = "", again: bool = False, **order: Any
    ) -> Sent[int]:
        """See `Purse`."""
        said = "" if program == ZERO else program
        return self._market.open_job(self._account, license, program=said, purpose=purpose, again=again, **order)

    def ordered_license(self, purpose: str) -> Sent[int] | None:
        """See `Purse`."""
        return self._market.ordered_license(self._account, purpose)

    def ordered_job(self, purpose: str) -> Sent[int] | None:
        """See `Purse`."""
        return self._market.ordered_job(self._account, purpose)


class MandatePurse:
    """A mandate's money, which its agent's account spends; the account pays the gas."""

    def __init__(self, market: Market, account: Account, signed: SignedMandate) -> None:
        self._market, self._account, self.signed = market, account, signed
        self._address: Address | None = None

    @property
    def address(self) -> str:
        """The mandate's account."""
        if self._address is None:
            self._address = self._market.mandate_account(self.signed.mandate)
        return self._address

    def state(self) -> MandateState:
        """What the chain says of the mandate now. Errors: NotFound, VerificationFailed, Unavailable."""
        return self._market.mandate_state(self.signed.mandate)

    def buy_license(self, offer: int, *, purpose: str, again: bool) -> Sent[int]:
        """See `Purse`."""
        market, name = self._market, self._named(purpose)
        if not again and (earlier := market.ordered_license(self._account, name)):
            return earlier
        terms, mandate = market.offer(offer), self.signed.mandate
        action = MandateAction(
            what="license",
            agent=self._account.address,
            chain_id=market.chain_id,
            contract=market.mandates_address or "",
            dataset=terms.dataset,
            policy=terms.policy,
            amount=terms.price_license,
            now=market.now(),
        )
        if (refused := mandate.check(action, market.mandate_spent(mandate))) is not None:
            raise refused
        return market.buy_license_under(self._account, self.signed, offer, purpose=name, again=again)

    def open_job(
        self, license: int, *, program: Digest = ZERO, purpose: str = "", again: bool = False, **order: Any
    ) -> Sent[int]:
        """See `Purse`. A mandate's orders state no program: their results are recomputed."""
        del program
        name = self._named(purpose)
        return self._market.open_job_under(self._account, self.signed, license, purpose=name, again=again, **order)

    def ordered_license(self, purpose: str) -> Sent[int] | None:
        """See `Purse`."""
        return self._market.ordered_license(self._account, self._named(purpose))

    def ordered_job(self, purpose: str) -> Sent[int] | None:
        """See `Purse`."""
        return self._market.ordered_job(self._account, self._named(purpose))

    def _named(self, purpose: str) -> str:
        """An order under a mandate is not the same one under another, or with the agent's own money."""
        return purpose and purpose_of("under", self.signed.mandate.digest, purpose)
