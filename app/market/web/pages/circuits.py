"""One circuit: what it reads and gives, what it costs, what it says of a person, and where it ran."""

from __future__ import annotations

from fastapi import APIRouter, Depends
from fastapi.responses import HTMLResponse

from app.client.place import OrderPlace
from app.market.queries.dataset import dataset
from app.market.queries.jobs import jobs_of_circuit
from app.market.web.dependencies.caller import Spending, rate_cost
from app.market.web.fields import Digest
from app.market.web.pages.running import runs_models
from app.market.web.pages.site import Visiting
from app.market.web.quotes import load_circuit_bytes, quote_circuit
from app.protocol.errors import DarkroomError, NotFound
from app.protocol.ids import Digest as CircuitDigest

router = APIRouter()
MOST_ROWS = 10_000  # that its cost is told for


@router.get("/circuits/{digest}", response_class=HTMLResponse, dependencies=[Depends(rate_cost(2))])
def circuit_page(here: Visiting, digest: Digest, spend: Spending) -> HTMLResponse:
    """A circuit that jobs ran. Errors: NotFound for one that no job named."""
    with here.backend.session() as session:
        ran = jobs_of_circuit(session, digest, now=here.backend.now())
        if not ran:
            raise NotFound("No recent job ran this circuit.", "Look at a job's page for the circuit that it ran.")
        detail = dataset(session, ran[0].dataset)
    shelf = here.backend.parts.shelf(ran[0].dataset)
    report, trouble = None, ""
    try:
        data = load_circuit_bytes(here.backend, CircuitDigest(digest))
        offer = next((each.id for each in runs_models(detail)), None)
        rows = min(detail.entry.rows, MOST_ROWS)
        report = quote_circuit(here.backend, ran[0].dataset, data, spend, OrderPlace(rows, offer=offer))
    except DarkroomError as problem:
        trouble = str(problem)
    return here.page(
        "circuit.html",
        title="Circuit",
        digest=digest,
        ran=ran,
        model=next((each for each in shelf if each.circuit == digest), None),
        about=detail,
        report=report,
        trouble_with=trouble,
    )
