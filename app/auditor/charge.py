"""What a decision says that it costs, worked out again from public records, and its place in the chain of decisions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.auditor.report import CheckStatus, Finding
from app.execution.history import History, released_of
from app.protocol.market.entities import ZERO, Job
from app.protocol.market.receipt import Decision, OutputPolicy
from app.protocol.policy.bits import tell_bits
from app.protocol.policy.rules import rank_of
from app.protocol.vocabulary import Verification

if TYPE_CHECKING:
    from app.chain.market import Market
    from app.execution.inputs import JobInputs
    from app.protocol.policy.leakage import Released
    from app.protocol.ports import Store

HOW: dict[Verification, str] = {
    "self": "recomputed by the custodian",
    "both": "recomputed by the custodian and drawn executors",
    "window": "agreed on by drawn executors and open to objections, or recomputed by the custodian",
}


def charge(market: Market, store: Store, inputs: JobInputs, policy: OutputPolicy, decision: Decision) -> Finding:
    """Whether the micro-bits, the rank, the query and its repetition are those that circuit, rows and policy give.

    Errors: BadInput for a circuit that says nothing countable; NotFound, BadBlock, VerificationFailed.
    """
    digest = inputs.job.decision
    if decision.outcome == "refuse":
        free = (decision.micro_bits, decision.rank, decision.query, decision.again) == (0, 0, "", False)
        return CheckStatus.CONFIRMED if free else CheckStatus.WRONG, digest, "a refusal gives nothing away"
    entry = released_of(inputs, policy)
    if decision.again:
        expected = (0, 0, entry.query)
        detail = "an answer that was given before"
        if not _answered_before(market, store, inputs.job, entry):
            return CheckStatus.WRONG, digest, "no earlier release answers this query"
    else:
        expected = (entry.micro_bits, rank_of(entry), entry.query)
        detail = f"{tell_bits(entry.micro_bits)} about each person, rank {rank_of(entry)}"
    said = (decision.micro_bits, decision.rank, decision.query)
    same = said == expected and (decision.released, decision.verified_by) == (entry.kind, policy.verify)
    return CheckStatus.CONFIRMED if same else CheckStatus.WRONG, digest, f"{detail}; {HOW[policy.verify]}"


def place(market: Market, job: Job) -> Finding:
    """Whether the decision is one of the chain that the contract's head binds, once. Errors: VerificationFailed."""
    if job.decision == ZERO:
        return CheckStatus.OPEN, "", "not decided yet"
    made = market.decisions(job.dataset)
    found = [number for number, each in enumerate(made, 1) if (each.job, each.decision) == (job.id, job.decision)]
    if len(found) != 1:
        return CheckStatus.WRONG, job.decision, "it is not in the chain of decisions"
    return CheckStatus.CONFIRMED, made[found[0] - 1].head, f"number {found[0]} of {len(made)} on dataset {job.dataset}"


def _answered_before(market: Market, store: Store, job: Job, entry: Released) -> bool:
    history = History(market, store)
    for each in market.decisions(job.dataset):
        if each.job == job.id:
            return False
        if each.reason:
            continue
        earlier = market.job(each.job)
        if (earlier.circuit, earlier.version, earlier.first_row, earlier.rows) == (
            job.circuit, job.version, job.first_row, job.rows,
        ) and history.released(earlier).query == entry.query:  # fmt: skip
            return True
    return False
