"""The chain of decisions about a dataset: each names the one before it, so that none can be left out or put in.

JobMarket keeps one word a dataset, the head: keccak256(abi.encode(head before, job, decision)). Whoever folds the
events to that word has seen every decision, in order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.chain.entities import chained
from app.protocol.errors import VerificationFailed
from app.protocol.market import ZERO

if TYPE_CHECKING:
    from app.chain.desk import Event
    from app.chain.market import Market

CONTRACT = "JobMarket"
DECIDED = ("JobReleased", "JobRefused")


@dataclass(frozen=True)
class Made:
    """One decision. `head` is its dataset's head with it."""

    job: int
    decision: str
    released: bool
    head: str


class Decisions:
    """Reads a market's decisions; blocks that are final are read once."""

    def __init__(self, market: Market) -> None:
        self._market, self._next = market, market.first_block
        self._datasets: dict[int, int] = {}  # of each job
        self._made: dict[int, tuple[Made, ...]] = {}  # in final blocks, by dataset

    def of(self, dataset: int) -> tuple[Made, ...]:
        """Every decision on a dataset, in the chain's order.

        Errors: VerificationFailed when the node's events do not lead to the head that the contract holds; Unavailable.
        """
        head, final, last = self._head(dataset), self._market.finalized_block, self._market.block_number
        if final >= self._next:
            self._made, self._datasets = self._folded(self._next, final)
            self._next = final + 1
        made = self._folded(self._next, last)[0] if last >= self._next else self._made
        found = made.get(dataset, ())
        if head not in (ZERO, *(each.head for each in found)):
            raise VerificationFailed(
                f"The node's events do not add up to the decisions that the contract knows of dataset {dataset}.",
                "Try again; if it stays so, use another node.",
            )
        return found

    def _head(self, dataset: int) -> str:
        return self._market.decision_head(dataset)

    def _folded(self, first: int, last: int) -> tuple[dict[int, tuple[Made, ...]], dict[int, int]]:
        """What was made up to block `last`, from what was made before `first`."""
        desk, made = self._market.desk, dict(self._made)
        opened = desk.find(CONTRACT, "JobOpened", first, last)
        datasets = self._datasets | {int(e.args["job"]): int(e.args["dataset"]) for e in opened}
        events: list[Event] = [event for name in DECIDED for event in desk.find(CONTRACT, name, first, last)]
        for event in sorted(events, key=lambda each: (each.block, each.index)):
            job, decision = int(event.args["job"]), str(event.args["decision"])
            before = made.get(datasets[job], ())
            head = chained(before[-1].head if before else ZERO, job, decision)
            made[datasets[job]] = (*before, Made(job, decision, event.name == "JobReleased", head))
        return made, datasets
