"""Routes that ask the index alone take turns on a few threads, or are answered at once.

A server's other threads may wait for a chain or a store, so there are many. A read of the index computes: more of them
at once than there are cores only take the interpreter from each other, 5 ms a turn, and from the loop that answers.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial, wraps
from typing import ParamSpec, TypeVar, cast

from anyio import CapacityLimiter, to_thread
from anyio.lowlevel import RunVar

from app.market.queries.counting import NotKept, kept_only
from app.market.web.dependencies.state import AppState

P = ParamSpec("P")
T = TypeVar("T")

AT_ONCE = 2 * (os.cpu_count() or 1)  # one that computes and one that waits for its database, for each core

_turns: RunVar[CapacityLimiter] = RunVar("index reads")


def index_read(route: Callable[P, T]) -> Callable[P, Awaitable[T]]:
    """A route's function that reads the index and nothing slower, run on one of those threads; others wait in line."""

    @wraps(route)
    async def waiting(*args: P.args, **named: P.kwargs) -> T:
        turns = _turns.get(None)
        if turns is None:
            turns = CapacityLimiter(AT_ONCE)
            _turns.set(turns)
        return await to_thread.run_sync(partial(route, *args, **named), limiter=turns)

    return waiting


def kept_read(route: Callable[P, T]) -> Callable[P, Awaitable[T]]:
    """`index_read` for a route whose parameter `here` is the node's state, and that mostly finds kept what it needs.

    The loop then answers by itself, where the database is a file of this machine; else it would wait for another.
    """
    waiting = index_read(route)

    @wraps(route)
    async def answering(*args: P.args, **named: P.kwargs) -> T:
        if cast("AppState", named["here"]).parts.database.is_sqlite:
            with suppress(NotKept), kept_only():
                return route(*args, **named)
        return await waiting(*args, **named)

    return answering
