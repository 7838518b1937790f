"""Providers, the market in figures, audits by number, and how this node does."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import Field, StringConstraints
from starlette.responses import Response

from app.market.queries.network import NetworkOverview, ProviderView, network, provider, providers
from app.market.queries.view import Page
from app.market.web.api.answers import reply
from app.market.web.api.auditing import AuditView, card
from app.market.web.api.readiness import NodeStatusView, Readiness, look, node_status
from app.market.web.dependencies.state import State
from app.market.web.errors.problems import error_responses
from app.market.web.fields import Address, After, Limit, ResponseModel
from app.protocol.errors import NotFound

router = APIRouter(tags=["node"])


class Alive(ResponseModel):
    """The process answers."""

    status: Literal["ok"] = "ok"


@router.get("/providers", response_model=Page[ProviderView], responses=error_responses())
def list_providers(here: State, limit: Limit = 50, after: After = None) -> Response:
    """All that ever bonded, those in the draw first."""
    with here.session() as session:
        return reply(providers(session, now=here.now(), limit=limit, after=after))


@router.get("/providers/{address}", response_model=ProviderView, responses=error_responses(404))
def get_provider(address: Address, here: State) -> Response:
    """A provider: terms, bond, record."""
    with here.session() as session:
        return reply(provider(session, address, now=here.now()))


@router.get("/network", response_model=NetworkOverview, responses=error_responses())
def get_network(here: State) -> Response:
    """The market in figures."""
    with here.session() as session:
        return reply(network(session, now=here.now()))


@router.get("/audits/{id}", response_model=AuditView, responses=error_responses(404), tags=["audit"])
def get_audit(
    id: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$"), Field(examples=["0123456789abcdef"])], here: State
) -> Response:
    """An audit that this node runs or ran lately."""
    run = here.audits.get(id)
    if run is None:
        raise NotFound("This node remembers no such audit.", "Ask for one: POST /v1/jobs/{id}/audits.")
    return reply(card(run), headers={"cache-control": "no-store"})


@router.get("/status", response_model=NodeStatusView, responses=error_responses())
def get_status(here: State) -> Response:
    """This node: its chain, its contracts, its index, what it offers."""
    return reply(node_status(here))


@router.get("/health", response_model=Alive, responses=error_responses())
def get_health() -> Response:
    """Whether the process answers; looks at nothing else."""
    return reply(Alive(), headers={"cache-control": "no-store"})


@router.get("/ready", response_model=Readiness, responses=error_responses() | {503: {"model": Readiness}})
def get_ready(here: State) -> Response:
    """Whether the node can do its work: chain in reach, database in form, index up to date. 503 when not."""
    found = look(here)
    return reply(found, 200 if found.ready else 503, {"cache-control": "no-store"})
