"""Offers, licenses, and what a job would reveal."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from fastapi.responses import HTMLResponse
from sqlmodel import Session

from app.chain.contracts.licensing import LICENSES
from app.client.place import OrderPlace
from app.market.queries.budget import told_to
from app.market.queries.dataset import dataset
from app.market.queries.jobs import job, jobs
from app.market.queries.licensing import LicenseView, license, offer
from app.market.web.dependencies.caller import Spending, rate_cost
from app.market.web.fields import MAX_ID, Id
from app.market.web.pages.site import Visit, Visiting
from app.market.web.quotes import load_circuit_bytes, quote_circuit
from app.protocol.errors import DarkroomError
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


@router.get("/jobs/{id}/reveals", response_class=HTMLResponse, dependencies=[Depends(rate_cost(2))])
def reveals_page(here: Visiting, id: Id, spend: Spending) -> HTMLResponse:
    """What a job's result would say about each row, for its owner to read before answering."""
    with here.backend.session() as session:
        detail = job(session, id, now=here.backend.now())
    asked, report, trouble = detail.job, None, ""
    try:
        circuit = load_circuit_bytes(here.backend, Digest(asked.circuit))
        place = OrderPlace(asked.rows, asked.first_row, asked.replicas, asked.license, asked.offer)
        report = quote_circuit(here.backend, asked.dataset, circuit, spend, place, job=id)
    except DarkroomError as problem:
        trouble = str(problem)
    return here.page(
        "reveals.html", title=f"What job {id} would reveal", it=detail, report=report, trouble_with=trouble
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
