"""Offers, licenses, the form that opens a job, and what a job would reveal."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse
from sqlmodel import Session

from app.chain.contracts.licensing import LICENSES
from app.market.queries.budget import told_to
from app.market.queries.circuits import used_circuits
from app.market.queries.dataset import dataset
from app.market.queries.jobs import job, jobs
from app.market.queries.licensing import LicenseView, license, offer
from app.market.web.dependencies.caller import Spend, Spending, rate_cost
from app.market.web.fields import MAX_ID, Id
from app.market.web.pages.site import Visit, Visiting
from app.market.web.quotes import load_circuit_bytes, quote_circuit
from app.policy.preflight import MAX_REPLICAS
from app.protocol.errors import BadDocument, DarkroomError, NotAllowed
from app.protocol.ids import Digest
from app.protocol.market.entities import LicenseState

router = APIRouter()
Number = Annotated[int, Query(ge=0, le=MAX_ID)]


@router.get("/offers/{id}", response_class=HTMLResponse)
def offer_page(here: Visiting, id: Id) -> HTMLResponse:
    """An offer's terms in plain words, and its purchase."""
    with here.backend.session() as session:
        terms = offer(session, id)
        detail = dataset(session, terms.dataset, here.backend.told)
    return here.page(
        "offer.html", title=f"License for {detail.entry.title}", offer=terms, it=detail, scripts=("purchase.js",)
    )


@router.get("/licenses/{id}", response_class=HTMLResponse)
def license_page(here: Visiting, id: Id, after: Annotated[str | None, Query(max_length=512)] = None) -> HTMLResponse:
    """One license and the jobs that used it."""
    with here.backend.session() as session:
        held = _held(here, session, id)
        used = jobs(session, now=here.backend.now(), license=id, limit=20, after=after)
        detail = dataset(session, held.dataset)
        told = here.backend.told(session, held.dataset)
        terms = offer(session, held.offer)
    return here.page(
        "license.html",
        title=f"License {id}",
        it=held,
        offer=terms,
        told=told_to(id, told, detail.version, detail.entry.rows),
        told_completely=told.complete,
        used=used.items,
        owner=detail.entry.owner,
        refund=_refund(here, held),
        scripts=("actions.js",),
        next_page=f"/licenses/{id}?after={used.next}" if used.next else "",
    )


@router.get("/licenses/{id}/job", response_class=HTMLResponse)
def new_job(here: Visiting, id: Id) -> HTMLResponse:
    """The form that opens a job."""
    with here.backend.session() as session:
        held = _held(here, session, id)
        detail = dataset(session, held.dataset)
        terms = offer(session, held.offer)
        used = used_circuits(session, held.dataset)
    offered = here.backend.parts.shelf(held.dataset)
    most = min(
        held.rows_left, detail.entry.rows, terms.policy.max_rows_per_job if terms.policy.known else held.rows_left
    )
    return here.page(
        "new_job.html",
        title="New job",
        it=held,
        detail=detail,
        offer=terms,
        most=most,
        offered=offered,
        used=[each for each in used if each.circuit not in {model.circuit for model in offered}],
        scripts=("new-job.js",),
    )


@router.post("/licenses/{id}/quote", response_class=HTMLResponse, dependencies=[Depends(rate_cost(2))])
async def quote_page(
    here: Visiting,
    id: Id,
    request: Request,
    spend: Spending,
    first_row: Number = 0,
    rows: Number = 0,
    replicas: Number = 2,
) -> HTMLResponse:
    """What a job with the circuit in the body would cost and reveal, as a part of the form's page."""
    data = await request.body()
    return await run_in_threadpool(_quote, here, id, data, spend, first_row, rows, replicas)


@router.get("/jobs/{id}/reveals", response_class=HTMLResponse, dependencies=[Depends(rate_cost(2))])
def reveals_page(here: Visiting, id: Id, spend: Spending) -> HTMLResponse:
    """What a job's result would say about each row, for its owner to read before answering."""
    with here.backend.session() as session:
        detail = job(session, id, now=here.backend.now())
    asked, report, trouble = detail.job, None, ""
    try:
        circuit = load_circuit_bytes(here.backend, Digest(asked.circuit))
        report = quote_circuit(
            here.backend, asked.dataset, circuit, spend, offer=asked.offer, rows=asked.rows, replicas=asked.replicas,
            first_row=asked.first_row, license=asked.license, job=id,
        )  # fmt: skip
    except DarkroomError as problem:
        trouble = str(problem)
    return here.page(
        "reveals.html", title=f"What job {id} would reveal", it=detail, report=report, trouble_with=trouble
    )


def _quote(here: Visit, id: int, data: bytes, spend: Spend, first_row: int, rows: int, replicas: int) -> HTMLResponse:
    with here.backend.session() as session:
        held = _held(here, session, id)
        entry = dataset(session, held.dataset).entry
    wrong = _wrong(held, entry.rows, first_row, rows, replicas)
    report, error = None, None
    if not wrong:
        try:
            report = quote_circuit(
                here.backend, held.dataset, data, spend, offer=held.offer, rows=rows, replicas=replicas,
                first_row=first_row, license=id,
            )  # fmt: skip
        except BadDocument:
            wrong["circuit"] = "This file is not a circuit. Choose one that darkroom model compile made."
        except DarkroomError as problem:
            wrong["replicas" if isinstance(problem, NotAllowed) else "circuit"] = str(problem)
    ready = report is not None and report.ready
    return here.page(
        "quote.html", title="Quote", it=held, report=report, wrong=wrong, error=error, ready=ready, first_row=first_row
    )


def _held(here: Visit, session: Session, id: int) -> LicenseView:
    """A license now. The clock may have been read a second ago, before the purchase: it is good from that on."""
    now = here.backend.now()
    held = license(session, id, now=now)
    return held if held.valid_from <= now else license(session, id, now=held.valid_from)


def _refund(here: Visit, held: LicenseView) -> int | None:
    """What taking a license back would cost its seller now, in token units; None when the chain does not say."""
    if held.state is not LicenseState.ACTIVE:
        return None
    try:
        return int(here.backend.market.client.read(LICENSES, "refundOf", held.id))
    except DarkroomError:
        return None


def _wrong(held: LicenseView, dataset_rows: int, first_row: int, rows: int, replicas: int) -> dict[str, str]:
    """What is wrong with the numbers, by field."""
    wrong: dict[str, str] = {}
    if rows < 1:
        wrong["rows"] = "A job takes one row at least."
    elif first_row >= dataset_rows:
        wrong["first_row"] = f"The dataset has rows 0 to {dataset_rows - 1:,}."
    elif first_row + rows > dataset_rows:
        wrong["rows"] = f"The dataset has rows 0 to {dataset_rows - 1:,}; this would end at {first_row + rows - 1:,}."
    elif rows > held.rows_left:
        wrong["rows"] = f"The license has {held.rows_left:,} rows left."
    if not 1 <= replicas <= MAX_REPLICAS:
        wrong["replicas"] = f"Choose 1 to {MAX_REPLICAS} executors."
    return wrong
