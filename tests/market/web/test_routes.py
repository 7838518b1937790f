"""Who may do what: every route, every role."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from app.protocol.ids import Digest
from app.storage.cid import digest_to_cid
from tests.support.web import STRANGER, ApiClient, MarketNode, api_client

READ = (200, 200, 200, 200)
ROLES = ("anybody", "a person", "a token", "a bare token")  # the last one has no scope but account:read


@dataclass(frozen=True)
class Case:
    """One request, and the status that each of ROLES gets."""

    path: str
    expected: tuple[int, int, int, int] = READ
    body: Any = None


def table(scene: MarketNode) -> dict[str, Case]:
    """Operation -> case. The transactions are ones that the contracts accept, so that a 200 means something."""
    owner, buyer = scene.stage.owner.address, scene.stage.buyer.address
    policy = scene.world.manifest.policy.digest
    offer = {
        "account": owner, "dataset": 1, "price_license": "1", "max_jobs": 1, "max_rows": 1, "duration": 1,
        "policy": policy, "licenses": 1,
    }  # fmt: skip
    job = {
        "account": buyer, "license": scene.license, "circuit": scene.circuit, "rows": 40, "sealing_key": "ab" * 32,
        "max_fee": "6000",
    }  # fmt: skip
    manifest = scene.market.dataset(1).manifest
    circuit = scene.store.read(digest_to_cid(Digest(scene.circuit)), limit=1 << 20)
    settled = f"/v1/jobs/{scene.settled}"
    buy = {"account": buyer, "offer": scene.offer}
    tx = scene.market.events(scene.market.first_block, scene.market.block_number)[-1].tx
    return {
        "search_datasets": Case("/v1/datasets"),
        "get_dataset": Case("/v1/datasets/1"),
        "list_versions": Case("/v1/datasets/1/versions"),
        "list_certified": Case("/v1/datasets/1/certificate"),
        "get_croissant": Case("/v1/datasets/1/croissant"),
        "quote_circuit_bytes": Case("/v1/datasets/1/quotes", body=circuit),
        "list_circuits": Case("/v1/datasets/1/circuits"),
        "quote_published": Case(f"/v1/datasets/1/quotes/{scene.circuit}"),
        "explain_asked": Case("/v1/datasets/1/questions", body={"sql": "SELECT avg(c0) FROM data"}),
        "compile_asked": Case("/v1/datasets/1/questions/compiled", body={"sql": "SELECT avg(c0) FROM data"}),
        "list_offers": Case("/v1/offers"),
        "get_offer": Case(f"/v1/offers/{scene.offer}"),
        "list_licenses": Case("/v1/licenses"),
        "get_license": Case(f"/v1/licenses/{scene.license}"),
        "list_jobs": Case("/v1/jobs"),
        "get_job": Case(settled),
        "follow_job": Case(f"{settled}/events?seconds=0"),
        "follow_market": Case("/v1/events?seconds=0"),
        "list_receipts": Case(f"{settled}/receipts"),
        "get_decision": Case(f"{settled}/decision"),
        "get_result": Case(f"{settled}/result"),
        "list_facts": Case(f"{settled}/facts"),
        "audit_job": Case(f"{settled}/audits", (401, 202, 202, 403), {}),
        "get_audit": Case("/v1/audits/0123456789abcdef", (404, 404, 404, 404)),
        "get_document": Case(f"/v1/documents/{policy}"),
        "get_blob": Case(f"/v1/blobs/{digest_to_cid(policy)}"),
        "publish_circuit": Case("/v1/circuits", (401, 201, 201, 403), circuit),
        "publish_policy": Case("/v1/policies", (401, 201, 201, 403), {"release": "label"}),
        "get_me": Case("/v1/me", (401, 200, 200, 200)),
        "ask_once": Case(
            "/v1/asks",
            (404,) * 4,
            {"dataset": 1, "sql": "SELECT avg(c0) FROM data", "payer": buyer, "sealing_key": "ab" * 32},
        ),  # no facilitator is set
        "get_account": Case(f"/v1/accounts/{buyer}"),
        "get_console": Case(f"/v1/accounts/{owner}/console"),
        "list_payments": Case("/v1/payments"),
        "prepare_buy_license": Case("/v1/transactions/buy-license", body=buy),
        "prepare_open_job": Case("/v1/transactions/open-job", body=job),
        "prepare_create_offer": Case("/v1/transactions/create-offer", body=offer),
        "prepare_deactivate_offer": Case(
            "/v1/transactions/deactivate-offer", body={"account": owner, "offer": scene.offer}
        ),
        "prepare_revoke_license": Case(
            "/v1/transactions/revoke-license", body={"account": owner, "license": scene.license}
        ),
        "prepare_revoke_mandate": Case(
            "/v1/transactions/revoke-mandate", (404,) * 4, {"account": buyer, "mandate": "ab" * 32}
        ),  # nobody granted it
        "prepare_withdraw_mandate": Case(
            "/v1/transactions/withdraw-mandate", (404,) * 4, {"account": buyer, "mandate": "ab" * 32}
        ),  # nobody granted it
        "prepare_withdraw": Case("/v1/transactions/withdraw", body={"account": owner, "offers": [scene.offer]}),
        "prepare_publish": Case("/v1/transactions/publish", body={"account": owner, "manifest": manifest}),
        "prepare_draw_job": Case(
            "/v1/transactions/draw-job", (409,) * 4, {"account": buyer, "job": scene.settled}
        ),  # it was drawn long ago
        "prepare_approve_job": Case("/v1/transactions/approve-job", body={"account": owner, "job": scene.computed}),
        "prepare_deny_job": Case("/v1/transactions/deny-job", body={"account": owner, "job": scene.computed}),
        "prepare_contest_job": Case("/v1/transactions/contest-job", body={"account": owner, "job": scene.computed}),
        "prepare_bond_custodian": Case(
            "/v1/transactions/bond-custodian", body={"account": owner, "dataset": 1, "amount": "5"}
        ),
        "prepare_unbond_custodian": Case(
            "/v1/transactions/unbond-custodian", body={"account": owner, "dataset": 1, "amount": "5"}
        ),
        "prepare_settle_license": Case(
            "/v1/transactions/settle-license",
            (409,) * 4,
            {"account": owner, "license": scene.license, "used_micro_bits": 0},
        ),  # it is not over
        "prepare_expire_job": Case(
            "/v1/transactions/expire-job", (409,) * 4, {"account": buyer, "job": scene.settled}
        ),  # it is over
        "prepare_faucet": Case("/v1/transactions/faucet", body={"account": buyer, "amount": "5"}),
        "send_transaction": Case("/v1/transactions", (422,) * 4, {"raw": "0x02c0"}),
        "get_transaction": Case(f"/v1/transactions/{tx}"),
        "relay_rpc": Case("/v1/rpc", body={"jsonrpc": "2.0", "id": 1, "method": "eth_chainId"}),
        "fund_account": Case("/v1/faucet", body={"account": STRANGER.address}),
        "begin_session": Case("/v1/session/challenge", body={"address": buyer}),
        "open_session": Case("/v1/session", (403,) * 4, {"message": "Let me in.", "signature": "0x00"}),
        "get_session": Case("/v1/session"),
        "make_token": Case("/v1/tokens", (401, 201, 403, 403), {"name": "x", "scopes": ["account:read"]}),
        "list_tokens": Case("/v1/tokens", (401, 200, 403, 403)),
        "revoke_token": Case("/v1/tokens/0123456789abcdef", (401, 404, 403, 403)),
        "close_session": Case("/v1/session", (401, 204, 403, 403)),  # last: it ends the session that others need
        "list_providers": Case("/v1/providers"),
        "get_provider": Case(f"/v1/providers/{scene.stage.providers[0].address}"),
        "get_network": Case("/v1/network"),
        "get_status": Case("/v1/status"),
        "get_health": Case("/v1/health"),
        "get_ready": Case("/v1/ready"),
    }


def operations(browser: ApiClient) -> dict[str, str]:
    """Every operation of the API with its method."""
    paths = browser.client.get("/v1/openapi.json").json()["paths"]
    return {each["operationId"]: method.upper() for item in paths.values() for method, each in item.items()}


@pytest.fixture(scope="module")
def people(scene: MarketNode) -> Iterator[dict[str, ApiClient]]:
    """One client a role."""
    with api_client(scene) as anybody, api_client(scene) as person, api_client(scene) as other:
        other.sign_in(scene.stage.buyer)
        other.revoke_tokens()
        full, bare = other.token("account:read", "documents:write", "audits:run"), other.token("account:read")
        person.sign_in(scene.stage.buyer)
        with (
            api_client(scene, headers={"authorization": f"Bearer {full}"}) as token,
            api_client(scene, headers={"authorization": f"Bearer {bare}"}) as small,
        ):
            yield dict(zip(ROLES, (anybody, person, token, small), strict=True))


def ask(browser: ApiClient, method: str, case: Case, **more: Any) -> Any:
    """Send a case's request."""
    kind = "content" if isinstance(case.body, bytes) else "json"
    body = {} if case.body is None else {kind: case.body}
    return browser.client.request(method, case.path, **body, **more)


