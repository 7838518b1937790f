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
from app.market.indexer.fold_datasets import TOTALS
from app.market.indexer.happened import Happened, Rule
from app.market.indexer.sheet import Sheet

DAY = 86_400


def created(sheet: Sheet, each: Happened) -> None:
    """A new offer."""
    terms = each.args["terms"]
    sheet.add(
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
            created_at=each.at,
            tx=each.tx,
        )
    )


def deactivated(sheet: Sheet, each: Happened) -> None:
    """An offer sells no more."""
    sheet.edit(OfferRow, each.args["offer"]).active = False


def bought(sheet: Sheet, each: Happened) -> None:
    """A license was sold."""
    offer = sheet.edit(OfferRow, each.args["offer"])
    offer.licenses += 1
    sheet.edit(DatasetRow, offer.dataset).licenses += 1
    sheet.edit(TotalsRow, TOTALS).licenses += 1
    sheet.add(
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
            tx=each.tx,
        )
    )


def used(sheet: Sheet, each: Happened) -> None:
    """What is left of a license, after a job was opened, or ended without a result."""
    license = sheet.edit(LicenseRow, each.args["license"])
    license.jobs_left, license.rows_left = each.args["jobsLeft"], each.args["rowsLeft"]


def revoked(sheet: Sheet, each: Happened) -> None:
    """The owner took a license back and paid for what was unused."""
    license = sheet.edit(LicenseRow, each.args["license"])
    license.revoked_at, license.refund = each.at, each.args["refund"]
    credit(sheet, each, license.buyer, license.refund)
    paid(sheet, each, "refund", license.buyer, license.refund, offer=license.offer, license=license.id)


def earned(sheet: Sheet, each: Happened) -> None:
    """An offer earned by a license (the license market says so) or by a job (the job market)."""
    amount = each.args["amount"]
    offer = sheet.edit(OfferRow, each.args["offer"])
    day = sheet.edit_or_add(RevenueRow(offer=offer.id, day=each.at // DAY))
    sheet.edit(TotalsRow, TOTALS).volume += amount
    if each.contract == "LicenseMarket":
        offer.earned_licenses += amount
        day.licenses += amount
        paid(sheet, each, "license", "", amount, offer=offer.id)
    else:
        offer.earned_jobs += amount
        day.jobs += amount
        paid(sheet, each, "job", "", amount, offer=offer.id)


def taken(sheet: Sheet, each: Happened) -> None:
    """Earnings were taken back for a release that never came."""
    offer = sheet.edit(OfferRow, each.args["offer"])
    offer.taken += each.args["amount"]
    paid(sheet, each, "taken", "", each.args["amount"], offer=offer.id)


def collected(sheet: Sheet, each: Happened) -> None:
    """A beneficiary's part of an offer's earnings became its claim."""
    offer, account, amount = sheet.edit(OfferRow, each.args["offer"]), each.args["account"], each.args["amount"]
    offer.collected += amount
    credit(sheet, each, account, amount)
    paid(sheet, each, "collected", account, amount, offer=offer.id)


def withdrawn(sheet: Sheet, each: Happened) -> None:
    """A claim was paid out."""
    credit(sheet, each, each.args["account"], -each.args["amount"])
    paid(sheet, each, "withdrawn", each.args["account"], each.args["amount"])


def credit(sheet: Sheet, each: Happened, address: str, amount: int) -> None:
    """Change what the event's contract owes an account."""
    account = sheet.edit_or_add(AccountRow(address=address))
    if each.contract == "LicenseMarket":
        account.claim_licenses += amount
    else:
        account.claim_jobs += amount


def paid(
    sheet: Sheet,
    each: Happened,
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
        dataset = sheet.get(OfferRow, offer).dataset
    sheet.payments.append(
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
}
MONEY: Mapping[str, Rule] = {
    "Earned": earned,
    "EarningsTaken": taken,
    "Collected": collected,
    "Withdrawn": withdrawn,
}
