"""Tools for what was ordered: follow a job, open its result with the agent's key, check every fact of it."""

from __future__ import annotations

import time
from typing import Annotated, Any, Literal

from pydantic import Field

from app.client.ask.order import is_question, reply
from app.client.auditing import audit_job
from app.client.following import await_result
from app.mcp.desk import Desk
from app.mcp.ordering import in_words
from app.mcp.schema import Arguments, Handle, JobNumber, NextCall, Quoted, ToolAnswer, quoted, then
from app.mcp.tool import AgentTool
from app.protocol.errors import NotFound, TooLarge
from app.protocol.market.entities import ZERO, Job, JobState
from app.protocol.policy.reasons import Reason

MAX_WAIT = 50  # seconds; clients give up on a call after a minute
LOOK_SECONDS = 0.5
MAX_UNITS = 200_000  # of a job that is audited here, as at a node
MOST_FACTS = 20
MOST_ROWS = 200
MOST_COUNTED = 20


class StatusArguments(Arguments):
    """Which job, and how long to wait for it."""

    job: JobNumber
    wait_seconds: Annotated[int, Field(ge=0, le=MAX_WAIT, description="0 tells how it stands now.")] = 0
    until: Annotated[
        Literal["result", "settled"], Field(description="Settled: everybody is paid, so that an audit is complete.")
    ] = "settled"


class StatusAnswer(ToolAnswer):
    """How a job stands, by the chain."""

    job: int
    dataset: int
    state: str
    result_out: bool
    over: bool
    reason: Annotated[str, Field(description="The custodian's code for a refusal; empty where there is none.")]
    deadline: Annotated[int, Field(description="Of the present step, in seconds since the epoch; 0 where it is over.")]


def job_status(desk: Desk, asked: StatusArguments) -> StatusAnswer:
    """Look until it is there or the time is over."""
    end = time.monotonic() + asked.wait_seconds
    while not _there(job := desk.network.market.job(asked.job), asked.until) and time.monotonic() < end:
        time.sleep(LOOK_SECONDS)
    return StatusAnswer(
        job=job.id,
        dataset=job.dataset,
        state=job.state.name.lower(),
        result_out=job.sealed != ZERO,
        over=job.state.terminal,
        reason=job.reason if job.reason in list(Reason) else "",  # else it is a custodian's own text
        deadline=job.deadline,
        next=_next(job),
    )


def _there(job: Job, until: str) -> bool:
    return job.state.terminal or (until == "result" and job.sealed != ZERO)


def _next(job: Job) -> NextCall:
    if job.sealed != ZERO:
        return then("open_result", "Open the result on this machine.", job=job.id)
    if job.state.terminal:
        return then("quote", "It ended without a result, and what it did not use is refunded.", dataset=job.dataset)
    return then("job_status", "It is not out yet: wait.", job=job.id, wait_seconds=MAX_WAIT)


class ResultArguments(Arguments):
    """Which job's result, and which of its rows."""

    job: JobNumber
    first: Annotated[int, Field(ge=0, le=10**9, description="The first line to show.")] = 0
    most: Annotated[int, Field(ge=1, le=MOST_ROWS)] = 20
    wait_seconds: Annotated[
        int, Field(ge=0, le=MAX_WAIT, description="For the release, and for the result to be stored after it.")
    ] = MAX_WAIT


class ResultWords(Quoted):
    """The result's lines, which may hold the owner's words and keys."""

    rows: tuple[dict[str, float | int | str | bool | None], ...]
    counts: Annotated[dict[str, int], Field(description="Lines by prediction or label, the commonest first.")]
    remarks: tuple[str, ...]


class ResultAnswer(ToolAnswer):
    """A result, opened with the agent's own key. Figures of questions stand with their 95 % intervals."""

    job: int
    dataset: int
    model: Annotated[Handle | None, Field(description="The model it was ordered with, where that is known here.")]
    released: str
    lines: int
    first: int
    exact: Annotated[bool, Field(description="Whether the values are without noise.")]
    epsilon: float
    untrusted_data: ResultWords


