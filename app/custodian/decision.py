"""Decisions: what the custodian decided on which facts, signed by its account, so that it can be held to it."""

from __future__ import annotations

from app.custodian.ports import Sign
from app.protocol.ids import Digest
from app.protocol.market.entities import Job
from app.protocol.market.receipt import Decision
from app.protocol.policy.reasons import Reason
from app.protocol.policy.rules import Grant, ReleaseCase
from app.protocol.vocabulary import Verification


def release(case: ReleaseCase, grant: Grant) -> Decision:
    """The decision to release what was granted, not yet signed."""
    return Decision(
        chain_id=case.chain_id,
        market=case.market,
        job=case.job.id,
        receipt=case.job.receipt,
        policy=case.license.policy,
        verified_by=case.policy.verify,
        outcome="release",
        reason="",
        released=grant.entry.kind,
        rank=grant.rank,
        micro_bits=grant.entry.micro_bits,
        query=grant.entry.query,
        again=grant.again,
    )


def refuse(chain_id: int, market: str, job: Job, policy: Digest, verify: Verification, reason: Reason) -> Decision:
    """The decision to refuse, not yet signed; `policy` is the digest in the job's license."""
    return Decision(
        chain_id=chain_id,
        market=market,
        job=job.id,
        receipt=job.receipt,
        policy=policy,
        verified_by=verify,
        outcome="refuse",
        reason=reason,
        released="",
        rank=0,
        micro_bits=0,
        query="",
        again=False,
    )


def signed(decision: Decision, sign: Sign) -> Decision:
    """The decision with the custodian's EIP-191 signature over its digest."""
    return decision.model_copy(update={"signature": sign(decision.digest)})
