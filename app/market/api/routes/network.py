"""Providers, the market in figures, audits by number, and how this node does."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import Field, StringConstraints
from starlette.responses import Response

from app.market.api.answers import reply
from app.market.api.auditing import AuditCard, card
from app.market.api.fields import Address, After, Limit, Reply
from app.market.api.parts import Here
from app.market.api.problems import told
from app.market.api.readiness import NodeStatus, Readiness, look, node_status
from app.market.queries.form import Page
from app.market.queries.network import NetworkOverview, ProviderCard, network, provider, providers
from app.protocol.errors import NotFound

router = APIRouter(tags=["node"])


class Alive(Reply):
    """The process answers."""

    status: Literal["ok"] = "ok"


@router.get("/providers", response_model=Page[ProviderCard], responses=told())
def list_providers(here: Here, limit: Limit = 50, after: After = None) -> Response:
    """All that ever bonded, those in the draw first."""
    with here.session() as session:
        return reply(providers(session, now=here.now(), limit=limit, after=after))


@router.get("/providers/{address}", response_model=ProviderCard, responses=told(404))
def get_provider(address: Address, here: Here) -> Response:
    """A provider: terms, bond, record."""
    with here.session() as session:
        return reply(provider(session, address, now=here.now()))


@router.get("/network", response_model=NetworkOverview, responses=told())
def get_network(here: Here) -> Response:
    """The market in figures."""
    with here.session() as session:
        return reply(network(session, now=here.now()))


@router.get("/audits/{id}", response_model=AuditCard, responses=told(404), tags=["audit"])
def get_audit(
    id: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$"), Field(examples=["0123456789abcdef"])], here: Here
) -> Response:
    """An audit that this node runs or ran lately."""
    run = here.audits.get(id)
    if run is None:
        raise NotFound("This node remembers no such audit.", "Ask for one: POST /v1/jobs/{id}/audits.")
    return reply(card(run), headers={"cache-control": "no-store"})


@router.get("/status", response_model=NodeStatus, responses=told())
def get_status(here: Here) -> Response:
    """This node: its chain, its contracts, its index, what it offers."""
    return reply(node_status(here))


@router.get("/health", response_model=Alive, responses=told())
def get_health() -> Response:
    """Whether the process answers; looks at nothing else."""
    return reply(Alive(), headers={"cache-control": "no-store"})


@router.get("/ready", response_model=Readiness, responses=told() | {503: {"model": Readiness}})
def get_ready(here: Here) -> Response:
    """Whether the node can do its work: chain in reach, database in form, index up to date. 503 when not."""
    found = look(here)
    return reply(found, 200 if found.ready else 503, {"cache-control": "no-store"})
