"""Audits that this node runs for others: one after the other, in a thread, from a short queue.

An audit re-executes a job, so it costs what the job cost. Whoever does not trust this node runs the same themselves:
`darkroom audit`. A report on a job that is over cannot change and is kept; others are made again when asked for.
"""

from __future__ import annotations

import logging
import secrets
import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

from app.market.web.errors.refusals import Busy
from app.protocol.errors import DarkroomError

LOG = logging.getLogger("darkroom.api")
KEPT = 256

State = Literal["queued", "running", "done", "failed"]


@dataclass(frozen=True)
class AuditRun:
    """One audit. `report` is `AuditReport.to_dict()`; `error` says why there is none."""

    id: str
    job: int
    version: str  # of the job: its state and last block, so that a finished one is audited once
    state: State
    asked_at: int
    finished_at: int = 0
    done: int = 0  # of `total`, in the audit's own units; 0 of 0 before it says
    total: int = 0
    report: dict[str, Any] | None = None
    error: str = ""


AuditProgress = Callable[[int, int], None]


class AuditQueue:
    """The queue and the worker. `audit` makes a report's plain values; it runs in the worker's thread."""

    def __init__(
        self, audit: Callable[[int, AuditProgress], dict[str, Any]], clock: Callable[[], float], *, waiting: int
    ) -> None:
        self._audit, self._clock, self._waiting = audit, clock, waiting
        self._runs: OrderedDict[str, AuditRun] = OrderedDict()
        self._queue: deque[str] = deque()
        self._lock = threading.Lock()
        self._worker: threading.Thread | None = None

    def ask(self, job: int, version: str) -> AuditRun:
        """The audit of a job in this version: one that is there or under way, else a new one. Errors: Busy."""
        with self._lock:
            if (known := self._found(job, version)) is not None:
                return known
            if len(self._queue) >= self._waiting:
                raise Busy("Too many audits wait on this node.", f"Run it yourself: darkroom audit {job}.")
            run = AuditRun(secrets.token_hex(8), job, version, "queued", int(self._clock()))
            self._runs[run.id] = run
            self._queue.append(run.id)
            self._forget()
            if self._worker is None:
                self._worker = threading.Thread(target=self._work, name="audits", daemon=True)
                self._worker.start()
            return run

    def found(self, job: int, version: str) -> AuditRun | None:
        """The audit of a job in this version that is there or under way."""
        with self._lock:
            return self._found(job, version)

    def _found(self, job: int, version: str) -> AuditRun | None:
        runs = (run for run in reversed(self._runs.values()) if (run.job, run.version) == (job, version))
        return next((run for run in runs if run.state != "failed"), None)

    def get(self, id: str) -> AuditRun | None:
        """An audit that is still remembered."""
        with self._lock:
            return self._runs.get(id)

    def latest(self, job: int) -> AuditRun | None:
        """The newest audit of a job that is still remembered."""
        with self._lock:
            return next((run for run in reversed(self._runs.values()) if run.job == job), None)

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._queue:
                    self._worker = None
                    return
                run = replace(self._runs[self._queue.popleft()], state="running")
                self._runs[run.id] = run
            self._finish(run.id, *self._attempt(run))

    def _attempt(self, run: AuditRun) -> tuple[dict[str, Any] | None, str]:
        try:
            return self._audit(run.job, lambda done, total: self._note(run.id, done, total)), ""
        except DarkroomError as error:
            return None, str(error)
        except Exception:  # one audit's fault must not end the worker
            LOG.exception("fault", extra={"audit": run.id})
            return None, "This node made a mistake."

    def _note(self, id: str, done: int, total: int) -> None:
        with self._lock:
            self._runs[id] = replace(self._runs[id], done=done, total=total)

    def _finish(self, id: str, report: dict[str, Any] | None, error: str) -> None:
        state: State = "done" if report is not None else "failed"
        with self._lock:
            self._runs[id] = replace(
                self._runs[id], state=state, report=report, error=error, finished_at=int(self._clock())
            )

    def _forget(self) -> None:
        over = [run for run in self._runs.values() if run.state in ("done", "failed")]
        for run in over[: max(0, len(self._runs) - KEPT)]:
            del self._runs[run.id]
