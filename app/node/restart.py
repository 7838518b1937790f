"""When a part that ended is started again: values in, values out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from app.protocol.backoff import growing

FIRST_PAUSE = 0.5  # seconds
LONGEST_PAUSE = 60.0
STEADY = 30.0  # seconds after which a part counts as healthy, and earlier failures are forgotten
USAGE = 2  # the exit code of a command that cannot work however often it is tried


class State(StrEnum):
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
class Life:
    """One part's history. Times are monotonic seconds."""

    state: State = State.WAITING
    due: float = 0.0  # when to start it, while it waits
    since: float = 0.0  # of the latest start
    failures: int = 0  # in a row
    restarts: int = 0  # since the beginning

    def started(self, now: float, *, once: bool = False) -> Life:
        """It runs, and is not ready yet."""
        return replace(self, state=State.WORKING if once else State.STARTING, since=now)

    def ready(self) -> Life:
        """It says that it works."""
        return replace(self, state=State.READY) if self.state is State.STARTING else self

    def stopping(self) -> Life:
        """It was told to stop."""
        running = (State.STARTING, State.READY, State.WORKING)
        return replace(self, state=State.STOPPING) if self.state in running else self

    def ended(self, code: int, now: float, *, once: bool) -> Life:
        """It ended with an exit code; negative for a signal."""
        if self.state is State.STOPPING:
            return replace(self, state=State.STOPPED)
        if once and code == 0:
            return replace(self, state=State.DONE)
        if code == USAGE:
            return replace(self, state=State.FAILED)
        failures = 1 if now - self.since >= STEADY else self.failures + 1
        pause = growing(FIRST_PAUSE, failures, LONGEST_PAUSE)
        return replace(self, state=State.WAITING, due=now + pause, failures=failures, restarts=self.restarts + 1)
