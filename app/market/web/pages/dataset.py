"""One dataset: card, columns, rules, budget, preview, offers, versions."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse

from app.market.queries.dataset import PreviewView, dataset
from app.market.queries.jobs import jobs
from app.market.queries.versions import versions
from app.market.web.fields import Id
from app.market.web.pages.site import Visiting
from app.protocol.errors import DarkroomError
from app.protocol.ports import Store

router = APIRouter()
PREVIEW_ROWS = 6
PREVIEW_BYTES = 1 << 16
SHOWN_COLUMNS = 300
SHOWN_VERSIONS = 20


@dataclass(frozen=True)
class PreviewTable:
    """The first synthetic rows, as text."""

    header: list[str]
    rows: list[list[str]]
    total: int


@router.get("/datasets/{id}", response_class=HTMLResponse)
def dataset_page(here: Visiting, id: Id, after: Annotated[str | None, Query(max_length=512)] = None) -> HTMLResponse:
    """A dataset's page; `after`: a place in the list of its versions."""
    with here.backend.session() as session:
        detail = dataset(session, id, here.backend.told)
        history = versions(session, id, limit=SHOWN_VERSIONS, after=after)
        certified = here.backend.certificates.of(session, id, detail.entry.owner)
        recent = jobs(session, now=here.backend.now(), dataset=id, limit=8)
    return here.page(
        "dataset.html",
        title=detail.entry.title,
        it=detail,
        approvals_differ=len({offer.policy.approval for offer in detail.offers if offer.policy.known}) > 1
        or any(
            detail.policy is not None and offer.policy.known and offer.policy.approval != detail.policy.approval
            for offer in detail.offers
        ),
        columns=detail.columns[:SHOWN_COLUMNS],
        preview=read_preview(here.backend.store, detail.preview),
        recent=recent.items,
        certified=certified,
        history=history.items,
        next_page=f"/datasets/{id}?after={history.next}#versions" if history.next else "",
    )


def read_preview(store: Store, card: PreviewView | None) -> PreviewTable | None:
    """The preview's beginning; None where there is none or no store has it."""
    if card is None:
        return None
    try:
        length = min(card.bytes, PREVIEW_BYTES)
        data = store.read(card.cid, 0, length, limit=PREVIEW_BYTES)
    except DarkroomError:
        return None
    text = data.decode("utf-8", "replace")
    whole = text if length == card.bytes else text.rpartition("\n")[0]
    try:
        lines = [line for _, line in zip(range(PREVIEW_ROWS + 1), csv.reader(io.StringIO(whole)), strict=False)]
    except csv.Error:
        return None
    return PreviewTable(lines[0], lines[1:], card.rows) if len(lines) > 1 else None
