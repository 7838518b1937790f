"""One party's next move in one dispute, from what the chain says of it and what the party knows to be true. Pure.

An honest executor shows the truth and so is never refuted; an honest challenger finds, in whatever the other showed,
the stretch and then the total that departs from it. Whoever is silent beyond its deadline has lost, and the other says
so to the contract.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from app.protocol.ids import Address
from app.protocol.market.disputes import Dispute, DisputePhase, RowsClaim


class Truth(Protocol):
    """What a party computed itself, value by value; `app.dispute.truth.JobTruth` does."""

    def totals(self, claim: RowsClaim) -> tuple[int, ...]:
        """What an honest executor shows of a claim."""


@dataclass(frozen=True)
class Stand:
    """The executor stands by its receipt: shows it, the value and what that is the sum of."""


@dataclass(frozen=True)
class Show:
    """The executor shows totals inside the claim."""

    totals: tuple[int, ...]


@dataclass(frozen=True)
class Narrow:
    """The challenger names the stretch whose first total is right and whose last is not."""

    stretch: int


@dataclass(frozen=True)
class Refute:
    """The challenger shows that this total does not follow from the one before."""

    term: int


@dataclass(frozen=True)
class Expire:
    """The other was silent: the dispute is ended."""


Move = Stand | Show | Narrow | Refute | Expire


def next_move(dispute: Dispute, me: Address, now: int, truth: Truth) -> Move | None:
    """What `me` does now; None where nothing is due, where it is too late, or where the other says the truth."""
    player = dispute.player
    if player is None or me not in (dispute.executor, dispute.challenger):
        return None
    if now > dispute.deadline:
        return None if player == me else Expire()
    if player != me:
        return None
    if dispute.phase is DisputePhase.ANSWER:
        return Stand()
    if (claim := dispute.claim) is None:
        return None
    mine = truth.totals(claim)
    if dispute.phase is DisputePhase.SHOW:
        return Show(mine)
    if dispute.phase is DisputePhase.JUDGE:
        term = departure(dispute.totals, mine)
        return None if term is None else Refute(term)
    stretch = departure(dispute.totals, mine)
    return Narrow(len(mine) if stretch is None else stretch)


def departure(said: Sequence[int], mine: Sequence[int]) -> int | None:
    """The first total that is said otherwise; 0 where another number of them is said. None where all are equal."""
    if len(said) != len(mine):
        return 0
    return next((place for place, (theirs, own) in enumerate(zip(said, mine, strict=True)) if theirs != own), None)
