"""How an agent goes on, slows down while nothing works, and stops."""

from __future__ import annotations

import itertools
import logging
import sqlite3
import threading
import time
from dataclasses import dataclass

import pytest

from app.node.restart_policy import LONGEST_PAUSE, ProcessLife
from app.node.run_loop import DedupLog, Unchanged, run
from app.protocol.backoff import growing
from app.protocol.errors import Unavailable, VerificationFailed

LOG = logging.getLogger("test.loop")


@dataclass(frozen=True)
class Happened:
    """One thing done to a job."""

    job: int
    what: str
    detail: str = ""


def test_a_failure_is_told_once_and_work_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    """The same error many times is one line; another error is one more; its end is told too."""
    stop, calls = threading.Event(), []

    def step() -> None:
        calls.append(1)
        if len(calls) <= 3:
            raise Unavailable("The chain does not answer.")
        if len(calls) == 4:
            raise VerificationFailed("Other code.")
        stop.set()

    with caplog.at_level(logging.INFO):
        run(step, stop, every=0.001, log=LOG)
    assert len(calls) == 5
    assert [record.getMessage() for record in caplog.records] == ["ready", "failed", "failed", "recovered", "stopped"]
    assert caplog.records[3].__dict__["failures"] == 4


def test_a_bug_is_not_hidden() -> None:
    """What is no error of ours ends the loop: the supervisor sees it, and starts the part again."""

    def step() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(step, threading.Event(), every=0.001, log=LOG)


@pytest.mark.parametrize(
    "error", [OSError(28, "No space left on device"), MemoryError(), sqlite3.OperationalError("database is full")]
)
def test_a_full_machine_does_not_end_an_agent(caplog: pytest.LogCaptureFixture, error: Exception) -> None:
    """Disk and memory are full for some time: that is told once, without what was written, and work goes on."""
    stop, calls = threading.Event(), []

    def step() -> None:
        calls.append(1)
        if len(calls) <= 2:
            raise error
        stop.set()

    with caplog.at_level(logging.INFO):
        run(step, stop, every=0.001, log=LOG)
    assert [record.getMessage() for record in caplog.records] == ["ready", "failed", "recovered", "stopped"]
    assert caplog.records[1].__dict__["code"] == "machine"
    assert "darkroom doctor" in caplog.records[1].__dict__["detail"]


def test_pauses_grow_while_nothing_works() -> None:
    """An endpoint that is down is not hammered."""
    stop, times = threading.Event(), []

    def step() -> None:
        times.append(time.monotonic())
        if len(times) == 5:
            stop.set()
        raise Unavailable("down")

    run(step, stop, every=0.02, log=LOG)
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert gaps[-1] > 4 * gaps[0]


def test_a_diary_repeats_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """A job that waits is told once, and again when something else happened to it in between."""
    diary = DedupLog(LOG)
    with caplog.at_level(logging.INFO):
        for happening in (
            Happened(1, "waiting"), Happened(1, "waiting"), Happened(2, "waiting"), Happened(1, "failed", "x"),
            Happened(1, "failed", "x"), Happened(1, "waiting"),
        ):  # fmt: skip
            diary.note(happening)
    told = [(record.__dict__["job"], record.__dict__["what"], record.levelname) for record in caplog.records]
    assert told == [
        (1, "waiting", "INFO"), (2, "waiting", "INFO"), (1, "failed", "WARNING"), (1, "waiting", "INFO"),
    ]  # fmt: skip


def test_a_look_is_spared_while_the_chain_stands_still() -> None:
    """No new block, no look; but patience ends, and a step that did something looks again at once."""
    head, now = ["a"], [0.0]
    unchanged = Unchanged(lambda: head[0], lambda: now[0], patience=10.0)
    assert not unchanged()
    assert unchanged()
    head[0] = "b"
    assert not unchanged()
    assert unchanged()
    now[0] = 10.0
    assert not unchanged()
    assert unchanged()
    unchanged.forget()
    assert not unchanged()


@pytest.mark.parametrize("failures", [0, 1, 1_023, 1_024, 1_025, 10**9])
def test_a_pause_never_overflows(failures: int) -> None:
    """An endpoint that is down for days does not end the agent, nor a part that never starts the supervisor."""
    assert 0 < growing(0.5, failures, 30.0) <= 30.0
    life = ProcessLife(failures=failures).ended(1, 0.0, once=False)
    assert life.due <= LONGEST_PAUSE
