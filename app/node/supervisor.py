"""Runs the node's parts as processes: starts them, reads what they log, restarts what ends, stops all of them orderly.

A part writes JSON lines (`app.node.logs`) on stderr; the event `ready` says that it works. It stops on SIGTERM, and
when its stdin closes, which happens when the supervisor is gone however it went.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import IO, Any, Self

from app.node.logs import MAX_TEXT, SERVICE_VARIABLE, STYLE_VARIABLE
from app.node.restart_policy import ProcessLife, ProcessState
from app.node.run_loop import SUPERVISED_VARIABLE

GRACE_SECONDS = 10.0  # between SIGTERM and SIGKILL
TICK = 0.1
MAX_LINE = 64 << 10  # bytes
PASSPHRASES = ("DARKROOM_PASSPHRASE", "DARKROOM_PASSPHRASE_FILE")


@dataclass(frozen=True)
class Service:
    """One part: a command, run again when it ends, or `once`. `keeps` are descriptors that it inherits.

    Only a part that `opens_keys` is told the passphrase that the supervisor's environment may hold. `variables` are
    added to the environment of this part. One that comes `after` another is started once that one's work is done.
    """

    name: str
    command: tuple[str, ...]
    once: bool = False
    keeps: tuple[int, ...] = ()
    opens_keys: bool = False
    variables: Mapping[str, str] = field(default_factory=dict)
    after: str = ""


@dataclass(frozen=True)
class NodeEvent:
    """One thing that a part said, or that the supervisor did to it (`event` then begins with `part-`)."""

    at: str
    level: str
    service: str
    event: str
    fields: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """As it is logged."""
        return {"at": self.at, "level": self.level, "service": self.service, "event": self.event, **self.fields}


@dataclass
class _Part:
    service: Service
    life: ProcessLife = field(default_factory=ProcessLife)
    process: subprocess.Popen[bytes] | None = None
    reader: threading.Thread | None = None


class Supervisor:
    """The parts of one node. `sink` gets every event, in one thread; every part inherits the descriptors `keeps`."""

    def __init__(
        self,
        services: Sequence[Service],
        sink: Callable[[NodeEvent], None],
        *,
        keeps: Sequence[int] = (),
        environment: Mapping[str, str] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._parts = {service.name: _Part(service) for service in services}
        self._sink, self._clock, self._keeps = sink, clock, tuple(keeps)
        self._environment = dict(os.environ if environment is None else environment)
        self._heard: queue.Queue[NodeEvent] = queue.Queue()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def lives(self) -> dict[str, ProcessLife]:
        """How each part is doing."""
        return {name: part.life for name, part in self._parts.items()}

    def pids(self) -> dict[str, int]:
        """The processes that run now."""
        return {name: part.process.pid for name, part in self._parts.items() if part.process is not None}

    def run(self, stop: threading.Event, tick: Callable[[], None] = lambda: None) -> None:
        """Keep the parts running until `stop` is set; `tick` is called often."""
        while not stop.is_set():
            self.step()
            tick()
            self._listen(TICK)

    def step(self) -> None:
        """Start what is due, and notice what ended."""
        for part in self._parts.values():
            if part.process is not None and (code := part.process.poll()) is not None:
                self._bury(part, code)
            if part.process is None and part.life.state is ProcessState.WAITING and self._clock() >= part.life.due:
                before = self._parts.get(part.service.after)
                if before is None or before.life.state is ProcessState.DONE:
                    self._start(part)

    def stop(self, tick: Callable[[], None] = lambda: None) -> None:
        """End all parts: SIGTERM, and SIGKILL for what has not ended after the grace."""
        running = [part for part in self._parts.values() if part.process is not None]
        for part in running:
            part.life = part.life.stopping()
            assert part.process is not None
            with contextlib.suppress(ProcessLookupError):
                part.process.terminate()
        limit = self._clock() + GRACE_SECONDS
        while any(part.process is not None for part in running):
            for part in running:
                if part.process is None:
                    continue
                if self._clock() > limit:
                    part.process.kill()
                if (code := part.process.poll()) is not None:
                    self._bury(part, code)
            tick()
            self._listen(TICK / 2)
        self._listen(0)

    def _start(self, part: _Part) -> None:
        service = part.service
        known = {name: value for name, value in self._environment.items() if name not in PASSPHRASES}
        variables = (self._environment if service.opens_keys else known) | {
            STYLE_VARIABLE: "json",
            SERVICE_VARIABLE: service.name,
            SUPERVISED_VARIABLE: "1",
            **service.variables,
        }
        try:
            part.process = subprocess.Popen(
                service.command,
                env=variables,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                pass_fds=(*self._keeps, *service.keeps),
                start_new_session=True,  # Ctrl-C on the terminal reaches the supervisor alone, which stops the parts
            )
        except OSError as error:
            part.life = part.life.ended(1, self._clock(), once=service.once)
            self._say(service, "error", "part-not-started", reason=error.strerror or type(error).__name__)
            return
        part.life = part.life.started(self._clock(), once=service.once)
        assert part.process.stderr is not None
        part.reader = threading.Thread(
            target=self._read, args=(service, part.process.stderr), name=f"log of {service.name}", daemon=True
        )
        part.reader.start()
        self._say(service, "info", "part-started", pid=part.process.pid, restarts=part.life.restarts)

    def _bury(self, part: _Part, code: int) -> None:
        assert part.process is not None
        assert part.reader is not None
        part.reader.join(2.0)
        for pipe in (part.process.stdin, part.process.stderr):
            if pipe is not None and not part.reader.is_alive():
                pipe.close()
        part.process = None
        before, part.life = part.life, part.life.ended(code, self._clock(), once=part.service.once)
        asked = before.state is ProcessState.STOPPING or part.life.state is ProcessState.DONE
        told = {"code": code, "next": str(part.life.state)}
        if part.life.state is ProcessState.WAITING:
            told["again_in_s"] = f"{part.life.due - self._clock():.1f}"
        self._say(part.service, "info" if asked else "error", "part-ended", **told)

    def _read(self, service: Service, pipe: IO[bytes]) -> None:
        with contextlib.suppress(ValueError, OSError):  # closed under the reader, at the end
            while line := pipe.readline(MAX_LINE):
                if (event := parse_line(service.name, line)) is not None:
                    self._heard.put(event)

    def _say(self, service: Service, level: str, event: str, **fields: Any) -> None:
        self._heard.put(NodeEvent(now(), level, service.name, event, fields))

    def _listen(self, timeout: float) -> None:
        """Hand on what was heard, after waiting at most `timeout` seconds for the first of it."""
        try:
            event = self._heard.get(timeout=timeout) if timeout else self._heard.get_nowait()
            while True:
                if event.event == "ready":
                    part = self._parts[event.service]
                    part.life = part.life.ready()
                self._sink(event)
                event = self._heard.get_nowait()
        except queue.Empty:
            return


def parse_line(service: str, line: bytes) -> NodeEvent | None:
    """A part's line as an event: a JSON object of ours, or foreign words such as a traceback's; None for nothing."""
    text = line.decode("utf-8", "replace").strip()
    if not text:
        return None
    try:
        said = json.loads(text)
        at, level, event = said.pop("at"), said.pop("level"), said.pop("event")
        said.pop("service", None)
        if not all(isinstance(each, str) for each in (at, level, event)):
            raise TypeError
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return NodeEvent(now(), "warning", service, "output", {"text": text[:MAX_TEXT]})
    return NodeEvent(at, level, service, event, said)


def now() -> str:
    """This machine's time, as events carry it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
