"""The job market's events. The order within a transaction is that of JobMarket.sol, which the comments name."""

from __future__ import annotations

from collections.abc import Mapping

from app.chain.contracts.entities import next_head, word_to_reason
from app.market.db.tables import DatasetRow, ExecutionRow, JobRow, LicenseRow, ProviderRow, TotalsRow
from app.market.indexer.indexed_event import IndexedEvent, Rule
from app.market.indexer.projections.datasets import TOTALS
from app.market.indexer.projections.disputes import rewarded
from app.market.indexer.projections.licensing import credit, paid
from app.market.indexer.unit_of_work import UnitOfWork
from app.market.text import clean
from app.protocol.ids import Digest
from app.protocol.market.entities import ZERO, Approval, JobState


def _job(work: UnitOfWork, each: IndexedEvent) -> JobRow:
    return work.edit(JobRow, each.args["job"])


def _execution(work: UnitOfWork, each: IndexedEvent) -> ExecutionRow:
    """The part of the provider that the event names; it has one part in a job at most."""
    job, provider = work.get(JobRow, each.args["job"]), each.args["provider"]
    place = next(p for p in range(job.executors) if work.get(ExecutionRow, job.id, p).provider == provider)
    return work.edit(ExecutionRow, job.id, place)


def opened(work: UnitOfWork, each: IndexedEvent) -> None:
    """A job was funded; executors can be drawn from the block after the next on."""
    said = each.args
    dataset = work.edit(DatasetRow, said["dataset"])
    dataset.jobs += 1
    dataset.custody_held += said["maxFee"]
    work.edit(TotalsRow, TOTALS).jobs += 1
    work.add(
        JobRow(
            id=said["job"],
            license=said["license"],
            offer=work.get(LicenseRow, said["license"]).offer,
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
            deadline=each.at + work.rules.draw_window,
            opened_block=each.block,
            opened_tx=each.tx,
            opened_at=each.at,
            changed_at=each.at,
        )
    )


def stated(work: UnitOfWork, each: IndexedEvent) -> None:
    """Its results can be disputed."""
    _job(work, each).program = each.args["program"]


def armed(work: UnitOfWork, each: IndexedEvent) -> None:
    """The draw came too late for its block's hash; another block was named, and the deadline stays."""
    _job(work, each).seed_block = each.args["seedBlock"]


def assigned(work: UnitOfWork, each: IndexedEvent) -> None:
    """All executors were drawn."""
    continued(work, each)
    job = _job(work, each)
    job.state, job.revealing, job.deadline, job.assigned_at = JobState.ASSIGNED, False, each.args["commitBy"], each.at


def continued(work: UnitOfWork, each: IndexedEvent) -> None:
    """Executors were drawn, and hold a stake each; more are to be found by another call."""
    job = _job(work, each)
    for position, (address, fee) in enumerate(
        zip(each.args["providers"], each.args["fees"], strict=True), job.executors
    ):
        work.add(ExecutionRow(job=job.id, provider=address, position=position, round=job.round, fee=fee))
        provider = work.edit(ProviderRow, address)
        provider.drawn += 1
        provider.locked += work.rules.stake(fee)
        provider.in_use += job.units
    job.executors += len(each.args["providers"])


def bounty(work: UnitOfWork, each: IndexedEvent) -> None:
    """Who drew met seats without a sign of life, which pay for the gas."""
    job, caller, amount = _job(work, each), each.args["caller"], each.args["amount"]
    credit(work, each, caller, amount)
    paid(work, each, "bounty", caller, amount, offer=job.offer, job=job.id)


def committed(work: UnitOfWork, each: IndexedEvent) -> None:
    """An executor put its digest on record, unseen."""
    execution = _execution(work, each)
    execution.commitment, execution.committed_at = each.args["commitment"], each.at


def reveals_open(work: UnitOfWork, each: IndexedEvent) -> None:
    """All have committed."""
    job = _job(work, each)
    job.revealing, job.deadline = True, each.args["revealBy"]


def revealed(work: UnitOfWork, each: IndexedEvent) -> None:
    """An executor showed its digest."""
    execution = _execution(work, each)
    execution.receipt, execution.revealed_at = each.args["receipt"], each.at


def declined(work: UnitOfWork, each: IndexedEvent) -> None:
    """It stepped back before committing; its stake is free."""
    execution = _execution(work, each)
    execution.outcome = "declined"
    work.edit(ProviderRow, execution.provider).unpaid += 1
    _let_go(work, execution)


def executor_slashed(work: UnitOfWork, each: IndexedEvent) -> None:
    """It was silent, showed another digest than the agreed one, or was convicted before. Its bond is the business of
    the providers' own event.
    """
    execution = _execution(work, each)
    provider = work.edit(ProviderRow, execution.provider)
    provider.in_use -= work.get(JobRow, execution.job).units
    execution.slashed = each.args["amount"]
    if each.args["silent"]:
        execution.outcome = "silent"
        provider.silent += 1
        provider.heartbeat = 0  # suspended until it says that it is alive
    elif execution.outcome == "convicted":
        provider.disagreed += 1
        rewarded(work, each, execution.convicted_by, execution.slashed)
    else:
        execution.outcome = "disagreed"
        provider.disagreed += 1


