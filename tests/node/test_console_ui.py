"""What a node shows to people and to programs."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from app.node.console_ui import JsonScreen, LiveScreen, PlainScreen, choose
from app.node.restart_policy import ProcessLife, ProcessState
from app.node.supervisor import NodeEvent

AT = "2026-01-02T03:04:05.678Z"
JOB = NodeEvent(AT, "info", "provider-1", "job", {"job": 3, "what": "committed", "detail": ""})
FAILED = NodeEvent(AT, "warning", "index", "failed", {"code": "unavailable", "detail": "The chain does not answer."})


def console() -> Console:
    """A terminal 100 columns wide, into memory."""
    return Console(file=io.StringIO(), force_terminal=True, width=100, height=40, color_system=None)


def test_programs_get_one_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """With --json each event is a JSON object on stdout, and nothing else is there."""
    with JsonScreen() as screen:
        screen.note(JOB)
        screen.tick({"provider-1": ProcessLife()}, {})
        screen.note(FAILED)
    first, second = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert first["job"] == 3
    assert second == {
        "at": AT, "level": "warning", "service": "index", "event": "failed", "code": "unavailable",
        "detail": "The chain does not answer.",
    }  # fmt: skip


def test_a_pipe_gets_one_line_an_event(capsys: pytest.CaptureFixture[str]) -> None:
    """Off a terminal the facts come first, then a line for each event but answered requests: time, part, words."""
    with choose(as_json=False, details={"home": "/srv/[darkroom]"}) as screen:
        assert isinstance(screen, PlainScreen)
        screen.note(JOB)
        screen.note(NodeEvent(AT, "info", "web", "request", {"status": 404, "ms": 1.5}))
        screen.note(FAILED)
    assert capsys.readouterr().out.splitlines() == [
        "home: /srv/[darkroom]",
        "03:04:05  provider-1   job job=3 what=committed",
        "03:04:05  index        failed code=unavailable The chain does not answer.",
    ]


def test_a_terminal_shows_every_part_by_word_and_sign() -> None:
    """Each part has a line: its state in words beside a sign, how often it was restarted, its latest words."""
    terminal = console()
    lives = {
        "index": ProcessLife(ProcessState.READY, since=0.0),
        "provider-1": ProcessLife(ProcessState.WAITING, restarts=2),
        "owner": ProcessLife(ProcessState.FAILED),
    }
    with LiveScreen(terminal, {"Darkroom": "http://127.0.0.1:8080"}) as screen:
        screen.note(JOB)
        screen.note(FAILED)
        screen.note(NodeEvent(AT, "info", "node", "ready", {"address": "http://127.0.0.1:8080"}))
        screen.tick(lives, {"index": 1})
    assert isinstance(terminal.file, io.StringIO)
    shown = terminal.file.getvalue()
    assert "http://127.0.0.1:8080" in shown
    for sign, name, state in (("●", "index", "ready"), ("↻", "provider-1", "waiting"), ("✗", "owner", "failed")):
        assert any(sign in line and name in line and state in line for line in shown.splitlines()), (name, shown)
    assert "what=committed" in shown
    assert "ready address=http://127.0.0.1:8080" in shown


def test_foreign_words_are_not_markup() -> None:
    """Square brackets in a part's words are shown as they are."""
    terminal = console()
    with PlainScreen(terminal) as screen:
        screen.note(NodeEvent(AT, "warning", "web", "output", {"text": "[red]a[/] b"}))
    assert isinstance(terminal.file, io.StringIO)
    assert "[red]a[/] b" in terminal.file.getvalue()
