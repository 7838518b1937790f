"""What is read of everything, made once for a state of the index."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Engine, select
from sqlmodel import Session

from app.market.db.tables import SyncStateRow, sql

KEPT = 500  # values of one state of the index

T = TypeVar("T")


class NotKept(Exception):
    """What was asked for is not kept, and its asker has no time for it to be made."""


_hurried: ContextVar[bool] = ContextVar("hurried", default=False)


@contextmanager
def kept_only() -> Iterator[None]:
    """In here, what would have to be made of many rows is not: who asks for it gets NotKept at once."""
    before = _hurried.set(True)
    try:
        yield
    finally:
        _hurried.reset(before)


def must_make() -> None:
    """Said before something is made that reads many rows. Errors: NotKept inside of `kept_only`."""
    if _hurried.get():
        raise NotKept


@dataclass
class _State:
    """What was counted of one state; a value is made by one thread, and the others wait for it."""

    revision: int
    values: dict[str, Any] = field(default_factory=dict)
    making: dict[str, Lock] = field(default_factory=dict)


_states: WeakKeyDictionary[Engine | Connection, _State] = WeakKeyDictionary()
_lock = Lock()


def counted(session: Session, key: str, count: Callable[[], T]) -> T:
    """What `count` gives, once for each state of the index: it reads every row, and visitors ask the same.

    Errors: NotKept inside of `kept_only`, where it was not made before.
    """
    revision = session.execute(_REVISION).scalar()
    if revision is None:
        must_make()
        return count()
    with _lock:
        state = _states.get(session.get_bind())
        if state is None or state.revision < revision or len(state.values) >= KEPT:
            state = _states[session.get_bind()] = _State(revision)
        making = state.making.setdefault(key, Lock())
    if state.revision > revision:
        must_make()
        return count()  # this session began before the newest state was there
    if key not in state.values:
        must_make()  # nor is there time to wait for who makes it
    with making:
        if key not in state.values:
            state.values[key] = count()
        found: T = state.values[key]
        return found


_REVISION = select(sql(SyncStateRow).c.revision)
