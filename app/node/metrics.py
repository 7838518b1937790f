"""Counters of a web server's life, for machines that watch it: GET /metrics from this machine, in Prometheus' format.

Plain ASGI around the application. Labels are methods and status classes only: paths hold addresses and ids.
"""

from __future__ import annotations

import ipaddress
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

PATH = "/metrics"
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"})
BUCKETS = (0.005, 0.02, 0.1, 0.5, 2.0, 10.0)  # seconds until an answer begins


class Metrics:
    """Counts requests, and answers one path itself."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._lock = threading.Lock()
        self._requests: Counter[tuple[str, str]] = Counter()
        self._waits: Counter[float] = Counter()
        self._waited = 0.0
        self._open = 0
        self._began = time.time()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["path"] == PATH and scope["method"] == "GET" and _local(scope):
            await _answer(send, self.text())
            return
        began, counted = time.perf_counter(), False

        async def answered(message: Message) -> None:
            nonlocal counted
            if message["type"] == "http.response.start":
                counted = True
                self._count(scope["method"], int(message["status"]), time.perf_counter() - began)
            await send(message)

        self._running(1)
        try:
            await self._app(scope, receive, answered)
        finally:
            self._running(-1)
            if not counted:
                self._count(scope["method"], 0, time.perf_counter() - began)

    def text(self) -> str:
        """All counters."""
        with self._lock:
            requests, waits, waited, running = dict(self._requests), dict(self._waits), self._waited, self._open
        total = sum(requests.values())
        below = [(edge, sum(count for bound, count in waits.items() if bound <= edge)) for edge in BUCKETS]
        lines = [
            "# TYPE darkroom_requests_total counter",
            *(
                f'darkroom_requests_total{{method="{method}",status="{status}"}} {count}'
                for (method, status), count in sorted(requests.items())
            ),
            "# TYPE darkroom_response_start_seconds histogram",
            *(f'darkroom_response_start_seconds_bucket{{le="{edge}"}} {count}' for edge, count in below),
            f'darkroom_response_start_seconds_bucket{{le="+Inf"}} {total}',
            f"darkroom_response_start_seconds_sum {waited:.6f}",
            f"darkroom_response_start_seconds_count {total}",
            "# TYPE darkroom_requests_open gauge",
            f"darkroom_requests_open {running}",
            "# TYPE darkroom_started_seconds gauge",
            f"darkroom_started_seconds {self._began:.0f}",
        ]
        return "\n".join(lines) + "\n"

    def _count(self, method: str, status: int, seconds: float) -> None:
        named = method if method in METHODS else "other"
        kind = f"{status // 100}xx" if status else "none"
        with self._lock:
            self._requests[named, kind] += 1
            self._waits[next((edge for edge in BUCKETS if seconds <= edge), float("inf"))] += 1
            self._waited += seconds

    def _running(self, change: int) -> None:
        with self._lock:
            self._open += change


def _local(scope: Scope) -> bool:
    """Whether the request came from this machine and through no proxy."""
    client = scope.get("client")
    forwarded = any(name in (b"forwarded", b"x-forwarded-for", b"via") for name, _ in scope["headers"])
    try:
        return not forwarded and ipaddress.ip_address(client[0] if client else "").is_loopback
    except ValueError:
        return False


async def _answer(send: Send, text: str) -> None:
    body = text.encode()
    headers = [
        (b"content-type", b"text/plain; version=0.0.4; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
