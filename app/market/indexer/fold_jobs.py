"""The job market's events. The order within a transaction is that of JobMarket.sol, which the comments name."""

from __future__ import annotations

from collections.abc import Mapping

from app.chain.entities import word_to_reason
from app.market.db.tables import DatasetRow, ExecutionRow, JobRow, LicenseRow, ProviderRow, TotalsRow
from app.market.indexer.fold_datasets import TOTALS
from app.market.indexer.fold_licensing import credit, paid
from app.market.indexer.happened import Happened, Rule
from app.market.indexer.sheet import Sheet
from app.market.text import clean
from app.protocol.market import Approval, JobState


def _job(sheet: Sheet, each: Happened) -> JobRow:
    return sheet.edit(JobRow, each.args["job"])


def _execution(sheet: Sheet, each: Happened) -> ExecutionRow:
    """The part of the provider that the event names; it has one part in a job at most."""
    job, provider = sheet.get(JobRow, each.args["job"]), each.args["provider"]
    place = next(p for p in range(job.executors) if sheet.get(ExecutionRow, job.id, p).provider == provider)
    return sheet.edit(ExecutionRow, job.id, place)


def opened(sheet: Sheet, each: Happened) -> None:
    """A job was funded; executors can be drawn from the block after the next on."""
    said = each.args
    sheet.edit(DatasetRow, said["dataset"]).jobs += 1
    sheet.edit(TotalsRow, TOTALS).jobs += 1
    sheet.add(
        JobRow(
            id=said["job"],
            license=said["license"],
            offer=sheet.get(LicenseRow, said["license"]).offer,
            dataset=said["dataset"],
            version=said["version"],
            buyer=said["buyer"],
            state=JobState.OPEN,
            circuit=said["circuit"],
            first_row=said["firstRow"],
            rows=said["rows"],
            sealing_key=said["sealingKey"],
            units=said["units"],
            replicas=said["replicas"],
            price=said["price"],
            max_fee=said["maxFee"],
            seed_block=each.block + 1,
            deadline=each.at + sheet.rules.draw_window,
            opened_block=each.block,
            opened_tx=each.tx,
            opened_at=each.at,
            changed_at=each.at,
        )
    )


def armed(sheet: Sheet, each: Happened) -> None:
    """The draw came too late for its block's hash; another block was named, and the deadline stays."""
    _job(sheet, each).seed_block = each.args["seedBlock"]


def assigned(sheet: Sheet, each: Happened) -> None:
    """Executors were drawn, and hold a stake each."""
    job = _job(sheet, each)
    job.state, job.revealing, job.deadline, job.assigned_at = JobState.ASSIGNED, False, each.args["commitBy"], each.at
    for position, (address, fee) in enumerate(
        zip(each.args["providers"], each.args["fees"], strict=True), job.executors
    ):
        sheet.add(ExecutionRow(job=job.id, provider=address, position=position, round=job.round, fee=fee))
        provider = sheet.edit(ProviderRow, address)
        provider.drawn += 1
        provider.locked += sheet.rules.stake(fee)
    job.executors += len(each.args["providers"])


def committed(sheet: Sheet, each: Happened) -> None:
    """An executor put its digest on record, unseen."""
    execution = _execution(sheet, each)
    execution.commitment, execution.committed_at = each.args["commitment"], each.at


def reveals_open(sheet: Sheet, each: Happened) -> None:
    """All have committed."""
    job = _job(sheet, each)
    job.revealing, job.deadline = True, each.args["revealBy"]


def revealed(sheet: Sheet, each: Happened) -> None:
    """An executor showed its digest."""
    execution = _execution(sheet, each)
    execution.receipt, execution.revealed_at = each.args["receipt"], each.at


def executor_slashed(sheet: Sheet, each: Happened) -> None:
    """It was silent, or showed another digest than the agreed one. Its bond is `fold_providers.slashed`'s business."""
    execution = _execution(sheet, each)
    provider = sheet.edit(ProviderRow, execution.provider)
    execution.slashed = each.args["amount"]
    if each.args["silent"]:
        execution.outcome = "silent"
        provider.silent += 1
        provider.heartbeat = 0  # suspended until it says that it is alive
    else:
        execution.outcome = "disagreed"
        provider.disagreed += 1


def executor_paid(sheet: Sheet, each: Happened) -> None:
    """It showed the agreed digest; its stake is free."""
    execution, amount = _execution(sheet, each), each.args["amount"]
    execution.outcome, execution.paid = "agreed", amount
    job = _job(sheet, each)
    job.fees += amount
    provider = sheet.edit(ProviderRow, execution.provider)
    provider.agreed += 1
    provider.earned += amount
    provider.locked -= sheet.rules.stake(execution.fee)
    sheet.edit(TotalsRow, TOTALS).fees += amount
    credit(sheet, each, provider.address, amount)
    paid(sheet, each, "fee", provider.address, amount, offer=job.offer, job=job.id)


