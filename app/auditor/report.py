"""What an audit found: one line per fact, each with where it was claimed and whether it holds."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class CheckStatus(StrEnum):
    """What became of one check."""

    CONFIRMED = "confirmed"
    WRONG = "wrong"  # the fact is false: somebody lied or something is damaged
    OPEN = "open"  # not there yet, or out of reach: nothing can be said


Finding = tuple[CheckStatus, str, str]  # status, digest, detail


@dataclass(frozen=True)
class AuditCheck:
    """One fact of a job. `fact` is its kind, a stable name for programs: docs/provenance.md says what each shows."""

    fact: str
    claim: str
    source: str  # the transaction, block or CID that makes the claim
    digest: str  # what was compared, hex; empty where the fact is no digest
    status: CheckStatus
    detail: str = ""


@dataclass(frozen=True)
class AuditReport:
    """All facts of one job."""

    chain_id: int
    market: str
    job: int
    state: str
    checks: tuple[AuditCheck, ...]

    @property
    def confirmed(self) -> bool:
        """No fact is wrong. Facts of steps that have not happened yet are open, not wrong."""
        return all(check.status is not CheckStatus.WRONG for check in self.checks)

    @property
    def complete(self) -> bool:
        """Every fact is confirmed."""
        return all(check.status is CheckStatus.CONFIRMED for check in self.checks)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**asdict(self), "confirmed": self.confirmed, "complete": self.complete}
