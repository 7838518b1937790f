"""Offers and licenses."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from app.market.queries.licensing import LicenseView, OfferView, license, licenses, offer, offers
from app.market.queries.view import Page
from app.market.web.api.answers import reply
from app.market.web.api.openapi import FIRST, links
from app.market.web.dependencies.state import State
from app.market.web.errors.problems import error_responses
from app.market.web.fields import MAX_ID, Address, After, Id, Limit
from app.market.web.index_reads import index_read

router = APIRouter(tags=["licensing"])

Dataset = Annotated[int | None, Query(ge=1, le=MAX_ID)]


@router.get(
    "/offers",
    response_model=Page[OfferView],
    responses=error_responses() | {200: links(FIRST, get_offer="id")},
)
@index_read
def list_offers(
    here: State,
    dataset: Dataset = None,
    seller: Annotated[Address | None, Query()] = None,
    active: bool | None = None,
    limit: Limit = 50,
    after: After = None,
) -> Response:
    """Offers, newest first."""
    with here.session() as session:
        return reply(offers(session, dataset=dataset, seller=seller, active=active, limit=limit, after=after))


@router.get("/offers/{id}", response_model=OfferView, responses=error_responses(404))
@index_read
def get_offer(id: Id, here: State) -> Response:
    """An offer's terms and policy."""
    with here.session() as session:
        return reply(offer(session, id))


@router.get(
    "/licenses",
    response_model=Page[LicenseView],
    responses=error_responses() | {200: links(FIRST, get_license="id", list_jobs="license")},
)
def list_licenses(
    here: State,
    buyer: Annotated[Address | None, Query()] = None,
    dataset: Dataset = None,
    offer: Annotated[int | None, Query(ge=1, le=MAX_ID)] = None,
    limit: Limit = 50,
    after: After = None,
) -> Response:
    """Licenses, newest first."""
    with here.session() as session:
        return reply(
            licenses(session, now=here.now(), buyer=buyer, dataset=dataset, offer=offer, limit=limit, after=after)
        )


@router.get("/licenses/{id}", response_model=LicenseView, responses=error_responses(404))
def get_license(id: Id, here: State) -> Response:
    """A license: its state, and what is left of it."""
    with here.session() as session:
        return reply(license(session, id, now=here.now()))
