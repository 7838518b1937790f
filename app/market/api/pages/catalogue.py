"""The catalogue: search by words and facets, with or without scripts."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from app.market.api.pages.forms import Form
from app.market.api.pages.site import Visiting
from app.market.api.pages.words import CLASSES, RELEASES
from app.market.queries.catalogue import CatalogueFilter, CatalogueSort, search
from app.market.queries.network import network
from app.protocol.errors import BadInput

router = APIRouter()
SORTS = {
    CatalogueSort.NEWEST: "Newest first",
    CatalogueSort.PRICE: "Cheapest first",
    CatalogueSort.ROWS: "Most rows",
    CatalogueSort.COLUMNS: "Most columns",
    CatalogueSort.JOBS: "Most used",
    CatalogueSort.TITLE: "By title",
}


@router.get("/", response_class=HTMLResponse)
def catalogue(here: Visiting) -> HTMLResponse:
    """What is on offer."""
    form = Form(here.request.query_params)
    wanted = CatalogueFilter(
        text=form.text("q"),
        rows_min=form.count("rows_min"),
        columns_min=form.count("columns_min"),
        price_max=form.amount("price_max", here.backend.coin.decimals),
        classes=form.chosen("class", CLASSES),
        releases=form.chosen("release", RELEASES),
        offered=form.ticked("offered"),
        private=form.ticked("private"),
        automatic=form.ticked("automatic"),
    )
    sort = next((sort for sort in SORTS if sort == form.text("sort")), CatalogueSort.NEWEST)
    with here.backend.session() as session:
        try:
            found = search(session, wanted, sort=sort, after=form.text("after") or None)
        except BadInput:  # a cursor from elsewhere: begin again
            found = search(session, wanted, sort=sort)
        overview = network(session, now=here.backend.now())
    return here.page(
        "catalogue.html",
        title="Catalogue",
        form=form,
        wanted=wanted,
        sort=sort,
        sorts=SORTS,
        found=found,
        overview=overview,
        narrowed=wanted != CatalogueFilter(),
        next_page=_next(form, found.next),
    )


def _next(form: Form, cursor: str | None) -> str:
    if cursor is None:
        return ""
    kept: list[tuple[str, Any]] = [
        (name, value) for name, value in form.sent.multi_items() if name != "after" and value
    ]
    return "/?" + urlencode([*kept, ("after", cursor)])
