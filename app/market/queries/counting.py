"""Counts over everything, made once for a state of the index."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Engine, select
from sqlmodel import Session

from app.market.db.tables import SyncStateRow, sql

KEPT = 500  # counts, of a state of the index and a filter

T = TypeVar("T")
_counts: WeakKeyDictionary[Engine | Connection, OrderedDict[tuple[int, str], Any]] = WeakKeyDictionary()
_lock = Lock()


def counted(session: Session, key: str, count: Callable[[], T]) -> T:
    """What `count` gives, once for each state of the index: it reads every row, and visitors ask the same."""
    revision = session.execute(select(sql(SyncStateRow).c.revision)).scalar()
    if revision is None:
        return count()
    with _lock:
        kept = _counts.setdefault(session.get_bind(), OrderedDict())
        if (revision, key) in kept:
            kept.move_to_end((revision, key))
            found: T = kept[revision, key]
            return found
    fresh = count()
    with _lock:
        kept[revision, key] = fresh
        while len(kept) > KEPT:
            kept.popitem(last=False)
    return fresh
