"""What a web server's life is like, for machines that watch it: GET /metrics from this machine, in Prometheus' formats.

Plain ASGI around the application. Labels are methods and status classes only: paths hold addresses and ids.
"""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, make_asgi_app

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

PATH = "/metrics"
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"})


class Metrics:
    """Counts requests, and answers one path itself."""

    def __init__(self, app: App) -> None:
        self._app = app
        registry = CollectorRegistry()  # of this server alone, not the process-wide one that any library may add to
        ProcessCollector(registry=registry)  # start, CPU, memory, open files; where there is /proc
        self._requests = Counter(
            "darkroom_requests", "Requests answered; status none where the answer never began.", ("method", "status"),
            registry=registry,
        )  # fmt: skip
        self._waits = Histogram(
            "darkroom_response_start_seconds", "Seconds from a request to the start of its answer.", registry=registry
        )
        self._open = Gauge("darkroom_requests_in_progress", "Requests being answered, streams too.", registry=registry)
        self._exposition: App = make_asgi_app(registry)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["path"] == PATH and scope["method"] == "GET" and _local(scope):
            await self._exposition(scope, receive, send)
            return
        began, counted = time.perf_counter(), False

        async def answered(message: Message) -> None:
            nonlocal counted
            if message["type"] == "http.response.start":
                counted = True
                self._count(scope["method"], int(message["status"]), time.perf_counter() - began)
            await send(message)

        with self._open.track_inprogress():
            try:
                await self._app(scope, receive, answered)
            finally:
                if not counted:
                    self._count(scope["method"], 0, time.perf_counter() - began)

    def _count(self, method: str, status: int, seconds: float) -> None:
        named = method if method in METHODS else "other"
        self._requests.labels(named, f"{status // 100}xx" if status else "none").inc()
        self._waits.observe(seconds)


def _local(scope: Scope) -> bool:
    """Whether the request came from this machine and through no proxy."""
    client = scope.get("client")
    forwarded = any(name in (b"forwarded", b"x-forwarded-for", b"via") for name, _ in scope["headers"])
    try:
        return not forwarded and ipaddress.ip_address(client[0] if client else "").is_loopback
    except ValueError:
        return False
