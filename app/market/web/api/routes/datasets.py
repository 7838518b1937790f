"""The catalogue, datasets, and quotes."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query
from pydantic import Field
from starlette.responses import Response

from app.client.place import OrderPlace
from app.market.queries.catalogue import CatalogueFilter, CataloguePage, CatalogueSort, search
from app.market.queries.circuits import used_circuits
from app.market.queries.dataset import DatasetDetail, dataset
from app.market.queries.versions import ChangedVersion, manifest_of, versions
from app.market.queries.view import MAX_CURSOR, MAX_PAGE, Page
from app.market.web.api.answers import frozen, reply
from app.market.web.api.bodies import Raw, raw_body
from app.market.web.api.openapi import CIRCUIT_EXAMPLE, FIRST, links
from app.market.web.certificates import CertifiedList
from app.market.web.dependencies.caller import Spending, rate_cost
from app.market.web.dependencies.state import State
from app.market.web.errors.problems import error_responses
from app.market.web.featured_models import FeaturedModels
from app.market.web.fields import MAX_ID, Address, After, Id, Limit
from app.market.web.index_reads import index_read, kept_read
from app.market.web.quotes import QuoteReport, load_circuit_bytes, quote_circuit
from app.policy.preflight import MAX_REPLICAS
from app.protocol.documents import MAX_DOCUMENT_BYTES
from app.protocol.ids import Digest
from app.storage.cid import digest_to_cid

router = APIRouter(tags=["datasets"])

Rows = Annotated[int | None, Query(ge=1, le=MAX_ID, description="All of the dataset's by default.")]
Replicas = Annotated[int, Query(ge=1, le=MAX_REPLICAS, description="Executors that must agree.")]
FirstRow = Annotated[int, Query(ge=0, le=MAX_ID, description="The first row.")]
LicenseId = Annotated[int, Query(ge=0, le=MAX_ID, description="What it was told counts. 0: a new one.")]
OfferId = Annotated[int | None, Query(ge=1, le=MAX_ID, description="Under whose prices and policy.")]
QUOTE = "Quote a circuit, given as its bytes: cost, price, leak report, the custodian's verdict. Nothing is published."


class CatalogueQuery(CatalogueFilter):
    """The filter with order and place."""

    owner: Address | None = None
    sort: CatalogueSort = CatalogueSort.NEWEST
    limit: Annotated[int, Field(ge=1, le=MAX_PAGE)] = 24
    after: Annotated[str | None, Field(max_length=MAX_CURSOR)] = None


@router.get(
    "/datasets",
    response_model=CataloguePage,
    responses=error_responses()
    | {200: links(FIRST, get_dataset="id", get_croissant="id", list_offers="dataset", list_jobs="dataset")},
)
@kept_read
def search_datasets(asked: Annotated[CatalogueQuery, Query()], here: State) -> Response:
    """Search the catalogue: words, facets, order, pages."""
    wanted = CatalogueFilter.model_construct(**{name: getattr(asked, name) for name in CatalogueFilter.model_fields})
    with here.session() as session:
        return reply(search(session, wanted, sort=asked.sort, limit=asked.limit, after=asked.after))


@router.get(
    "/datasets/{id}",
    response_model=DatasetDetail,
    responses=error_responses(404) | {200: links("$response.body#/offers/0/id", get_offer="id", list_licenses="offer")},
)
def get_dataset(id: Id, here: State) -> Response:
    """A dataset's card: columns with their codes, policy, offers, versions, what was let out so far."""
    with here.session() as session:
        return reply(dataset(session, id, here.told))


@router.get("/datasets/{id}/versions", response_model=Page[ChangedVersion], responses=error_responses(404))
@index_read
def list_versions(id: Id, here: State, limit: Limit = 50, after: After = None) -> Response:
    """A dataset's versions, newest first, and what each changed: rows, columns, keys, policy, files kept."""
    with here.session() as session:
        return reply(versions(session, id, limit=limit, after=after))


@router.get("/datasets/{id}/certificate", response_model=CertifiedList, responses=error_responses(404))
def list_certified(id: Id, here: State) -> Response:
    """Certified figures of a dataset: answers that its owner ordered for everybody, with the jobs behind them."""
    with here.session() as session:
        return reply(here.certificates.of(session, id, dataset(session, id).entry.owner))


@router.get(
    "/datasets/{id}/croissant",
    response_class=Response,
    responses=error_responses(404, 502) | {200: {"content": {"application/ld+json": {"schema": {"type": "object"}}}}},
)
def get_croissant(
    id: Id,
    here: State,
    version: Annotated[int | None, Query(ge=1, le=MAX_ID, description="The present one by default.")] = None,
    if_none_match: Annotated[str | None, Header()] = None,
) -> Response:
    """The manifest's own bytes: Croissant 1.1 JSON-LD. Their SHA-256 is the digest on chain and the ETag."""
    with here.session() as session:
        digest = manifest_of(session, id, version)
    data = here.store.read(digest_to_cid(Digest(digest)), limit=MAX_DOCUMENT_BYTES)
    answer = frozen(data, digest, "application/ld+json", if_none_match)
    if version is None:
        answer.headers["cache-control"] = "no-cache"  # the next version has other bytes
    return answer


@router.post(
    "/datasets/{id}/quotes",
    response_model=QuoteReport,
    responses=error_responses(404, 409, 502),
    dependencies=[Depends(rate_cost(2))],
    openapi_extra=raw_body("application/json", {"type": "object"}, CIRCUIT_EXAMPLE),
    description=QUOTE,
)
def quote_circuit_bytes(
    id: Id,
    data: Raw,
    here: State,
    spend: Spending,
    offer: OfferId = None,
    rows: Rows = None,
    replicas: Replicas = 2,
    first_row: FirstRow = 0,
    license: LicenseId = 0,
) -> Response:
    """Quote a circuit: static cost, price, failure probability, leak report, and what the custodian would say."""
    return reply(quote_circuit(here, id, data, spend, OrderPlace(rows, first_row, replicas, license or None, offer)))


@router.get(
    "/datasets/{id}/circuits",
    response_model=FeaturedModels,
    responses=error_responses(404) | {200: links("$response.body#/used/0/circuit", get_document="digest")},
)
def list_circuits(id: Id, here: State) -> Response:
    """Published circuits at hand: those that this node offers for a dataset, and those that settled jobs used on it."""
    with here.session() as session:
        dataset(session, id)
        used = used_circuits(session, id)
    return reply(FeaturedModels(offered=here.parts.shelf(id), used=used))


@router.get(
    "/datasets/{id}/quotes/{circuit}",
    response_model=QuoteReport,
    responses=error_responses(404, 409, 502),
    dependencies=[Depends(rate_cost(2))],
)
def quote_published(
    id: Id,
    circuit: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", description="Its digest.")],
    here: State,
    spend: Spending,
    offer: OfferId = None,
    rows: Rows = None,
    replicas: Replicas = 2,
    first_row: FirstRow = 0,
    license: LicenseId = 0,
) -> Response:
    """The same for a circuit that is published, by its digest."""
    data = load_circuit_bytes(here, Digest(circuit))
    return reply(quote_circuit(here, id, data, spend, OrderPlace(rows, first_row, replicas, license or None, offer)))
