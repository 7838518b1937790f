"""Mandates of software agents: what a person lets an agent's key buy, and how it ends. Amounts are test dollars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from app.protocol.errors import NotFound
from app.protocol.market.entities import ZERO
from app.protocol.market.mandate import ACTIONS
from app.protocol.market.money import amount, token_units
from app.protocol.policy.bits import MICRO
from darkroom.display import Listing, Shown

if TYPE_CHECKING:
    from app.client.mandates import Mandates as Kept
    from app.client.mandates import MandateView
    from darkroom.session import Session

DAY = 86_400  # seconds
Dollars = Decimal | float | str


class Mandate(Shown):
    """What a payer lets an agent's key do, with what was spent so far. Amounts are test dollars, bits of one person."""

    def __init__(self, kept: Kept, view: MandateView) -> None:
        """Made by `Mandates`."""
        self._kept, self._view = kept, view

    @property
    def number(self) -> str:
        """Its digest: 64 hex digits."""
        return self._view.id

    @property
    def state(self) -> str:
        """As of now: "active", "early", "expired", "revoked" or "spent"."""
        return self._fresh().state

    @property
    def agent(self) -> str:
        """The only address that acts under it."""
        return self._view.mandate.agent

    @property
    def payer(self) -> str:
        """Whose money it is."""
        return self._view.mandate.payer

    @property
    def account(self) -> str:
        """Where its money is: whatever is sent here is spent under it, or returns to its payer."""
        return self._view.account

    @property
    def budget(self) -> Decimal:
        """Most that all actions together may take."""
        return amount(self._view.mandate.budget)

    @property
    def spent(self) -> Decimal:
        """What they took so far, fees that were set aside included."""
        return amount(self._fresh().spent.amount)

    @property
    def balance(self) -> Decimal:
        """What the agent can still spend, refunds that wait included."""
        return amount(self._fresh().spent.balance or 0)

    @property
    def until(self) -> datetime:
        """The last second in which it is valid."""
        return datetime.fromtimestamp(self._view.mandate.not_after, UTC)

    @property
    def purpose(self) -> str:
        """What for."""
        return self._view.mandate.purpose

    def bits(self, dataset: int) -> float:
        """What was told about the person of a dataset of whom most was told, open jobs included."""
        return self._kept.spent(self._view.mandate, dataset).micro_bits / MICRO

    def receipts(self) -> list[dict[str, Any]]:
        """What was done under it, in order: order, payment, result and audit of each, as plain values."""
        return [each.model_dump(mode="json") for each in self._kept.uses(self._view.mandate)]

    def fund(self, dollars: Dollars) -> Decimal:
        """Put money of the role into its account; what it holds then. Errors: Reverted."""
        return amount(self._kept.fund(self._view.mandate, token_units(dollars)).value)

    def revoke(self) -> None:
        """End it at once; open jobs run to their end. Errors: Reverted."""
        self._kept.revoke(self._view.id)

    def withdraw(self) -> Decimal:
        """Bring what its account holds, refunds included, to its payer; the amount. Errors: Reverted."""
        return amount(self._kept.withdraw(self._view.mandate).value)

    def save(self, path: str | Path) -> Path:
        """Write the signed mandate into a file for the agent. Errors: NotFound where it was signed elsewhere."""
        if self._view.signed is None:
            raise NotFound("This mandate was signed on another machine.", "Save it where it was signed.")
        place = Path(path)
        place.write_bytes(self._view.signed.to_bytes())
        return place

    def _fresh(self) -> MandateView:
        self._view = self._kept.view(self._view.mandate)
        return self._view

    def _facts(self) -> Mapping[str, Any]:
        view = self._view
        return {
            "mandate": view.id,
            "state": view.state,
            "agent": view.mandate.agent,
            "spent": amount(view.spent.amount),
            "budget": amount(view.mandate.budget),
            "balance": amount(view.spent.balance or 0),
            "until": self.until,
            "purpose": view.mandate.purpose,
        }


class Mandates:
    """The mandates that a role pays for or acts under."""

    def __init__(self, session: Session) -> None:
        """Made by `Market.mandates`."""
        from app.client.mandates import Mandates as Kept

        self._kept = Kept(session.network, session.actor, session.account)

    def sign(
        self,
        agent: str,
        *,
        budget: Dollars,
        purpose: str,
        datasets: Sequence[int] = (),
        tags: Sequence[str] = (),
        policies: Sequence[str] = (),
        actions: Sequence[Literal["license", "job", "ask"]] = tuple(ACTIONS),
        each: Dollars | None = None,
        bits: float = 8,
        bits_each: float | None = None,
        most_actions: int = 100,
        days: float = 1,
        sealing_key: str = ZERO,
        fund: Dollars = 0,
    ) -> Mandate:
        """Sign what an agent's address may buy: on which datasets, for how much money and how many bits, until when.

        `tags` name the datasets that have a keyword now, `policies` the output policies by digest; by default those
        that are sold there now. `each` bounds one action (a quarter of the budget), `bits_each` one answer (all bits).
        `fund` is put into its account at once; nothing else is paid. Errors: NotFound, BadInput, Reverted.
        """
        units, most = token_units(budget), round(bits * MICRO)
        signed = self._kept.sign(
            agent,
            datasets=datasets,
            tags=tags,
            policies=policies,
            actions=actions,
            amount_range=-(-units // 4) if each is None else token_units(each),
            budget=units,
            bits_range=most if bits_each is None else round(bits_each * MICRO),
            bits_budget=most,
            purpose=purpose,
            max_occurrences=most_actions,
            sealing_key=sealing_key,
            seconds=round(days * DAY),
        )
        if money := token_units(fund):
            self._kept.fund(signed, money)
        return Mandate(self._kept, self._kept.view(signed.mandate))

    def find(self, number: str) -> Mandate:
        """The one whose digest begins so. Errors: NotFound."""
        return Mandate(self._kept, self._kept.view(self._kept.known(number)))

    def all(self) -> Listing[Mandate]:
        """All of them, the newest first. Errors: NotFound where the market has no mandates."""
        return Listing(Mandate(self._kept, each) for each in self._kept.mine())

    def keep(self, path: str | Path) -> Mandate:
        """Keep a signed mandate that a payer wrote. Errors: BadDocument; VerificationFailed for another market's."""
        from app.client.mandates import read_signed

        signed = read_signed(Path(path))
        self._kept.keep(signed)
        return Mandate(self._kept, self._kept.view(signed.mandate))

    def revoke_all(self) -> None:
        """End every mandate that the role has signed so far. Errors: Reverted."""
        self._kept.revoke_all()
