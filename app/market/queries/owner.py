"""What an owner, and anyone with money in the market, wants to see."""

from __future__ import annotations

from typing import Literal

from sqlmodel import Session

from app.market.queries.catalogue import CatalogueEntry
from app.market.queries.dataset import BudgetCard
from app.market.queries.form import Amount, Answer, Page
from app.market.queries.jobs import JobCard
from app.market.queries.licensing import OfferCard

PaymentKind = Literal[
    "license",  # earned by an offer: a license was sold
    "job",  # earned by an offer: a job settled
    "taken",  # taken back from an offer's earnings
    "collected",  # an offer's earnings became an account's claim
    "fee",  # an executor was paid
    "refund",  # a buyer has it back
    "withdrawn",  # a claim was paid out
    "bond",
    "unbond",
    "slashed",
]


class PaymentCard(Answer):
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


class RevenueDay(Answer):
    """What an owner's offers earned on one day (UTC)."""

    day: str  # 2026-01-31
    licenses: Amount
    jobs: Amount


class OwnedDataset(Answer):
    """One dataset in its owner's console."""

    entry: CatalogueEntry
    epoch: int
    version: int
    custodian: str | None
    earned: Amount
    waiting: int  # jobs that wait for the custodian
    running: int  # jobs under way before that
    budget: BudgetCard


class OwnerConsole(Answer):
    """An owner's business at a glance."""

    owner: str
    datasets: tuple[OwnedDataset, ...]  # newest first, at most 50
    offers: tuple[OfferCard, ...]  # newest first, at most 50
    pending: tuple[JobCard, ...]  # jobs that wait for the custodian, by deadline, at most 50
    refused: tuple[JobCard, ...]  # the latest refusals, at most 10
    revenue: tuple[RevenueDay, ...]  # days with revenue among the last 90, oldest first
    earned: Amount  # by all offers, ever
    uncollected: Amount  # of these offers
    claimable: Amount  # owed to this account, ready to withdraw


def console(session: Session, owner: str, *, now: int) -> OwnerConsole:
    """The console of an account; empty for one that owns nothing."""
    raise NotImplementedError


def claims(session: Session, address: str) -> dict[str, int]:
    """What each contract (LicenseMarket, JobMarket) owes an account, ready to withdraw; token units."""
    raise NotImplementedError


def payments(
    session: Session, *, account: str | None = None, offer: int | None = None, limit: int = 50, after: str | None = None
) -> Page[PaymentCard]:
    """Money that moved, newest first. Errors: BadInput."""
    raise NotImplementedError
