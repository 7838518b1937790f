"""The search over everything, which Ctrl-K opens on every page and which is a page of its own."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse

from app.market.queries.find import MAX_TEXT, find
from app.market.web.pages.site import Visiting

router = APIRouter()


@router.get("/search", response_class=HTMLResponse)
def search_page(here: Visiting, q: Annotated[str, Query(max_length=4 * MAX_TEXT)] = "") -> HTMLResponse:
    """What fits what was typed."""
    with here.backend.session() as session:
        found = find(session, q)
    return here.page("search.html", title="Search", typed=q, found=found)
