"""What `darkroom up` shows: a live screen on a terminal, one line an event elsewhere, or one JSON object an event."""

from __future__ import annotations

import json
import sys
import time
from collections import deque
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol, Self

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from app.node.logs import words_of
from app.node.restart_policy import ProcessLife, ProcessState
from app.node.supervisor import NodeEvent

RECENT = 10  # events on the screen
SIGNS = {
    ProcessState.READY: ("●", "green"),
    ProcessState.DONE: ("✓", "green"),
    ProcessState.STARTING: ("◌", "yellow"),
    ProcessState.WORKING: ("◌", "yellow"),
    ProcessState.WAITING: ("↻", "yellow"),
    ProcessState.STOPPING: ("◌", "yellow"),
    ProcessState.STOPPED: ("○", "dim"),
    ProcessState.FAILED: ("✗", "red"),
}


class Screen(Protocol):
    """Where a running node speaks."""

    def note(self, event: NodeEvent) -> None:
        """Something happened."""

    def tick(self, lives: Mapping[str, ProcessLife], pids: Mapping[str, int]) -> None:
        """How the parts are doing now."""


class JsonScreen:
    """One JSON object an event on stdout."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def note(self, event: NodeEvent) -> None:
        """One line."""
        sys.stdout.write(json.dumps(event.to_dict()) + "\n")
        sys.stdout.flush()

    def tick(self, lives: Mapping[str, ProcessLife], pids: Mapping[str, int]) -> None:
        """Programs read the events."""


class PlainScreen:
    """One line an event, for files and pipes."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def note(self, event: NodeEvent) -> None:
        """One line."""
        if not _routine(event):
            self._console.print(line_of(event), soft_wrap=True)

    def tick(self, lives: Mapping[str, ProcessLife], pids: Mapping[str, int]) -> None:
        """The events say it all."""


class LiveScreen:
    """A table of the parts and the latest events, drawn in place."""

    def __init__(self, console: Console, details: Mapping[str, str]) -> None:
        self._facts = dict(details)
        self._recent: deque[NodeEvent] = deque(maxlen=RECENT)
        self._latest: dict[str, NodeEvent] = {}
        self._drawn = 0.0
        self._ready = ""
        self._seen: tuple[Mapping[str, ProcessLife], Mapping[str, int]] = ({}, {})
        self._live = Live(console=console, refresh_per_second=4, transient=False)

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._live.update(self._picture(*self._seen, time.monotonic(), "The node has stopped."))
        self._live.__exit__(*error)

    def note(self, event: NodeEvent) -> None:
        """Remember it for the next drawing."""
        if _routine(event):
            return
        if (event.service, event.event) == ("node", "ready"):
            self._ready = (
                f"Ready: open {event.fields['address']} in a browser. " if event.fields["address"] else "Ready. "
            )
        self._recent.append(event)
        self._latest[event.service] = event

    def tick(self, lives: Mapping[str, ProcessLife], pids: Mapping[str, int]) -> None:
        """Draw, at most a few times a second."""
        now, self._seen = time.monotonic(), (lives, pids)
        if now - self._drawn > 0.2:
            self._drawn = now
            self._live.update(self._picture(lives, pids, now, f"{self._ready}Ctrl-C stops the node."))

    def _picture(self, lives: Mapping[str, ProcessLife], pids: Mapping[str, int], now: float, end: str) -> Group:
        head = Table.grid(padding=(0, 2))
        for name, value in self._facts.items():
            head.add_row(Text(name, style="bold"), Text(value))
        parts = Table(box=None, pad_edge=False, padding=(0, 2))
        for name in ("", "part", "state", "up", "restarts", "latest"):
            parts.add_column(name, no_wrap=name != "latest", overflow="ellipsis", justify="left")
        for name, life in lives.items():
            sign, style = SIGNS[life.state]
            up = _span(now - life.since) if name in pids else ""
            latest = self._latest.get(name)
            said = Text(_words(latest), no_wrap=True, overflow="ellipsis") if latest else Text("")
            parts.add_row(Text(sign, style=style), name, str(life.state), up, str(life.restarts or ""), said)
        lines = [line_of(event) for event in self._recent]
        return Group(head, Text(), parts, Text(), *lines, Text(end, style="dim"))


def choose(*, as_json: bool, details: Mapping[str, str]) -> AbstractContextManager[Screen]:
    """The screen for this stdout."""
    if as_json:
        return JsonScreen()
    console = Console(highlight=False)
    if console.is_terminal:
        return LiveScreen(console, details)
    for name, value in details.items():
        console.print(f"{name}: {value}", soft_wrap=True, markup=False)
    return PlainScreen(console)


def _routine(event: NodeEvent) -> bool:
    """Answered requests: they are in the log file, and would drown everything else here."""
    return event.event == "request" and int(event.fields.get("status") or 0) in range(100, 500)


def line_of(event: NodeEvent) -> Text:
    """An event on one line."""
    style = {"error": "red", "warning": "yellow"}.get(event.level, "")
    text = Text(f"{event.at[11:19]}  ", style="dim", no_wrap=True, overflow="ellipsis")
    return text.append(f"{event.service:<12}", style="bold").append(f" {_words(event)}", style=style)


def _words(event: NodeEvent) -> str:
    said = words_of({name: value for name, value in event.fields.items() if value not in ("", None)})
    return " ".join(f"{event.event} {said}".split())


def _span(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02}m" if hours else f"{minutes}m{rest:02}s" if minutes else f"{rest}s"
