"""The owner's word by the command line: said on the chain, once, by the owner alone; and what still waits for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from app.client.owner import Owner
from app.home.home import Home
from app.home.network import Network
from app.protocol.market.entities import Approval
from tests.client.conftest import Run
from tests.support.web import MarketNode


@pytest.fixture(autouse=True)
def _indexed(scene: MarketNode) -> Iterator[None]:
    """Leave the scene's index knowing the jobs that these tests open."""
    yield
    scene.indexer.sync()


@pytest.mark.parametrize(
    ("command", "word"), [("approve", Approval.APPROVED), ("refuse", Approval.DENIED)], ids=["yes", "no"]
)
def test_the_owner_says_it_once(darkroom: Run, scene: MarketNode, command: str, word: Approval) -> None:
    """It stands on the chain; a second word, and one on a job that is over, are refused in plain words."""
    number = scene.open(scene.circuit)
    code, value, _ = darkroom("custodian", command, str(number), "--json")
    assert code == 0
    assert (value["job"], value["approval"]) == (number, word.name.lower())
    assert scene.chain.receipt(value["transaction"]).ok
    assert scene.market.job(number).approval is word
    for again in ("approve", "refuse"):
        code, value, err = darkroom("custodian", again, str(number), "--json")
        assert code != 0
        assert f"answered job {number} before: it is {word.name.lower()}" in value["error"]["message"]
        assert "The word stands." in err
    code, value, _ = darkroom("custodian", command, str(scene.settled), "--json")
    assert code != 0
    assert "SETTLED" in value["error"]["message"]


def test_nobody_else_has_the_word(darkroom: Run, scene: MarketNode) -> None:
    """The buyer's account is told whose the dataset is; a job that is not there is not found."""
    number = scene.open(scene.circuit)
    code, value, _ = darkroom("custodian", "approve", str(number), "--as", "buyer", "--json")
    assert code != 0
    assert "belongs to another account" in value["error"]["message"]
    assert scene.market.job(number).approval is Approval.NONE
    assert darkroom("custodian", "approve", "999", "--json")[1]["error"]["code"] == "not-found"


def test_what_waits_for_the_owner_is_listed(darkroom: Run, home: Home, scene: MarketNode) -> None:
    """A job that the custodian holds says so until the chain has the owner's word."""
    owner = Owner(Network.open(home), home.actor("owner"), scene.stage.owner)
    number = scene.open(scene.circuit)
    claim = owner.ledger().claim(number, 1)
    assert claim is not None
    listed = {"job": number, "dataset": 1, "state": "seen", "waits for the owner": False}
    assert darkroom("custodian", "pending", "--json")[1] == [listed]
    owner.ledger().hold(claim)
    assert darkroom("custodian", "pending", "--json")[1] == [listed | {"waits for the owner": True}]
    assert str(number) in darkroom("custodian", "pending")[1]
    scene.market.approve_job(scene.stage.owner, number)
    assert darkroom("custodian", "pending", "--json")[1] == [listed]
