"""Who must act next on a job, and until when. Pure: rows in, words out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from app.market.db.tables import ExecutionRow, JobRow
from app.market.queries.disputes import DisputeView
from app.market.queries.view import View
from app.protocol.market.entities import Approval, JobState

Action = Literal["draw", "commit", "reveal", "approve", "release", "refuse", "dispute", "expire", "none"]


class Parties(NamedTuple):
    """A dataset's two accounts."""

    owner: str
    custodian: str


class NextAction(View):
    """What has to happen next, by whom, until when."""

    action: Action
    actors: tuple[str, ...]  # addresses; empty: anyone
    sentence: str  # plain words
    not_before_block: int  # of a draw; 0 otherwise
    deadline: int  # seconds since the epoch; 0 when there is none
    overdue: bool  # the deadline has passed, and anyone may call `expire`


ENDED = {
    JobState.SETTLED: "The job is over: the sealed result is out and everybody's share can be withdrawn.",
    JobState.REFUSED: "The job is over: the owner's policy refused it, and the price was refunded.",
    JobState.EXPIRED: "The job is over: a deadline was missed, and the buyer was refunded.",
    JobState.FAILED: "The job is over: no majority of executors agreed, and the buyer was refunded.",
}
OVERDUE = {
    JobState.OPEN: "Nobody drew executors in time. Anyone may expire the job, which refunds the buyer.",
    JobState.DISPUTED: "Nobody drew more executors in time. Anyone may expire the job, which refunds the buyer.",
    JobState.ASSIGNED: "An executor missed its deadline. Anyone may expire this round: the silent lose their stake.",
    JobState.COMPUTED: "The custodian missed its deadline. Anyone may expire the job: its bond refunds the fees.",
}
DRAWING = {
    JobState.OPEN: "Anyone may draw executors once block {block} can be built; providers do so by themselves.",
    JobState.DISPUTED: "Anyone may draw more executors once block {block} can be built; providers do so by themselves.",
}
REVEALING = (
    "One executor has still to reveal which result it computed.",
    "{count} executors have each still to reveal which result it computed.",
)
COMPUTING = (
    "One executor has still to compute and commit to a result, unseen by the others.",
    "{count} executors have each still to compute and commit to a result, unseen by the others.",
)
JUDGED = "A contract judges a result, and the job waits for it."
UNDECIDED = "Nobody drew the executors of the contest in time. Anyone may end it: the first result stands."


def next_step(
    job: JobRow,
    executions: Sequence[ExecutionRow],
    parties: Parties,
    manual: bool,
    now: int,
    heard: Sequence[DisputeView] = (),
) -> NextAction:
    """What a job waits for at the time `now`. `manual`: its offer's policy leaves each release to the owner. `heard`:
    the disputes about its results that are running.
    """
    state = JobState(job.state)
    if state in ENDED:
        return _next("none", (), ENDED[state], job, now)
    if heard:
        return _dispute(heard)
    if state in OVERDUE and now > job.deadline:
        sentence = UNDECIDED if state is JobState.DISPUTED and job.contested_from else OVERDUE[state]
        return _next("expire", (), sentence, job, now)
    if state in (JobState.OPEN, JobState.DISPUTED):
        drawing = DRAWING[state].format(block=job.seed_block + 1)
        return _next("draw", (), drawing, job, now)
    if state is JobState.ASSIGNED:
        return _executors(job, executions, now)
    if job.approval == Approval.DENIED:
        sentence = "The owner denied the job: the dataset's custodian refuses it, which refunds the price."
        return _next("refuse", (parties.custodian,), sentence, job, now)
    if manual and job.approval == Approval.NONE:
        sentence = "The owner has to approve the job; then the dataset's custodian verifies the result and releases it."
        return _next("approve", (parties.owner,), sentence, job, now)
    sentence = "The dataset's custodian verifies the result, then releases or refuses."
    return _next("release", (parties.custodian,), sentence, job, now)


def _dispute(heard: Sequence[DisputeView]) -> NextAction:
    """The job stands still until its disputes are over; the earliest deadline is told."""
    first = min(heard, key=lambda each: each.deadline)
    others = f" {len(heard)} disputes run." if len(heard) > 1 else ""
    return NextAction(
        action="dispute",
        actors=() if first.overdue else (first.turn,),
        sentence=f"{JUDGED} {first.sentence}{others}",
        not_before_block=0,
        deadline=first.deadline,
        overdue=first.overdue,
    )


def _executors(job: JobRow, executions: Sequence[ExecutionRow], now: int) -> NextAction:
    inside = [each for each in executions if not each.outcome]
    if job.revealing:
        late = tuple(each.provider for each in inside if not each.receipt)
        return _next("reveal", late, _count(REVEALING, late), job, now)
    late = tuple(each.provider for each in inside if not each.commitment)
    return _next("commit", late, _count(COMPUTING, late), job, now)


def _count(forms: tuple[str, str], late: Sequence[str]) -> str:
    return forms[0] if len(late) == 1 else forms[1].format(count=len(late))


def _next(action: Action, actors: tuple[str, ...], sentence: str, job: JobRow, now: int) -> NextAction:
    return NextAction(
        action=action,
        actors=actors,
        sentence=sentence,
        not_before_block=job.seed_block + 1 if action == "draw" else 0,
        deadline=job.deadline,
        overdue=job.deadline > 0 and now > job.deadline,
    )
