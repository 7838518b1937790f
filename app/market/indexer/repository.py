"""Writing a unit of work's changes, and taking blocks back. Runs inside one transaction of the caller."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import and_, bindparam, delete, insert, select, update
from sqlmodel import Session

from app.market.db.tables import EventRow, IndexTable, JournalRow, MarkRow, PaymentRow, sql
from app.market.indexer.unit_of_work import BY_NAME, ENTITIES, KEYS, Key, Load, UnitOfWork, read_row


def loader(session: Session) -> Load:
    """Rows by key, detached from the session."""

    def load(entity: type[IndexTable], key: Key) -> IndexTable | None:
        table = sql(entity)
        found = session.execute(select(table).where(_is(entity, key))).mappings().first()
        return None if found is None else entity(**found)

    return load


def store(session: Session, work: UnitOfWork) -> None:
    """Write everything that a unit of work holds."""
    new, old = work.changes()
    for entity, rows in new.items():
        add(session, entity, rows)
    for entity, rows in old.items():
        table, key = sql(entity), KEYS[entity]
        session.execute(
            update(table).where(and_(*(table.c[name] == bindparam(f"key_{name}") for name in key))),
            [_for_update(row.model_dump(), key) for row in rows],
        )
    add(session, EventRow, work.events)
    add(session, PaymentRow, work.payments)
    add(session, JournalRow, work.journal)


def rollback_to(session: Session, after: int) -> tuple[set[int], bool]:
    """Take back every block above `after`; the datasets that their events were about, and whether all was wiped.

    What lies before the journal cannot be undone step by step; then everything that events wrote is removed, to be
    built again from the first block.
    """
    first = session.execute(select(sql(MarkRow).c.number).order_by(sql(MarkRow).c.number).limit(1)).scalar()
    gone = sql(EventRow).c.block > after
    touched = {
        number
        for number in session.execute(select(sql(EventRow).c.dataset).where(gone).distinct()).scalars()
        if number is not None
    }
    if first is None or after < first:
        everything: tuple[type[IndexTable], ...] = (*ENTITIES, EventRow, PaymentRow, JournalRow, MarkRow)
        for entity in everything:
            session.execute(delete(sql(entity)))
        return touched, True
    _undo(session, after)
    for happened in (sql(EventRow), sql(PaymentRow), sql(JournalRow)):
        session.execute(delete(happened).where(happened.c.block > after))
    session.execute(delete(sql(MarkRow)).where(sql(MarkRow).c.number > after))
    return touched, False


def save_checkpoint(session: Session, marks: Sequence[tuple[int, str]]) -> None:
    """Replace the marks, and let go of the journal of blocks that can no longer be taken back singly."""
    session.execute(delete(sql(MarkRow)))
    add(session, MarkRow, [MarkRow(number=number, hash=digest) for number, digest in marks])
    if marks:
        session.execute(delete(sql(JournalRow)).where(sql(JournalRow).c.block <= marks[0][0]))


def add(session: Session, entity: type[IndexTable], rows: Iterable[IndexTable]) -> None:
    """Insert rows, all at once."""
    values = [row.model_dump() for row in rows]
    if values:
        session.execute(insert(sql(entity)), values)


def _undo(session: Session, after: int) -> None:
    """Each row as it was before the first of the removed blocks that changed it."""
    journal = sql(JournalRow)
    entries = session.execute(
        select(journal.c.entity, journal.c.key, journal.c.before)
        .where(journal.c.block > after)
        .order_by(journal.c.block.desc())
    ).all()
    first = {(entity, key): before for entity, key, before in entries}  # the lowest block comes last and stays
    for (name, key), before in first.items():
        entity = BY_NAME[name]
        session.execute(delete(sql(entity)).where(_is(entity, tuple(json.loads(key)))))
        if before is not None:
            session.execute(insert(sql(entity)), [read_row(entity, before)])


def _is(entity: type[IndexTable], key: Key) -> Any:
    return and_(*(sql(entity).c[name] == value for name, value in zip(KEYS[entity], key, strict=True)))


def _for_update(values: dict[str, Any], key: tuple[str, ...]) -> dict[str, Any]:
    return {(f"key_{name}" if name in key else name): value for name, value in values.items()}
