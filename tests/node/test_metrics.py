"""Counters of the web server: what is counted, and who may read it."""

from __future__ import annotations

import sys
import time
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from app.node.metrics import Metrics
from tests.support import apart


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

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    scope = {"type": "http", "path": path, "method": method, "client": client, "headers": headers or []}
    apart.run(lambda: metrics(scope, receive, send))
    return sent[0]["status"], sent[1]["body"].decode()


def values(text: str) -> dict[str, float]:
    """What Prometheus' own reader finds in an exposition: a sample's name and labels, and its value."""
    return {
        f"{sample.name}{sorted(sample.labels.items())}": sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


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
    found = values(text)
    requests = {name: value for name, value in found.items() if name.startswith("darkroom_requests_total")}
    assert requests == {
        "darkroom_requests_total[('method', 'GET'), ('status', '2xx')]": 2,
        "darkroom_requests_total[('method', 'GET'), ('status', '4xx')]": 1,
        "darkroom_requests_total[('method', 'GET'), ('status', 'none')]": 1,
        "darkroom_requests_total[('method', 'other'), ('status', '2xx')]": 1,
    }
    assert found["darkroom_response_start_seconds_bucket[('le', '+Inf')]"] == 5
    assert found["darkroom_response_start_seconds_bucket[('le', '10.0')]"] == 5
    assert found["darkroom_response_start_seconds_count[]"] == 5
    assert found["darkroom_requests_in_progress[]"] == 0
    assert "/a" not in text


def test_a_request_is_in_progress_until_its_answer_ends() -> None:
    """Who reads the counters while an answer is under way sees it, and each server counts its own."""
    seen: list[str] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        seen.append(ask(metrics, "/metrics")[1])
        await _application(scope, receive, send)

    metrics, other = Metrics(application), Metrics(_application)
    ask(metrics, "/a")
    assert values(seen[0])["darkroom_requests_in_progress[]"] == 1
    assert values(ask(metrics, "/metrics")[1])["darkroom_requests_in_progress[]"] == 0
    assert "darkroom_requests_total[('method', 'GET'), ('status', '2xx')]" not in values(ask(other, "/metrics")[1])


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_the_process_is_told_by_its_standard_names() -> None:
    """Start, CPU, memory and open files stand under the names that every dashboard knows."""
    found = values(ask(Metrics(_application), "/metrics")[1])
    assert 0 < found["process_start_time_seconds[]"] <= time.time()
    assert found["process_resident_memory_bytes[]"] > 1 << 20
    assert {"process_cpu_seconds_total[]", "process_open_fds[]"} <= found.keys()


@pytest.mark.parametrize(
    ("client", "headers"),
    [(("192.0.2.7", 1), []), (None, []), (("127.0.0.1", 1), [(b"x-forwarded-for", b"192.0.2.7")])],
)
def test_only_this_machine_reads_them(client: Any, headers: Any) -> None:
    """To others, also through a proxy here, the path is the application's like any other."""
    assert ask(Metrics(_application), "/metrics", client=client, headers=headers) == (200, "")
