"""How far the index is, for readiness and for people who wonder about a missing row."""

from __future__ import annotations

from sqlmodel import Session, col, func, select

from app.market.db.tables import DatasetRow, ManifestRow, SyncStateRow, TotalsRow
from app.market.queries.view import View
from app.protocol.errors import NotFound


class IndexStatus(View):
    """Where the index stands. `height` and `head` are block numbers; -1 before the first block."""

    chain_id: int
    market: str
    height: int  # the last block in the index
    hash: str  # of that block, "" before the first
    head: int  # of the chain, when it was last looked at
    behind: int  # blocks
    seen_at: int  # when the indexer last looked, seconds since the epoch, by this machine's clock
    events: int
    reorganisations: int  # survived since the index was built
    manifests_pending: int
    manifests_unavailable: int
    error: str  # of the latest try, "" when it succeeded


def status(session: Session) -> IndexStatus:
    """Where the index stands. Errors: NotFound before the indexer first ran."""
    place = read_place(session)
    totals = session.get(TotalsRow, 1) or TotalsRow()
    named = select(func.count(col(DatasetRow.manifest).distinct()))
    states = dict(session.exec(select(ManifestRow.state, func.count()).group_by(col(ManifestRow.state))).all())
    looked_for = select(col(ManifestRow.digest))
    return IndexStatus(
        chain_id=place.chain_id,
        market=place.market,
        height=place.height,
        hash=place.hash,
        head=place.head,
        behind=place.head - place.height,
        seen_at=place.seen_at,
        events=totals.events,
        reorganisations=place.reorganisations,
        manifests_pending=session.exec(named.where(col(DatasetRow.manifest).not_in(looked_for))).one(),
        manifests_unavailable=states.get("unavailable", 0),
        error=place.error,
    )


def read_place(session: Session) -> SyncStateRow:
    """How far the index is. Errors: NotFound before the indexer first ran."""
    place = session.get(SyncStateRow, 1)
    if place is None:
        raise NotFound("The index was not begun yet.", "Wait for the node to follow the chain.")
    return place
