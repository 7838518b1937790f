"""How far the index is, for readiness and for people who wonder about a missing row."""

from __future__ import annotations

from sqlmodel import Session

from app.market.queries.form import Answer


class IndexStatus(Answer):
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
    raise NotImplementedError
