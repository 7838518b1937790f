"""The facts of a job for an auditor: who claimed what in which transaction. Checking them is `app.auditor`'s work."""

from __future__ import annotations

from typing import Literal

from sqlmodel import Session

from app.market.queries.form import Answer


class AuditFact(Answer):
    """One claim. `digest` is its value (64 hex digits, or "" for facts that are no digest)."""

    claim: str
    by: str  # address, or "" for the contract itself
    digest: str
    cid: str  # of the object that the digest names, "" when it names none
    source: str  # transaction
    block: int
    block_hash: str
    at: int
    status: Literal["recorded", "open"]  # open: not there yet


class AuditFacts(Answer):
    """All facts of one job, in the order in which they came."""

    chain_id: int
    market: str  # address of the job contract
    job: int
    state: str
    facts: tuple[AuditFact, ...]
    command: str  # that checks everything: darkroom audit 7


def audit_facts(session: Session, job: int) -> AuditFacts:
    """The facts of a job. Errors: NotFound."""
    raise NotImplementedError
