"""One dataset: card, columns, rules, budget, preview, offers, what was asked, versions."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse
from sqlmodel import Session

from app.market.queries.catalogue import CatalogueEntry, CatalogueFilter, search
from app.market.queries.dataset import dataset
from app.market.queries.jobs import jobs
from app.market.queries.versions import versions
from app.market.web.fields import Id
from app.market.web.pages.columns import SHOWN_COLUMNS, pictures, read_preview
from app.market.web.pages.site import Visiting
from app.market.web.pages.usage import usage

router = APIRouter()
SHOWN_VERSIONS = 20
RELATED = 3
ASKED_WORDS = 4  # keywords by which related datasets are looked for


@router.get("/datasets/{id}", response_class=HTMLResponse)
def dataset_page(here: Visiting, id: Id, after: Annotated[str | None, Query(max_length=512)] = None) -> HTMLResponse:
    """A dataset's page; `after`: a place in the list of its versions."""
    with here.backend.session() as session:
        detail = dataset(session, id, here.backend.told)
        history = versions(session, id, limit=SHOWN_VERSIONS, after=after)
        certified = here.backend.certificates.of(session, id, detail.entry.owner)
        recent = jobs(session, now=here.backend.now(), dataset=id, limit=8)
        related = related_to(session, detail.entry)
    preview = read_preview(here.backend.store, detail.preview)
    return here.page(
        "dataset.html",
        title=detail.entry.title,
        chosen_title=True,
        it=detail,
        approvals_differ=len({offer.policy.approval for offer in detail.offers if offer.policy.known}) > 1
        or any(
            detail.policy is not None and offer.policy.known and offer.policy.approval != detail.policy.approval
            for offer in detail.offers
        ),
        columns=detail.columns[:SHOWN_COLUMNS],
        pictures=pictures(detail.columns, preview, certified.items),
        preview=preview,
        examples=usage(detail, here.backend.settings.origin),
        related=related,
        recent=recent.items,
        certified=certified,
        history=history.items,
        next_page=f"/datasets/{id}?after={history.next}#versions" if history.next else "",
        scripts=("find.js",),
    )


def related_to(session: Session, entry: CatalogueEntry) -> list[CatalogueEntry]:
    """At most three other datasets that share a keyword, those that share more first."""
    shared: dict[int, tuple[int, CatalogueEntry]] = {}
    for word in entry.keywords[:ASKED_WORDS]:
        for other in search(session, CatalogueFilter(text=word), limit=RELATED * 2).items:
            if other.id != entry.id and not other.tombstoned and word in other.keywords:
                shared[other.id] = (shared.get(other.id, (0, other))[0] + 1, other)
    return [other for _, other in sorted(shared.values(), key=lambda each: (-each[0], each[1].id))[:RELATED]]
