"""A running node: the real command in a process of its own, and what it says."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

SECONDS = 150.0  # for the sample's keys on a busy machine


class RunningNode:
    """`darkroom up --json` at work; `events` grows while it runs."""

    def __init__(self, home: Path, *words: str, env: dict[str, str] | None = None, collection: bool = False) -> None:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("DARKROOM_")}
        self.home = home
        self.events: list[dict[str, Any]] = []
        self.process = subprocess.Popen(
            [sys.executable, "-m", "darkroom", "up", "--json", *([] if collection else ["--no-collection"]), *words],
            env=clean | {"DARKROOM_HOME": str(home)} | (env or {}),
            cwd=Path(__file__).parents[2],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        self.errors: list[str] = []
        self._threads = [threading.Thread(target=self._hear), threading.Thread(target=self._overhear)]
        for thread in self._threads:
            thread.start()

    def _hear(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.events.append(json.loads(line))

    def _overhear(self) -> None:
        assert self.process.stderr is not None
        self.errors.extend(self.process.stderr)

    def wait(self, true: Callable[[dict[str, Any]], bool], seconds: float = SECONDS) -> dict[str, Any]:
        """The first event that is wanted, past or future."""
        limit, place = time.monotonic() + seconds, 0
        while True:
            events = self.events[place:]
            place += len(events)
            for event in events:
                if true(event):
                    return event
            assert self.process.poll() is None, self.tail()
            assert time.monotonic() < limit, self.tail()
            time.sleep(0.02)

    def said(self, service: str, event: str, **fields: Any) -> dict[str, Any]:
        """Wait for an event of a part with these fields."""
        wanted = {"service": service, "event": event} | fields
        return self.wait(lambda each: wanted.items() <= each.items())

    @property
    def url(self) -> str:
        """Where it listens."""
        return str(self.said("web", "ready")["address"])

    def get(self, path: str) -> tuple[int, Any]:
        """A status and the JSON of a path."""
        return call(self.url + path)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to stop; its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        try:
            code = self.process.wait(40)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        finally:
            for thread in self._threads:
                thread.join(10)
            for pipe in (self.process.stdout, self.process.stderr):
                assert pipe is not None
                pipe.close()
        return code

    def tail(self) -> str:
        """The end of what it said, for a failing test."""
        return "\n".join([*(json.dumps(each) for each in self.events[-30:]), *self.errors[-20:]])


def call(url: str) -> tuple[int, Any]:
    """A status and the JSON of an answer. Errors: OSError where nobody answers."""
    try:
        answer = httpx.get(url, timeout=30)
    except httpx.TransportError as error:
        raise ConnectionError(str(error)) from None
    return answer.status_code, answer.json()


def free_port() -> int:
    """A port that nobody has just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(
    home: Path, *words: str, env: dict[str, str] | None = None, collection: bool = False
) -> Iterator[RunningNode]:
    """A node that ends with the context, whatever happens in it."""
    node = RunningNode(home, *words, env=env, collection=collection)
    try:
        yield node
    finally:
        if node.process.poll() is None or (node.process.stdout and not node.process.stdout.closed):
            node.stop()
