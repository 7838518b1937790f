"""Disputes about a job's results as a person would follow them: who moves next, by when, what is at stake."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal, cast

from sqlmodel import Session, col, select

from app.market.db.tables import DisputeRow
from app.market.queries.view import Amount, View
from app.protocol.market.disputes import DisputePhase, Verdict

PhaseName = Literal["over", "answer", "judge", "show", "narrow"]
VerdictName = Literal["", "convicted", "cleared", "moot"]

TASKS = {
    DisputePhase.ANSWER: "The executor has to show its receipt, the value, and the running totals that the value is"
    " the last of; silence loses.",
    DisputePhase.JUDGE: "The challenger has to show the contract the first of these totals that does not follow from"
    " the one before; silence loses.",
    DisputePhase.SHOW: "The executor has to show the totals between the two that are in question; silence loses.",
    DisputePhase.NARROW: "The challenger has to name the two neighbours between which the totals go wrong; silence"
    " loses.",
}
LOOKUP_TASKS = {
    DisputePhase.SHOW: "A line of words is looked into: the executor has to say where its own part from the"
    " challenger's; silence loses.",
    DisputePhase.NARROW: "A line of words is looked into: the challenger has to say where its own part from the"
    " executor's; silence loses.",
}
SUM_TASKS = {
    DisputePhase.JUDGE: "The challenger has to show the contract the first of these totals that does not follow, or"
    " name the lookup whose result is false; silence loses.",
    DisputePhase.SHOW: "The executor has to show the contract the first of these totals that does not follow, or name"
    " the lookup whose result is false; silence loses.",
}
EXECUTOR_LATE = "The executor did not move in time. Anybody may end the dispute: it loses."
CHALLENGER_LATE = "The challenger did not move in time. Anybody may end the dispute: it loses."
ENDS = {
    Verdict.CONVICTED: "The executor was convicted: the contract found its result wrong, or it did not answer in time."
    " It lost its stake, and its result counts no more.",
    Verdict.CLEARED: "The executor was cleared: what it showed was not refuted in time. The challenger lost its bond.",
    Verdict.MOOT: "The executor had been convicted in another dispute; the challenger has its bond back.",
}


class DisputeView(View):
    """One dispute about one executor's result."""

    id: int
    executor: str
    challenger: str
    value: Amount  # number of the output value that is said to be wrong: row * outputs + output
    bond: Amount  # what the challenger put down
    phase: PhaseName  # of the running game; "over" once it is over
    turn: str  # the address that moves next; "" once it is over
    deadline: int  # of that move; 0 once it is over
    overdue: bool  # the deadline has passed: anybody may end it, and who was silent loses
    moves: int  # so far, its opening left out
    verdict: VerdictName  # "" while it runs
    sentence: str  # where it stands, in plain words
    opened_at: int
    ended_at: int  # 0 while it runs


def disputes(session: Session, job: int, now: int) -> tuple[DisputeView, ...]:
    """All disputes of a job, oldest first."""
    rows = session.exec(select(DisputeRow).where(DisputeRow.job == job).order_by(col(DisputeRow.id)))
    return tuple(dispute_view(row, now) for row in rows)


def running(session: Session, jobs: Collection[int], now: int) -> dict[int, list[DisputeView]]:
    """The running disputes of these jobs."""
    found: dict[int, list[DisputeView]] = {}
    if jobs:
        query = select(DisputeRow).where(col(DisputeRow.job).in_(jobs), DisputeRow.verdict == "")
        for row in session.exec(query.order_by(col(DisputeRow.id))):
            found.setdefault(row.job, []).append(dispute_view(row, now))
    return found


def dispute_view(row: DisputeRow, now: int) -> DisputeView:
    """A dispute to show."""
    phase, over = DisputePhase(row.phase), bool(row.verdict)
    turn = "" if over else row.executor if phase.executors else row.challenger
    late = not over and now > row.deadline
    if over:
        sentence = ENDS[Verdict[row.verdict.upper()]]
    elif late:
        sentence = EXECUTOR_LATE if phase.executors else CHALLENGER_LATE
    else:
        sentence = _task(row.about, phase)
    return DisputeView(
        id=row.id,
        executor=row.executor,
        challenger=row.challenger,
        value=row.value,
        bond=row.bond,
        phase=cast("PhaseName", phase.name.lower()),
        turn=turn,
        deadline=row.deadline,
        overdue=late,
        moves=row.moves,
        verdict=cast("VerdictName", row.verdict),
        sentence=sentence,
        opened_at=row.opened_at,
        ended_at=row.ended_at,
    )


def _task(about: str, phase: DisputePhase) -> str:
    if about == "lookup":
        return LOOKUP_TASKS[phase]
    return SUM_TASKS[phase] if about == "sum" else TASKS[phase]
