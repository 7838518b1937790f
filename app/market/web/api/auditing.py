"""Audits over HTTP: which job may be audited here, and how a run is told."""

from __future__ import annotations

from typing import Any, Literal

from app.market.web.background.audits import AuditRun
from app.market.web.dependencies.caller import Spend
from app.market.web.dependencies.state import AppState
from app.market.web.fields import ResponseModel
from app.protocol.errors import NotAllowed


class CheckView(ResponseModel):
    """One fact: its kind, the claim, where it was claimed, what was compared, and whether it holds."""

    fact: str
    claim: str
    source: str
    digest: str
    status: Literal["confirmed", "wrong", "open"]
    detail: str


class AuditResult(ResponseModel):
    """What was found. `confirmed`: nothing is wrong. `complete`: every fact is confirmed."""

    chain_id: int
    market: str
    job: int
    state: str
    checks: tuple[CheckView, ...]
    confirmed: bool
    complete: bool


class AuditView(ResponseModel):
    """One audit. Times are seconds since the epoch by this node's clock."""

    id: str
    job: int
    state: Literal["queued", "running", "done", "failed"]
    asked_at: int
    finished_at: int
    done: int
    total: int
    error: str
    result: AuditResult | None
    command: str  # to check without trusting this node


UNITS_OF_WORK = 1 << 11  # of a job, for one of the caller's costs: about a second of this node


def ask(here: AppState, number: int, spend: Spend) -> AuditRun:
    """An audit of a job. Errors: NotFound; NotAllowed for a job above this node's limit; Busy; TooManyRequests."""
    job = here.market.job(number)
    limit = here.settings.audit_units
    if job.units > limit:
        raise NotAllowed(
            f"Job {number} takes {job.units:,} units of work and this node audits up to {limit:,}.",
            f"Run it on your own machine: darkroom audit {number}.",
        )
    version = str(job.closed_block) if job.state.terminal else f"{job.state.name} at {here.market.block_number}"
    if here.audits.found(number, version) is None:
        spend(job.units // UNITS_OF_WORK)
    return here.audits.ask(number, version)


def card(run: AuditRun) -> AuditView:
    """A run as it is told."""
    return AuditView(
        id=run.id,
        job=run.job,
        state=run.state,
        asked_at=run.asked_at,
        finished_at=run.finished_at,
        done=run.done,
        total=run.total,
        error=run.error,
        result=None if run.report is None else _result(run.report),
        command=f"darkroom audit {run.job}",
    )


def _result(report: dict[str, Any]) -> AuditResult:
    return AuditResult.model_validate(report)
