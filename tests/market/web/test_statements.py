"""Circuits' pages, and where an account's money stands: figures that add up with the chain's, and a statement."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from app.market.queries.owner import payments
from app.market.queries.standing import money_standing
from app.market.web.pages import statements
from tests.support.site import application
from tests.support.web import MarketNode

ORIGIN = "http://testserver"


@pytest.fixture
def site(scene: MarketNode) -> Iterator[TestClient]:
    """The pages over the scene."""
    with TestClient(application(scene, ORIGIN), base_url=ORIGIN) as client:
        yield client


def test_money_stands_where_the_chain_has_it(scene: MarketNode) -> None:
    """What an owner can withdraw is what offers and contracts owe, and open jobs hold their prices for it."""
    owner, market = scene.stage.owner.address, scene.market
    with scene.database.session() as session:
        found = money_standing(session, owner)
        nobody = money_standing(session, "0x" + "12" * 20)
    jobs = [market.job(number) for number in range(1, market.job_count() + 1)]
    assert found.pending == sum(each.price for each in jobs if not each.state.terminal) > 0
    unshared = sum(market.earnings(each.id) for each in market.offers(1))
    assert found.available == unshared + market.claim(owner)
    assert found.complete
    assert (nobody.available, nobody.pending, nobody.paid, nobody.complete) == (0, 0, 0, True)


def test_a_statement_has_every_payment_once(
    site: TestClient, scene: MarketNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the coin's units, newest first; where there are more than one file holds, it names the next."""
    address = scene.stage.buyer.address
    with scene.database.session() as session:
        wanted = [each.tx for each in payments(session, account=address, limit=100).items]
    assert wanted
    answer = site.get(f"/accounts/{address}/statement.csv")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [row["transaction"] for row in rows] == wanted
    assert {row["coin"] for row in rows} == {"tUSD"}
    assert answer.headers["content-type"].startswith("text/csv")
    assert "link" not in answer.headers
    monkeypatch.setattr(statements, "ROWS", 1)
    monkeypatch.setattr(statements, "PAGE", 1)
    found, path = list[str](), f"/accounts/{address}/statement.csv"
    while path:
        answer = site.get(path)
        found += [row["transaction"] for row in csv.DictReader(io.StringIO(answer.text))]
        path = answer.headers.get("link", "").partition(">")[0].removeprefix("<")
    assert found == wanted


def test_a_circuit_says_what_it_is_and_where_it_ran(site: TestClient, scene: MarketNode) -> None:
    """What it reads, what it costs and says of a person, and its jobs; one that no job named has no page."""
    text = " ".join(site.get(f"/circuits/{scene.circuit}").text.split())
    for words in ("8 columns", "What it costs, on 60 rows", "What the result says about each person", "Where it ran"):
        assert words in text
    assert f"/jobs/{scene.settled}" in text
    assert f'href="/circuits/{scene.circuit}"' in site.get(f"/jobs/{scene.settled}").text
    assert site.get("/circuits/" + "ab" * 32).status_code == 404
