"""Bonded compute providers."""

from __future__ import annotations

from collections.abc import Iterator

from app.chain.contracts.client import Sent
from app.chain.contracts.editions import said_fees
from app.chain.contracts.entities import as_provider
from app.chain.contracts.token import PaymentToken
from app.chain.wallet.account import Account
from app.protocol.errors import NotFound
from app.protocol.ids import Address
from app.protocol.market.entities import DatasetRecord, ProviderRecord
from app.protocol.market.fees import Draw, DrawRules

PROVIDERS = "ProviderRegistry"


class Providers(PaymentToken):
    """Provider actions and reads. Bonds are token units, prices token units for PRICED_UNITS units of static cost."""

    @property
    def fixed_fees(self) -> bool:
        """Whether providers of this edition can ask a fixed fee."""
        return self.client.contracts[PROVIDERS].interface.takes("setTerms", 3)

    def register_provider(
        self, account: Account, *, bond: int, fixed_fee: int = 0, price: int, capacity: int
    ) -> Sent[int]:
        """Add `bond` to the account's bond, by permit, and take a seat in the draw; the value is the whole bond.

        It asks `fixed_fee` for a job of any size, and `price` for PRICED_UNITS units of it on top.
        """
        terms = (*said_fees(self.fixed_fees, fixed_fee, price), capacity)
        if bond <= self.allowance(account.address, PROVIDERS):
            sent = self.client.send(account, PROVIDERS, "bond", bond, *terms)
        else:
            permit = self.permit(account, PROVIDERS, bond)
            sent = self.client.send(account, PROVIDERS, "bondWithPermit", bond, *terms, *permit)
        return sent.with_value(int(sent.event("Bonded").args["bond"]))

    def set_terms(self, account: Account, *, fixed_fee: int = 0, price: int, capacity: int) -> Sent[None]:
        """Change what later draws find: the fixed fee, the price of PRICED_UNITS units, the units taken at a time."""
        return self.client.send(account, PROVIDERS, "setTerms", *said_fees(self.fixed_fees, fixed_fee, price), capacity)

    def heartbeat(self, account: Account) -> Sent[None]:
        """A sign of life: without one for the registry's window, a provider loses its seat. It takes one again.

        Errors: Reverted, as BondTooSmall where an eviction took the bond below the floor.
        """
        return self.client.send(account, PROVIDERS, "heartbeat")

    def unbond(self, account: Account) -> Sent[int]:
        """Leave the draw; the value is the time from which the bond can be taken back."""
        sent = self.client.send(account, PROVIDERS, "unbond")
        return sent.with_value(int(sent.event("Unbonding").args["until"]))

    def withdraw_bond(self, account: Account) -> Sent[int]:
        """Take the bond back after the delay; the value is the amount paid."""
        sent = self.client.send(account, PROVIDERS, "withdrawBond")
        return sent.with_value(int(sent.event("BondWithdrawn").args["amount"]))

    def evict(self, account: Account, provider: str) -> Sent[int]:
        """Free the seat of a provider that shows no sign of life; anyone may. The value is the bounty, paid at once."""
        sent = self.client.send(account, PROVIDERS, "evict", provider)
        return sent.with_value(int(sent.event("Evicted").args["bounty"]))

    def compact(self, account: Account, steps: int) -> Sent[None]:
        """Close gaps in the table of seats, at most `steps`, so that draws meet fewer of them; anyone may."""
        return self.client.send(account, PROVIDERS, "compact", steps)

    def stake_floor(self) -> int:
        """The least bond that has a seat."""
        return int(self.client.read(PROVIDERS, "stakeFloor"))

    def provider(self, address: Address) -> ProviderRecord:
        """Errors: NotFound for an account that never bonded."""
        stored = self.client.read(PROVIDERS, "get", address)
        if not any(stored.values()):
            raise NotFound(f"{address} is not a provider.", "Bond first: darkroom provider bond.")
        return as_provider(address, stored)

    def providers(self) -> Iterator[ProviderRecord]:
        """Those with a seat in the draw, by seat."""
        return (self.provider(address) for address in self.client.read(PROVIDERS, "providers"))

    def draw_rules(self) -> DrawRules:
        """What the contracts ask of executors."""
        return DrawRules(
            heartbeat_window=int(self.client.read(PROVIDERS, "heartbeatWindow")),
            stake_floor=int(self.client.read(PROVIDERS, "stakeFloor")),
            stake_multiple=int(self.client.read(PROVIDERS, "STAKE_MULTIPLE")),
        )

    def draw_for(self, dataset: DatasetRecord, buyer: str = "") -> Draw:
        """A draw that would be made now for a job of `buyer` ("": nobody yet) on a dataset."""
        parties = tuple(each for each in (buyer, dataset.owner, dataset.custodian) if each)
        return Draw(self.draw_rules(), self.client.node.now(), parties)
