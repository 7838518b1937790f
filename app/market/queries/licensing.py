"""Offers and the licenses bought from them."""

from __future__ import annotations

from typing import Literal

from sqlmodel import Session

from app.market.queries.form import Amount, Answer, Page
from app.protocol.market import LicenseState


class PolicyCard(Answer):
    """What an offer lets out. Where `known` is False no store had the policy yet, and the rest is empty."""

    digest: str
    known: bool
    circuits: tuple[Literal["linear", "trees", "additive", "lookup"], ...] = ()
    release: Literal["label", "score", "aggregate", ""] = ""
    score_step: int = 0
    min_group: int = 0
    max_rows_per_job: int = 0
    max_rank: int = 0  # 0: half of the columns
    max_concentration: float = 0.0
    epsilon_micro_per_job: int = 0
    epsilon_micro_budget: int = 0
    verify: Literal["self", "quorum", "both", ""] = ""
    quorum: int = 0
    approval: Literal["automatic", "manual", ""] = ""


class ShareCard(Answer):
    """One beneficiary of an offer."""

    account: str
    basis_points: int


class OfferCard(Answer):
    """Terms under which anyone may buy a license."""

    id: int
    dataset: int
    dataset_title: str
    seller: str
    price_license: Amount
    price_job: Amount
    price_row: Amount
    max_jobs: int
    max_rows: int
    duration: int  # seconds
    policy: PolicyCard
    shares: tuple[ShareCard, ...]
    active: bool
    sellable: bool  # active, by the dataset's present owner, and the dataset is not tombstoned
    licenses: int  # sold so far
    earned: Amount  # by licenses and jobs together
    taken: Amount  # taken back for releases that never came
    collected: Amount  # split among the beneficiaries so far
    created_at: int
    tx: str


class LicenseCard(Answer):
    """A buyer's right to run jobs on a dataset."""

    id: int
    offer: int
    dataset: int
    dataset_title: str
    buyer: str
    state: LicenseState
    valid_from: int
    valid_until: int
    jobs_left: int
    rows_left: int
    max_jobs: int
    max_rows: int
    price: Amount  # paid for the license
    price_job: Amount
    price_row: Amount
    policy: str  # digest
    revoked_at: int  # 0 when it was not
    refund: Amount  # paid at revocation
    bought_at: int
    tx: str


def offer(session: Session, id: int) -> OfferCard:
    """One offer. Errors: NotFound."""
    raise NotImplementedError


def offers(
    session: Session,
    *,
    dataset: int | None = None,
    seller: str | None = None,
    active: bool | None = None,
    limit: int = 50,
    after: str | None = None,
) -> Page[OfferCard]:
    """Offers, newest first. Errors: BadInput."""
    raise NotImplementedError


def license(session: Session, id: int, *, now: int) -> LicenseCard:
    """One license. Errors: NotFound."""
    raise NotImplementedError


def licenses(
    session: Session,
    *,
    now: int,
    buyer: str | None = None,
    dataset: int | None = None,
    offer: int | None = None,
    limit: int = 50,
    after: str | None = None,
) -> Page[LicenseCard]:
    """Licenses, newest first. Errors: BadInput."""
    raise NotImplementedError
