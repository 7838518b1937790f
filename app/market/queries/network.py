"""Providers, and the network as a whole."""

from __future__ import annotations

import json
from typing import Literal

from sqlmodel import Session, col, func, select

from app.chain.address import eip55
from app.market.db.tables import JobRow, OfferRow, ProviderRow, TotalsRow
from app.market.indexer.rules import Rules
from app.market.queries.status import read_place
from app.market.queries.view import Amount, Page, View, page_limit, read_cursor, write_cursor
from app.protocol.errors import NotFound
from app.protocol.market.entities import JobState

ProviderState = Literal["serving", "silent", "suspended", "unbonding", "gone"]


class ProviderView(View):
    """A bonded compute provider and its record."""

    address: str
    state: ProviderState
    # silent: no heartbeat within the window, or it lost its seat for that; suspended: bond too small for a seat; gone:
    # bond taken back
    bond: Amount
    locked: Amount  # held by running jobs
    fixed_fee: Amount  # for a job of any size
    price: Amount  # for a million units of static cost on top
    capacity: Amount  # units at a time
    in_use: Amount  # of them, by the jobs that hold a stake of it
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


class NetworkOverview(View):
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
    burned: Amount  # of what was slashed: nobody got it
    paused_until: int  # no new jobs before; 0 when there is no pause


def provider(session: Session, address: str, *, now: int) -> ProviderView:
    """One provider. Errors: NotFound, BadInput for what is no address."""
    row = session.get(ProviderRow, eip55(address))
    if row is None:
        raise NotFound(f"{address} never was a provider.", "Look at the list of providers.")
    return _card(row, now, _rules(session))


def providers(session: Session, *, now: int, limit: int = 50, after: str | None = None) -> Page[ProviderView]:
    """All that ever bonded, those with a seat first, then by address. Errors: BadInput."""
    page_limit(limit)
    seated, address = col(ProviderRow.seated), col(ProviderRow.address)
    query = select(ProviderRow).order_by(seated.desc(), address).limit(limit + 1)
    if after is not None:
        with_seat, last = read_cursor(after, bool, str)
        beyond = seated.is_(with_seat) & (address > last)
        query = query.where(beyond | seated.is_(False) if with_seat else beyond)
    rows = list(session.exec(query))
    rules = _rules(session)
    follows = write_cursor(rows[limit - 1].seated, rows[limit - 1].address) if len(rows) > limit else None
    return Page(items=tuple(_card(row, now, rules) for row in rows[:limit]), next=follows)


def network(session: Session, *, now: int) -> NetworkOverview:
    """The market in figures. Errors: NotFound before the index was begun."""
    place = read_place(session)
    totals = session.get(TotalsRow, 1) or TotalsRow()
    rows = list(session.exec(select(ProviderRow)))
    rules = Rules.from_text(place.rules)
    counted = dict(session.exec(select(JobRow.state, func.count()).group_by(col(JobRow.state))).all())
    return NetworkOverview(
        chain_id=place.chain_id,
        addresses=json.loads(place.addresses),
        datasets=totals.datasets,
        offers_active=session.exec(
            select(func.count()).select_from(OfferRow).where(col(OfferRow.active).is_(True))
        ).one(),
        licenses=totals.licenses,
        jobs=totals.jobs,
        jobs_by_state={state.name.lower(): counted.get(int(state), 0) for state in JobState if state},
        providers=sum(row.bond > 0 for row in rows),
        providers_serving=sum(_state(row, now, rules) == "serving" for row in rows),
        bonded=sum(row.bond for row in rows),
        volume=totals.volume,
        fees=totals.fees,
        slashed=totals.slashed,
        burned=totals.burned,
        paused_until=totals.paused_until,
    )


def _rules(session: Session) -> Rules:
    return Rules.from_text(read_place(session).rules)


def _state(row: ProviderRow, now: int, rules: Rules) -> ProviderState:
    """What the draw would think of a provider."""
    if row.bond == 0:
        return "gone"
    if row.unbonding:
        return "unbonding"
    if row.bond < rules.stake_floor:
        return "suspended"
    return "serving" if row.seated and row.heartbeat + rules.heartbeat_window >= now else "silent"


def _card(row: ProviderRow, now: int, rules: Rules) -> ProviderView:
    return ProviderView(
        **row.model_dump(exclude={"seated", "unpaid"}),
        state=_state(row, now, rules),
        running=row.drawn - row.agreed - row.disagreed - row.silent - row.unpaid,
    )
