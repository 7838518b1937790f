"""Running a model: one sheet that buys the license and opens the job, the same for a license that one holds."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse

from app.client.place import OrderPlace
from app.market.queries.circuits import used_circuits
from app.market.queries.dataset import DatasetDetail, dataset
from app.market.queries.licensing import OfferView, license
from app.market.web.dependencies.caller import Spend, Spending, rate_cost
from app.market.web.fields import MAX_ID, Id
from app.market.web.pages.site import Visit, Visiting
from app.market.web.pages.terms import ChosenTerms, chosen_terms
from app.market.web.quotes import quote_circuit
from app.policy.preflight import MAX_REPLICAS
from app.protocol.errors import BadDocument, DarkroomError, NotAllowed

router = APIRouter()
Number = Annotated[int, Query(ge=0, le=MAX_ID)]
Said = Annotated[str, Query(alias="terms", max_length=40)]


def runs_models(detail: DatasetDetail) -> tuple[OfferView, ...]:
    """The open offers under which models run on a dataset's rows, the cheapest license first."""
    return tuple(each for each in detail.offers if each.policy.release != "aggregate")


@router.get("/datasets/{id}/run", response_class=HTMLResponse)
def run_page(here: Visiting, id: Id, said: Said = "") -> HTMLResponse:
    """The sheet on a dataset's page; `terms` names an offer or a license."""
    return _sheet(here, id, said, held=False)


@router.get("/licenses/{id}/job", response_class=HTMLResponse)
def new_job(here: Visiting, id: Id) -> HTMLResponse:
    """The same under a license that there is."""
    with here.backend.session() as session:
        of = license(session, id, now=here.backend.now()).dataset
    return _sheet(here, of, f"license-{id}", held=True)


def _sheet(here: Visit, id: int, said: str, *, held: bool) -> HTMLResponse:
    with here.backend.session() as session:
        detail = dataset(session, id)
        offers = runs_models(detail)
        chosen = chosen_terms(session, detail, offers, said, now=here.backend.now())
        used = used_circuits(session, id)
    offered = here.backend.parts.shelf(id)
    return here.page(
        "run.html",
        title="New job" if held else f"Run a model on {detail.entry.title}",
        it=detail,
        held=held,
        offers=offers,
        chosen=chosen,
        most={each.id: ChosenTerms(each, None).most_rows(detail.entry.rows) for each in offers},
        offered=offered,
        used=[each for each in used if each.circuit not in {model.circuit for model in offered}],
        scripts=("new-job.js",),
    )


@router.post("/datasets/{id}/run/quote", response_class=HTMLResponse, dependencies=[Depends(rate_cost(2))])
async def quote_page(
    here: Visiting,
    id: Id,
    request: Request,
    spend: Spending,
    said: Said = "",
    first_row: Number = 0,
    rows: Number = 0,
    replicas: Number = 2,
) -> HTMLResponse:
    """What a job with the circuit in the body would cost and reveal, as a part of the sheet."""
    data = await request.body()
    return await run_in_threadpool(_quote, here, id, data, spend, said, first_row, rows, replicas)


def _quote(
    here: Visit, id: int, data: bytes, spend: Spend, said: str, first_row: int, rows: int, replicas: int
) -> HTMLResponse:
    with here.backend.session() as session:
        detail = dataset(session, id)
        terms = chosen_terms(session, detail, runs_models(detail), said, now=here.backend.now())
    report = None
    if terms is None:
        wrong = {"circuit": "No open offer of this dataset runs models now. Look at its page for what is on sale."}
    else:
        wrong = _wrong(terms, detail.entry.rows, first_row, rows, replicas)
    if terms and not wrong:
        try:
            held = terms.license.id if terms.license else None
            place = OrderPlace(rows, first_row, replicas, held, terms.offer.id)
            report = quote_circuit(here.backend, id, data, spend, place)
        except BadDocument:
            wrong["circuit"] = "This file is not a circuit. Choose one that darkroom model compile made."
        except DarkroomError as problem:
            wrong["replicas" if isinstance(problem, NotAllowed) else "circuit"] = str(problem)
    return here.page(
        "quote.html", title="Quote", terms=terms, report=report, wrong=wrong, ready=report is not None and report.ready
    )


def _wrong(terms: ChosenTerms, dataset_rows: int, first_row: int, rows: int, replicas: int) -> dict[str, str]:
    """What is wrong with the numbers, by field."""
    wrong: dict[str, str] = {}
    left = terms.license.rows_left if terms.license else terms.offer.max_rows
    if rows < 1:
        wrong["rows"] = "A job takes one row at least."
    elif first_row >= dataset_rows:
        wrong["first_row"] = f"The dataset has rows 0 to {dataset_rows - 1:,}."
    elif first_row + rows > dataset_rows:
        wrong["rows"] = f"The dataset has rows 0 to {dataset_rows - 1:,}; this would end at {first_row + rows - 1:,}."
    elif rows > left:
        wrong["rows"] = f"The license has {left:,} rows left." if terms.license else f"The license has {left:,} rows."
    if not 1 <= replicas <= MAX_REPLICAS:
        wrong["replicas"] = f"Choose 1 to {MAX_REPLICAS} executors."
    return wrong
