"""The catalogue: search by words and facets, with or without scripts."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from app.market.queries.catalogue import CatalogueFilter, CatalogueSort, search
from app.market.queries.choices import Choices, choices, totals
from app.market.queries.find import corrected
from app.market.queries.jobs import jobs
from app.market.queries.network import network
from app.market.queries.status import read_place
from app.market.web.pages.filters import FLAGS, PRICES, FilterStep, address, chosen, steps
from app.market.web.pages.formatting import CLASSES, RELEASES, count
from app.market.web.pages.forms import Form
from app.market.web.pages.site import Visit, Visiting
from app.protocol.errors import BadInput

router = APIRouter()
LATEST = 3  # jobs on the first page
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
    prices = [coins * 10**here.backend.coin.decimals for coins in PRICES]
    filters = chosen(form, wanted, here.backend.coin.symbol)
    with here.backend.session() as session:
        read_place(session)  # before the index was begun an empty list would be a lie
        try:
            found = search(session, wanted, sort=sort, after=form.text("after") or None)
        except BadInput:  # a cursor from elsewhere: begin again
            found = search(session, wanted, sort=sort)
        counts = choices(session, wanted, prices)
        # Where nothing fits, how much each filter alone keeps away.
        meant = corrected(session, wanted.text) if wanted.text and not found.total else ""
        first = not here.request.query_params
        overview = network(session, now=here.backend.now()) if first else None
        latest = jobs(session, now=here.backend.now(), limit=LATEST).items if first else ()
        freed = totals(session, (each.without for each in filters)) if filters and not found.total else []
    return here.page(
        "catalogue.html",
        title="Catalogue",
        form=form,
        wanted=wanted,
        sort=sort,
        sorts=SORTS,
        found=found,
        counts=counts,
        flags=FLAGS,
        bounds=_bounds(here, form, wanted, counts),
        filters=filters,
        freed=[(each, datasets) for each, datasets in zip(filters, freed, strict=False) if datasets],
        cleared=address(form, {name: None for name in form.sent if name != "sort"}),
        narrowed=bool(filters) or bool(form.wrong),
        next_page=address(form, {"after": found.next}) if found.next else "",
        meant=meant,
        overview=overview,
        latest=latest,
        test_money=here.site.test_money,
        scripts=("catalogue.js", "checklist.js") if first else ("catalogue.js",),
    )


def _bounds(here: Visit, form: Form, wanted: CatalogueFilter, counts: Choices) -> dict[str, list[FilterStep]]:
    """The bounds to choose beside each number's field."""
    money, plain = here.site.money, here.site.plain_money
    return {
        "rows_min": steps(
            form, "rows_min", wanted.rows_min,
            ((least, datasets, str(least), f"{count(least)} or more") for least, datasets in counts.rows.items()),
        ),
        "columns_min": steps(
            form, "columns_min", wanted.columns_min,
            ((least, datasets, str(least), f"{count(least)} or more") for least, datasets in counts.columns.items()),
        ),
        "price_max": steps(
            form, "price_max", wanted.price_max,
            (
                (most, datasets, plain(most), f"at most {money(most)}" if most else "for free")
                for most, datasets in counts.prices.items()
            ),
        ),
    }  # fmt: skip
