"""Counters of the web server: what is counted, and who may read it."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from app.node.metrics import Metrics


async def _application(scope: Any, receive: Any, send: Any) -> None:
    if scope["path"] == "/fault":
        raise ZeroDivisionError
    await send({"type": "http.response.start", "status": 404 if scope["path"] == "/no" else 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def ask(
    metrics: Metrics,
    path: str,
    *,
    method: str = "GET",
    client: tuple[str, int] | None = ("127.0.0.1", 1),
    headers: list[tuple[bytes, bytes]] | None = None,
) -> tuple[int, str]:
    """One request's status and body."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "path": path, "method": method, "client": client, "headers": headers or []}
    with ThreadPoolExecutor(1) as apart:  # a browser's test may have left a running loop in this thread
        apart.submit(lambda: asyncio.run(metrics(scope, None, send))).result()  # type: ignore[arg-type]
    return sent[0]["status"], sent[1]["body"].decode()


def test_requests_are_counted_by_method_and_class() -> None:
    """Answers, refusals and faults are told apart; names of paths and foreign methods are not kept."""
    metrics = Metrics(_application)
    for path in ("/a", "/b", "/no"):
        ask(metrics, path)
    ask(metrics, "/a", method="BREW")
    with pytest.raises(ZeroDivisionError):
        ask(metrics, "/fault")
    status, text = ask(metrics, "/metrics")
    assert status == 200
    lines = text.splitlines()
    assert 'darkroom_requests_total{method="GET",status="2xx"} 2' in lines
    assert 'darkroom_requests_total{method="GET",status="4xx"} 1' in lines
    assert 'darkroom_requests_total{method="GET",status="none"} 1' in lines
    assert 'darkroom_requests_total{method="other",status="2xx"} 1' in lines
    assert 'darkroom_response_start_seconds_bucket{le="+Inf"} 5' in lines
    assert 'darkroom_response_start_seconds_bucket{le="10.0"} 5' in lines
    assert "darkroom_requests_open 0" in lines
    assert "/a" not in text


@pytest.mark.parametrize(
    ("client", "headers"),
    [(("192.0.2.7", 1), []), (None, []), (("127.0.0.1", 1), [(b"x-forwarded-for", b"192.0.2.7")])],
)
def test_only_this_machine_reads_them(client: Any, headers: Any) -> None:
    """To others, also through a proxy here, the path is the application's like any other."""
    assert ask(Metrics(_application), "/metrics", client=client, headers=headers) == (200, "")
