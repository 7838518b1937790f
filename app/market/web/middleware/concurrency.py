"""A bound on how many of one kind of work are under way."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from app.market.web.errors.refusals import Busy

PATIENCE = 5.0  # seconds that a request waits for its turn


class ConcurrencyLimit:
    """Lets `width` through at a time; others wait a little, then are turned away."""

    def __init__(self, width: int, what: str) -> None:
        self._turns, self._what = threading.BoundedSemaphore(width), what

    @contextmanager
    def turn(self) -> Iterator[None]:
        """One turn. Errors: Busy."""
        if not self._turns.acquire(timeout=PATIENCE):
            raise Busy(f"This node computes as many {self._what} as it may.", "Try again in a few seconds.")
        try:
            yield
        finally:
            self._turns.release()
