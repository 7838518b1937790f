"""Where a job's money is, and how the job came to its end. Pure: what the chain says in, amounts and names out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from app.market.queries.jobs import JobDetail

Cause = Literal["", "draw", "custodian", "agreement", "judges"]
# draw: nobody drew executors; custodian: it did not answer; agreement: all rounds were used up; judges: nobody drew
# more executors after a disagreement. "" while the job runs, and for ends that their state names.


@dataclass(frozen=True)
class EscrowBreakdown:
    """Token units. What the buyer, the custodian's bond and liars' stakes put in is what the last four have."""

    paid: int  # by the buyer, into escrow
    penalty: int  # by the custodian's bond, for its silence or for a contest that overturned nothing
    stakes: int  # by liars' stakes, for those who found them out
    lost: int  # stakes of executors; what nobody is owed of them is burned
    held: int  # in escrow
    owner: int  # earned
    executors: int
    buyer: int  # credited back


def escrow_breakdown(detail: JobDetail) -> EscrowBreakdown:
    """Where everybody's part is."""
    job = detail.job
    paid, lost = job.price + job.max_fee, sum(each.slashed for each in detail.executions)
    earned = job.price if job.state == "settled" else 0
    rest = paid + detail.penalty - job.fees - job.refunded - earned
    return EscrowBreakdown(paid, detail.penalty, max(-rest, 0), lost, max(rest, 0), earned, job.fees, job.refunded)


def cause(detail: JobDetail) -> Cause:
    """Why a job ended without an answer of the custodian."""
    events = [entry.event for entry in detail.timeline]
    if detail.job.state == "expired":
        return "custodian" if "JobComputed" in events else "draw"
    if detail.job.state == "failed":
        last = next((event for event in reversed(events) if event in ("JobAssigned", "JobDisputed")), "")
        return "judges" if last == "JobDisputed" else "agreement"
    return ""
