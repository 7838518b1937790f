"""Work and uploads: an account and an address answer for a request together, and what is large costs more."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.chain.wallet.account import Account
from app.market.web.settings import Rate, WebServerSettings
from fhe.circuit.codec import encode
from tests.support.custody import linear_circuit
from tests.support.web import ORIGIN, SETTINGS, STRANGER, Answer, ApiClient, MarketNode

NEVER = 0.001  # so slow that nothing comes back during a test


def limited(**limits: Rate) -> WebServerSettings:
    """Settings with some limits."""
    return SETTINGS.model_copy(update=limits)


@contextmanager
def clients(scene: MarketNode, settings: WebServerSettings, *addresses: str) -> Iterator[list[ApiClient]]:
    """Clients of one application from these addresses."""
    app = scene.app(settings)
    with ExitStack() as opened:
        made = [TestClient(app, base_url=ORIGIN, client=(address, 1)) for address in addresses]
        yield [ApiClient(opened.enter_context(client), scene) for client in made]


def circuit(number: int) -> bytes:
    """A small circuit, another one for each number."""
    return encode(linear_circuit([[number, 7, 1, 8, 2, 8, 1, 8]]))


def refused(answer: Answer) -> bool:
    """Whether a limit was met; then the answer says when to come back."""
    if answer.status_code == 429:
        assert answer.json()["code"] == "too-many-requests"
        assert int(answer.headers["retry-after"]) > 60
        assert "Wait" in answer.json()["next_step"]
    return answer.status_code == 429


def quoted(scene: MarketNode, browser: ApiClient) -> Answer:
    """A quote, which costs 2."""
    return browser.client.get(f"/v1/datasets/1/quotes/{scene.circuit}")


def test_another_account_is_no_second_allowance(scene: MarketNode) -> None:
    """Who used up an address's work signs in as somebody else there in vain; at another address they have theirs."""
    with clients(scene, limited(heavy=Rate(8, NEVER)), "10.0.0.1", "10.0.0.1", "10.0.0.2") as (one, two, far):
        one.sign_in(scene.stage.buyer)
        two.sign_in(STRANGER)
        assert not any(refused(quoted(scene, one)) for _ in range(3))
        assert refused(quoted(scene, two))
        far.sign_in(STRANGER)
        assert not refused(quoted(scene, far))


def test_another_address_or_token_is_no_second_allowance(scene: MarketNode) -> None:
    """An account's work counts wherever it is and whatever token it shows; nobody else's counts for it."""
    with clients(scene, limited(heavy=Rate(6, NEVER)), "10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4") as places:
        one, two, program, other = places
        for browser in (one, two):
            browser.sign_in(scene.stage.buyer)
        program.client.headers["authorization"] = f"Bearer {one.token('account:read')}"
        assert not any(refused(quoted(scene, browser)) for browser in (one, two, program))
        assert all(refused(quoted(scene, browser)) for browser in (one, two, program))
        other.sign_in(STRANGER)
        assert not refused(quoted(scene, other))


@pytest.mark.parametrize("together", ["address", "account"])
def test_uploads_have_a_quota_of_bytes(scene: MarketNode, together: str) -> None:
    """Bytes of one address by two accounts, and of one account from two addresses, come out of one quota."""
    addresses = ("10.0.0.1", "10.0.0.1") if together == "address" else ("10.0.0.1", "10.0.0.2")
    people: tuple[Account, Account] = (scene.stage.buyer, STRANGER if together == "address" else scene.stage.buyer)
    quota = Rate(3.5 * len(circuit(10)), 1.0)
    with clients(scene, limited(uploads=quota), *addresses, "10.0.0.9") as (one, two, fresh):
        for browser, account in zip((one, two), people, strict=True):
            browser.sign_in(account)
        for number, browser in enumerate((one, two, one)):
            assert browser.client.post("/v1/circuits", content=circuit(10 + number)).status_code == 201
        for browser in (one, two):
            assert refused(browser.client.post("/v1/circuits", content=circuit(20)))
            assert not refused(quoted(scene, browser)), "what keeps nothing is not an upload"
        fresh.sign_in(scene.stage.owner)
        assert fresh.client.post("/v1/circuits", content=circuit(20)).status_code == 201


def test_a_quote_costs_what_its_circuit_weighs(scene: MarketNode) -> None:
    """A megabyte takes an address's burst, though nobody signed in and it is no circuit; small ones go on long."""
    with clients(scene, limited(heavy=Rate(100, NEVER)), "10.0.0.1", "10.0.0.2") as (bomber, buyer):
        path, large = "/v1/datasets/1/quotes", b"[" * 1_000_000
        answers = [bomber.client.post(path, content=large) for _ in range(2)]
        assert [refused(answer) for answer in answers] == [False, True]
        assert not any(refused(buyer.client.post(path, content=circuit(1))) for _ in range(5))


def test_an_audit_costs_what_its_job_weighs(scene: MarketNode) -> None:
    """A job of twenty thousand units takes more than a small one's 20; an audit that is known costs no work again."""
    order: dict[str, Any] = {"first_row": 0, "rows": 40, "sealing_key": "ab" * 32, "replicas": 2, "max_fee": 3_000_000}
    large = scene.market.open_job(
        scene.stage.buyer, scene.license, circuit=scene.circuit, units=20_480, **order
    ).value  # fmt: skip
    with clients(scene, limited(heavy=Rate(26, NEVER)), "10.0.0.1", "10.0.0.2") as (one, two):
        one.sign_in(scene.stage.buyer)
        assert refused(one.client.post(f"/v1/jobs/{large}/audits"))
        two.sign_in(STRANGER)
        assert two.client.post(f"/v1/jobs/{scene.settled}/audits").status_code == 202
