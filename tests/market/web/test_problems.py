"""What goes wrong is told in one form, and tells nothing else."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from starlette.responses import PlainTextResponse

from app.market.web.app import create_app
from app.market.web.dependencies.state import Dependencies
from app.market.web.errors import refusals
from app.market.web.errors.problems import STATUS, status_of
from app.market.web.middleware.rate_limits import RateLimiter
from app.market.web.middleware.security import client_of
from app.market.web.settings import Rate
from app.protocol import errors
from app.protocol.errors import DarkroomError
from tests.support.web import SETTINGS, STRANGER, ApiClient, MarketNode, api_client

FIELDS = {"type", "title", "status", "code", "detail", "next_step", "instance", "reason", "errors"}
CLASSES = [
    each
    for module in (errors, refusals)
    for each in vars(module).values()
    if isinstance(each, type) and issubclass(each, DarkroomError)
]


def stream(size: int) -> Iterator[bytes]:
    """A body without a stated length."""
    for _ in range(size >> 16):
        yield b"x" * (1 << 16)


JSON = {"content-type": "application/json"}
FAUCET: dict[str, Any] = {"url": "/v1/faucet", "method": "POST"}
QUOTES: dict[str, Any] = {"url": "/v1/datasets/1/quotes", "method": "POST"}
CLOSE: dict[str, Any] = {"url": "/v1/transactions/deactivate-offer", "method": "POST"}
BAD: dict[str, tuple[int, str, dict[str, Any]]] = {
    "no such path": (404, "no-such-route", {"url": "/v1/nothing"}),
    "no such method": (405, "method-not-allowed", {"url": "/v1/datasets", "method": "PUT"}),
    "no such dataset": (404, "not-found", {"url": "/v1/datasets/99"}),
    "an id out of range": (422, "invalid-fields", {"url": "/v1/datasets/0"}),
    "an id beyond every integer": (422, "invalid-fields", {"url": f"/v1/datasets/{10**30}"}),
    "an unknown filter": (422, "invalid-fields", {"url": "/v1/datasets?colour=red"}),
    "a made-up cursor": (422, "bad-input", {"url": "/v1/datasets?after=xyz"}),
    "a mistyped address": (422, "invalid-fields", {"url": "/v1/accounts/0x" + "aB" * 20}),
    "no JSON": (422, "invalid-fields", FAUCET | {"content": b"{", "headers": JSON}),
    "half a character": (422, "invalid-fields", FAUCET | {"content": b'{"\\ud800": 1}', "headers": JSON}),
    "deep JSON": (400, "bad-request", FAUCET | {"content": b"[" * 100_000, "headers": JSON}),
    "too long a body": (413, "too-large", FAUCET | {"content": b" " * (1 << 21)}),
    "too long a stream": (413, "too-large", FAUCET | {"content": stream(1 << 21)}),
    "a length that is none": (400, "bad-request", FAUCET | {"headers": {"content-length": "-1"}}),
    "another host": (400, "unknown-host", {"url": "/v1/health", "headers": {"host": "evil.example"}}),
    "another site": (403, "forged-request", FAUCET | {"headers": {"origin": "null"}}),
    "not signed in": (401, "not-signed-in", {"url": "/v1/me"}),
    "a circuit that is none": (422, "bad-document", QUOTES | {"content": b"{}"}),
    "what the contract refuses": (409, "reverted", CLOSE | {"json": {"account": STRANGER.address, "offer": 1}}),
}


@pytest.mark.parametrize("what", BAD)
def test_every_error_has_one_form(browser: ApiClient, what: str) -> None:
    """Problem+json with a stable code, a sentence for people, and the request's number; never a trace."""
    status, code, request = BAD[what]
    answer = browser.client.request(**{"method": "GET"} | request)
    body = answer.json()
    assert (answer.status_code, body["code"], body["status"]) == (status, code, status)
    assert answer.headers["content-type"] == "application/problem+json"
    assert set(body) == FIELDS
    assert body["type"] == f"urn:darkroom:error:{code}"
    assert body["instance"] == f"urn:darkroom:request:{answer.headers['x-request-id']}"
    assert body["detail"]
    assert body["title"]
    assert (code == "invalid-fields") is bool(body["errors"])
    assert "Traceback" not in answer.text
    assert (body["reason"] == "NotSeller") is (code == "reverted")


@pytest.mark.parametrize("kind", CLASSES)
def test_every_error_has_a_status(kind: type[DarkroomError]) -> None:
    """No error of the project falls through, and only faults of the node are 500."""
    status = status_of(kind)
    assert status in (*STATUS.values(),)
    assert (status == 500) is (kind in (DarkroomError, refusals.InternalError))


def test_codes_are_unique() -> None:
    """The server's refusals share no code with other errors."""
    assert len({each.code for each in CLASSES}) == len(set(CLASSES))


