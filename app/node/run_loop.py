"""How an agent lives: one step after the other until it is told to stop, with pauses that grow while nothing works."""

from __future__ import annotations

import logging
import os
import signal
import sqlite3
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType
from typing import Protocol

from app.protocol.backoff import growing
from app.protocol.errors import DarkroomError

LONGEST_PAUSE = 30.0  # seconds, after failures
SUPERVISED_VARIABLE = "DARKROOM_SUPERVISED"
REMEMBERED = 1000  # happenings that are not logged twice in a row


class Happening(Protocol):
    """What an agent's step did to one job (`app.provider.agent.Action`, `app.custodian.agent.Outcome`)."""

    @property
    def job(self) -> int:
        """The job's number."""

    @property
    def what(self) -> str:
        """One word."""

    @property
    def detail(self) -> str:
        """More, or nothing."""


def stop_on_signals(stop: threading.Event) -> None:
    """Set `stop` at the first SIGTERM or SIGINT; a second one ends the process as if nobody had listened.

    Under a supervisor the process also stops when the supervisor is gone, which it sees by its closed stdin.
    """

    def heard(number: int, _frame: FrameType | None) -> None:
        stop.set()
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, heard)
    when_orphaned(stop.set)


def when_orphaned(act: Callable[[], object]) -> None:
    """Call `act` once the supervisor is gone; nothing without one."""
    if os.environ.get(SUPERVISED_VARIABLE) != "1":
        return

    def watch() -> None:
        while os.read(sys.stdin.fileno(), 4096):
            pass
        act()

    threading.Thread(target=watch, name="supervisor", daemon=True).start()


@dataclass
class DedupLog:
    """Logs what happened to jobs, and the same thing only once until something else happens to that job."""

    log: logging.Logger

    def __post_init__(self) -> None:
        self._last: dict[int, tuple[str, str]] = {}

    def note(self, happening: Happening) -> None:
        """One line, when it happens."""
        job, said = happening.job, (str(happening.what), happening.detail)
        if self._last.get(job) == said:
            return
        self._last.pop(job, None)
        self._last[job] = said
        while len(self._last) > REMEMBERED:
            self._last.pop(next(iter(self._last)))
        level = logging.WARNING if happening.what == "failed" else logging.INFO
        self.log.log(level, "job", extra={"job": job, "what": said[0], "detail": said[1]})


# What a step may meet that is not its own mistake: a full disk and too little memory too are over some time.
PASSING = (DarkroomError, OSError, MemoryError, sqlite3.Error)


def named(error: Exception) -> tuple[str, str]:
    """Code and words of an error of `PASSING`; of one that is none of ours only what holds no data."""
    if isinstance(error, DarkroomError):
        return error.code, str(error)
    said = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
    return "machine", f"{said}. See the room on the disk and the memory: darkroom doctor."


def run(step: Callable[[], object], stop: threading.Event, *, every: float, log: logging.Logger) -> None:
    """Call `step` every `every` seconds until `stop` is set. What passes is logged and tried again, ever later."""
    failures, said = 0, ""
    log.info("ready")
    while not stop.is_set():
        try:
            step()
            if failures:
                log.info("recovered", extra={"failures": failures})
            failures, said = 0, ""
        except PASSING as error:
            failures += 1
            code, words = named(error)
            if words != said:
                said = words
                log.warning("failed", extra={"code": code, "detail": said})
        stop.wait(growing(every, failures + 1, max(every, LONGEST_PAUSE)))
    log.info("stopped")


class Unchanged:
    """Spares an agent the look through all jobs while the chain stands still, but not for longer than `patience`.

    Nearly everything that an agent waits for is a new block. What is not (a store that comes back, another process's
    lease, a deadline) is seen when the patience ends.
    """

    def __init__(self, head: Callable[[], str], clock: Callable[[], float], *, patience: float) -> None:
        self._head, self._clock, self._patience = head, clock, patience
        self._seen, self._at = "", float("-inf")

    def __call__(self) -> bool:
        """Whether a look can be left out. Errors: those of the chain."""
        head, now = self._head(), self._clock()
        if head == self._seen and now - self._at < self._patience:
            return True
        self._seen, self._at = head, now
        return False

    def forget(self) -> None:
        """Look again next time: the last step did something."""
        self._at = float("-inf")
