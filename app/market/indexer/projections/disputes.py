"""The events of disputes. What a conviction does to executor and money follows its end: Court._end."""

from __future__ import annotations

from collections.abc import Mapping

from app.market.db.tables import DisputeRow, ExecutionRow, JobRow
from app.market.indexer.indexed_event import IndexedEvent, Rule
from app.market.indexer.projections.licensing import credit, paid
from app.market.indexer.unit_of_work import UnitOfWork
from app.protocol.market.disputes import Verdict

ABOUT = {"DisputeSummed": "sum", "DisputeDescended": "lookup"}  # else a value of a linear result


def opened(work: UnitOfWork, each: IndexedEvent) -> None:
    """Somebody put down a bond and says that a value is wrong."""
    state = each.args["state"]
    work.edit(JobRow, each.args["job"]).disputes += 1
    work.add(
        DisputeRow(
            id=each.args["dispute"],
            job=each.args["job"],
            position=state["index"],
            executor=state["executor"],
            challenger=state["challenger"],
            value=state["value"],
            bond=state["bond"],
            phase=state["phase"],
            deadline=state["deadline"],
            opened_at=each.at,
        )
    )
    paid(work, each, "dispute-bond", state["challenger"], state["bond"], job=each.args["job"])


def rewarded(work: UnitOfWork, each: IndexedEvent, dispute: int, stake: int) -> None:
    """Of a convicted executor's stake its challenger has as much as it put down."""
    won = work.get(DisputeRow, dispute)
    amount = min(stake, won.bond)
    credit(work, each, won.challenger, amount)
    paid(work, each, "dispute", won.challenger, amount, job=won.job)


def moved(work: UnitOfWork, each: IndexedEvent) -> None:
    """One of the two showed something; it is the other's turn."""
    dispute, state = work.edit(DisputeRow, each.args["dispute"]), each.args["state"]
    dispute.phase, dispute.deadline = state["phase"], state["deadline"]
    dispute.about = ABOUT.get(each.name, "value")
    dispute.moves += 1


def cut(work: UnitOfWork, each: IndexedEvent) -> None:
    """The same of a move about a lookup's words."""
    dispute = work.edit(DisputeRow, each.args["dispute"])
    dispute.phase, dispute.deadline = each.args["phase"], each.args["deadline"]
    dispute.moves += 1


def ended(work: UnitOfWork, each: IndexedEvent) -> None:
    """The contract judged, or somebody was silent. The bond goes back, or half of it to the executor."""
    dispute = work.edit(DisputeRow, each.args["dispute"])
    verdict = Verdict(each.args["verdict"])
    dispute.phase, dispute.deadline = 0, 0
    dispute.verdict, dispute.ended_at = verdict.name.lower(), each.at
    work.edit(JobRow, dispute.job).disputes -= 1
    to, amount = dispute.challenger, dispute.bond
    if verdict is Verdict.CLEARED:
        to, amount = dispute.executor, dispute.bond // 2
    elif verdict is Verdict.CONVICTED:
        execution = work.edit(ExecutionRow, dispute.job, dispute.position)
        execution.outcome, execution.convicted_by = "convicted", dispute.id  # its stake is told next
    credit(work, each, to, amount)
    paid(work, each, "dispute", to, amount, job=dispute.job)


RULES: Mapping[str, Rule] = {
    "DisputeOpened": opened,
    "DisputeShown": moved,
    "DisputeSummed": moved,
    "DisputeDescended": moved,
    "DisputeCut": cut,
    "DisputeEnded": ended,
}
