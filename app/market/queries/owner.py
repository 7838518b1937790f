"""What an owner, and anyone with money in the market, wants to see."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal

from sqlmodel import Session, col, func, or_, select, tuple_

from app.chain.address import eip55
from app.market.db.tables import AccountRow, DatasetRow, JobRow, ManifestRow, OfferRow, PaymentRow, RevenueRow
from app.market.indexer.listings import read_policies
from app.market.queries.budget import BudgetView, ReleasesOn, budget, nobody_knows
from app.market.queries.catalogue import CatalogueEntry, entries
from app.market.queries.dataset import CustodyView, custody_view
from app.market.queries.jobs import JobView, job_cards
from app.market.queries.licensing import OfferView, PolicyView, offer_cards, policy_card
from app.market.queries.view import Amount, Page, View, page_limit, read_cursor, write_cursor
from app.protocol.market.entities import Approval, JobState

DAY = 86_400
DAYS = 90  # of revenue
MOST = 50
LATEST = 10
UNDER_WAY = (JobState.OPEN, JobState.ASSIGNED, JobState.DISPUTED, JobState.COMPUTED)

PaymentKind = Literal[
    "license",  # earned by an offer: a license was sold
    "job",  # earned by an offer: a job settled
    "collected",  # an offer's earnings became an account's claim
    "fee",  # an executor was paid
    "refund",  # a buyer has it back
    "withdrawn",  # a claim was paid out
    "bond",
    "unbond",
    "slashed",
    "evicted",  # a provider without a sign of life lost a part of its bond with its seat
    "bounty",  # to whoever found that
    "custody",  # paid in for a custodian
    "custody-back",  # taken out again
    "penalty",  # a custodian's bond paid for its silence, or for a contest that overturned nothing
    "dispute-bond",  # put down by who said that a result is wrong
    "dispute",  # to who won a dispute about a result
]


class PaymentView(View):
    """Money that moved, and the event that says so."""

    kind: PaymentKind
    account: str  # who has it or lost it; "" for an offer's earnings
    amount: Amount
    offer: int | None
    job: int | None
    license: int | None
    dataset: int | None
    at: int
    block: int
    tx: str


class RevenueDay(View):
    """What an owner's offers earned on one day (UTC)."""

    day: str  # 2026-01-31
    licenses: Amount
    jobs: Amount


class OwnedDataset(View):
    """One dataset in its owner's console."""

    entry: CatalogueEntry
    epoch: int
    version: int
    custodian: str
    earned: Amount
    waiting: int  # jobs that wait for the custodian
    running: int  # jobs under way before that
    budget: BudgetView
    custody: CustodyView


class PendingJob(JobView):
    """A job that waits for the owner's word or for the custodian."""

    asks_owner: bool  # the owner's yes or no is wanted now, and has not been said
    policy: PolicyView  # what the job may reveal at most


class OwnerConsole(View):
    """An owner's business at a glance."""

    owner: str
    datasets: tuple[OwnedDataset, ...]  # newest first, at most 50
    offers: tuple[OfferView, ...]  # newest first, at most 50
    pending: tuple[PendingJob, ...]  # that wait for the owner's word, also before they are computed; then those that
    # wait for the custodian; each by deadline, and at most 50 in all
    refused: tuple[JobView, ...]  # the latest refusals, at most 10
    revenue: tuple[RevenueDay, ...]  # days with revenue among the last 90, oldest first
    earned: Amount  # by all offers, ever
    uncollected: Amount  # of these offers
    claimable: Amount  # owed to this account, ready to withdraw


def console(session: Session, owner: str, *, now: int, releases: ReleasesOn = nobody_knows) -> OwnerConsole:
    """The console of an account; empty for one that owns nothing. Errors: BadInput for what is no address."""
    owner = eip55(owner)
    datasets = list(
        session.exec(
            select(DatasetRow).where(DatasetRow.owner == owner).order_by(col(DatasetRow.id).desc()).limit(MOST)
        )
    )
    offers = list(session.exec(select(OfferRow).where(OfferRow.seller == owner).order_by(col(OfferRow.id).desc())))
    no = (
        select(JobRow)
        .join(DatasetRow, col(DatasetRow.id) == col(JobRow.dataset))
        .where(DatasetRow.owner == owner, JobRow.state == JobState.REFUSED)
        .order_by(col(JobRow.id).desc())
        .limit(LATEST)
    )
    return OwnerConsole(
        owner=owner,
        datasets=_owned(session, datasets, releases),
        offers=offer_cards(session, offers[:MOST]),
        pending=_pending(session, owner, now),
        refused=job_cards(session, list(session.exec(no)), now),
        revenue=_revenue(session, owner, now),
        earned=sum(offer.earned_licenses + offer.earned_jobs for offer in offers),
        uncollected=sum(offer.earned_licenses + offer.earned_jobs - offer.collected for offer in offers),
        claimable=sum(claims(session, owner).values()),
    )


def claims(session: Session, address: str) -> dict[str, int]:
    """What LicenseMarket and JobMarket owe an account, ready to withdraw; token units. Errors: BadInput."""
    account = session.get(AccountRow, eip55(address))
    return {
        "LicenseMarket": account.claim_licenses if account else 0,
        "JobMarket": account.claim_jobs if account else 0,
    }


