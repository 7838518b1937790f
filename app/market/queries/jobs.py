"""Jobs: lists, one job with its executions and timeline, and who must act next."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Literal, cast

from sqlmodel import Session, col, select

from app.chain.address import eip55
from app.market.db.tables import DatasetRow, EventRow, ExecutionRow, JobRow, VersionRow
from app.market.queries.catalogue import titles
from app.market.queries.disputes import DisputeView, disputes, running
from app.market.queries.feed import Feed, FeedEvent, feed
from app.market.queries.licensing import manual_offers
from app.market.queries.next_action import NextAction, Parties, next_step
from app.market.queries.paging import newest_first
from app.market.queries.timeline import TimelineEntry, timeline_entry
from app.market.queries.view import Amount, Page, View, check_id, missing
from app.protocol.market.entities import Approval, JobState
from app.protocol.policy.reasons import MESSAGES, Reason

__all__ = [
    "ExecutionView",
    "Feed",
    "FeedEvent",
    "JobDetail",
    "JobView",
    "NextAction",
    "TimelineEntry",
    "executions",
    "feed",
    "job",
    "job_cards",
    "jobs",
    "state_name",
]  # fmt: skip

JobStateName = Literal[
    "open", "assigned", "disputed", "computed", "released", "settled", "refused", "expired", "failed"
]

ApprovalName = Literal["none", "approved", "denied"]

ExecutionStatus = Literal[
    "drawn", "committed", "revealed", "agreed", "disagreed", "convicted", "silent", "declined", "unpaid"
]

LOOKED_AT = 1_000  # of the newest jobs, when those of a circuit are looked for


class ExecutionView(View):
    """One drawn executor's part."""

    provider: str
    round: int  # of the draw, from 0
    fee: Amount
    commitment: str  # "" until it commits
    receipt: str  # "" until it reveals
    status: ExecutionStatus
    paid: Amount
    slashed: Amount
    committed_at: int  # 0 until then
    revealed_at: int


class JobView(View):
    """One job in a list."""

    id: int
    dataset: int
    dataset_title: str
    license: int
    offer: int
    buyer: str
    state: JobStateName
    circuit: str
    first_row: int
    rows: int
    replicas: int
    round: int
    contested: bool  # the custodian found another result than the agreed one, and others decided or are to decide
    price: Amount  # the owner earns it at settlement
    max_fee: Amount  # escrowed for executors
    fees: Amount  # paid to executors so far
    refunded: Amount  # back to the buyer so far
    disputes: int  # about its results, that are running: it stands still meanwhile
    reason: str  # code of a refusal
    needs_approval: bool  # its offer's policy leaves each release to the owner; False while nobody has the policy
    approval: ApprovalName  # the owner's word
    next: NextAction
    opened_at: int
    changed_at: int  # of its latest event
    closed_at: int  # 0 while it runs


class JobDetail(View):
    """Everything that the chain says of a job."""

    job: JobView
    version: int  # of the dataset
    manifest: str  # digest, of that version
    sealing_key: str
    units: Amount  # static cost that fees are counted in
    penalty: Amount  # what the custodian's bond paid for its silence, or for a contest that overturned nothing
    receipt: str  # the agreed digest, "" before
    sealed: str  # digest of the sealed result, "" before
    decision: str  # digest of the custodian's decision, "" before
    approval_by: str  # the owner who said the word, "" before; when, and in which transaction
    approval_at: int
    approval_tx: str
    reason_sentence: str  # why it was refused and what to do, "" otherwise
    executions: tuple[ExecutionView, ...]
    program: str  # that its order states, so that a contract can judge its results; "" without one
    disputes: tuple[DisputeView, ...]  # about its results, oldest first
    timeline: tuple[TimelineEntry, ...]  # oldest first
    open_tx: str


def jobs(
    session: Session,
    *,
    now: int,
    buyer: str | None = None,
    dataset: int | None = None,
    owner: str | None = None,  # of the dataset, now
    provider: str | None = None,  # drawn for it
    license: int | None = None,
    states: Collection[JobState] = (),
    limit: int = 50,
    after: str | None = None,
) -> Page[JobView]:
    """Jobs, newest first. Errors: BadInput."""
    query = select(JobRow)
    if buyer is not None:
        query = query.where(JobRow.buyer == eip55(buyer))
    if dataset is not None:
        query = query.where(JobRow.dataset == dataset)
    if owner is not None:
        query = query.where(col(JobRow.dataset).in_(select(DatasetRow.id).where(DatasetRow.owner == eip55(owner))))
    if provider is not None:
        drawn = select(ExecutionRow.job).where(ExecutionRow.provider == eip55(provider))
        query = query.where(col(JobRow.id).in_(drawn))
    if license is not None:
        query = query.where(JobRow.license == license)
    if states:
        query = query.where(col(JobRow.state).in_([int(state) for state in states]))
    rows, follows = newest_first(session, query, col(JobRow.id), limit, after)
    return Page(items=job_cards(session, rows, now), next=follows)


