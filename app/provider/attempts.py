"""How often each job failed lately, and when it is looked at again: no job holds up another, or is hammered.

What is counted is kept in a file where the provider has a folder. A job whose computing ends the process, as one does
that takes more memory than there is, would otherwise come first again after every restart: its beginning is on disk
before it is computed, and one that did not end counts as a failure.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from app.files.private import write_private
from app.protocol.backoff import growing

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0  # seconds; the first failure is tried again at the next look
FILE = "attempts.json"  # in the folder of one market
MAX_ERROR = 500  # characters of an error that are kept
ENDED = "The process ended while this job was computed."


@dataclass(frozen=True)
class JobAttempts:
    """Of one job: failures in a row, those of them that ended the process, and why it failed last."""

    failures: int = 0
    deaths: int = 0
    error: str = ""


class Attempts:
    """Failures in a row by job."""

    def __init__(self, file: Path | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        """Go on from `file`, where there is one. When to try again is of this process alone: clocks may jump."""
        self._file, self._clock = file, clock
        self._jobs: dict[int, JobAttempts] = {}
        self._running: set[int] = set()
        self._due: dict[int, float] = {}
        self._read()

    def failed(self, job: int, error: str = "") -> int:
        """Count a failure; how many there were in a row."""
        known = self.of(job)
        self._jobs[job] = replace(known, failures=known.failures + 1, error=error[:MAX_ERROR])
        self._wait(job)
        self._save()
        return known.failures + 1

    def of(self, job: int) -> JobAttempts:
        """What is known of a job."""
        return self._jobs.get(job, JobAttempts())

    def count(self, job: int) -> int:
        """Failures in a row."""
        return self.of(job).failures

    def due(self, job: int) -> bool:
        """Whether it is time to look at a job."""
        return self._clock() >= self._due.get(job, float("-inf"))

    @contextmanager
    def computing(self, job: int) -> Iterator[None]:
        """While a job is computed: should the process be killed meanwhile, its next start counts that as a failure."""
        self._running.add(job)
        self._save()
        try:
            yield
        finally:
            self._running.discard(job)
            self._save()

    def forget(self, job: int) -> None:
        """It went well, or is over."""
        self._due.pop(job, None)
        if self._jobs.pop(job, None) is not None:
            self._save()

    def keep(self, jobs: Collection[int]) -> None:
        """Forget all but these."""
        for job in set(self._jobs) - set(jobs):
            self.forget(job)

    def _wait(self, job: int) -> None:
        if (count := self.count(job)) > 1:
            self._due[job] = self._clock() + growing(FIRST_PAUSE, count - 1, LONGEST_PAUSE)

    def _read(self) -> None:
        if self._file is None:
            return
        with suppress(OSError, ValueError, KeyError, TypeError):  # without it everything is tried anew
            kept = json.loads(self._file.read_bytes())
            self._jobs = {int(job): JobAttempts(int(n), int(dead), str(why)) for job, n, dead, why in kept["jobs"]}
            for job in map(int, kept["computing"]):
                known = self.of(job)
                self._jobs[job] = JobAttempts(known.failures + 1, known.deaths + 1, ENDED)
            for job in self._jobs:
                self._wait(job)
            self._save()

    def _save(self) -> None:
        if self._file is None:
            return
        jobs = [[job, each.failures, each.deaths, each.error] for job, each in sorted(self._jobs.items())]
        with suppress(OSError):  # on a full disk it is remembered by this process alone
            write_private(self._file, json.dumps({"jobs": jobs, "computing": sorted(self._running)}).encode())
