"""The provider registry's events: bonds, terms, seats, signs of life."""

from __future__ import annotations

from collections.abc import Mapping

from app.chain.contracts.editions import fees_of
from app.market.db.tables import ProviderRow, TotalsRow
from app.market.indexer.indexed_event import IndexedEvent, Rule
from app.market.indexer.projections.datasets import TOTALS
from app.market.indexer.projections.licensing import paid
from app.market.indexer.unit_of_work import UnitOfWork


def _of(work: UnitOfWork, each: IndexedEvent) -> ProviderRow:
    """The provider; a first bond is announced by its terms and its seat."""
    return work.edit_or_add(ProviderRow(address=each.args["provider"], since=each.at))


def bonded(work: UnitOfWork, each: IndexedEvent) -> None:
    """More bond; also a sign of life, and the end of an unbonding."""
    provider = _of(work, each)
    provider.bond, provider.heartbeat, provider.unbonding = each.args["bond"], each.at, 0
    paid(work, each, "bond", provider.address, each.args["amount"])


def terms(work: UnitOfWork, each: IndexedEvent) -> None:
    """Prices and capacity."""
    provider = _of(work, each)
    provider.fixed_fee, provider.price = fees_of(each.args)
    provider.capacity = each.args["capacity"]


def seated(work: UnitOfWork, each: IndexedEvent) -> None:
    """A place in the draw."""
    provider = _of(work, each)
    provider.seat, provider.seated = each.args["seat"], True


def unseated(work: UnitOfWork, each: IndexedEvent) -> None:
    """No place in the draw any more."""
    provider = _of(work, each)
    provider.seat, provider.seated = 0, False


def moved(work: UnitOfWork, each: IndexedEvent) -> None:
    """Another place in the draw: a gap was closed."""
    _of(work, each).seat = each.args["to"]


def evicted(work: UnitOfWork, each: IndexedEvent) -> None:
    """It showed no sign of life; whoever found that gets a small part of the bond. `unseated` follows."""
    provider = _of(work, each)
    provider.bond -= each.args["bounty"]
    paid(work, each, "evicted", provider.address, each.args["bounty"])


def heartbeat(work: UnitOfWork, each: IndexedEvent) -> None:
    """A sign of life."""
    _of(work, each).heartbeat = each.at


def unbonding(work: UnitOfWork, each: IndexedEvent) -> None:
    """On its way out."""
    _of(work, each).unbonding = each.args["until"]


def withdrawn(work: UnitOfWork, each: IndexedEvent) -> None:
    """Gone; the registry forgets everything, we keep what it did."""
    provider = _of(work, each)
    provider.bond = provider.locked = provider.capacity = provider.in_use = 0
    provider.fixed_fee = provider.price = 0
    provider.heartbeat = provider.unbonding = 0
    paid(work, each, "unbond", provider.address, each.args["amount"])


def slashed(work: UnitOfWork, each: IndexedEvent) -> None:
    """A stake was lost: what the job held of the bond."""
    provider, amount = _of(work, each), each.args["amount"]
    provider.bond = each.args["bond"]
    provider.locked -= amount
    provider.slashed += amount
    totals = work.edit(TotalsRow, TOTALS)
    totals.slashed += amount
    totals.burned += each.args["burned"]
    paid(work, each, "slashed", provider.address, amount)


RULES: Mapping[str, Rule] = {
    "Bonded": bonded,
    "TermsSet": terms,
    "Seated": seated,
    "Unseated": unseated,
    "SeatMoved": moved,
    "Evicted": evicted,
    "Heartbeat": heartbeat,
    "Unbonding": unbonding,
    "BondWithdrawn": withdrawn,
    "Slashed": slashed,
}
