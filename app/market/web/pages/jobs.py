"""Jobs: the list, one job with its timeline, its result and its audit."""

from __future__ import annotations

import json
from collections import defaultdict
from statistics import median
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse
from sqlmodel import Session

from app.market.queries.audit import audit_facts
from app.market.queries.budget import told_to
from app.market.queries.dataset import dataset
from app.market.queries.jobs import JobDetail, job, jobs
from app.market.queries.licensing import offer
from app.market.web.fields import Id
from app.market.web.pages.escrow import cause, escrow_breakdown
from app.market.web.pages.forms import Form
from app.market.web.pages.site import Visiting
from app.market.web.pages.story import story
from app.protocol.market.entities import JobState

router = APIRouter()
Now = Literal["done", "now", "bad", "later"]
LATEST = 20  # jobs that tell how long one takes
STAGES = (  # reached, under way, the states in which it is under way
    ("Ordered", "Ordered", ("open",)),
    ("Computed", "Computing", ("assigned", "disputed")),
    ("Checked", "Being checked", ("computed",)),
    ("Released", "Released", ("released",)),
)
NAMED = {state.name.lower(): state for state in JobState if state is not JobState.NONE}
ENDED_BADLY = ("refused", "expired", "failed")


@router.get("/jobs", response_class=HTMLResponse)
def jobs_page(here: Visiting, after: Annotated[str | None, Query(max_length=512)] = None) -> HTMLResponse:
    """All jobs, or those of a dataset or in a state."""
    form = Form(here.request.query_params)
    number, state = form.count("dataset"), form.text("state")
    chosen = (NAMED[state],) if state in NAMED else ()
    with here.backend.session() as session:
        found = jobs(session, now=here.backend.now(), dataset=number, states=chosen, limit=40, after=after)
    kept = {"dataset": number or "", "state": state, "after": found.next}
    return here.page(
        "jobs.html",
        title="Jobs",
        found=found.items,
        state=state,
        states=tuple(NAMED),
        number=number,
        next_page="/jobs?" + urlencode(kept) if found.next else "",
    )


@router.get("/jobs/{id}", response_class=HTMLResponse)
def job_page(here: Visiting, id: Id) -> HTMLResponse:
    """One job."""
    with here.backend.session() as session:
        detail = job(session, id, now=here.backend.now())
        asks = detail.job.needs_approval and detail.job.approval == "none" and not detail.job.closed_at
        about = dataset(session, detail.job.dataset)
        usual = usual_seconds(session, detail.job.dataset, here.backend.now())
    return here.page(
        "job.html",
        title=f"Job {id}",
        it=detail,
        track=track(detail),
        asked_owner=about.entry.owner if asks else "",
        roles=roles(detail, about.entry.owner, about.custodian),
        usual=usual,
        scripts=("job-live.js",),
        **_standing(detail),
    )


@router.get("/jobs/{id}/result", response_class=HTMLResponse)
def result_page(here: Visiting, id: Id) -> HTMLResponse:
    """The page that opens a result with the buyer's key, which never leaves it."""
    with here.backend.session() as session:
        detail = job(session, id, now=here.backend.now())
        release = next((entry for entry in detail.timeline if entry.event == "JobReleased"), None)
        terms, told = offer(session, detail.job.offer), here.backend.told(session, detail.job.dataset)
        spent = told_to(detail.job.license, told, detail.version, dataset(session, detail.job.dataset).entry.rows)
    shelf = here.backend.parts.shelf(detail.job.dataset)
    order = {
        "outcomes": next((list(each.outcomes) for each in shelf if each.circuit == detail.job.circuit), []),
        "job": id,
        "dataset": detail.job.dataset,
        "version": detail.version,
        "license": detail.job.license,
        "buyer": detail.job.buyer,
        "sealingKey": detail.sealing_key,
        "manifest": detail.manifest,
        "circuit": detail.job.circuit,
        "receipt": detail.receipt,
        "sealed": detail.sealed,
        "openTx": detail.open_tx,
        "releaseTx": release.tx if release else "",
    }
    return here.page(
        "result.html",
        title=f"Result of job {id}",
        it=detail,
        order=json.dumps(order),
        terms=terms,
        spent=spent,
        scripts=("result.js",),
        **_standing(detail, on_result=True),
    )


@router.get("/jobs/{id}/audit", response_class=HTMLResponse)
def audit_page(here: Visiting, id: Id) -> HTMLResponse:
    """Every fact of a job, one row each, for anyone to check."""
    with here.backend.session() as session:
        facts = audit_facts(session, id)
        detail = job(session, id, now=here.backend.now())
        about = dataset(session, detail.job.dataset)
    expected = {
        "job": id,
        "dataset": detail.job.dataset,
        "market": facts.market,
        "chainId": facts.chain_id,
        "manifest": detail.manifest,
        "circuit": detail.job.circuit,
        "receipt": detail.receipt,
        "sealed": detail.sealed,
        "decision": detail.decision,
        "buyer": detail.job.buyer,
        "license": detail.job.license,
        "sealingKey": detail.sealing_key,
        "firstRow": detail.job.first_row,
        "rows": detail.job.rows,
    }
    return here.page(
        "audit.html",
        title=f"Audit of job {id}",
        facts_of=facts,
        it=detail,
        chapters=story(facts.facts, over=bool(detail.job.closed_at)),
        roles=roles(detail, about.entry.owner, about.custodian),
        dataset_title=about.entry.title,
        expected=json.dumps(expected),
        scripts=("audit.js",),
    )


def roles(detail: JobDetail, owner: str, custodian: str) -> defaultdict[str, str]:
    """What each account is in a job, in a word or two; "" for others."""
    named = {each.provider: f"provider {number}" for number, each in enumerate(detail.executions, 1)}
    both = "owner and custodian" if custodian == owner else "owner"
    return defaultdict(str, {**named, custodian: "custodian", owner: both, detail.job.buyer: "buyer"})


def _standing(detail: JobDetail, *, on_result: bool = False) -> dict[str, Any]:
    """What `standing.html` needs besides the job."""
    return {"purse": escrow_breakdown(detail), "cause": cause(detail), "on_result": on_result}


def usual_seconds(session: Session, dataset: int, now: int) -> int:
    """How long the latest jobs on a dataset took from their order to their release: their median, 0 without any."""
    settled = jobs(session, now=now, dataset=dataset, states=(JobState.SETTLED,), limit=LATEST).items
    took = [each.closed_at - each.opened_at for each in settled if each.closed_at]
    return int(median(took)) if took else 0


def track(detail: JobDetail) -> list[tuple[str, Now]]:
    """The job's way in four stages, each done, under way, ended badly, or still to come."""
    state = detail.job.state
    if state == "settled":
        return [(name, "done") for name, *_ in STAGES]
    if state in ENDED_BADLY:
        reached = _reached({entry.event for entry in detail.timeline})
        words = {"refused": "Refused", "expired": "Expired", "failed": "Failed"}[state]
        done: list[tuple[str, Now]] = [(name, "done") for name, *_ in STAGES[:reached]]
        return [*done, (words, "bad")]
    place = next(number for number, (*_, states) in enumerate(STAGES) if state in states)
    return [
        (going, "now") if number == place else (name, "done" if number < place else "later")
        for number, (name, going, _) in enumerate(STAGES)
    ]


def _reached(events: set[str]) -> int:
    """Stages that a job that ended badly had behind it."""
    return 2 if "JobComputed" in events else 1