def test_every_route_is_in_the_table(scene: MarketNode, browser: ApiClient) -> None:
    """A new route has to say here who may use it."""
    assert set(operations(browser)) == set(table(scene))


@pytest.mark.parametrize("role", ROLES)
def test_each_role_gets_what_it_may(scene: MarketNode, people: dict[str, ApiClient], role: str) -> None:
    """Every route answers every role with the status that the table states."""
    methods, client = operations(people["anybody"]), people[role]
    if role == "a person":
        client.sign_in(scene.stage.buyer)
    place = ROLES.index(role)
    cases = sorted(table(scene).items(), key=lambda item: item[0] == "close_session")
    got = {name: ask(client, methods[name], case).status_code for name, case in cases}
    assert got == {name: case.expected[place] for name, case in cases}


def test_a_token_that_is_none_opens_nothing(scene: MarketNode, browser: ApiClient) -> None:
    """Routes that look at who asks refuse a wrong token, rather than serve it as anybody; others never look."""
    methods = operations(browser)
    for name, case in table(scene).items():
        answer = ask(browser, methods[name], case, headers={"authorization": "Bearer drk_0123456789abcdef_wrong"})
        assert answer.status_code in (401, case.expected[0]), name
        if case.expected[0] == 401:
            assert answer.status_code == 401, name


def test_a_session_writes_only_with_its_csrf_token(scene: MarketNode) -> None:
    """What a session may do, another site cannot make its browser do."""
    with api_client(scene) as person:
        person.sign_in(scene.stage.buyer)
        methods = operations(person)
        del person.client.headers["x-csrf-token"]
        for name, case in table(scene).items():
            if methods[name] != "GET" and case.expected[0] == 401:
                assert ask(person, methods[name], case).status_code == 403, name
                answer = ask(person, methods[name], case, headers={"x-csrf-token": "guess"})
                assert answer.json()["code"] == "forged-request", name


def test_another_site_cannot_write(scene: MarketNode, browser: ApiClient) -> None:
    """A write whose Origin is another site is refused, whoever asks; the relay reads no cookie and is open."""
    methods = operations(browser)
    for name, case in table(scene).items():
        if methods[name] != "GET":
            answer = ask(browser, methods[name], case, headers={"origin": "https://evil.example"})
            assert answer.status_code == (200 if name == "relay_rpc" else 403), name
