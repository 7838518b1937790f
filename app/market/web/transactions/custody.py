"""What custodians and owners order of the chain besides answers: bonds, contests, licenses that are over."""

from __future__ import annotations

from app.chain.contracts.custodians import JOBS
from app.chain.contracts.licensing import LICENSES
from app.market.web.dependencies.state import AppState
from app.market.web.transactions.drafting import after, approve, plain
from app.market.web.transactions.requests import (
    BondCustodian,
    OnJob,
    SettleLicense,
    UnbondCustodian,
    UnsignedTransaction,
)
from app.protocol.policy.bits import describe_bits


def bond_custodian(here: AppState, order: BondCustodian) -> UnsignedTransaction:
    """By an approval where no allowance covers it. Errors: NotFound, Reverted."""
    record, amount = here.market.dataset(order.dataset), int(order.amount)
    present = here.market.custody(record.id)
    said = (
        f"You put {here.coin.text(amount)} down for the custodian of dataset {record.id}.",
        f"Its bond is {here.coin.text(present.bond)} now, of which open jobs hold {here.coin.text(present.held)}.",
        "It pays buyers' fees where the custodian stays silent, and executors of a contest that overturns nothing.",
        f"Its owner and its custodian, {record.custodian}, can take back what no job holds.",
    )
    enough = amount <= here.market.allowance(order.account, JOBS)
    first = () if enough else (approve(here, order, JOBS, amount),)
    if not first:
        return plain(here, order, "bond-custodian", said, JOBS, "bondCustodian", record.id, amount)
    return after(here, order, "bond-custodian", said, first, JOBS, "bondCustodian", record.id, amount)


def unbond_custodian(here: AppState, order: UnbondCustodian) -> UnsignedTransaction:
    """Errors: NotFound, Reverted."""
    record, amount = here.market.dataset(order.dataset), int(order.amount)
    said = (
        f"You take {here.coin.text(amount)} of the bond of dataset {record.id}'s custodian back, to be withdrawn.",
        "No job opens whose fees what then is left cannot answer for.",
    )
    return plain(here, order, "unbond-custodian", said, JOBS, "unbondCustodian", record.id, amount)


def contest_job(here: AppState, order: OnJob) -> UnsignedTransaction:
    """Errors: NotFound, Reverted."""
    job = here.market.job(order.job)
    others = job.replicas + 1
    most = others * (job.max_fee // job.replicas)
    said = (
        f"You contest the result of job {job.id}: {others} other executors are drawn and compute it again.",
        f"Your bond holds {here.coin.text(most)} for them. It pays them if they find the first result right.",
        "If they find it wrong, the stakes of those who agreed on it pay.",
    )
    return plain(here, order, "contest-job", said, JOBS, "contest", job.id)


def settle_license(here: AppState, order: SettleLicense) -> UnsignedTransaction:
    """Errors: NotFound, Reverted."""
    held, used = here.market.license(order.license), int(order.used_micro_bits)
    said = (
        f"You settle license {held.id} of dataset {held.dataset}, which is over.",
        f"It was told {describe_bits(used)} of its {describe_bits(held.micro_bits)} bits about each person, you say.",
        "Everybody can count them in your decisions. The rest is for sale again.",
    )
    return plain(here, order, "settle-license", said, LICENSES, "settleLicense", held.id, used)
