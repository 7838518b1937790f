"""Providers, and the network as a whole."""

from __future__ import annotations

from typing import Literal

from sqlmodel import Session

from app.market.queries.form import Amount, Answer, Page


class ProviderCard(Answer):
    """A bonded compute provider and its record."""

    address: str
    state: Literal["serving", "silent", "suspended", "unbonding", "gone"]
    # silent: no heartbeat within the window; suspended: bond too small for a seat; gone: bond taken back
    bond: Amount
    locked: Amount  # held by running jobs
    price: Amount  # per unit of static cost
    capacity: Amount  # units in one job
    heartbeat: int
    unbonding: int  # when the bond is free; 0 while it serves
    seat: int  # in the draw, 0 without one
    drawn: int  # jobs it was ever drawn for
    agreed: int  # its receipt was the agreed one
    disagreed: int
    silent: int  # it missed a deadline
    running: int  # drawn, and the job is not over for it
    earned: Amount
    slashed: Amount
    since: int  # first bonded


class NetworkOverview(Answer):
    """Everything counted."""

    chain_id: int
    addresses: dict[str, str]  # contracts by name
    datasets: int
    offers_active: int
    licenses: int
    jobs: int
    jobs_by_state: dict[str, int]  # names of JobState in lower case
    providers: int
    providers_serving: int
    bonded: Amount
    volume: Amount  # paid for licenses and settled jobs
    fees: Amount  # paid to executors
    slashed: Amount
    paused_until: int  # no new jobs before; 0 when there is no pause


def provider(session: Session, address: str, *, now: int) -> ProviderCard:
    """One provider. Errors: NotFound."""
    raise NotImplementedError


def providers(session: Session, *, now: int, limit: int = 50, after: str | None = None) -> Page[ProviderCard]:
    """All that ever bonded, those with a seat first, then by address. Errors: BadInput."""
    raise NotImplementedError


def network(session: Session, *, now: int) -> NetworkOverview:
    """The market in figures."""
    raise NotImplementedError
