"""What is read of everything, made once for a state of the index."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Engine, select
from sqlmodel import Session

from app.market.db.tables import SyncStateRow, sql

KEPT = 500  # values of one state of the index

T = TypeVar("T")


@dataclass
class _State:
    """What was counted of one state; a value is made by one thread, and the others wait for it."""

    revision: int
    values: dict[str, Any] = field(default_factory=dict)
    making: dict[str, Lock] = field(default_factory=dict)


_states: WeakKeyDictionary[Engine | Connection, _State] = WeakKeyDictionary()
_lock = Lock()


def counted(session: Session, key: str, count: Callable[[], T]) -> T:
    """What `count` gives, once for each state of the index: it reads every row, and visitors ask the same."""
    revision = session.execute(_REVISION).scalar()
    if revision is None:
        return count()
    with _lock:
        state = _states.get(session.get_bind())
        if state is None or state.revision < revision or len(state.values) >= KEPT:
            state = _states[session.get_bind()] = _State(revision)
        making = state.making.setdefault(key, Lock())
    if state.revision > revision:
        return count()  # this session began before the newest state was there
    with making:
        if key not in state.values:
            state.values[key] = count()
        found: T = state.values[key]
        return found


_REVISION = select(sql(SyncStateRow).c.revision)
