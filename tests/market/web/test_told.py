"""What is told of a person, as a node counts it from public records: on quotes, orders, cards and pages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.execution.history import settled_on
from app.market.queries.releases import Releases
from app.market.web import pages
from app.market.web.app import create_app
from app.market.web.dependencies.state import Dependencies
from app.protocol.ids import Digest
from app.protocol.market.receipt import RAW_WORDS, OutputPolicy
from app.protocol.policy.bits import micro_bits
from app.storage.cid import digest_to_cid
from tests.support.custody import linear_circuit
from tests.support.market import BITS, DOLLAR, HOUR
from tests.support.policies import PLENTY, roomy
from tests.support.web import SETTINGS, SPREAD, ApiClient, MarketNode

ONE = 1_000_000  # micro-bits
OTHER = [2, 3, 5, 7, 11, 13, 17, 19]
FRUGAL = OutputPolicy(max_rank=4, micro_bits_per_license=ONE, micro_bits_per_person=PLENTY)  # one yes-or-no fact


@pytest.fixture
def site(scene: MarketNode) -> Iterator[TestClient]:
    """The API with the pages over it, which has seen nothing yet."""
    app = create_app(SETTINGS, Dependencies(scene.market, scene.store, scene.database), extensions=[pages.install])
    with TestClient(app, base_url=SETTINGS.origin) as client:
        yield client


def offer(scene: MarketNode, policy: OutputPolicy) -> int:
    """One more offer of the scene's owner."""
    scene.store.put(policy.to_bytes())
    return scene.market.create_offer(
        scene.stage.owner, scene.stage.dataset, price_license=DOLLAR, price_job=DOLLAR, price_row=1, max_jobs=100,
        max_rows=10_000, duration=24 * HOUR, policy=policy.digest, **BITS,
    ).value  # fmt: skip


@pytest.fixture(scope="module")
def frugal(scene: MarketNode) -> tuple[int, str]:
    """A license for one bit, and the circuit of the job on rows 0 to 39 that took it."""
    usual = scene.license
    scene.license = scene.market.buy_license(scene.stage.buyer, offer(scene, FRUGAL)).value
    circuit = scene.keep(linear_circuit([SPREAD], at=100))
    job = scene.compute(circuit)
    scene.agent().process(job)
    assert scene.market.job(job).state.name == "SETTLED"
    held, scene.license = scene.license, usual
    scene.indexer.sync()
    return held, circuit


def order(scene: MarketNode, license: int, circuit: str, **changes: Any) -> dict[str, Any]:
    """The body of an order."""
    body = {"account": scene.stage.buyer.address, "license": license, "circuit": circuit, "rows": 40}
    return body | {"sealing_key": "ab" * 32, "max_fee": "6000"} | changes


def test_an_order_that_would_be_refused_is_refused_before_payment(
    browser: ApiClient, scene: MarketNode, frugal: tuple[int, str]
) -> None:
    """A license of one bit orders one label of a person, the same again, and others' labels; no second one."""
    license, circuit = frugal
    second = scene.keep(linear_circuit([OTHER], at=300))
    ask = "/v1/transactions/open-job"
    answer = browser.client.post(ask, json=order(scene, license, second))
    assert (answer.status_code, answer.json()["code"]) == (409, "policy-refused")
    assert "bits-license" in answer.json()["detail"]
    again = browser.client.post(ask, json=order(scene, license, circuit))
    assert again.status_code == 200, again.text
    other_rows = browser.client.post(ask, json=order(scene, license, second, first_row=40, rows=20))
    assert other_rows.status_code == 200, other_rows.text
    assert any("at most one yes-or-no fact (1 bit)" in line for line in other_rows.json()["summary"])


def test_a_quote_counts_what_was_told_before(browser: ApiClient, scene: MarketNode, frugal: tuple[int, str]) -> None:
    """A quote says what a job tells, its limits and what public records say was told; the same again tells nothing."""
    license, circuit = frugal
    number = scene.market.license(license).offer
    path = "/v1/datasets/1/quotes"
    leak = browser.client.get(f"{path}/{circuit}?offer={number}&rows=20").json()["leak"]
    settled = micro_bits(sum(SPREAD_RANGE) + 1)
    assert (leak["micro_bits"], leak["micro_bits_per_license"], leak["again"]) == (ONE, ONE, False)
    assert leak["spent_person"] >= settled + ONE  # the scene's settled job told a score, and this license a label
    mine = browser.client.get(f"{path}/{scene.circuit}?offer={number}&rows=20&license={license}").json()
    assert (mine["allowed"], mine["reason"], mine["leak"]["spent_license"]) == (False, "bits-license", ONE)
    elsewhere = f"{path}/{circuit}?offer={number}&first_row=40&license={license}"
    assert browser.client.get(elsewhere).json()["leak"]["spent_license"] == 0
    again = browser.client.get(f"{path}/{circuit}?offer={number}&rows=40").json()
    assert (again["leak"]["micro_bits"], again["leak"]["again"], again["allowed"]) == (0, True, True)
    raw = offer(scene, roomy(raw_scores=RAW_WORDS))
    scene.indexer.sync()
    exact = browser.client.get(f"{path}/{scene.circuit}?offer={raw}&rows=20").json()["leak"]
    assert (exact["released"], exact["levels"], exact["micro_bits"]) == ("score", 0, settled)


