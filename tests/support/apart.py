"""A coroutine run in a thread of its own: a browser's test leaves a running event loop in the thread of the tests."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

import anyio

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")


def run(talk: Callable[[], Awaitable[T]]) -> T:
    """What a coroutine function returns (or raises), whatever ran in this thread before."""
    with ThreadPoolExecutor(1) as apart:
        return apart.submit(anyio.run, talk).result()
