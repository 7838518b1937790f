"""What a generic client may count on: methods, headers, one form of amounts, reading one's own writes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from app.chain.wallet.account import Account
from app.market.web.settings import Rate
from tests.support.serving import serve
from tests.support.web import SETTINGS, ApiClient, MarketNode, api_client

READS = ("/v1/datasets", "/v1/datasets/1", "/v1/offers", "/v1/network", "/v1/status", "/v1/payments")


@pytest.mark.parametrize("path", [*READS, "/v1/health", "/v1/datasets/99", "/v1/openapi.json"])
def test_head_is_get_without_its_body(browser: ApiClient, path: str) -> None:
    """The same status and headers, no byte of a body (RFC 9110)."""
    got, head = browser.client.get(path), browser.client.head(path)
    assert (head.status_code, head.content) == (got.status_code, b"")
    same = ("content-type", "content-length", "etag")
    assert [head.headers.get(name) for name in same] == [got.headers.get(name) for name in same]


def test_head_of_a_live_stream_ends(scene: MarketNode) -> None:
    """It tells the headers and holds no place of a stream."""
    import httpx

    with serve(scene) as (origin, _, app):
        answer = httpx.head(f"{origin}/v1/events", timeout=10)
        assert (answer.status_code, answer.headers["content-type"].split(";")[0]) == (200, "text/event-stream")
        for _ in range(500):
            if not app.state.backend.streams.count:
                break
            httpx.get(f"{origin}/v1/health", timeout=10)
        assert app.state.backend.streams.count == 0


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/v1/datasets", "GET, HEAD, OPTIONS"),
        ("/v1/session", "DELETE, GET, HEAD, OPTIONS, POST"),
        ("/v1/transactions", "OPTIONS, POST"),
    ],
)
def test_a_path_says_what_it_takes(browser: ApiClient, path: str, allowed: str) -> None:
    """Every method of a path is in Allow, of a 405 as of OPTIONS."""
    refused = browser.client.put(path)
    assert (refused.status_code, refused.headers["allow"]) == (405, allowed)
    asked = browser.client.options(path)
    assert (asked.status_code, asked.headers["allow"], asked.content) == (204, allowed, b"")


def test_other_sites_pages_may_read_what_is_public(scene: MarketNode, browser: ApiClient) -> None:
    """Reads and the relay are open to any origin, without cookies; what is a person's own is not, nor is any write."""
    origin = {"origin": "https://elsewhere.example"}
    for path in READS:
        assert browser.client.get(path, headers=origin).headers["access-control-allow-origin"] == "*"
        asked = browser.client.options(path, headers=origin | {"access-control-request-method": "GET"})
        assert asked.headers["access-control-allow-methods"] == "GET, HEAD"
    for path in ("/v1/me", "/v1/session", "/v1/tokens"):
        assert "access-control-allow-origin" not in browser.client.get(path, headers=origin).headers
    rpc = {"jsonrpc": "2.0", "id": 1, "method": "eth_chainId"}
    answer = browser.client.post("/v1/rpc", json=rpc, headers=origin)
    assert (answer.json()["result"], answer.headers["access-control-allow-origin"]) == (hex(scene.chain.chain_id), "*")
    asked = browser.client.options("/v1/rpc", headers=origin | {"access-control-request-method": "POST"})
    assert "content-type" in asked.headers["access-control-allow-headers"]
    write = browser.client.post("/v1/faucet", json={"account": scene.stage.buyer.address}, headers=origin)
    assert write.status_code == 403
    assert "access-control-allow-origin" not in write.headers


def test_what_a_client_has_is_not_sent_again(scene: MarketNode, browser: ApiClient) -> None:
    """An ETag of the bytes, and 304 to who names it; another answer has another one."""
    for path in READS:
        first = browser.client.get(path)
        tag = first.headers["etag"]
        again = browser.client.get(path, headers={"if-none-match": f'"other", {tag}'})
        if again.status_code != 304:  # the clock went on in between
            assert again.json() != first.json()
            continue
        assert (again.content, again.headers["etag"]) == (b"", tag)
        assert browser.client.get(path, headers={"if-none-match": '"other"'}).status_code == 200
    assert "etag" not in browser.client.get("/v1/session").headers


def test_a_limit_says_what_is_left(scene: MarketNode) -> None:
    """RateLimit on each answer, Retry-After on a refusal; health checks have no limit."""
    with api_client(scene, SETTINGS.model_copy(update={"rate": Rate(3, 0.01)})) as client:
        seen = [client.client.get("/v1/offers") for _ in range(4)]
        assert [each.status_code for each in seen] == [200, 200, 200, 429]
        assert [each.headers["ratelimit"].split(";")[1] for each in seen] == ["r=2", "r=1", "r=0", "r=0"]
        assert seen[0].headers["ratelimit-policy"] == '"requests";q=3;w=300'
        assert 1 <= int(seen[3].headers["retry-after"]) <= 100
        for path in ("/v1/health", "/v1/ready"):
            answers = [client.client.get(path) for _ in range(5)]
            assert {each.status_code for each in answers} == {200}
            assert all("ratelimit" not in each.headers for each in answers)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/v1/offers?dateset=1", "dateset"), ("/v1/jobs?buyers=0x0", "buyers"), ("/v1/datasets/1?version=2", "version"),
        ("/v1/network?x", "x"), ("/v1/datasets?colour=red", "colour"),
    ],
)  # fmt: skip
def test_a_parameter_that_is_unknown_is_refused(browser: ApiClient, path: str, name: str) -> None:
    """A filter that is spelled wrongly filters nothing, so it is no answer."""
    answer = browser.client.get(path)
    assert answer.status_code == (422 if "=" in path else 200 if not answer.request.url.query else 422)
    assert [each["field"] for each in answer.json()["errors"]] == [name]


