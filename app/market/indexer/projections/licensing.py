"""The license market's events, and those of money that it shares with the job market."""

from __future__ import annotations

import json
from collections.abc import Mapping

from app.market.db.tables import (
    AccountRow,
    DatasetRow,
    LicenseRow,
    OfferRow,
    PaymentRow,
    RevenueRow,
    TotalsRow,
)
from app.market.indexer.indexed_event import IndexedEvent, Rule
from app.market.indexer.projections.datasets import TOTALS
from app.market.indexer.unit_of_work import UnitOfWork

DAY = 86_400


def created(work: UnitOfWork, each: IndexedEvent) -> None:
    """A new offer."""
    terms = each.args["terms"]
    work.add(
        OfferRow(
            id=each.args["offer"],
            dataset=each.args["dataset"],
            seller=each.args["seller"],
            price_license=terms["priceLicense"],
            price_job=terms["priceJob"],
            price_row=terms["priceRow"],
            max_jobs=terms["maxJobs"],
            max_rows=terms["maxRows"],
            duration=terms["duration"],
            policy=terms["policy"],
            shares=json.dumps([[share["account"], share["basisPoints"]] for share in each.args["shares"]]),
            micro_bits=terms["microBits"],
            licenses_left=terms["licenses"],
            created_at=each.at,
            tx=each.tx,
        )
    )


def deactivated(work: UnitOfWork, each: IndexedEvent) -> None:
    """An offer sells no more: it was closed, or its last license is being sold."""
    offer = work.edit(OfferRow, each.args["offer"])
    offer.active, offer.licenses_left = False, 0


def bought(work: UnitOfWork, each: IndexedEvent) -> None:
    """A license was sold. That an offer is sold out is said before."""
    offer = work.edit(OfferRow, each.args["offer"])
    offer.licenses += 1
    offer.licenses_left -= offer.active
    offer.sold_out = not offer.active
    work.edit(DatasetRow, offer.dataset).licenses += 1
    work.edit(TotalsRow, TOTALS).licenses += 1
    work.add(
        LicenseRow(
            id=each.args["license"],
            offer=offer.id,
            dataset=offer.dataset,
            buyer=each.args["buyer"],
            valid_from=each.at,
            valid_until=each.args["validUntil"],
            jobs_left=offer.max_jobs,
            rows_left=offer.max_rows,
            price=each.args["price"],
            micro_bits=offer.micro_bits,
            tx=each.tx,
        )
    )


def used(work: UnitOfWork, each: IndexedEvent) -> None:
    """What is left of a license, after a job was opened, or ended without a result."""
    license = work.edit(LicenseRow, each.args["license"])
    license.jobs_left, license.rows_left = each.args["jobsLeft"], each.args["rowsLeft"]


def revoked(work: UnitOfWork, each: IndexedEvent) -> None:
    """The owner took a license back and paid for what was unused."""
    license = work.edit(LicenseRow, each.args["license"])
    license.revoked_at, license.refund = each.at, each.args["refund"]
    credit(work, each, license.buyer, license.refund)
    paid(work, each, "refund", license.buyer, license.refund, offer=license.offer, license=license.id)


def settled(work: UnitOfWork, each: IndexedEvent) -> None:
    """What a license did not use returned to the dataset's budget."""
    license = work.edit(LicenseRow, each.args["license"])
    license.settled_at, license.used_micro_bits = each.at, each.args["used"]


def budgeted(work: UnitOfWork, each: IndexedEvent) -> None:
    """A dataset sells more bits about each person than before."""
    work.edit(DatasetRow, each.args["dataset"]).micro_bits = each.args["budget"]


def reserved(work: UnitOfWork, each: IndexedEvent) -> None:
    """What offers and licenses have taken of a dataset's budget."""
    work.edit(DatasetRow, each.args["dataset"]).reserved = each.args["reserved"]


def earned(work: UnitOfWork, each: IndexedEvent) -> None:
    """An offer earned by a license (the license market says so) or by a job (the job market)."""
    amount = each.args["amount"]
    offer = work.edit(OfferRow, each.args["offer"])
    day = work.edit_or_add(RevenueRow(offer=offer.id, day=each.at // DAY))
    work.edit(TotalsRow, TOTALS).volume += amount
    if each.contract == "LicenseMarket":
        offer.earned_licenses += amount
        day.licenses += amount
        paid(work, each, "license", "", amount, offer=offer.id)
    else:
        offer.earned_jobs += amount
        day.jobs += amount
        paid(work, each, "job", "", amount, offer=offer.id)


def collected(work: UnitOfWork, each: IndexedEvent) -> None:
    """A beneficiary's part of an offer's earnings became its claim."""
    offer, account, amount = work.edit(OfferRow, each.args["offer"]), each.args["account"], each.args["amount"]
    offer.collected += amount
    credit(work, each, account, amount)
    paid(work, each, "collected", account, amount, offer=offer.id)


def withdrawn(work: UnitOfWork, each: IndexedEvent) -> None:
    """A claim was paid out."""
    credit(work, each, each.args["account"], -each.args["amount"])
    paid(work, each, "withdrawn", each.args["account"], each.args["amount"])


def credit(work: UnitOfWork, each: IndexedEvent, address: str, amount: int) -> None:
    """Change what the event's contract owes an account."""
    account = work.edit_or_add(AccountRow(address=address))
    if each.contract == "LicenseMarket":
        account.claim_licenses += amount
    else:
        account.claim_jobs += amount


def paid(
    work: UnitOfWork,
    each: IndexedEvent,
    kind: str,
    account: str,
    amount: int,
    *,
    offer: int | None = None,
    job: int | None = None,
    license: int | None = None,
    dataset: int | None = None,
) -> None:
    """Note that money moved. Nothing is noted of nothing."""
    if not amount:
        return
    if dataset is None and offer is not None:
        dataset = work.get(OfferRow, offer).dataset
    work.payments.append(
        PaymentRow(
            block=each.block,
            log_index=each.index,
            kind=kind,
            account=account,
            amount=amount,
            offer=offer,
            job=job,
            license=license,
            dataset=dataset,
            at=each.at,
            tx=each.tx,
        )
    )


RULES: Mapping[str, Rule] = {
    "OfferCreated": created,
    "OfferDeactivated": deactivated,
    "LicenseBought": bought,
    "LicenseUsed": used,
    "LicenseRestored": used,
    "LicenseRevoked": revoked,
    "LicenseSettled": settled,
    "BudgetSet": budgeted,
    "BudgetReserved": reserved,
}
MONEY: Mapping[str, Rule] = {
    "Earned": earned,
    "Collected": collected,
    "Withdrawn": withdrawn,
}
