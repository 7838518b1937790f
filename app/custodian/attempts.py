"""Attempts at one job: what became of each, what ends a long one, what is noted of a failure, when the next begins."""

from __future__ import annotations

import threading
import time
import traceback
from dataclasses import dataclass
from pathlib import Path

from app.custodian.ledger import OPEN, Claim, Ledger, LedgerRecord
from app.protocol.errors import DarkroomError, Reverted, TryAgain
from app.protocol.market.entities import Job
from app.protocol.ports import Stopped

FIRST_RETRY, LONGEST_RETRY = 5, 600  # seconds between attempts at a job that fails
RENEW_EVERY = 5.0  # seconds, during re-execution


@dataclass(frozen=True)
class Outcome:
    """What became of a job this time: a ledger state, `contested`, `failed`, or `waiting` with the cause."""

    job: int
    what: str
    detail: str = ""


@dataclass
class Watch:
    """Progress of a re-execution: keeps the claim, and ends the work when it is of no use any more."""

    ledger: Ledger
    claim: Claim
    job: Job
    stopping: threading.Event
    renewed: float = 0.0

    def __call__(self, _done: int, _total: int) -> None:
        """`Progress`. Errors: Stopped; TryAgain once the deadline passed or another process took over."""
        if self.stopping.is_set():
            raise Stopped
        if time.monotonic() - self.renewed < RENEW_EVERY:
            return
        self.renewed = time.monotonic()
        if 0 < self.job.deadline < self.ledger.now():
            raise TryAgain(f"The deadline of job {self.job.id} passed while it was recomputed.", "Let it expire.")
        self.ledger.renew(self.claim)


def is_stale(error: Exception) -> bool:
    """Whether the contract refused a decision because another one came first."""
    return isinstance(error, Reverted) and error.reason == "StaleHead"


def idle(job: int, record: LedgerRecord | None) -> Outcome:
    """Why a job cannot be claimed now."""
    if record is None:
        return Outcome(job, "waiting", "another process works on it")
    if record.state in OPEN and record.error:
        again = f"attempt {record.attempts} failed, tried again at {record.next_try}: {record.error}"
        return Outcome(job, "waiting", again)
    return Outcome(job, record.state, "another process works on it, or it is over")


def described(error: Exception) -> str:
    """An error in words that hold no data: of one that nobody raised on purpose only its kind and place."""
    if isinstance(error, DarkroomError):
        return str(error)
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {Path(frames[-1].filename).name} line {frames[-1].lineno}" if frames else ""
    number = f" {error.errno}" if isinstance(error, OSError) and error.errno else ""
    return f"{type(error).__name__}{number}{place}"


def pause_after(attempts: int) -> int:
    """Seconds until the next attempt after so many that failed before this one."""
    return min(FIRST_RETRY << min(attempts, 10), LONGEST_RETRY)