def test_the_same_order_is_prepared_the_same(scene: MarketNode, browser: ApiClient) -> None:
    """Who asks again, after a lost answer, has the same permit or transaction to sign, and no second one."""
    account = Account.generate()
    scene.chain.fund(account.address, 10**18)
    scene.market.faucet(account, 10**9)
    for action, order in (("buy-license", {"offer": scene.offer}), ("faucet", {"amount": "5"})):
        body = {"account": account.address} | order
        first, again = (browser.client.post(f"/v1/transactions/{action}", json=body).json() for _ in range(2))
        assert first == again
    deadline = browser.client.post(
        "/v1/transactions/buy-license", json={"account": account.address, "offer": scene.offer}
    ).json()["permit"]["deadline"]
    assert deadline % 900 == 0
    assert 3600 <= deadline - scene.market.now() <= 3600 + 900


def test_a_quote_refuses_what_cannot_open(scene: MarketNode, browser: ApiClient) -> None:
    """More rows than there are are no price."""
    path = f"/v1/datasets/1/quotes/{scene.circuit}"
    assert browser.client.get(f"{path}?rows=60").status_code == 200
    for asked in ("rows=61", "rows=500", "rows=1&first_row=60", "rows=41&first_row=20", "first_row=60"):
        answer = browser.client.get(f"{path}?{asked}")
        assert (answer.status_code, answer.json()["code"]) == (409, "rows-outside-dataset"), asked


def test_a_writer_reads_what_was_written(scene: MarketNode, browser: ApiClient) -> None:
    """202 with the receipt until the index has a transaction's block; from 200 on, lists have what it made."""
    sent = scene.market.buy_license(scene.stage.buyer, scene.offer)
    early = browser.client.get(f"/v1/transactions/{sent.tx}")
    assert (early.status_code, early.json()["indexed"], early.headers["retry-after"]) == (202, False, "1")
    assert any(each["name"] == "LicenseBought" for each in early.json()["events"])
    scene.indexer.sync()
    late = browser.client.get(f"/v1/transactions/{sent.tx}")
    assert (late.status_code, late.json()["indexed"]) == (200, True)
    assert browser.client.get(f"/v1/licenses/{sent.value}").status_code == 200


def integers(value: Any) -> list[int]:
    """Every number in a JSON value."""
    if isinstance(value, dict):
        return [each for one in value.values() for each in integers(one)]
    if isinstance(value, list):
        return [each for one in value for each in integers(one)]
    return [value] if isinstance(value, int) and not isinstance(value, bool) else []


def test_events_are_of_one_form_and_end(scene: MarketNode, browser: ApiClient) -> None:
    """Integers of an event are text in a stream as in a receipt, the document has its schema, and `end` is the end."""
    text = browser.client.get(f"/v1/jobs/{scene.settled}/events?seconds=0").text
    frames = [dict(line.split(": ", 1) for line in part.split("\n") if line) for part in text.split("\n\n") if part]
    events = [json.loads(each["data"]) for each in frames if each.get("event") == "event"]
    assert events
    assert integers([each["args"] for each in events]) == []
    assert frames[-1]["event"] == "end"
    assert json.loads(frames[-1]["data"]) == {"reason": "time", "after": events[-1]["cursor"]}
    receipt = browser.client.get(f"/v1/transactions/{events[0]['tx']}").json()["events"]
    (same,) = [each for each in receipt if each["name"] == events[0]["name"]]
    assert same["args"] == events[0]["args"]
    document = browser.client.get("/v1/openapi.json").json()
    stream = document["paths"]["/v1/events"]["get"]["responses"]["200"]["content"]["text/event-stream"]["schema"]
    assert {"$ref": "#/components/schemas/FeedEvent"} in stream["properties"]["data"]["contentSchema"]["anyOf"]
    assert set(events[0]) == set(document["components"]["schemas"]["FeedEvent"]["properties"])


def test_the_document_names_the_errors_that_come(browser: ApiClient) -> None:
    """Each error of a route has an example and the codes of its status; the codes are an enumeration."""
    document = browser.client.get("/v1/openapi.json").json()
    codes = set(document["components"]["schemas"]["Problem"]["properties"]["code"]["enum"])
    assert {"not-found", "invalid-fields", "too-many-requests", "rows-outside-dataset"} <= codes
    for path, item in document["paths"].items():
        for each in item.values():
            for status, answer in each["responses"].items():
                told = answer.get("content", {}).get("application/problem+json")
                if told is not None:
                    assert told["example"]["code"] in codes, path
                    assert str(told["example"]["status"]) == status
                    assert f"`{told['example']['code']}`" in answer["description"]
    got = browser.client.get("/v1/datasets/99").json()["code"]
    assert f"`{got}`" in document["paths"]["/v1/datasets/{id}"]["get"]["responses"]["404"]["description"]
