"""An HTTP client with the official package of x402 and nothing of ours asks a question, pays, and gets its answer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from x402.http import FacilitatorConfig, HTTPFacilitatorClientSync, decode_payment_response_header
from x402.http.clients.requests import x402_requests

from app.chain.contracts.token import COIN
from app.facilitator.server import http_app
from app.protocol.market.entities import JobState
from app.protocol.market.receipt import SealedResult
from app.seal.result import open_result
from tests.support.paid_asks import SQL, PaidAskWorld, paid_asks, serving
from tests.support.regression import settle


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PaidAskWorld]:
    """One node and one facilitator."""
    with paid_asks(tmp_path_factory.mktemp("asks")) as made:
        yield made


def test_a_question_is_asked_paid_and_answered(world: PaidAskWorld) -> None:
    """The official client posts, pays and posts again by itself; the answer opens for the asker's key alone, and what
    the job did not take comes back. The payer never has gas.
    """
    before, market = world.held, world.scene.market
    body: Any = {
        "dataset": 1, "sql": SQL, "payer": world.payer.address, "sealing_key": world.key.public.hex(),
    }  # fmt: skip
    wanted = world.required()
    (asked,) = wanted.accepts
    assert (asked.network, asked.asset) == (f"eip155:{market.chain_id}", market.client.address(COIN))
    with x402_requests(world.client()) as http:
        answer = http.post(f"{str(world.http.base_url).rstrip('/')}/v1/asks", json=body, timeout=120)
    assert answer.status_code == 202, answer.text
    taken = answer.json()
    assert before - world.held == int(asked.amount)
    paid = decode_payment_response_header(answer.headers["PAYMENT-RESPONSE"])
    assert (paid.success, paid.transaction, paid.payer) == (True, taken["transaction"], world.payer.address)
    assert answer.headers["location"] == f"/v1/jobs/{taken['job']}"
    settle(world.scene, taken["job"])
    world.scene.indexer.sync()
    sealed = SealedResult.from_bytes(world.http.get(f"/v1/jobs/{taken['job']}/result").content)
    ciphertext = world.http.get(f"/v1/blobs/{sealed.ciphertext_cid}").content
    assert sealed.context.job == taken["job"]
    result = open_result(sealed, ciphertext, world.key.private, sealed.context)
    assert result.values.shape == (1, 1)
    assert world.facilitator.sweep() == []  # its fee was used up
    assert market.job(taken["job"]).state is JobState.SETTLED
    assert world.scene.chain.balance(world.payer.address) == 0
    assert before - world.held == int(asked.amount)


def test_what_is_public_costs_nothing(world: PaidAskWorld) -> None:
    """A count of all rows is answered at once."""
    answer = world.ask(sql="SELECT count(*) FROM data")
    assert answer.status_code == 200
    assert answer.json()["answer"][0]["count"] == world.scene.world.manifest.table.rows


def test_a_job_that_gives_no_answer_gives_its_price_back(world: PaidAskWorld) -> None:
    """The owner says no: the facilitator brings the price back to the payer, once. License and executors stay paid."""
    market, scene = world.scene.market, world.scene
    before, payment = world.held, world.payment()
    taken = world.ask(payment).json()
    paid, order = before - world.held, world.order_of(payment)
    scene.go_on(taken["job"])
    market.deny_job(scene.stage.owner, taken["job"])
    scene.agent().process(taken["job"])
    job = market.job(taken["job"])
    assert job.state is JobState.REFUSED
    assert [refund for kept, refund in world.facilitator.sweep() if kept == order] == [job.price]
    assert before - world.held == paid - job.price
    assert world.facilitator.sweep() == []


def test_a_node_without_a_facilitator_says_so(world: PaidAskWorld) -> None:
    """And a market whose token takes no signed transfers is told apart: docs/agents.md is the next step."""
    with world.another_node(facilitator=None) as other:
        answer = world.ask(node=other)
    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")
    assert "facilitator" in answer.json()["detail"]


def test_the_facilitator_speaks_as_the_official_client_expects(world: PaidAskWorld) -> None:
    """`/supported` names one scheme on this chain and the gas account; what is no request is refused with words."""
    with serving(http_app(world.facilitator)) as url, HTTPFacilitatorClientSync(FacilitatorConfig(url=url)) as client:
        told = client.get_supported()
        assert [(kind.scheme, kind.network) for kind in told.kinds] == [
            ("exact", f"eip155:{world.scene.market.chain_id}")
        ]
        assert told.signers == {"eip155:*": [world.gas.address]}
        assert httpx.post(f"{url}/settle", content=b"{").status_code == 400
        assert httpx.post(f"{url}/settle", content=b"[" * 70_000).status_code == 413
        assert httpx.post(f"{url}/verify", json={}, headers={"host": "evil.example"}).status_code == 400
