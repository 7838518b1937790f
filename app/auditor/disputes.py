"""What an auditor says of disputes: the program that an order states, and how each dispute ended."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from app.auditor.report import AuditCheck, CheckStatus, Finding
from app.auditor.rounds import in_order
from app.chain.contracts.custodians import JOBS
from app.chain.contracts.entities import order_digest
from app.execution.program import own_program
from app.protocol.errors import TryAgain
from app.protocol.ids import Digest
from app.protocol.market.disputes import Verdict

if TYPE_CHECKING:
    from app.chain.events import Event
    from app.chain.market import Market
    from app.execution.inputs import JobInputs
    from app.execution.key_roots import RootsOf


def program(market: Market, inputs: JobInputs, roots_of: RootsOf) -> Finding:
    """Whether an order states its circuit's program on this dataset and key, and the contract holds it to that."""
    job, expected = inputs.job, own_program(inputs, roots_of)
    if job.program != expected:
        return CheckStatus.WRONG, job.program, "the circuit has another one, so a dispute could convict the honest"
    if market.client.read(JOBS, "orderDigest", job.id) != order_digest(job, inputs.dataset):
        return CheckStatus.WRONG, job.program, "the contract keeps another order than the job's events say"
    return CheckStatus.CONFIRMED, job.program, "executors can be convicted of a wrong result"


def disputes(market: Market, events: Sequence[Event], own: Digest) -> Iterator[AuditCheck]:
    """A line for every dispute that is over: `own` is the digest of the receipt that re-execution gives.

    A contract convicts the honest of nothing but silence, and clears nobody of a lie that was shown to it.
    """
    states: dict[int, Event] = {}
    deadlines: dict[int, int] = {}  # of the next move
    for event in in_order(events):
        if event.name == "DisputeEnded":
            number, who = event.args["dispute"], event.args["executor"]
            claim = f"dispute {number} about the result of {who} ended as the rules say"
            before = states.get(number)
            status, digest, detail = _ended(market, before, deadlines.get(number, 0), event, own)
            yield AuditCheck("dispute", claim, event.tx, digest, status, detail)
        elif "dispute" in event.args and "state" in event.args:
            states[event.args["dispute"]] = event
            deadlines[event.args["dispute"]] = event.args["state"]["deadline"]
        elif "dispute" in event.args:  # a move about a lookup, which tells no more than changes
            deadlines[event.args["dispute"]] = event.args["deadline"]


def _ended(market: Market, before: Event | None, deadline: int, event: Event, own: Digest) -> Finding:
    if before is None:
        return CheckStatus.OPEN, "", "the node does not say how it began"
    state, verdict = before.args["state"], Verdict(event.args["verdict"])
    receipt, true = state["receipt"], state["receipt"] == own
    try:
        late = market.node.block(event.block).time > deadline
    except TryAgain as error:
        return CheckStatus.OPEN, receipt, str(error)
    how = "silent" if late else "shown"
    if verdict is Verdict.CONVICTED:
        if true and not late:
            return CheckStatus.WRONG, receipt, "its result is true, and it was convicted in time"
        return CheckStatus.CONFIRMED, receipt, f"convicted, {how}: its result is {'true' if true else 'false'}"
    if verdict is Verdict.CLEARED:
        detail = (
            f"cleared, the challenger was {how if late else 'refuted'}: its result is {'true' if true else 'false'}"
        )
        return CheckStatus.CONFIRMED, receipt, detail
    return CheckStatus.CONFIRMED, receipt, "another dispute had convicted it before"