def open_result(desk: Desk, asked: ResultArguments) -> ResultAnswer:
    """Wait for it as every door does, fetch, check and open it. Errors: those of `await_result`."""
    buyer = desk.spend()
    opened = await_result(buyer, asked.job, float(asked.wait_seconds))
    job, model, result = opened.job, opened.model, opened.result
    if is_question(buyer, job.id):
        answered = reply(buyer, job.id, timeout=0.0)
        rows = list(in_words(answered.answer.to_dicts()))
        remarks = list(answered.answer.remarks)
        return _answer(job, None, "aggregate", rows, asked, epsilon=answered.epsilon, remarks=remarks)
    frame = opened.to_polars()
    column = next((each for each in ("prediction", "class", "level", *frame.columns[1:]) if each in frame.columns), "")
    counts: dict[str, int] = {}
    if result.header.released == "label" and column:
        told = frame[column].value_counts(sort=True).head(MOST_COUNTED)
        counts = {quoted(str(word), 80): int(count) for word, count in told.iter_rows()}
    rows = [
        {quoted(n, 120): quoted(v, 120) if isinstance(v, str) else v for n, v in row.items()}
        for row in frame.slice(asked.first, asked.most).to_dicts()
    ]
    answer = _answer(job, None if model is None else model.digest, result.header.released, rows, asked, counts=counts)
    return answer.model_copy(update={"lines": len(frame), "exact": not result.header.noise_scale_milli})


def _answer(
    job: Job, model: str | None, released: str, rows: list[dict[str, Any]], asked: ResultArguments, *,
    epsilon: float = 0.0, counts: dict[str, int] | None = None, remarks: list[str] | None = None,
) -> ResultAnswer:  # fmt: skip
    return ResultAnswer(
        job=job.id,
        dataset=job.dataset,
        model=model,
        released=released,
        lines=len(rows),
        first=asked.first,
        exact=not epsilon,
        epsilon=epsilon,
        untrusted_data=ResultWords(
            rows=tuple(rows), counts=counts or {}, remarks=tuple(quoted(each, 400) for each in remarks or [])
        ),
        next=then("audit", "Check every fact of it yourself, re-execution included.", job=job.id),
    )


class AuditArguments(Arguments):
    """Which job."""

    job: JobNumber


class UnsettledFact(Quoted):
    """One fact that is wrong or open."""

    claim: str
    status: str
    detail: str


class AuditWords(Quoted):
    """The facts that did not hold, or not yet."""

    facts: tuple[UnsettledFact, ...]


class AuditAnswer(ToolAnswer):
    """What re-checking every fact of a job found; re-executed on this machine, with no key and nobody's permission."""

    job: int
    state: str
    confirmed: Annotated[bool, Field(description="No fact is wrong.")]
    complete: Annotated[bool, Field(description="Every fact is confirmed, to the last payment.")]
    facts_confirmed: int
    facts_wrong: int
    facts_open: int
    untrusted_data: AuditWords


def audit(desk: Desk, asked: AuditArguments) -> AuditAnswer:
    """Recompute the job and compare every digest. Errors: NotFound; TooLarge; Unavailable."""
    job = desk.network.market.job(asked.job)
    if job.state is JobState.NONE:
        raise NotFound(f"There is no job {asked.job}.", "Take the number from open_job or ask.")
    if job.units > MAX_UNITS:
        raise TooLarge(
            f"Job {job.id} takes {job.units} units, and {MAX_UNITS} are audited here.", "A person runs: darkroom audit."
        )
    report = audit_job(desk.network, asked.job)
    states = [str(each.status) for each in report.checks]
    left = [each for each in report.checks if str(each.status) != "confirmed"][:MOST_FACTS]
    if report.complete:
        step = then(None, "Every fact holds: the answer is audited.")
    elif report.confirmed:
        step = then("job_status", "Facts of later steps are still open: wait, and audit again.", job=job.id,
                    wait_seconds=MAX_WAIT)  # fmt: skip
    else:
        step = then(None, "A fact is wrong: do not rely on this answer, and tell the person whose mandate it is.")
    return AuditAnswer(
        job=job.id,
        state=report.state,
        confirmed=report.confirmed,
        complete=report.complete,
        facts_confirmed=states.count("confirmed"),
        facts_wrong=states.count("wrong"),
        facts_open=states.count("open"),
        untrusted_data=AuditWords(
            facts=tuple(
                UnsettledFact(claim=quoted(each.claim, 200), status=str(each.status), detail=quoted(each.detail, 300))
                for each in left
            )
        ),
        next=step,
    )


ANSWERING = (
    AgentTool(
        "job_status", "Follow a job",
        "How a job stands by the chain; wait_seconds waits for it. Free.",
        "read", StatusArguments, StatusAnswer, job_status,
    ),
    AgentTool(
        "open_result", "Open a result",
        "Open the result of a job of yours with the agent's own key, here and nowhere else; wait_seconds waits. Free.",
        "read", ResultArguments, ResultAnswer, open_result,
    ),
    AgentTool(
        "audit", "Audit a job",
        "Recompute a job from public records and check every fact of it: execution, prices, decision, release. Free.",
        "compute", AuditArguments, AuditAnswer, audit,
    ),
)  # fmt: skip
