"""The market's events as they come, for live streams that go on where they stopped and notice a reorganisation."""

from __future__ import annotations

import json
from typing import Any

from sqlmodel import Session, col, select, tuple_

from app.market.db.tables import EventRow
from app.market.queries.view import View, page_limit, read_cursor, write_cursor

BEGINNING = (-1, -1, "")
HASH = 18  # characters of a block's hash that a cursor holds


class FeedEvent(View):
    """One event. Every integer in `args` is decimal text, as amounts are everywhere."""

    cursor: str
    contract: str
    name: str
    args: dict[str, Any]
    block: int
    block_hash: str
    tx: str
    index: int
    at: int
    dataset: int | None
    job: int | None


class Feed(View):
    """Events of the market or of one job, for a live stream.

    `last` is the cursor to ask again with. `reorganised` says that the event which the old cursor named is no longer in
    the chain: what was shown must be thrown away. A job's `items` then begin again with its first event; the market's
    are empty, and go on from now.
    """

    items: tuple[FeedEvent, ...]
    last: str
    reorganised: bool = False


def feed(session: Session, *, job: int | None = None, after: str | None = None, limit: int = 100) -> Feed:
    """Events after a cursor, oldest first; without one, a job's from its opening, or the market's from now on.

    Errors: BadInput for a cursor that is none.
    """
    page_limit(limit)
    if after is None:
        return _items(session, job, BEGINNING, limit) if job is not None else Feed(items=(), last=_newest(session))
    block, index, digest = read_cursor(after, int, int, str)
    if (block, index, digest) != BEGINNING:
        row = session.get(EventRow, (block, index))
        if row is None or row.block_hash[:HASH] != digest:
            if job is None:
                return Feed(items=(), last=_newest(session), reorganised=True)
            return _items(session, job, BEGINNING, limit).model_copy(update={"reorganised": True})
    return _items(session, job, (block, index, digest), limit)


def _items(session: Session, job: int | None, place: tuple[int, int, str], limit: int) -> Feed:
    block, index, _ = place
    query = select(EventRow).where(tuple_(col(EventRow.block), col(EventRow.log_index)) > (block, index))
    if job is not None:
        query = query.where(EventRow.job == job)
    rows = session.exec(query.order_by(col(EventRow.block), col(EventRow.log_index)).limit(limit))
    items = tuple(_event(row) for row in rows)
    return Feed(items=items, last=items[-1].cursor if items else write_cursor(*place))


def _newest(session: Session) -> str:
    """The place after all events."""
    query = select(EventRow).order_by(col(EventRow.block).desc(), col(EventRow.log_index).desc()).limit(1)
    row = session.exec(query).first()
    return write_cursor(*BEGINNING) if row is None else _cursor(row)


def _cursor(row: EventRow) -> str:
    return write_cursor(row.block, row.log_index, row.block_hash[:HASH])


def _text(value: Any) -> Any:
    """Integers as decimal text: the index keeps small ones as numbers."""
    if isinstance(value, dict):
        return {name: _text(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_text(each) for each in value]
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _event(row: EventRow) -> FeedEvent:
    return FeedEvent(
        cursor=_cursor(row),
        contract=row.contract,
        name=row.name,
        args=_text(json.loads(row.args)),
        block=row.block,
        block_hash=row.block_hash,
        tx=row.tx,
        index=row.log_index,
        at=row.at,
        dataset=row.dataset,
        job=row.job,
    )
