"""What an account is in the market, and where its money stands: available, held by open jobs, paid out."""

from __future__ import annotations

from sqlmodel import Session, col, func, select

from app.chain.address import eip55
from app.market.db.tables import DatasetRow, JobRow, LicenseRow, OfferRow, PaymentRow, ProviderRow
from app.market.queries.owner import UNDER_WAY, claims
from app.market.queries.view import Amount, View

COUNTED = 10_000  # of the newest of each kind


class MoneyStanding(View):
    """Token units. `complete`: nothing was too much to count; else `paid` or `pending` is at least that."""

    available: Amount  # claims and what its offers earned
    pending: Amount  # prices of open jobs on its datasets, in escrow: released to it, or back to their buyers
    paid: Amount  # withdrawn, ever
    complete: bool


class PartTaken(View):
    """What an account is in the market, by what the index knows of it."""

    datasets: int  # that it owns and that still answer
    licenses: int  # that it bought, ever
    provider: bool  # whether it ever bonded


def part_taken(session: Session, address: str) -> PartTaken:
    """What an account does here. Errors: BadInput for no address."""
    address = eip55(address)
    own = select(func.count()).select_from(DatasetRow).where(DatasetRow.owner == address, ~col(DatasetRow.tombstoned))
    bought = select(func.count()).select_from(LicenseRow).where(LicenseRow.buyer == address)
    return PartTaken(
        datasets=session.exec(own).one(),
        licenses=session.exec(bought).one(),
        provider=session.get(ProviderRow, address) is not None,
    )


def money_standing(session: Session, address: str) -> MoneyStanding:
    """What an account has in the market's contracts, and has had out of them. Errors: BadInput for no address."""
    address = eip55(address)
    offers = session.exec(select(OfferRow).where(OfferRow.seller == address).limit(COUNTED)).all()
    own = select(DatasetRow.id).where(DatasetRow.owner == address)
    waiting = select(JobRow.price).where(
        col(JobRow.dataset).in_(own), col(JobRow.state).in_([int(state) for state in UNDER_WAY])
    )
    held = session.exec(waiting.limit(COUNTED)).all()
    paid = session.exec(
        select(PaymentRow.amount)
        .where(PaymentRow.account == address, PaymentRow.kind == "withdrawn")
        .order_by(col(PaymentRow.block).desc())
        .limit(COUNTED)
    ).all()
    unshared = sum(each.earned_licenses + each.earned_jobs - each.collected for each in offers)
    return MoneyStanding(
        available=sum(claims(session, address).values()) + unshared,
        pending=sum(held),
        paid=sum(paid),
        complete=max(len(offers), len(held), len(paid)) < COUNTED,
    )