def payments(
    session: Session, *, account: str | None = None, offer: int | None = None, limit: int = 50, after: str | None = None
) -> Page[PaymentView]:
    """Money that moved, newest first. Errors: BadInput."""
    page_limit(limit)
    block, index = col(PaymentRow.block), col(PaymentRow.log_index)
    query = select(PaymentRow).order_by(block.desc(), index.desc()).limit(limit + 1)
    if account is not None:
        query = query.where(PaymentRow.account == eip55(account))
    if offer is not None:
        query = query.where(PaymentRow.offer == offer)
    if after is not None:
        query = query.where(tuple_(block, index) < read_cursor(after, int, int))
    rows = list(session.exec(query))
    follows = write_cursor(rows[limit - 1].block, rows[limit - 1].log_index) if len(rows) > limit else None
    items = tuple(PaymentView.model_validate(row.model_dump(exclude={"log_index"})) for row in rows[:limit])
    return Page(items=items, next=follows)


def _pending(session: Session, owner: str, now: int) -> tuple[PendingJob, ...]:
    datasets = select(DatasetRow.id).where(DatasetRow.owner == owner)
    own = col(JobRow.dataset).in_(datasets)
    offered = select(OfferRow.policy).where(col(OfferRow.dataset).in_(datasets))
    policies = read_policies(session, session.exec(offered.distinct()))
    manual = {digest for digest, policy in policies.items() if policy.approval == "manual"}
    asking = (
        select(JobRow)
        .join(OfferRow, col(OfferRow.id) == col(JobRow.offer))
        .where(own, col(JobRow.state).in_([int(state) for state in UNDER_WAY]), JobRow.approval == Approval.NONE)
        .where(col(OfferRow.policy).in_(manual))
        # A round that is overdue goes on with other executors; every other overdue job can only expire.
        .where(or_(JobRow.state == JobState.ASSIGNED, JobRow.deadline >= now))
        .order_by(col(JobRow.state).desc(), col(JobRow.deadline), col(JobRow.id))
        .limit(MOST)
    )
    computed = (
        select(JobRow)
        .where(own, JobRow.state == JobState.COMPUTED)
        .order_by(col(JobRow.deadline), col(JobRow.id))
        .limit(MOST)
    )
    asked = {row.id: row for row in session.exec(asking)} if manual else {}
    rows = list((asked | {row.id: row for row in session.exec(computed)}).values())[:MOST]
    terms = select(OfferRow.id, OfferRow.policy).where(col(OfferRow.id).in_({row.offer for row in rows}))
    digests = dict(session.exec(terms).all())
    return tuple(
        PendingJob(
            **dict(card),
            asks_owner=card.id in asked,
            policy=policy_card(digests[card.offer], policies.get(digests[card.offer])),
        )
        for card in job_cards(session, rows, now)
    )


def _owned(session: Session, rows: Sequence[DatasetRow], releases: ReleasesOn) -> tuple[OwnedDataset, ...]:
    ids = [row.id for row in rows]
    listed = entries(session, ids)
    manifests = {
        row.digest: row
        for row in session.exec(select(ManifestRow).where(col(ManifestRow.digest).in_({row.manifest for row in rows})))
    }
    offers = list(session.exec(select(OfferRow).where(col(OfferRow.dataset).in_(ids))))
    policies = read_policies(session, {manifest.policy for manifest in manifests.values()})
    earned: dict[int, int] = {}
    for offer in offers:
        earned[offer.dataset] = earned.get(offer.dataset, 0) + offer.earned_licenses + offer.earned_jobs
    under_way = (
        select(JobRow.dataset, JobRow.state, func.count())
        .where(col(JobRow.dataset).in_(ids), col(JobRow.state).in_([int(state) for state in UNDER_WAY]))
        .group_by(col(JobRow.dataset), col(JobRow.state))
    )
    counted = {(dataset, state): count for dataset, state, count in session.exec(under_way)}
    owned = []
    for row in rows:
        manifest = manifests.get(row.manifest) if listed[row.id].availability == "available" else None
        facts = manifest or ManifestRow(digest="", state="")
        owned.append(
            OwnedDataset(
                entry=listed[row.id],
                epoch=row.epoch,
                version=row.version,
                custodian=row.custodian,
                earned=earned.get(row.id, 0),
                waiting=counted.get((row.id, JobState.COMPUTED), 0),
                running=sum(counted.get((row.id, state), 0) for state in UNDER_WAY if state != JobState.COMPUTED),
                budget=budget(session, row, facts.codes, policies.get(facts.policy), releases(session, row.id)),
                custody=custody_view(row),
            )
        )
    return tuple(owned)


def _revenue(session: Session, owner: str, now: int) -> tuple[RevenueDay, ...]:
    since = now // DAY - DAYS
    query = (
        select(RevenueRow)
        .join(OfferRow, col(OfferRow.id) == col(RevenueRow.offer))
        .where(OfferRow.seller == owner, RevenueRow.day > since)
    )
    sums: dict[int, tuple[int, int]] = {}
    for row in session.exec(query):
        licenses, jobs = sums.get(row.day, (0, 0))
        sums[row.day] = (licenses + row.licenses, jobs + row.jobs)
    return tuple(
        RevenueDay(
            day=datetime.fromtimestamp(day * DAY, UTC).date().isoformat(), licenses=sums[day][0], jobs=sums[day][1]
        )
        for day in sorted(sums)
    )