def jobs_of_circuit(session: Session, circuit: str, *, now: int, limit: int = 20) -> tuple[JobView, ...]:
    """Jobs that ran a circuit among the newest 1,000 of the market, newest first."""
    newest = select(JobRow.id).order_by(col(JobRow.id).desc()).limit(LOOKED_AT)
    query = select(JobRow).where(col(JobRow.id).in_(newest), JobRow.circuit == circuit)
    return job_cards(session, list(session.exec(query.order_by(col(JobRow.id).desc()).limit(limit))), now)


def sealed_to(session: Session, dataset: int, buyer: str, key: str, *, limit: int) -> list[tuple[int, str]]:
    """(number, digest of the sealed result) of a buyer's jobs on a dataset that are sealed to a key, latest first."""
    query = select(JobRow.id, JobRow.sealed).where(
        JobRow.dataset == dataset, JobRow.buyer == buyer, JobRow.sealing_key == key, JobRow.sealed != ""
    )
    return [(number, sealed) for number, sealed in session.exec(query.order_by(col(JobRow.id).desc()).limit(limit))]


def job(session: Session, id: int, *, now: int) -> JobDetail:
    """One job. Errors: NotFound."""
    row = session.get(JobRow, check_id("job", id))
    if row is None:
        raise missing("job", id)
    version = session.get(VersionRow, (row.dataset, row.version))
    happened = select(EventRow).where(EventRow.job == id).order_by(col(EventRow.block), col(EventRow.log_index))
    return JobDetail(
        job=job_cards(session, [row], now)[0],
        version=row.version,
        manifest=version.manifest if version else "",
        sealing_key=row.sealing_key,
        units=row.units,
        penalty=row.penalty,
        receipt=row.receipt,
        sealed=row.sealed,
        decision=row.decision,
        approval_by=row.approval_by,
        approval_at=row.approval_at,
        approval_tx=row.approval_tx,
        reason_sentence=_reason(row.reason),
        executions=tuple(_execution(each) for each in executions(session, [id]).get(id, ())),
        program=row.program,
        disputes=disputes(session, id, now),
        timeline=tuple(timeline_entry(event) for event in session.exec(happened)),
        open_tx=row.opened_tx,
    )


def job_cards(session: Session, rows: Sequence[JobRow], now: int) -> tuple[JobView, ...]:
    """Jobs to show."""
    numbers = {row.dataset for row in rows}
    names = titles(session, numbers)
    named = select(DatasetRow.id, DatasetRow.owner, DatasetRow.custodian).where(col(DatasetRow.id).in_(numbers))
    parties = {number: Parties(owner, custodian) for number, owner, custodian in session.exec(named)}
    manual = manual_offers(session, {row.offer for row in rows})
    busy = executions(session, [row.id for row in rows if row.state == JobState.ASSIGNED])
    heard = running(session, [row.id for row in rows if row.disputes], now)
    return tuple(
        JobView(
            id=row.id,
            dataset=row.dataset,
            dataset_title=names[row.dataset],
            license=row.license,
            offer=row.offer,
            buyer=row.buyer,
            state=state_name(row.state),
            circuit=row.circuit,
            first_row=row.first_row,
            rows=row.rows,
            replicas=row.replicas,
            round=row.round,
            contested=row.contested_from > 0,
            price=row.price,
            max_fee=row.max_fee,
            fees=row.fees,
            refunded=row.refunded,
            disputes=row.disputes,
            reason=row.reason,
            needs_approval=row.offer in manual,
            approval=cast("ApprovalName", Approval(row.approval).name.lower()),
            next=next_step(
                row, busy.get(row.id, ()), parties[row.dataset], row.offer in manual, now, heard.get(row.id, ())
            ),
            opened_at=row.opened_at,
            changed_at=row.changed_at,
            closed_at=row.closed_at,
        )
        for row in rows
    )


def executions(session: Session, jobs: Collection[int]) -> dict[int, list[ExecutionRow]]:
    """The executors of these jobs, in the order of their draws."""
    found: dict[int, list[ExecutionRow]] = {}
    if jobs:
        query = select(ExecutionRow).where(col(ExecutionRow.job).in_(jobs))
        for row in session.exec(query.order_by(col(ExecutionRow.job), col(ExecutionRow.position))):
            found.setdefault(row.job, []).append(row)
    return found


def state_name(state: int) -> JobStateName:
    """A state's name."""
    return cast("JobStateName", JobState(state).name.lower())


def _execution(row: ExecutionRow) -> ExecutionView:
    so_far = "revealed" if row.receipt else "committed" if row.commitment else "drawn"
    return ExecutionView(
        provider=row.provider,
        round=row.round,
        fee=row.fee,
        commitment=row.commitment,
        receipt=row.receipt,
        status=cast("ExecutionStatus", row.outcome or so_far),
        paid=row.paid,
        slashed=row.slashed,
        committed_at=row.committed_at,
        revealed_at=row.revealed_at,
    )


def _reason(code: str) -> str:
    """What a refusal's code means; a code that we do not know is shown as it is."""
    words = next((MESSAGES[reason] for reason in Reason if reason == code), None)
    if words is None:
        return f"The custodian gave the reason {code!r}." if code else ""
    return f"{words.message} {words.next_step}"
