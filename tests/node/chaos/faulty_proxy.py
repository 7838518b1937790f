"""A proxy that fails as networks and servers do, between our processes and a chain node or a store."""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
from collections import Counter
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar
from urllib.parse import urlsplit

HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length", "host", "trailer"})


@dataclass(frozen=True)
class Weather:
    """How often what happens to a request, as shares of all."""

    limited: float = 0.0  # 429, as JSON-RPC or as a page
    failed: float = 0.0  # 500
    reset: float = 0.0  # the connection is cut before the request is passed on
    lost: float = 0.0  # it is passed on, and the answer is cut
    wrong: float = 0.0  # bytes of the answer are others
    late: float = 0.0  # it takes up to `seconds` longer
    seconds: float = 0.5


CALM = Weather()
DRIZZLE = Weather(failed=0.02, reset=0.01, wrong=0.02)
ROUGH = Weather(limited=0.03, failed=0.03, reset=0.02, lost=0.02, wrong=0.05, late=0.05)


class FaultyProxy:
    """Forwards HTTP to one upstream address and does, by chance of a seed, what the weather says."""

    def __init__(self, upstream: str, seed: int, *, flips: bool) -> None:
        """`flips`: wrong answers have one bit changed, for a store whose bytes are checked; else they are cut in half,
        since a chain node that says something else is not a fault but a lie.
        """
        self.weather, self.flips = CALM, flips
        self.done: Counter[str] = Counter()
        self._chance, self._lock = random.Random(seed), threading.Lock()
        address = urlsplit(upstream)
        handler = type("Handler", (_Handler,), {"proxy": self, "upstream": (address.hostname, address.port)})
        self._server = _Server(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, name="proxy", daemon=True).start()

    def stop(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()

    def fate(self) -> tuple[str, float]:
        """What happens to the next request, and a number from 0 to 1 for its details."""
        with self._lock:
            roll, detail, weather = self._chance.random(), self._chance.random(), self.weather
        for name in ("limited", "failed", "reset", "lost", "wrong", "late"):
            share = getattr(weather, name)
            if roll < share:
                self.done[name] += 1
                return name, detail
            roll -= share
        self.done["passed"] += 1
        return "passed", detail


class _Server(ThreadingHTTPServer):
    """Clients that are killed, or cut off, are what it is for."""

    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Nothing."""


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    proxy: ClassVar[FaultyProxy]
    upstream: ClassVar[tuple[str, int]]

    def do_POST(self) -> None:
        """One request."""
        body = self._body()
        fate, detail = self.proxy.fate()
        if fate == "late":
            time.sleep(detail * self.proxy.weather.seconds)
        if fate == "limited":
            said = {"jsonrpc": "2.0", "id": 0, "error": {"code": -32005, "message": "rate limit exceeded"}}
            self._say(429, json.dumps(said).encode() if detail < 0.5 else b"<html>Too Many Requests</html>")
        elif fate == "failed":
            self._say(500, b"internal error")
        elif fate == "reset":
            self._cut()
        else:
            try:
                status, headers, data = self._forward(body)
            except (OSError, http.client.HTTPException):
                self._cut()
                return
            if fate == "lost":
                self._cut()
                return
            if fate == "wrong" and data:
                data = flipped(data, detail) if self.proxy.flips else data[: len(data) // 2]
            self._say(status, data, headers)

    do_GET = do_POST  # noqa: N815

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            parts = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _forward(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection(*self.upstream, timeout=60)
        try:
            headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP}
            connection.request(self.command, self.path, body or None, headers)
            answer = connection.getresponse()
            data = answer.read()
            kept = {name: value for name, value in answer.getheaders() if name.lower() not in HOP}
            return answer.status, kept, data
        finally:
            connection.close()

    def _say(self, status: int, data: bytes, headers: dict[str, str] | None = None) -> None:
        try:
            self.send_response(status)
            for name, value in (headers or {"Content-Type": "application/json"}).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)
        except OSError:
            self.close_connection = True  # whoever asked was killed

    def _cut(self) -> None:
        self.close_connection = True
        self.connection.close()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


def flipped(data: bytes, where: float) -> bytes:
    """The same with one bit changed."""
    place = min(int(where * len(data)), len(data) - 1)
    return data[:place] + bytes([data[place] ^ 1 << int(where * 8191) % 8]) + data[place + 1 :]
