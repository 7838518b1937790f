"""Traces: agents of different parties tell a collector of one job as one trace, and tell it nothing else."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from app.execution import tracing
from app.protocol.errors import UsageError
from tests.node.worked import Worked

PROVIDED = ["fetch", "evaluate", "commit", "reveal"]
RELEASED = ["verify", "decrypt", "seal", "release", "store result"]
TOLD = {"darkroom.job", "darkroom.market", "darkroom.chain", "darkroom.role"}


class Collector:
    """Takes Zipkin's JSON over HTTP and keeps it."""

    def __init__(self) -> None:
        self.spans: list[dict[str, Any]] = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                outer.spans += json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(202)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Nothing."""

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/api/v2/spans"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        """End it."""
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def collector() -> Iterator[Collector]:
    """One that listens."""
    tracing._provider.cache_clear()
    found = Collector()
    yield found
    found.stop()
    tracing._provider.cache_clear()


def test_one_job_is_one_trace(worked: Worked, collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two providers and a custodian, who share nothing but the chain, export spans of the same trace, whose id anybody
    can work out; what they say is which job and who, and no value, key or salt.
    """
    monkeypatch.setenv(tracing.VARIABLE, collector.url)
    number = worked.settle()
    market = worked.market
    for kind in ("provider", "custodian"):
        assert tracing._provider(f"darkroom-{kind}", collector.url).force_flush()
    trace, parent = tracing.ids_of(market.network.market.chain_id, market.network.market.address, number)
    told = [each for each in collector.spans if each["tags"]["darkroom.job"] == str(number)]
    assert {(each["traceId"], each["parentId"]) for each in told} == {(f"{trace:032x}", f"{parent:016x}")}
    by_role: dict[str, list[str]] = {}
    for each in sorted(told, key=lambda each: each["timestamp"]):
        by_role.setdefault(each["tags"]["darkroom.role"], []).append(each["name"])
    assert by_role.pop("owner") == RELEASED
    drawn = [names for names in by_role.values() if "draw" in names]
    assert len(drawn) == 1
    assert [[name for name in names if name != "draw"] for names in by_role.values()] == [PROVIDED, PROVIDED]
    services = {each["localEndpoint"]["serviceName"] for each in told}
    assert services == {"darkroom-provider", "darkroom-custodian"}
    for each in collector.spans:
        assert set(each["tags"]) - {"service.name", "otel.library.name", "otel.library.version"} <= TOLD | {
            "otel.scope.name", "otel.scope.version", "telemetry.sdk.language", "telemetry.sdk.name",
            "telemetry.sdk.version",
        }  # fmt: skip
        assert not each.get("annotations")
    other, _ = tracing.ids_of(market.network.market.chain_id, market.network.market.address, number + 1)
    assert other != trace


def test_a_failure_is_told_by_its_code_alone(collector: Collector) -> None:
    """An error's message may hold what is nobody's business; its code does not."""
    provider = tracing._provider("darkroom-provider", collector.url)
    spans = tracing.traced(provider, "provider-1", 1, "0x1")
    with pytest.raises(UsageError), spans(7, "evaluate"):
        raise UsageError("The secret is 42.", "Hide it.")
    with pytest.raises(ZeroDivisionError), spans(7, "evaluate"):
        raise ZeroDivisionError("42")
    assert provider.force_flush()
    assert [each["tags"]["darkroom.error"] for each in collector.spans] == ["usage-error", "fault"]
    assert "42" not in json.dumps([each["tags"] for each in collector.spans])


def test_a_collector_that_is_away_is_no_trouble(worked: Worked, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job goes its way though nobody takes its spans; what is no URL is refused before any work."""
    tracing._provider.cache_clear()
    monkeypatch.setenv(tracing.VARIABLE, "http://127.0.0.1:9/api/v2/spans")
    worked.settle()
    monkeypatch.setenv(tracing.VARIABLE, "collector")
    with pytest.raises(UsageError, match="http"):
        worked.settle()


def test_without_a_setting_nothing_is_traced(monkeypatch: pytest.MonkeyPatch) -> None:
    """The libraries are not even imported."""
    monkeypatch.delenv(tracing.VARIABLE, raising=False)
    assert tracing.spans_for("provider", "provider-1", 1, "0x1") is tracing.no_spans
