"""How often each job failed lately, and when it is looked at again: no job holds up another, or is hammered."""

from __future__ import annotations

import time
from collections.abc import Callable

from app.protocol.backoff import growing

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0  # seconds; the first failure is tried again at the next look


class Attempts:
    """Failures in a row by job, in this process's memory."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures: dict[int, int] = {}
        self._due: dict[int, float] = {}

    def failed(self, job: int) -> int:
        """Count a failure; how many there were in a row."""
        count = self._failures[job] = self._failures.get(job, 0) + 1
        if count > 1:
            self._due[job] = self._clock() + growing(FIRST_PAUSE, count - 1, LONGEST_PAUSE)
        return count

    def count(self, job: int) -> int:
        """Failures in a row."""
        return self._failures.get(job, 0)

    def due(self, job: int) -> bool:
        """Whether it is time to look at a job."""
        return self._clock() >= self._due.get(job, float("-inf"))

    def forget(self, job: int) -> None:
        """It went well, or is over."""
        self._failures.pop(job, None)
        self._due.pop(job, None)
