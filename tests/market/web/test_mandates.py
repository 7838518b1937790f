"""The page of mandates: what the index holds is what the chain says, and the button ends what the payer sees."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from app.chain.evm.embedded import EmbeddedChain
from app.chain.market import Market
from app.market.db.database import Database
from app.market.indexer.indexer import Indexer
from app.market.queries.mandates import mandates
from app.market.web import pages
from app.market.web.app import create_app
from app.market.web.dependencies.state import Dependencies
from app.market.web.settings import WebServerSettings
from app.storage.folder import BlockStore
from tests.support.mandates import LICENSE_PRICE, MandateStage, id_of, mandate_stage
from tests.support.market import open_market, person, set_stage

ORIGIN = "http://testserver"


@pytest.fixture(scope="module")
def agency(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[MandateStage, Indexer, Database, TestClient]]:
    """A market with mandates, its index, and a browser on its pages."""
    folder = tmp_path_factory.mktemp("agency")
    chain = EmbeddedChain(folder / "chain.sqlite")
    scene = mandate_stage(set_stage(open_market(chain, folder / "deployment.json")).market, folder / "deployment.json")
    database, store = Database(f"sqlite:///{folder}/index.sqlite"), BlockStore(folder / "store")
    indexer = Indexer(scene.market, store, database)
    settings = WebServerSettings(origin=ORIGIN, rate=None, heavy=None)
    app = create_app(settings, Dependencies(scene.market, store, database), extensions=[pages.install])
    with TestClient(app, base_url=ORIGIN) as client:
        yield scene, indexer, database, client
    database.close()
    chain.close()


Agency = tuple[MandateStage, Indexer, Database, TestClient]


def test_what_an_agent_spent_and_on_what(agency: Agency) -> None:
    """Money, actions and their receipts stand in the index as the chain has them; so does the end."""
    scene, indexer, database, client = agency
    signed = scene.signed()
    license = scene.buy(signed)
    job = scene.open(signed, license)
    indexer.sync()
    with database.session() as session:
        (card,) = mandates(session, scene.payer.address, now=scene.market.now())
        assert card in mandates(session, scene.agent.address, now=scene.market.now())
    spent = scene.market.mandate_spent(signed.mandate)
    assert (card.id, card.spent, card.occurrences) == (id_of(signed), spent.amount, spent.occurrences)
    assert card.account == scene.market.mandate_account(signed.mandate)
    assert [(use.action, use.order) for use in card.uses] == [("job", job), ("license", license)]
    assert card.uses[1].amount == LICENSE_PRICE
    assert card.state == "active"
    page = client.get(f"/accounts/{scene.payer.address}/mandates")
    assert page.status_code == 200
    assert "Look at risk." in page.text
    assert f'data-body=\'{{"mandate":"{card.id}"}}\'' in page.text

    asked = {"account": scene.payer.address, "mandate": card.id}
    held = scene.market.mandate_spent(signed.mandate).balance
    assert held
    before = scene.market.balance(scene.payer.address)
    assert "withdraw-mandate" in page.text
    (call,) = client.post("/v1/transactions/withdraw-mandate", json=asked).json()["transactions"]
    scene.market.client.transact(scene.payer, call["request"]["to"], bytes.fromhex(call["request"]["data"][2:]))
    assert scene.market.balance(scene.payer.address) - before == held
    assert client.post("/v1/transactions/withdraw-mandate", json=asked).json()["code"] == "not-allowed"
    assert "withdraw-mandate" not in client.get(f"/accounts/{scene.payer.address}/mandates").text
    draft = client.post("/v1/transactions/revoke-mandate", json=asked).json()
    (call,) = draft["transactions"]
    assert (call["contract"], call["function"]) == ("Mandates", "revoke")
    scene.market.client.transact(scene.payer, call["request"]["to"], bytes.fromhex(call["request"]["data"][2:]))
    assert client.post("/v1/transactions/revoke-mandate", json=asked | {"account": scene.thief.address}).json()["code"]
    scene.market.revoke_mandate(scene.thief, id_of(scene.signed(0)))  # of a mandate that is not the thief's
    indexer.sync()
    page = client.get(f"/accounts/{scene.payer.address}/mandates")
    assert "Revoked" in page.text
    assert "revoke-mandate" not in page.text
    assert scene.market.mandate_spent(signed.mandate).revoked


def test_a_floor_of_nonces_ends_all_below(agency: Agency) -> None:
    """What was voided at once, and what comes later with a smaller nonce, is revoked; a greater nonce is not."""
    scene, indexer, database, _ = agency
    payer = scene.thief  # who pays for no other test's
    old, new = (scene.market.sign_mandate(payer, scene.mandate(payer=payer.address, nonce=each)) for each in (7, 8))
    for each in (old, new):
        scene.market.grant_mandate(scene.agent, each)
    scene.market.void_mandates(payer, 8)
    indexer.sync()
    with database.session() as session:
        states = {card.id: card.state for card in mandates(session, payer.address, now=scene.market.now())}
    assert (states[id_of(old)], states[id_of(new)]) == ("revoked", "active")


def test_a_market_without_mandates_says_so(agency: Agency, tmp_path: Path) -> None:
    """An account without any is told how to sign one; a market without the contract, how to add it."""
    scene, _, database, client = agency
    page = client.get(f"/accounts/{person('nobody').address}/mandates")
    assert "darkroom mandate sign" in page.text
    bare = Market(scene.market.client, scene.market.deployment)
    known = bare.client.contracts.pop("Mandates")
    try:
        app = create_app(
            WebServerSettings(origin=ORIGIN, rate=None, heavy=None),
            Dependencies(bare, BlockStore(tmp_path / "store"), database),
            extensions=[pages.install],
        )
        with TestClient(app, base_url=ORIGIN) as other:
            page = other.get(f"/accounts/{person('nobody').address}/mandates")
            assert "darkroom mandate deploy" in page.text
    finally:
        bare.client.contracts["Mandates"] = known
