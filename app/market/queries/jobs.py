"""Jobs: lists, one job with its executions and timeline, and who must act next."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Literal

from sqlmodel import Session

from app.market.queries.form import Amount, Answer, Page
from app.protocol.market import JobState

JobStateName = Literal[
    "open", "assigned", "disputed", "computed", "released", "settled", "refused", "expired", "failed"
]


class Next(Answer):
    """What has to happen next, by whom, until when."""

    action: Literal["draw", "commit", "reveal", "release", "expire", "none"]
    actors: tuple[str, ...]  # addresses; empty: anyone
    sentence: str  # plain words
    not_before_block: int  # of a draw; 0 otherwise
    deadline: int  # seconds since the epoch; 0 when there is none
    overdue: bool  # the deadline has passed, and anyone may call `expire`


class ExecutionCard(Answer):
    """One drawn executor's part."""

    provider: str
    round: int  # of the draw, from 0
    fee: Amount
    commitment: str  # "" until it commits
    receipt: str  # "" until it reveals
    status: Literal["drawn", "committed", "revealed", "agreed", "disagreed", "silent", "unpaid"]
    paid: Amount  # fee and share of slashed stakes
    slashed: Amount
    committed_at: int  # 0 until then
    revealed_at: int


class TimelineEntry(Answer):
    """Something that happened, as a person would say it, and the event that says so."""

    event: str  # its name in the contract
    sentence: str
    actor: str  # address, "" where the event names none
    at: int
    block: int
    block_hash: str
    tx: str
    index: int  # of the log within its block
    digest: str  # the digest that it put on record, "" without one


class JobCard(Answer):
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
    price: Amount  # the owner earns it at settlement
    max_fee: Amount  # escrowed for executors
    fees: Amount  # paid to executors so far
    refunded: Amount  # back to the buyer so far
    reason: str  # code of a refusal
    next: Next
    opened_at: int
    changed_at: int  # of its latest event
    closed_at: int  # 0 while it runs


class JobDetail(Answer):
    """Everything that the chain says of a job."""

    job: JobCard
    version: int  # of the dataset
    manifest: str  # digest, of that version
    sealing_key: str
    units: Amount  # static cost that fees are counted in
    receipt: str  # the agreed digest, "" before
    sealed: str  # digest of the sealed result, "" before
    decision: str  # digest of the custodian's decision, "" before
    reason_sentence: str  # why it was refused and what to do, "" otherwise
    executions: tuple[ExecutionCard, ...]
    timeline: tuple[TimelineEntry, ...]  # oldest first
    open_tx: str


class FeedEvent(Answer):
    """One event. Integers above 2^53 in `args` are decimal text."""

    cursor: str
    contract: str
    name: str
    args: dict[str, Any]
    block: int
    block_hash: str
    tx: str
    index: int
    at: int
    dataset: int | None
    job: int | None


class Feed(Answer):
    """Events of the market or of one job, for a live stream.

    `last` is the cursor to ask again with. `reorganised` says that the event which the old cursor named is no longer in
    the chain: `items` then begin at the job's first event (or, for the whole market, after the newest one that the
    cursor and the chain share a height with), and what was shown before must be thrown away.
    """

    items: tuple[FeedEvent, ...]
    last: str | None
    reorganised: bool


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
) -> Page[JobCard]:
    """Jobs, newest first. Errors: BadInput."""
    raise NotImplementedError


def job(session: Session, id: int, *, now: int) -> JobDetail:
    """One job. Errors: NotFound."""
    raise NotImplementedError


def feed(session: Session, *, job: int | None = None, after: str | None = None, limit: int = 100) -> Feed:
    """Events after a cursor, oldest first; without one, a job's from its opening, or the market's from now on."""
    raise NotImplementedError