def executor_paid(work: UnitOfWork, each: IndexedEvent) -> None:
    """Its digest is the job's result; its stake is free."""
    execution, amount = _execution(work, each), each.args["amount"]
    execution.outcome, execution.paid = "agreed", amount
    job = _job(work, each)
    job.fees += amount
    provider = work.edit(ProviderRow, execution.provider)
    provider.agreed += 1
    provider.earned += amount
    _let_go(work, execution)
    work.edit(TotalsRow, TOTALS).fees += amount
    credit(work, each, provider.address, amount)
    paid(work, each, "fee", provider.address, amount, offer=job.offer, job=job.id)


def disputed(work: UnitOfWork, each: IndexedEvent) -> None:
    """Digests differ, or executors were silent: more are drawn."""
    job = _job(work, each)
    job.state, job.revealing, job.round = JobState.DISPUTED, False, each.args["round"]
    job.seed_block, job.deadline = each.args["seedBlock"], each.at + work.rules.draw_window


def contested(work: UnitOfWork, each: IndexedEvent) -> None:
    """The custodian found another result than the agreed one: others are drawn, and decide."""
    job = _job(work, each)
    job.state, job.revealing, job.round, job.receipt = JobState.DISPUTED, False, 0, ""
    job.seed_block, job.deadline = each.args["seedBlock"], each.at + work.rules.draw_window
    job.contested_from = job.executors
    work.edit(DatasetRow, job.dataset).custody_held += _contest_hold(job)


def computed(work: UnitOfWork, each: IndexedEvent) -> None:
    """Enough digests agree; the custodian's turn."""
    job = _job(work, each)
    job.state, job.revealing, job.computed_at = JobState.COMPUTED, False, each.at
    job.receipt, job.deadline = each.args["receipt"], each.args["releaseBy"]


def approved(work: UnitOfWork, each: IndexedEvent) -> None:
    """The owner's yes."""
    _answered(work, each, Approval.APPROVED)


def denied(work: UnitOfWork, each: IndexedEvent) -> None:
    """The owner's no."""
    _answered(work, each, Approval.DENIED)


def released(work: UnitOfWork, each: IndexedEvent) -> None:
    """The sealed result is out."""
    job = _job(work, each)
    job.state, job.released_at = JobState.RELEASED, each.at
    job.sealed = each.args["sealedDigest"]
    _decided(work, each, job)


def settled(work: UnitOfWork, each: IndexedEvent) -> None:
    """Everyone's share can be withdrawn. The executors' fees and stakes were named before."""
    job = _closed(work, each, JobState.SETTLED)
    _unpaid(work, _waiting(work, job))
    work.edit(DatasetRow, job.dataset).jobs_settled += 1


def refused(work: UnitOfWork, each: IndexedEvent) -> None:
    """The owner's policy said no. The executors' fees and stakes are named after."""
    job = _closed(work, each, JobState.REFUSED)
    job.reason = clean(word_to_reason(each.args["reason"]), 32)
    _decided(work, each, job)
    _unpaid(work, without_fee(job, _waiting(work, job)))


def expired(work: UnitOfWork, each: IndexedEvent) -> None:
    """The draw found nobody in time, or the custodian was silent. Fees and stakes were named before."""
    _unpaid(work, _waiting(work, _closed(work, each, JobState.EXPIRED)))


def failed(work: UnitOfWork, each: IndexedEvent) -> None:
    """No majority could be found: nobody is paid, and the stakes of all who were not silent are free."""
    _unpaid(work, _waiting(work, _closed(work, each, JobState.FAILED)))


def penalized(work: UnitOfWork, each: IndexedEvent) -> None:
    """The custodian's bond paid for its silence, or for a contest that did not overturn the result."""
    dataset, amount = work.edit(DatasetRow, each.args["dataset"]), each.args["amount"]
    dataset.custody_bond -= amount
    _job(work, each).penalty += amount
    paid(work, each, "penalty", dataset.custodian, amount, job=each.args["job"], dataset=dataset.id)


def custodian_bonded(work: UnitOfWork, each: IndexedEvent) -> None:
    """More answers for a custodian's silence."""
    dataset, amount = work.edit(DatasetRow, each.args["dataset"]), each.args["amount"]
    dataset.custody_bond += amount
    paid(work, each, "custody", each.args["by"], amount, dataset=dataset.id)


def custodian_unbonded(work: UnitOfWork, each: IndexedEvent) -> None:
    """A part of a custodian's bond that no job held became a claim."""
    dataset, amount = work.edit(DatasetRow, each.args["dataset"]), each.args["amount"]
    dataset.custody_bond -= amount
    credit(work, each, each.args["by"], amount)
    paid(work, each, "custody-back", each.args["by"], amount, dataset=dataset.id)


