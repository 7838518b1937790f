"""Receipts of what an agent did: each names mandate, order, payment, result and audit, all of it from the chain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from app.protocol.documents import Document, Sha256
from app.protocol.market.entities import ZERO, JobState
from app.protocol.market.mandate import ACTIONS, Mandate

if TYPE_CHECKING:
    from app.chain.events import Event
    from app.chain.market import Market


class MandatePayment(Document):
    """The transaction that paid, what it took from the mandate's account, and what of it came back."""

    tx: str
    block: int
    amount: int  # token units, fees that were set aside included
    refunded: int  # token units
    spent: int  # token units by all actions so far, this one included
    occurrence: int  # which of the mandate's actions it was, from 1


class MandateResult(Document):
    """What became of a job. Digests are zeros where there is none (yet); `reason` is of a refusal."""

    state: str
    sealed: Sha256
    decision: Sha256
    reason: str


class MandateAudit(Document):
    """What anybody can check a job's result by: `darkroom audit` recomputes the receipt."""

    circuit: Sha256
    receipt: Sha256  # that the executors agreed on; zeros before
    command: str


class MandateUse(Document):
    """One action under a mandate, as a receipt."""

    kind: Literal["darkroom/mandate-use"] = "darkroom/mandate-use"
    chain_id: int
    contract: str
    mandate: Sha256  # its EIP-712 digest
    agent: str
    purpose: str
    action: Literal["license", "job"]
    order: int  # number of the license or the job
    dataset: int
    policy: Sha256
    payment: MandatePayment
    result: MandateResult | None  # of a job
    audit: MandateAudit | None  # of a job


def uses_of(market: Market, mandate: Mandate) -> list[MandateUse]:
    """Everything that was done under a mandate, in order. Errors: NotFound without mandates; Unavailable."""
    from app.chain.contracts.mandates import mandate_id

    return [_use(market, mandate, event) for event in market.mandate_uses(mandate_id(mandate))]


def _use(market: Market, mandate: Mandate, event: Event) -> MandateUse:
    args, number = event.args, int(event.args["subject"])
    result, audit, refunded = None, None, 0
    if args["action"] != ACTIONS["license"]:
        job = market.job(number)
        refunded = market.refunded(job)
        result = MandateResult(
            state=job.state.name.lower(), sealed=job.sealed, decision=job.decision, reason=job.reason or ""
        )
        over = job.state is not JobState.OPEN
        audit = MandateAudit(
            circuit=job.circuit, receipt=job.receipt if over else ZERO, command=f"darkroom audit {number}"
        )
    return MandateUse(
        chain_id=mandate.chain_id,
        contract=mandate.contract,
        mandate=args["mandate"],
        agent=mandate.agent,
        purpose=mandate.purpose,
        action="license" if result is None else "job",
        order=number,
        dataset=int(args["dataset"]),
        policy=args["policy"],
        payment=MandatePayment(
            tx=event.tx,
            block=event.block,
            amount=int(args["amount"]),
            refunded=refunded,
            spent=int(args["spent"]),
            occurrence=int(args["occurrences"]),
        ),
        result=result,
        audit=audit,
    )
