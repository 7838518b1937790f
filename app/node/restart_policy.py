"""When a part that ended is started again: values in, values out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from app.protocol.backoff import growing

FIRST_PAUSE = 0.5  # seconds
LONGEST_PAUSE = 60.0
WORKED_PAUSE = 5.0  # at most, of a part that had said that it works: something else ended it
STEADY = 30.0  # seconds after which a part counts as healthy, and earlier failures are forgotten
USAGE = 2  # the exit code of a command that cannot work however often it is tried


class ProcessState(StrEnum):
    """How a part is doing."""

    STARTING = "starting"
    READY = "ready"
    WORKING = "working"  # on the one thing that it has to do
    WAITING = "waiting"  # to be started again
    STOPPING = "stopping"
    STOPPED = "stopped"
    DONE = "done"  # it had one thing to do
    FAILED = "failed"  # it is not tried again


@dataclass(frozen=True)
class ProcessLife:
    """One part's history. Times are monotonic seconds."""

    state: ProcessState = ProcessState.WAITING
    due: float = 0.0  # when to start it, while it waits
    since: float = 0.0  # of the latest start
    failures: int = 0  # in a row
    restarts: int = 0  # since the beginning

    def started(self, now: float, *, once: bool = False) -> ProcessLife:
        """It runs, and is not ready yet."""
        return replace(self, state=ProcessState.WORKING if once else ProcessState.STARTING, since=now)

    def ready(self) -> ProcessLife:
        """It says that it works."""
        return replace(self, state=ProcessState.READY) if self.state is ProcessState.STARTING else self

    def stopping(self) -> ProcessLife:
        """It was told to stop."""
        running = (ProcessState.STARTING, ProcessState.READY, ProcessState.WORKING)
        return replace(self, state=ProcessState.STOPPING) if self.state in running else self

    def ended(self, code: int, now: float, *, once: bool) -> ProcessLife:
        """It ended with an exit code; negative for a signal."""
        if self.state is ProcessState.STOPPING:
            return replace(self, state=ProcessState.STOPPED)
        if once and code == 0:
            return replace(self, state=ProcessState.DONE)
        if code == USAGE:
            return replace(self, state=ProcessState.FAILED)
        failures = 1 if now - self.since >= STEADY else self.failures + 1
        longest = WORKED_PAUSE if self.state is ProcessState.READY else LONGEST_PAUSE
        pause = growing(FIRST_PAUSE, failures, longest)
        return replace(self, state=ProcessState.WAITING, due=now + pause, failures=failures, restarts=self.restarts + 1)
