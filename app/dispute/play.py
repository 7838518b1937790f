"""One party's next move in one dispute, from what the chain says of it and what the party knows to be true. Pure.

An honest executor shows the truth and so is never refuted; an honest challenger finds, in whatever the other showed,
the stretch and then the total that departs from it. Whoever is silent beyond its deadline has lost, and the other says
so to the contract.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from app.protocol.ids import Address
from app.protocol.market.disputes import Dispute, DisputePhase, LineMove, RowsClaim, SumClaim
from fhe.engine.trace.finder import false_stretch, false_term, first_false


class Truth(Protocol):
    """What a party computed itself, value by value; `app.dispute.truth.JobTruth` does."""

    def due(self, dispute: Dispute) -> Move | None:
        """The move in a dispute that was answered, of whoever is to move; None where the other says the truth, or as
        long as it is worked out.
        """


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
    """The challenger shows that this total does not follow from the one before, or that its wire's word is false.

    A wire that is a lookup is looked into then.
    """

    term: int


@dataclass(frozen=True)
class OnLine:
    """A move about a lookup's line: where its words part from the other's, or what one of them follows to be."""

    move: LineMove


@dataclass(frozen=True)
class Expire:
    """The other was silent: the dispute is ended."""


Move = Stand | Show | Narrow | Refute | OnLine | Expire


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
    return truth.due(dispute)


def linear_move(dispute: Dispute, totals: Callable[[RowsClaim], tuple[int, ...]]) -> Move | None:
    """What is due about a linear result; `totals`: what an honest executor shows of a claim."""
    if (claim := dispute.claim) is None:
        return None
    mine = totals(claim)
    if dispute.phase is DisputePhase.SHOW:
        return Show(mine)
    if dispute.phase is DisputePhase.JUDGE:
        term = first_false(dispute.totals, mine)
        return None if term is None else Refute(term)
    return Narrow(false_stretch(dispute.totals, mine))


def lookup_move(
    dispute: Dispute,
    sums: Callable[[SumClaim], tuple[tuple[int, ...], tuple[int, ...]]],
    ready: Callable[[SumClaim, int], bool],
    on_line: Callable[[Dispute], LineMove | None],
) -> Move | None:
    """What is due about a result with lookups.

    `sums`: totals over the terms of a word, and the word of each term's wire; `ready`: whether what shows a term to be
    false is worked out; `on_line`: the move about a lookup's line, None as long as that is computed.
    """
    if (claim := dispute.summed) is not None:
        term = false_term(dispute.totals, dispute.words, *sums(claim))
        return None if term is None or not ready(claim, term) else Refute(term)
    move = None if dispute.line is None else on_line(dispute)
    return None if move is None else OnLine(move)
