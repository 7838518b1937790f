"""The supervisor, on real processes: it starts, restarts, reads and stops them, and leaves none behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from app.node.restart_policy import LONGEST_PAUSE, STEADY, WORKED_PAUSE, ProcessLife, ProcessState
from app.node.supervisor import NodeEvent, Service, Supervisor, parse_line

ROOT = Path(__file__).parents[2]
READY = """import json, sys
print(json.dumps({"at": "2026-01-01T00:00:00.000Z", "level": "info", "event": "ready"}), file=sys.stderr, flush=True)
"""
SERVE = READY + "import signal\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(0))\nsignal.pause()\n"
STUBBORN = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + READY + "while True: signal.pause()\n"


def python(name: str, program: str, *, once: bool = False) -> Service:
    """A part that is a small program."""
    return Service(name, (sys.executable, "-S", "-c", program), once=once)


def until(node: Supervisor, true: Callable[[], bool], seconds: float = 20.0) -> None:
    """Run the node until something is so."""
    stop, limit = threading.Event(), time.monotonic() + seconds

    def look() -> None:
        if true() or time.monotonic() > limit:
            stop.set()

    node.run(stop, look)
    assert true()


def alive(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("utf-8").rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_parts_become_ready_and_stop_orderly() -> None:
    """Each is started once, says that it is ready, and ends with exit code 0 when it is told to stop."""
    events: list[NodeEvent] = []
    with Supervisor([python("a", SERVE), python("b", SERVE)], events.append) as node:
        until(node, lambda: all(life.state is ProcessState.READY for life in node.lives().values()))
        pids = list(node.pids().values())
    assert {name: life.state for name, life in node.lives().items()} == {
        "a": ProcessState.STOPPED,
        "b": ProcessState.STOPPED,
    }
    assert [event.fields["code"] for event in events if event.event == "part-ended"] == [0, 0]
    assert not any(alive(pid) for pid in pids)


def test_a_part_that_is_killed_comes_back() -> None:
    """It gets a new process, and the others keep theirs."""
    with Supervisor([python("a", SERVE), python("b", SERVE)], lambda event: None) as node:
        until(node, lambda: all(life.state is ProcessState.READY for life in node.lives().values()))
        before = node.pids()
        os.kill(before["a"], signal.SIGKILL)
        until(node, lambda: node.lives()["a"].restarts == 1 and node.lives()["a"].state is ProcessState.READY)
        assert node.pids()["a"] != before["a"]
        assert node.pids()["b"] == before["b"]


def test_what_can_never_work_is_not_tried_again() -> None:
    """A part that ends with the exit code of wrong usage has failed; a task that is done is done."""
    parts = [python("wrong", "raise SystemExit(2)"), python("task", "pass", once=True)]
    with Supervisor(parts, lambda event: None) as node:
        until(node, lambda: {life.state for life in node.lives().values()} == {ProcessState.FAILED, ProcessState.DONE})
        for _ in range(5):
            node.step()
        assert not node.pids()


def test_a_part_waits_for_the_work_that_it_comes_after() -> None:
    """It is not started while the other one works or failed, and is once that one is done."""
    later = replace(python("later", "pass", once=True), after="first")
    with Supervisor([later, python("first", "input()", once=True)], lambda event: None) as node:
        until(node, lambda: node.lives()["first"].state is ProcessState.WORKING)
        node.step()
        assert set(node.pids()) == {"first"}
    with Supervisor([later, python("first", "raise SystemExit(2)", once=True)], lambda event: None) as node:
        until(node, lambda: node.lives()["first"].state is ProcessState.FAILED)
        node.step()
        assert not node.pids()
    with Supervisor([later, python("first", "pass", once=True)], lambda event: None) as node:
        until(node, lambda: node.lives()["later"].state is ProcessState.DONE)
        assert node.lives()["first"].state is ProcessState.DONE


def test_a_command_that_is_not_there_is_told() -> None:
    """It cannot be started, which is an event and no crash, and is tried again later."""
    events: list[NodeEvent] = []
    with Supervisor([Service("x", ("/nowhere/at/all",))], events.append) as node:
        until(node, lambda: any(event.event == "part-not-started" for event in events))
        assert node.lives()["x"].state is ProcessState.WAITING


def test_a_part_that_does_not_listen_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the grace it gets SIGKILL."""
    monkeypatch.setattr("app.node.supervisor.GRACE_SECONDS", 0.3)
    with Supervisor([python("deaf", STUBBORN)], lambda event: None) as node:
        until(node, lambda: node.lives()["deaf"].state is ProcessState.READY)
        (pid,) = node.pids().values()
    assert not alive(pid)
    assert node.lives()["deaf"].state is ProcessState.STOPPED


