"""Pages of rows by id, newest first."""

from __future__ import annotations

from typing import Any, TypeVar

from sqlalchemy.orm import InstrumentedAttribute, Mapped
from sqlmodel import Session
from sqlmodel.sql.expression import SelectOfScalar

from app.market.queries.view import page_limit, read_cursor, write_cursor

R = TypeVar("R")


def newest_first(
    session: Session, query: SelectOfScalar[R], id: Mapped[int], limit: int, after: str | None
) -> tuple[list[R], str | None]:
    """At most `limit` of the rows by falling id, and the cursor of those that follow. Errors: BadInput."""
    page_limit(limit)
    if after is not None:
        query = query.where(id < read_cursor(after, int)[0])
    assert isinstance(id, InstrumentedAttribute)
    rows: list[Any] = list(session.exec(query.order_by(id.desc()).limit(limit + 1)))
    follows = write_cursor(getattr(rows[limit - 1], id.key)) if len(rows) > limit else None
    return rows[:limit], follows
