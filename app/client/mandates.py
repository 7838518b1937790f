"""Mandates on one machine: a payer signs, funds and ends them; an agent keeps those it was given and acts under them.

A signed mandate is a file in the role's folder `mandates`, named by its digest; it holds no secret, and whoever is not
its agent can do nothing with it. What was spent is read from the chain, what was told from public decisions.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.chain.address import eip55
from app.chain.contracts.mandates import mandate_id
from app.client.buyer import Buyer
from app.client.mandate_receipts import MandateUse, uses_of
from app.execution.history import History
from app.execution.inputs import load_manifest, load_policy
from app.files.private import write_private
from app.home.home import Actor
from app.home.network import Network
from app.protocol.documents import MAX_DOCUMENT_BYTES
from app.protocol.errors import BadBlock, BadDocument, BadInput, NotFound, VerificationFailed
from app.protocol.ids import Address, Digest
from app.protocol.market.entities import LIVE, ZERO
from app.protocol.market.mandate import ACTIONS, Mandate, MandateSpent, SignedMandate, What
from app.protocol.policy.rules import most_told

if TYPE_CHECKING:
    from app.chain.market import Sent
    from app.chain.wallet.account import Account
    from app.client.ordered import Orderable

DAY = 86_400  # seconds
FOLDER = "mandates"


@dataclass(frozen=True)
class MandateView:
    """A mandate with what is known of it here and on the chain."""

    id: Digest
    mandate: Mandate
    signed: SignedMandate | None  # None where only the chain's terms are known here
    account: Address
    granted: bool
    spent: MandateSpent
    now: int

    @property
    def state(self) -> str:
        """What keeps it from being used first: "revoked", "expired", "early", "spent"; else "active"."""
        mandate, spent = self.mandate, self.spent
        if spent.revoked:
            return "revoked"
        if self.now > mandate.not_after:
            return "expired"
        if self.now < mandate.not_before:
            return "early"
        used_up = spent.occurrences >= mandate.max_occurrences or spent.amount >= mandate.budget
        return "spent" if used_up else "active"


class Mandates:
    """One role's mandates: those that it pays for, and those that it acts under."""

    def __init__(self, network: Network, actor: Actor, account: Account) -> None:
        self.network, self.actor, self.account = network, actor, account

    def sign(
        self,
        agent: str,
        *,
        datasets: Sequence[int] = (),
        tags: Sequence[str] = (),
        policies: Sequence[str] = (),
        actions: Sequence[What] = ("license", "job", "ask"),
        amount_range: int,
        budget: int,
        bits_range: int,
        bits_budget: int,
        purpose: str,
        max_occurrences: int = 100,
        sealing_key: str = ZERO,
        seconds: int = DAY,
        nonce: int | None = None,
    ) -> SignedMandate:
        """Sign a mandate of this account for an agent's address, valid from now on; nothing is sent.

        `tags` (keywords of datasets) are looked up now and their datasets named. Without `policies` those of the
        offers that sell on these datasets now are named. Amounts are token units, bits micro-bits. The default nonce
        is the time, so that it grows. Errors: NotFound; BadInput for limits that contradict each other.
        """
        market = self.network.market
        named = sorted({*datasets, *self._tagged(tags)})
        found = policies or self._sold(named, actions)
        now = market.now()
        contract = market.mandates_required()
        try:
            mandate = Mandate(
                chain_id=market.chain_id,
                contract=contract,
                payer=self.account.address,
                agent=Address(eip55(agent)),
                actions=tuple(each for each in ACTIONS if each in actions),
                datasets=tuple(named),
                policies=tuple(Digest(each) for each in sorted(set(found))),
                sealing_key=sealing_key,
                amount_range=amount_range,
                budget=budget,
                bits_range=bits_range,
                bits_budget=bits_budget,
                max_occurrences=max_occurrences,
                not_before=now,
                not_after=now + seconds,
                nonce=time.time_ns() // 1_000_000 if nonce is None else nonce,
                purpose=purpose,
            )
        except ValueError as error:
            raise BadInput(
                f"This is no mandate: {_fault(error)}.", "Correct it: darkroom mandate sign --help."
            ) from None
        signed = market.sign_mandate(self.account, mandate)
        self.keep(signed)
        return signed

    def keep(self, signed: SignedMandate) -> None:
        """Keep a signed mandate in the role's folder. Errors: VerificationFailed for one of another market."""
        market, mandate = self.network.market, signed.mandate
        if (mandate.chain_id, mandate.contract) != (market.chain_id, market.mandates_address):
            raise VerificationFailed("This mandate was signed for another chain or market.", "Use its market.")
        folder = self.actor.path(FOLDER)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_private(folder / f"{mandate_id(mandate)}.json", signed.to_bytes())

    def find(self, number: str) -> SignedMandate:
        """A signed mandate that is kept here, by how its digest begins. Errors: NotFound, BadDocument."""
        found = [each for each in self._kept() if mandate_id(each.mandate).startswith(number.removeprefix("0x"))]
        if len(found) != 1 or not number:
            what = f"{len(found)} mandates begin" if found else "No signed mandate begins"
            raise NotFound(f"{what} with {number[:16]!a} here.", "List them: darkroom mandate list.")
        return found[0]

    def id(self, mandate: Mandate) -> Digest:
        """A mandate's digest: its name on the chain."""
        return mandate_id(mandate)

    def known(self, number: str) -> Mandate:
        """One of this account's, signed here or granted on the chain, by how its digest begins. Errors: NotFound."""
        begins = number.removeprefix("0x").lower()
        found = [each for each in self._all() if begins and mandate_id(each).startswith(begins)]
        if len(found) != 1:
            what = f"{len(found)} mandates of this account begin" if found else "No mandate of this account begins"
            raise NotFound(f"{what} with {number[:16]!a}.", "List them: darkroom mandate list.")
        return found[0]

    def grant(self, signed: SignedMandate, amount: int = 0) -> Sent[Address]:
        """Announce a mandate on the chain, which its first use does too, and fund it. Errors: Reverted."""
        sent = self.network.market.grant_mandate(self.account, signed)
        if amount:
            self.fund(signed, amount)
        return sent

    def fund(self, granted: SignedMandate | Mandate, amount: int) -> Sent[int]:
        """Put token units of this account into a mandate's; the value is what it holds then. Errors: Reverted."""
        mandate = granted.mandate if isinstance(granted, SignedMandate) else granted
        return self.network.market.fund_mandate(self.account, mandate, amount)

    def revoke(self, number: Digest) -> Sent[None]:
        """End a mandate of this account at once, by its digest. Errors: Reverted."""
        return self.network.market.revoke_mandate(self.account, number)

    def revoke_all(self) -> Sent[None]:
        """End every mandate that this account has signed so far: all whose nonce is a time before now."""
        return self.network.market.void_mandates(self.account, time.time_ns() // 1_000_000 + 1)

    def withdraw(self, mandate: Mandate) -> Sent[int]:
        """Bring what a mandate's account holds or is owed to its payer; the value is how much. Errors: Reverted."""
        return self.network.market.withdraw_mandate(self.account, mandate)

    def spent(self, mandate: Mandate, dataset: int | None = None) -> MandateSpent:
        """What was spent under a mandate; with a dataset also the bits that were told about a person of it at most."""
        state = self.network.market.mandate_state(mandate)
        if dataset is None:
            return state.spent
        history = History(self.network.market, self.network.store)
        told = [*history.on(dataset), *history.on(dataset, LIVE)]
        return replace(state.spent, micro_bits=most_told([each for each in told if each.license in state.licenses]))

    def under(self, signed: SignedMandate) -> Buyer:
        """This account as the agent of a mandate: a buyer who spends its money, within its limits."""
        return Buyer(self.network, self.actor, self.account, mandate=signed)

    def buy_license(self, signed: SignedMandate, offer: int, *, anew: bool = False) -> Sent[int]:
        """See `Buyer.buy_license`. Errors: MandateRefused; Reverted."""
        return self.under(signed).buy_license(offer, anew=anew)

    def open_job(self, signed: SignedMandate, license: int, model: Orderable, **order: Any) -> Sent[int]:
        """See `Buyer.open_job`; sealed to the agent's key where none is named. Errors: MandateRefused; Reverted."""
        buyer = self.under(signed)
        order.setdefault("sealing_key", buyer.sealing_key())
        return buyer.open_job(license, model, **order)

    def uses(self, mandate: Mandate) -> list[MandateUse]:
        """What was bought under a mandate, each with order, payment, result and audit, in order."""
        return uses_of(self.network.market, mandate)

    def view(self, mandate: Mandate) -> MandateView:
        """A mandate with what is known of it."""
        market, number = self.network.market, mandate_id(mandate)
        signed = next((each for each in self._kept() if mandate_id(each.mandate) == number), None)
        return MandateView(
            id=number,
            mandate=mandate,
            signed=signed,
            account=market.mandate_account(mandate),
            granted=market.mandate_granted(number),
            spent=market.mandate_spent(mandate),
            now=market.now(),
        )

    def mine(self) -> list[MandateView]:
        """Those that this account pays for or acts under: kept here, or granted on the chain; the newest first."""
        return [self.view(each) for each in self._all()]

    def _all(self) -> list[Mandate]:
        market, who = self.network.market, self.account.address
        granted = [*market.granted_mandates(payer=who), *market.granted_mandates(agent=who)]
        kept = [each.mandate for each in self._kept() if who in (each.mandate.payer, each.mandate.agent)]
        here = [each for each in kept if each.contract == market.mandates_address]
        every = {mandate_id(each): each for each in (*granted, *here)}
        return sorted(every.values(), key=lambda each: -each.nonce)

    def _kept(self) -> list[SignedMandate]:
        folder = self.actor.path(FOLDER)
        files = sorted(folder.glob("*.json")) if folder.is_dir() else []
        return [read_signed(path) for path in files]

    def _tagged(self, tags: Sequence[str]) -> Iterable[int]:
        """Datasets that have one of these keywords now. Errors: NotFound where none has."""
        if not tags:
            return ()
        wanted = {each.casefold() for each in tags}
        records = [each for each in self.network.market.datasets() if not each.tombstoned]
        cards = ((each.id, load_manifest(self.network.store, each).card) for each in records)
        found = [number for number, card in cards if wanted & {each.casefold() for each in card.keywords}]
        if not found:
            raise NotFound(f"No dataset has a keyword of {', '.join(tags)}.", "Search: darkroom dataset search.")
        return found

    def _sold(self, datasets: Sequence[int], actions: Sequence[What]) -> list[Digest]:
        """The output policies under which these datasets sell now. Errors: NotFound, BadInput."""
        market = self.network.market
        for number in datasets:
            market.dataset(number)
        offers = [each for each in market.offers() if each.dataset in datasets and each.active]
        if not offers and datasets:
            raise BadInput("Nothing is offered on these datasets now.", "Name the policies: --policy.")
        every = {each.policy: each.dataset for each in offers}
        if "job" in actions or "ask" not in actions:
            return list(every)
        whole = [each for each, number in every.items() if self._about_many(number, each)]
        if not whole:
            raise BadInput("No offer on these datasets sells answers about many people together.", "Grant job as well.")
        return whole

    def _about_many(self, dataset: int, digest: Digest) -> bool:
        """Whether a policy is known to let out nothing but aggregates."""
        manifest = load_manifest(self.network.store, self.network.market.dataset(dataset))
        try:
            return load_policy(self.network.store, manifest, digest).release == "aggregate"
        except (NotFound, BadBlock, BadDocument):
            return False


def read_signed(path: Path) -> SignedMandate:
    """A signed mandate's file. Errors: NotFound, BadDocument."""
    try:
        with path.open("rb") as file:
            return SignedMandate.from_bytes(file.read(MAX_DOCUMENT_BYTES + 1))
    except OSError:
        raise NotFound(
            f"There is no mandate file {path}.", "Ask the payer for it: darkroom mandate sign --out."
        ) from None


def _fault(error: ValueError) -> str:
    from pydantic import ValidationError

    from app.protocol.documents import first_fault

    return first_fault(error, "the limits") if isinstance(error, ValidationError) else str(error)