def test_parts_end_when_their_supervisor_is_killed() -> None:
    """Nothing is left behind: a part sees its stdin close, and stops as if it had been asked to."""
    part = "import threading\nfrom app.node.run_loop import stop_on_signals\nstop = threading.Event()\n"
    part += "stop_on_signals(stop)\n" + READY + "stop.wait()\n"
    program = f"""
import sys, threading
from app.node.supervisor import Service, Supervisor
node = Supervisor([Service("a", (sys.executable, "-c", {part!r}))], lambda event: None)
def tick():
    if node.lives()["a"].state == "ready":
        print(node.pids()["a"], flush=True)
        tick.__code__ = (lambda: None).__code__
node.run(threading.Event(), tick)
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, cwd=ROOT) as supervisor:
        assert supervisor.stdout is not None
        pid = int(supervisor.stdout.readline())
        assert alive(pid)
        supervisor.kill()
    limit = time.monotonic() + 10
    while alive(pid) and time.monotonic() < limit:
        time.sleep(0.02)
    assert not alive(pid)


def test_only_parts_that_open_keys_know_the_passphrase() -> None:
    """The web server's process cannot give away what it was never told."""
    program = "import os, sys\nprint(sorted(n for n in os.environ if 'PASS' in n), file=sys.stderr)"
    told = {"DARKROOM_PASSPHRASE": "hunter2", "DARKROOM_PASSPHRASE_FILE": "/x", "PATH": os.environ["PATH"]}
    parts = [
        replace(python("web", program, once=True), opens_keys=False),
        replace(python("owner", program, once=True), opens_keys=True),
    ]
    said: dict[str, str] = {}

    def sink(event: NodeEvent) -> None:
        if event.event == "output":
            said[event.service] = event.fields["text"]

    with Supervisor(parts, sink, environment=told) as node:
        until(node, lambda: len(said) == 2)
    assert said == {"web": "[]", "owner": "['DARKROOM_PASSPHRASE', 'DARKROOM_PASSPHRASE_FILE']"}


def test_lines_that_are_no_events() -> None:
    """Foreign words are kept as text; an event keeps its fields; a part cannot speak as another."""
    assert parse_line("a", b"\n") is None
    foreign = parse_line("a", b"Segmentation fault\n")
    assert foreign is not None
    assert (foreign.event, foreign.fields) == ("output", {"text": "Segmentation fault"})
    for line in (b"[1, 2]", b"{}", b'{"at": 1, "level": "info", "event": "x"}', b"\xff\xfe", b"[" * 5000):
        found = parse_line("a", line)
        assert found is not None
        assert found.event == "output"
    own = parse_line("a", b'{"at": "t", "level": "info", "event": "job", "service": "b", "job": 3}')
    assert own == NodeEvent("t", "info", "a", "job", {"job": 3})


def test_pauses_between_restarts_grow_and_are_forgotten() -> None:
    """Half a second at first, doubled with each failure up to a minute, from the start again after a steady run."""
    life, now, pauses = ProcessLife(), 0.0, []
    for _ in range(10):
        life = life.started(now).ended(1, now, once=False)
        pauses.append(life.due - now)
        now = life.due
    assert pauses[:4] == [0.5, 1.0, 2.0, 4.0]
    assert pauses[-1] == LONGEST_PAUSE
    life = life.started(now).ready().ended(-9, now + STEADY, once=False)
    assert life.due - (now + STEADY) == 0.5
    assert life.restarts == 11


def test_what_worked_is_back_soon() -> None:
    """A part that had said that it works is not kept away for a minute because somebody killed it often."""
    life, now, pauses = ProcessLife(), 0.0, []
    for _ in range(10):
        life = life.started(now).ready().ended(-9, now + 1, once=False)
        pauses.append(life.due - now - 1)
        now = life.due
    assert pauses[:4] == [0.5, 1.0, 2.0, 4.0]
    assert max(pauses) == WORKED_PAUSE