SPREAD_RANGE = [255 * abs(weight) for weight in SPREAD]


def test_the_card_counts_each_question_once(browser: ApiClient, scene: MarketNode, frugal: tuple[int, str]) -> None:
    """A dataset's card says what was told of the person told of most, and an equal question adds nothing to it."""
    license, circuit = frugal
    before = browser.client.get("/v1/datasets/1").json()["budget"]
    assert before["complete"]
    assert before["micro_bits_per_person"] - before["most_micro_bits"] == before["micro_bits_left"]
    assert before["default_micro_bits_per_person"] == 16 * ONE  # a quarter of eight columns of eight bits
    usual, scene.license = scene.license, license
    job = scene.compute(circuit)
    scene.agent().process(job)
    scene.license = usual
    scene.indexer.sync()
    after = browser.client.get("/v1/datasets/1").json()["budget"]
    assert after["released"] == before["released"] + 1
    assert after["most_micro_bits"] == before["most_micro_bits"]


def test_the_index_counts_what_the_chain_says(scene: MarketNode, frugal: tuple[int, str]) -> None:
    """Worked out from the index, releases are the chain's own; a page works out no more than it may wait for."""
    scene.indexer.sync()
    releases = Releases(scene.store)
    with scene.database.session() as session:
        few = releases.on(session, 1, most_new=1)
        everything = releases.on(session, 1)
        known = releases.on(session, 1, most_new=0)
    assert (len(few.entries), few.complete) == (1, False)
    assert everything.entries == settled_on(scene.market, scene.store, 1)
    assert everything.complete
    assert known == everything


def test_a_circuit_out_of_reach_makes_the_count_a_lower_bound(site: TestClient, scene: MarketNode) -> None:
    """Where no store has a released circuit, the card says that its count is not complete, and the page "at least"."""
    block = scene.folder / "store"
    cid = digest_to_cid(Digest(scene.circuit))
    (path,) = block.rglob(cid)
    kept = path.read_bytes()
    path.unlink()
    try:
        budget = site.get("/v1/datasets/1").json()["budget"]
        text = site.get("/datasets/1").text
    finally:
        path.write_bytes(kept)
    assert not budget["complete"]
    assert "At least told so far" in text


def test_the_pages_say_bits_in_words(site: TestClient, scene: MarketNode, frugal: tuple[int, str]) -> None:
    """Dataset, offer, license and quote say what one bit is, what a license is told at most, and what is left."""
    license, circuit = frugal
    number = scene.market.license(license).offer
    text = site.get("/datasets/1").text
    assert "1 bit is one yes-or-no fact" in text
    assert "Privacy budget used" in text
    assert "about a person</strong> at most" in site.get(f"/offers/{number}").text
    held = " ".join(site.get(f"/licenses/{license}").text.split())  # a template's line may end anywhere
    assert "1 bit <small>of 1 bit at most</small>" in held
    data = scene.store.read(digest_to_cid(Digest(circuit)), limit=1 << 20)
    asked = f"/datasets/1/run/quote?terms=license-{license}&rows=20&replicas=2"
    said = site.post(asked, content=data, headers={"origin": SETTINGS.origin}).text
    assert "The policy would refuse this job" in said
    assert "has had all the bits" in said
    assert "This page does not let you sign" in said


def test_raw_scores_are_told_in_red(site: TestClient, scene: MarketNode) -> None:
    """An offer of raw scores shows a red notice with the number of columns that it gives away; no other one does."""
    raw = offer(scene, roomy(raw_scores=RAW_WORDS))
    scene.indexer.sync()
    text = site.get(f"/offers/{raw}").text
    assert 'class="notice bad"' in text
    assert "<strong>8 columns</strong> of every row, exactly" in text
    assert "gives columns away" not in site.get(f"/offers/{scene.offer}").text
