"""One party's next move in one dispute, from what the chain says of it and what the party knows to be true. Pure.

An honest executor shows the truth and so is never refuted; an honest challenger finds, in whatever the other showed,
the stretch and then the total that departs from it. Whoever is silent beyond its deadline has lost, and the other says
so to the contract.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from app.protocol.ids import Address
from app.protocol.market.disputes import Dispute, DisputePhase, LookupClaim, RowsClaim, SumClaim
from fhe.engine.trace.finder import false_stretch, false_term, first_false


class WordLine(Protocol):
    """All words of a lookup, one behind the other: `fhe.engine.trace.tape.LookupTape`."""

    def children(self, level: int, node: int, bits: int) -> Sequence[str]:
        """The hashes `bits` levels below a node."""

    def leaves(self, level: int, node: int) -> bytes:
        """The words below a node."""


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
class Descend:
    """The executor shows what stands below the node of a lookup's line that is in question."""


@dataclass(frozen=True)
class Pick:
    """The challenger names the first of the nodes shown that is false."""

    node: int


@dataclass(frozen=True)
class RefuteWord:
    """The challenger shows that this word of a line, of those shown, is false; another lookup's is looked into then."""

    place: int


@dataclass(frozen=True)
class Expire:
    """The other was silent: the dispute is ended."""


Move = Stand | Show | Narrow | Refute | Descend | Pick | RefuteWord | Expire


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
    line: Callable[[LookupClaim], WordLine | None],
) -> Move | None:
    """What is due about a result with lookups.

    `sums`: totals over the terms of a word, and the word of each term's wire; `line`: all words of a lookup, None as
    long as they are computed.
    """
    if dispute.summed is not None:
        term = false_term(dispute.totals, dispute.words, *sums(dispute.summed))
        return None if term is None else Refute(term)
    if (claim := dispute.line) is None or (mine := line(claim)) is None:
        return None
    if dispute.phase is DisputePhase.SHOW:
        return Descend()
    if dispute.phase is DisputePhase.NARROW:
        said = [dispute.shown[at : at + 32].hex() for at in range(0, len(dispute.shown), 32)]
        node = first_false(said, mine.children(claim.level, claim.node, claim.bits))
        return None if node is None else Pick(node)
    place = first_false(_words(dispute.shown), _words(mine.leaves(claim.level, claim.node)))
    return None if place is None else RefuteWord(place)


def _words(data: bytes) -> list[bytes]:
    return [data[at : at + 8] for at in range(0, len(data), 8)]