def refunded(work: UnitOfWork, each: IndexedEvent) -> None:
    """The buyer has something back."""
    job = _job(work, each)
    job.refunded += each.args["amount"]
    credit(work, each, each.args["buyer"], each.args["amount"])
    paid(work, each, "refund", each.args["buyer"], each.args["amount"], offer=job.offer, job=job.id)


def paused(work: UnitOfWork, each: IndexedEvent) -> None:
    """No new jobs for a while."""
    work.edit(TotalsRow, TOTALS).paused_until = each.args["until"]


def unpaused(work: UnitOfWork, _each: IndexedEvent) -> None:
    """New jobs again."""
    work.edit(TotalsRow, TOTALS).paused_until = 0


def _answered(work: UnitOfWork, each: IndexedEvent, word: Approval) -> None:
    job = _job(work, each)
    job.approval, job.approval_by = word, each.args["owner"]
    job.approval_at, job.approval_tx = each.at, each.tx


def _closed(work: UnitOfWork, each: IndexedEvent, state: JobState) -> JobRow:
    job = _job(work, each)
    job.state, job.revealing, job.deadline = state, False, 0
    job.closed_at, job.closed_block = each.at, each.block
    held = job.max_fee + (_contest_hold(job) if job.contested_from else 0)
    work.edit(DatasetRow, job.dataset).custody_held -= held
    return job


def _decided(work: UnitOfWork, each: IndexedEvent, job: JobRow) -> None:
    """One more answer in the dataset's chain of them."""
    job.decision = each.args["decision"]
    dataset = work.edit(DatasetRow, job.dataset)
    dataset.head = next_head(Digest(dataset.head or ZERO), job.id, Digest(job.decision))


def _contest_hold(job: JobRow) -> int:
    """What a contest holds of the custodian's bond: Custody._contestHold."""
    return (job.replicas + 1) * (job.max_fee // job.replicas)


def _let_go(work: UnitOfWork, execution: ExecutionRow) -> None:
    """End the job's hold on an executor."""
    provider = work.edit(ProviderRow, execution.provider)
    provider.locked -= work.rules.stake(execution.fee)
    provider.in_use -= work.get(JobRow, execution.job).units


def _waiting(work: UnitOfWork, job: JobRow) -> list[ExecutionRow]:
    """The executors of whom nothing was said yet, in the order of the draws."""
    parts = (work.get(ExecutionRow, job.id, place) for place in range(job.executors))
    return [part for part in parts if not part.outcome]


def _unpaid(work: UnitOfWork, parts: list[ExecutionRow]) -> None:
    """Their stakes are free, without an event that says so."""
    for part in parts:
        execution = work.edit(ExecutionRow, part.job, part.position)
        execution.outcome = "unpaid"
        work.edit(ProviderRow, execution.provider).unpaid += 1
        _let_go(work, execution)


def without_fee(job: JobRow, parts: list[ExecutionRow]) -> list[ExecutionRow]:
    """Executors that are neither paid nor slashed at a job's end, as Settlement._payWinners finds them.

    They showed nothing, since a contest ended while they were still being drawn; or an undecided contest had called
    more than it pays for.
    """
    shown = [part for part in parts if part.receipt]
    winners = shown
    if job.contested_from:
        receipts = [part.receipt for part in shown]
        best = max(receipts, key=receipts.count)  # the first of equally frequent ones
        if receipts.count(best) > job.replicas:
            winners = [part for part in shown if part.receipt == best]
        else:
            early = [part.receipt for part in shown if part.position < job.contested_from]
            first = max(early, key=early.count)
            winners = [part for part in shown if part.position >= job.contested_from or part.receipt == first]
    return [part for part in parts if not part.receipt] + winners[2 * job.replicas + 1 :]


RULES: Mapping[str, Rule] = {
    "JobOpened": opened,
    "ProgramStated": stated,
    "DrawArmed": armed,
    "DrawContinued": continued,
    "JobAssigned": assigned,
    "EvictionPaid": bounty,
    "Committed": committed,
    "RevealsOpen": reveals_open,
    "Declined": declined,
    "Revealed": revealed,
    "ExecutorSlashed": executor_slashed,
    "PaymentReleased": executor_paid,
    "JobDisputed": disputed,
    "JobContested": contested,
    "JobComputed": computed,
    "JobApproved": approved,
    "JobDenied": denied,
    "JobReleased": released,
    "JobSettled": settled,
    "JobRefused": refused,
    "JobExpired": expired,
    "JobFailed": failed,
    "Refunded": refunded,
    "CustodianPenalized": penalized,
    "CustodianBonded": custodian_bonded,
    "CustodianUnbonded": custodian_unbonded,
    "Paused": paused,
    "Unpaused": unpaused,
}