def disputed(sheet: Sheet, each: Happened) -> None:
    """Digests differ, or executors were silent: more are drawn."""
    job = _job(sheet, each)
    job.state, job.revealing, job.round = JobState.DISPUTED, False, each.args["round"]
    job.seed_block, job.deadline = each.args["seedBlock"], each.at + sheet.rules.draw_window


def computed(sheet: Sheet, each: Happened) -> None:
    """Enough digests agree; the custodian's turn."""
    job = _job(sheet, each)
    job.state, job.revealing, job.computed_at = JobState.COMPUTED, False, each.at
    job.receipt, job.deadline = each.args["receipt"], each.args["releaseBy"]


def approved(sheet: Sheet, each: Happened) -> None:
    """The owner's yes."""
    _answered(sheet, each, Approval.APPROVED)


def denied(sheet: Sheet, each: Happened) -> None:
    """The owner's no."""
    _answered(sheet, each, Approval.DENIED)


def released(sheet: Sheet, each: Happened) -> None:
    """The sealed result is out."""
    job = _job(sheet, each)
    job.state, job.released_at = JobState.RELEASED, each.at
    job.sealed, job.decision = each.args["sealedDigest"], each.args["decision"]


def settled(sheet: Sheet, each: Happened) -> None:
    """Everyone's share can be withdrawn."""
    job = _closed(sheet, each, JobState.SETTLED)
    sheet.edit(DatasetRow, job.dataset).jobs_settled += 1


def refused(sheet: Sheet, each: Happened) -> None:
    """The owner's policy said no."""
    job = _closed(sheet, each, JobState.REFUSED)
    job.reason, job.decision = clean(word_to_reason(each.args["reason"]), 32), each.args["decision"]


def expired(sheet: Sheet, each: Happened) -> None:
    """Somebody missed a deadline. No executor holds a stake in the two stages from which this comes."""
    _closed(sheet, each, JobState.EXPIRED)


def failed(sheet: Sheet, each: Happened) -> None:
    """No majority could be found: nobody is paid, and the stakes of all who were not silent are free."""
    job = _closed(sheet, each, JobState.FAILED)
    for place in range(job.executors):
        execution = sheet.edit(ExecutionRow, job.id, place)
        if execution.outcome != "silent":
            execution.outcome = "unpaid"
            provider = sheet.edit(ProviderRow, execution.provider)
            provider.unpaid += 1
            provider.locked -= sheet.rules.stake(execution.fee)


def refunded(sheet: Sheet, each: Happened) -> None:
    """The buyer has something back."""
    job = _job(sheet, each)
    job.refunded += each.args["amount"]
    credit(sheet, each, each.args["buyer"], each.args["amount"])
    paid(sheet, each, "refund", each.args["buyer"], each.args["amount"], offer=job.offer, job=job.id)


def paused(sheet: Sheet, each: Happened) -> None:
    """No new jobs for a while."""
    sheet.edit(TotalsRow, TOTALS).paused_until = each.args["until"]


def unpaused(sheet: Sheet, _each: Happened) -> None:
    """New jobs again."""
    sheet.edit(TotalsRow, TOTALS).paused_until = 0


def _answered(sheet: Sheet, each: Happened, word: Approval) -> None:
    job = _job(sheet, each)
    job.approval, job.approval_by = word, each.args["owner"]
    job.approval_at, job.approval_tx = each.at, each.tx


def _closed(sheet: Sheet, each: Happened, state: JobState) -> JobRow:
    job = _job(sheet, each)
    job.state, job.revealing, job.deadline = state, False, 0
    job.closed_at, job.closed_block = each.at, each.block
    return job


RULES: Mapping[str, Rule] = {
    "JobOpened": opened,
    "DrawArmed": armed,
    "JobAssigned": assigned,
    "Committed": committed,
    "RevealsOpen": reveals_open,
    "Revealed": revealed,
    "ExecutorSlashed": executor_slashed,
    "PaymentReleased": executor_paid,
    "JobDisputed": disputed,
    "JobComputed": computed,
    "JobApproved": approved,
    "JobDenied": denied,
    "JobReleased": released,
    "JobSettled": settled,
    "JobRefused": refused,
    "JobExpired": expired,
    "JobFailed": failed,
    "Refunded": refunded,
    "Paused": paused,
    "Unpaused": unpaused,
}
