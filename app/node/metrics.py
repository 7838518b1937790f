"""What a web server's life is like, for machines that watch it: GET /metrics from this machine, in Prometheus' formats.

Plain ASGI around the application. Labels are methods and status classes only: paths hold addresses and ids.
"""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, make_asgi_app
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from app.home.agent_status import SILENT_SECONDS, AgentStatus, read_statuses, troubles
from app.home.home import Home

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

PATH = "/metrics"
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"})


GAUGES: dict[str, tuple[str, Callable[[AgentStatus, float], float | None]]] = {
    "up": ("1 while the agent speaks.", lambda each, now: float(not each.stopped and now - each.at <= SILENT_SECONDS)),
    "silence_seconds": ("Seconds since the agent last spoke.", lambda each, now: now - each.at),
    "oldest_job_seconds": ("Age of the oldest job that is not over.", lambda each, _: each.oldest_seconds),
    "disputes": ("Disputes about results that it plays.", lambda each, _: each.disputes),
    "deadline_slack_seconds": ("Until the nearest deadline that it has to meet.", lambda each, _: each.slack_seconds),
    "failing_steps": ("Steps in a row that failed.", lambda each, _: each.failing),
    "step_seconds": ("Seconds that the last step took.", lambda each, _: each.step_seconds),
    "gas_balance_wei": ("Ether of the account.", lambda each, _: each.balance_wei),
    "gas_price_wei": ("What the chain asks for a unit of gas.", lambda each, _: each.gas_price_wei),
    "jobs_paid_for": ("Jobs for which that ether pays at that price.", lambda each, _: each.jobs_paid_for),
    "bond_units": ("Bond of a provider, in token units.", lambda each, _: each.bond),
    "seat": ("1 while a provider can be drawn.", lambda each, _: each.seat),
    "heartbeat_seconds": ("Seconds since a provider's last sign of life.", lambda each, _: each.heartbeat_seconds),
    "ledger_waiting": ("Jobs that a ledger has not brought to an end.", lambda each, _: each.ledger_waiting),
    "open_transactions": ("Sent transactions that are in no block.", lambda each, _: each.open_transactions),
}


class AgentCollector(Collector):
    """The agents of a home, as they speak of themselves, read at each scrape. Labels are kinds and roles."""

    def __init__(self, home: Home) -> None:
        self._home = home

    def collect(self) -> Iterable[Metric]:
        """One family a figure; a figure that an agent does not know is left out."""
        statuses, now = list(read_statuses(self._home)), time.time()
        for name, (words, figure) in GAUGES.items():
            family = GaugeMetricFamily(f"darkroom_agent_{name}", words, labels=("kind", "role"))
            for each in statuses:
                if (value := figure(each, now)) is not None:
                    family.add_metric((each.kind, each.role), float(value))
            yield family
        jobs = GaugeMetricFamily("darkroom_agent_jobs", "Jobs that are not over.", labels=("kind", "role", "state"))
        failures = CounterMetricFamily("darkroom_agent_failures", "Failures.", labels=("kind", "role", "code"))
        labels = ("kind", "role", "what", "level")
        wrong = GaugeMetricFamily("darkroom_agent_trouble", "1 for what is wrong.", labels=labels)
        for each in statuses:
            for state, count in each.jobs.items():
                jobs.add_metric((each.kind, each.role, state), count)
            for code, count in each.failures.items():
                failures.add_metric((each.kind, each.role, code), count)
            for trouble in troubles(each, now):
                wrong.add_metric((each.kind, each.role, trouble.kind, trouble.level), 1)
        yield from (jobs, failures, wrong)


class Metrics:
    """Counts requests, and answers one path itself."""

    def __init__(self, app: App, home: Home | None = None) -> None:
        """With a `home`, also how its agents do."""
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
        if home is not None:
            registry.register(AgentCollector(home))
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