def test_a_fault_tells_nothing(scene: MarketNode, caplog: pytest.LogCaptureFixture) -> None:
    """A bug is a problem with a number; the number finds the trace in the log, which has no secrets of the request."""

    def extend(app: FastAPI) -> None:
        @app.get("/v1/broken", include_in_schema=False)
        def broken() -> None:
            raise ZeroDivisionError("the secret is 42")

    app = create_app(SETTINGS, Dependencies(scene.market, scene.store, scene.database), extensions=[extend])
    with TestClient(app, base_url=SETTINGS.origin) as client, caplog.at_level(logging.INFO, "darkroom.api"):
        answer = client.get(
            "/v1/broken?key=hunter2", headers={"x-request-id": "number-7", "authorization": "Bearer hunter2"}
        )
    assert (answer.status_code, answer.json()["code"]) == (500, "internal-error")
    assert "42" not in answer.text
    assert answer.headers["x-request-id"] == "number-7"
    (fault,) = [record for record in caplog.records if record.message == "fault"]
    assert fault.request_id == "number-7"  # type: ignore[attr-defined]
    assert fault.exc_info is not None
    (line,) = [record for record in caplog.records if record.message == "request"]
    said = {name: getattr(line, name) for name in ("request_id", "method", "route", "status")}
    assert said == {"request_id": "number-7", "method": "GET", "route": "/v1/broken", "status": 500}
    assert "hunter2" not in caplog.text


def test_a_strange_request_number_is_not_taken_over(browser: ApiClient) -> None:
    """What goes into the log is letters and digits."""
    answer = browser.client.get("/v1/health", headers={"x-request-id": "a b<script>"})
    assert len(answer.headers["x-request-id"]) == 16


def test_every_answer_is_dressed(browser: ApiClient) -> None:
    """Security headers are on every answer, and the API's answers may run nothing at all."""
    for path in ("/v1/datasets", "/v1/nothing", "/nothing"):
        headers = browser.client.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert ("sandbox" in policy) is path.startswith("/v1/")


def test_pages_may_show_errors_as_pages(scene: MarketNode) -> None:
    """Outside of /v1/ an extension decides what an error looks like."""

    def extend(app: FastAPI) -> None:
        app.state.error_page = lambda request, told: PlainTextResponse(f"page: {told.code}", told.status)

    app = create_app(SETTINGS, Dependencies(scene.market, scene.store, scene.database), extensions=[extend])
    with TestClient(app, base_url=SETTINGS.origin) as client:
        assert client.get("/nothing").text == "page: no-such-route"
        assert client.get("/nothing", headers={"host": "x"}).text == "page: unknown-host"
        assert client.get("/v1/nothing").json()["code"] == "no-such-route"


def test_a_bucket_holds_what_it_says() -> None:
    """A burst, then so many a second; a refused request costs nothing; a broken clock gives nothing away."""
    time = [100.0]
    buckets = RateLimiter(Rate(burst=3, per_second=0.5), lambda: time[0])
    assert [buckets.take("a") for _ in range(4)] == [0, 0, 0, 2.0]
    assert buckets.take("b") == 0
    time[0] += 2
    assert (buckets.take("a"), buckets.take("a")) == (0, 2.0)
    time[0] -= 50
    assert buckets.take("a") == 2.0
    assert buckets.take("c", cost=100) == 0  # dearer than the burst: the whole bucket


def test_only_the_clients_seen_last_are_remembered() -> None:
    """Many clients do not fill the memory."""
    buckets = RateLimiter(Rate(1, 1), lambda: 0.0, clients=10)
    assert all(buckets.take(str(number)) == 0 for number in range(100))
    assert len(buckets._buckets) == 10


def test_who_asks_too_often_waits(scene: MarketNode) -> None:
    """429 with Retry-After, for each address; dear routes count by account."""
    settings = SETTINGS.model_copy(update={"rate": Rate(5, 0.001)})
    with api_client(scene, settings) as browser:
        answers = [browser.client.get("/v1/offers") for _ in range(6)]
        assert [answer.status_code for answer in answers] == [200] * 5 + [429]
        assert answers[-1].json()["code"] == "too-many-requests"
        assert int(answers[-1].headers["retry-after"]) >= 900
    settings = SETTINGS.model_copy(update={"heavy": Rate(4, 0.001)})
    with api_client(scene, settings) as browser:
        path = f"/v1/datasets/1/quotes/{scene.circuit}"
        assert [browser.client.get(path).status_code for _ in range(3)] == [200, 200, 429]
        assert browser.client.get("/v1/datasets").status_code == 200


def test_networks_of_one_customer_share_a_bucket() -> None:
    """IPv6 addresses count by their /64."""
    one, two, other = ({"client": (text, 1)} for text in ("2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"))
    assert client_of(one) == client_of(two) != client_of(other)
    assert client_of({"client": ("10.0.0.1", 1)}) == "10.0.0.1"
    assert client_of({"client": None}) == "unknown"
