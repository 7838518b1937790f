"""Offers and the licenses bought from them."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import asdict
from typing import Literal

from sqlmodel import Session, col, select

from app.chain.address import eip55
from app.market.db.tables import DatasetRow, LicenseRow, OfferRow
from app.market.indexer.listings import read_policies, sellable
from app.market.queries.catalogue import titles
from app.market.queries.paging import newest_first
from app.market.queries.view import Amount, Page, View, check_id, missing
from app.protocol.ids import Address, Digest, Seconds
from app.protocol.market.entities import License, LicenseState
from app.protocol.market.receipt import OutputPolicy
from app.protocol.vocabulary import CircuitClass, Verification

WHOLE = 10_000  # basis points
INTERNAL = ("revoked", "settled")  # of a license, which a card says in other words


class PolicyView(View):
    """What an offer lets out. Where `known` is False no store had the policy yet, and the rest is empty."""

    digest: str
    known: bool
    circuits: tuple[CircuitClass, ...] = ()
    release: Literal["label", "score", "aggregate", ""] = ""
    levels: int = 0
    raw_scores: str = ""  # not "": scores are not rounded
    min_group: int = 0
    max_rows_per_job: int = 0
    max_bootstraps: int = 0
    max_rank: int = 0  # 0: half of the columns
    max_concentration: float = 0.0
    epsilon_micro_per_job: int = 0
    micro_bits_per_license: int = 0
    micro_bits_per_person: int = 0  # 0: a quarter of what a row holds
    verify: Verification | Literal[""] = ""
    quorum: int = 0
    approval: Literal["automatic", "manual", ""] = ""
    row_keys: int = 0  # bytes of the key that names each result's row to its buyer; 0: none does
    challenge_hours: int = 0  # for which anybody may object before a result is decrypted unrecomputed; 0: none is


class ShareView(View):
    """One beneficiary of an offer."""

    account: str
    basis_points: int


class OfferView(View):
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
    policy: PolicyView
    shares: tuple[ShareView, ...]
    active: bool
    sellable: bool  # active, by the dataset's present owner, and the dataset is not tombstoned
    micro_bits: int  # about one person that each license is guaranteed; 10^6 are one yes-or-no fact
    licenses: int  # sold so far
    licenses_left: int
    sold_out: bool  # the last license closed it, not its seller
    earned: Amount  # by licenses and jobs together
    collected: Amount  # split among the beneficiaries so far
    created_at: int
    tx: str


class LicenseView(View):
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
    micro_bits: int  # about one person that it is guaranteed; 10^6 are one yes-or-no fact
    settled_at: int  # 0 when it was not; then what it did not use is for sale again
    used_micro_bits: int  # as stated when it was settled
    revoked_at: int  # 0 when it was not
    refund: Amount  # paid at revocation
    bought_at: int
    tx: str


def offer(session: Session, id: int) -> OfferView:
    """One offer. Errors: NotFound."""
    row = session.get(OfferRow, check_id("offer", id))
    if row is None:
        raise missing("offer", id)
    return offer_cards(session, [row])[0]


def offers(
    session: Session,
    *,
    dataset: int | None = None,
    seller: str | None = None,
    active: bool | None = None,
    limit: int = 50,
    after: str | None = None,
) -> Page[OfferView]:
    """Offers, newest first. Errors: BadInput."""
    query = select(OfferRow)
    if dataset is not None:
        query = query.where(OfferRow.dataset == dataset)
    if seller is not None:
        query = query.where(OfferRow.seller == eip55(seller))
    if active is not None:
        query = query.where(col(OfferRow.active).is_(active))
    rows, follows = newest_first(session, query, col(OfferRow.id), limit, after)
    return Page(items=offer_cards(session, rows), next=follows)


def license(session: Session, id: int, *, now: int) -> LicenseView:
    """One license. Errors: NotFound."""
    row = session.get(LicenseRow, check_id("license", id))
    if row is None:
        raise missing("license", id)
    return _license_cards(session, [row], now)[0]


def licenses(
    session: Session,
    *,
    now: int,
    buyer: str | None = None,
    dataset: int | None = None,
    offer: int | None = None,
    owner: str | None = None,  # of the dataset, now
    limit: int = 50,
    after: str | None = None,
) -> Page[LicenseView]:
    """Licenses, newest first. Errors: BadInput."""
    query = select(LicenseRow)
    if buyer is not None:
        query = query.where(LicenseRow.buyer == eip55(buyer))
    if dataset is not None:
        query = query.where(LicenseRow.dataset == dataset)
    if offer is not None:
        query = query.where(LicenseRow.offer == offer)
    if owner is not None:
        query = query.where(col(LicenseRow.dataset).in_(select(DatasetRow.id).where(DatasetRow.owner == eip55(owner))))
    rows, follows = newest_first(session, query, col(LicenseRow.id), limit, after)
    return Page(items=_license_cards(session, rows, now), next=follows)


def policy_card(digest: str, policy: OutputPolicy | None) -> PolicyView:
    """A policy to show; None when no store had it."""
    if policy is None:
        return PolicyView(digest=digest, known=False)
    return PolicyView(digest=digest, known=True, **policy.model_dump(exclude={"kind"}))


def policy_of(card: PolicyView) -> OutputPolicy:
    """The policy that a card shows; it is known."""
    return OutputPolicy.model_validate(card.model_dump(exclude={"digest", "known"}))


def manual_offers(session: Session, offers: Collection[int]) -> frozenset[int]:
    """Those of these offers whose policy leaves each release to the owner; without those whose policy nobody has."""
    if not offers:
        return frozenset()
    named = session.exec(select(OfferRow.id, OfferRow.policy).where(col(OfferRow.id).in_(offers))).all()
    policies = read_policies(session, {digest for _, digest in named})
    return frozenset(number for number, digest in named if digest in policies and policies[digest].approval == "manual")


def offer_cards(session: Session, rows: Sequence[OfferRow]) -> tuple[OfferView, ...]:
    """Offers to show."""
    numbers = {row.dataset for row in rows}
    datasets = {row.id: row for row in session.exec(select(DatasetRow).where(col(DatasetRow.id).in_(numbers)))}
    names, policies = titles(session, numbers), read_policies(session, {row.policy for row in rows})
    return tuple(
        OfferView(
            id=row.id,
            dataset=row.dataset,
            dataset_title=names[row.dataset],
            seller=row.seller,
            price_license=row.price_license,
            price_job=row.price_job,
            price_row=row.price_row,
            max_jobs=row.max_jobs,
            max_rows=row.max_rows,
            duration=row.duration,
            policy=policy_card(row.policy, policies.get(row.policy)),
            shares=tuple(
                ShareView(account=account, basis_points=points)
                for account, points in json.loads(row.shares) or [(row.seller, WHOLE)]
            ),
            active=row.active,
            sellable=sellable(row, datasets[row.dataset]),
            micro_bits=row.micro_bits,
            licenses=row.licenses,
            licenses_left=row.licenses_left,
            sold_out=row.sold_out,
            earned=row.earned_licenses + row.earned_jobs,
            collected=row.collected,
            created_at=row.created_at,
            tx=row.tx,
        )
        for row in rows
    )


def _license_cards(session: Session, rows: Sequence[LicenseRow], now: int) -> tuple[LicenseView, ...]:
    names = titles(session, {row.dataset for row in rows})
    numbers = {row.offer for row in rows}
    terms = {row.id: row for row in session.exec(select(OfferRow).where(col(OfferRow.id).in_(numbers)))}
    return tuple(_license_card(row, terms[row.offer], names[row.dataset], now) for row in rows)


def _license_card(row: LicenseRow, terms: OfferRow, title: str, now: int) -> LicenseView:
    entity = License(
        id=row.id,
        offer=row.offer,
        dataset=row.dataset,
        buyer=Address(row.buyer),
        valid_from=Seconds(row.valid_from),
        valid_until=Seconds(row.valid_until),
        jobs_left=row.jobs_left,
        rows_left=row.rows_left,
        policy=Digest(terms.policy),
        revoked=row.revoked_at > 0,
        micro_bits=row.micro_bits,
        settled=row.settled_at > 0,
    )
    return LicenseView(
        **asdict(entity, dict_factory=lambda pairs: {name: value for name, value in pairs if name not in INTERNAL}),
        state=entity.state(now),
        dataset_title=title,
        max_jobs=terms.max_jobs,
        max_rows=terms.max_rows,
        price=row.price,
        price_job=terms.price_job,
        price_row=terms.price_row,
        settled_at=row.settled_at,
        used_micro_bits=row.used_micro_bits,
        revoked_at=row.revoked_at,
        refund=row.refund,
        bought_at=row.valid_from,
        tx=row.tx,
    )
