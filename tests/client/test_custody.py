"""Bonds of custodians, and licenses that are over, by the command line."""

from __future__ import annotations

from app.client.settling import used_by
from app.home.home import Home
from app.home.network import Network
from app.protocol.market.entities import BitBudget
from app.protocol.market.receipt import Decision
from app.storage.cid import digest_to_cid
from tests.client.conftest import Run
from tests.support.market import BITS, DOLLAR, HOUR, MICRO
from tests.support.web import MarketNode


def test_a_bond_is_put_down_and_taken_back(darkroom: Run, scene: MarketNode) -> None:
    """The command says what the bond is and what jobs hold of it; what they hold stays."""
    before = scene.market.custody(1)
    code, value, _ = darkroom("custodian", "bond", "1", "7", "--json")
    assert (code, value["bond"], value["held"]) == (0, before.bond + 7 * DOLLAR, before.held)
    code, value, _ = darkroom("custodian", "unbond", "1", "7", "--json")
    assert (code, value["bond"]) == (0, before.bond)
    code, value, err = darkroom("custodian", "unbond", "1", str(before.bond // DOLLAR), "--json")
    assert code != 0
    assert "free to answer for a job" in value["error"]["message"]
    assert "darkroom custodian bond" in err
    assert darkroom("custodian", "bond", "99", "1", "--json")[1]["error"]["code"] == "not-found"
    assert darkroom("custodian", "unbond", "1", "1", "--as", "buyer", "--json")[0] != 0
    assert scene.market.custody(1) == before


def test_a_license_that_is_over_is_settled(darkroom: Run, scene: MarketNode) -> None:
    """One that told nothing gives everything back, once; one that can still be used gives nothing."""
    market, stage = scene.market, scene.stage
    offer = market.create_offer(
        stage.owner, 1, price_license=0, price_job=0, price_row=0, max_jobs=1, max_rows=1, duration=HOUR,
        policy=scene.world.manifest.policy.digest, **BITS | {"micro_bits": 2 * MICRO, "licenses": 1},
    ).value  # fmt: skip
    held = market.buy_license(stage.buyer, offer).value
    taken = market.budget(1)
    code, value, _ = darkroom("license", "settle", str(held), "--json")
    assert code != 0
    assert "can still open jobs" in value["error"]["message"]
    market.revoke_license(stage.owner, held)
    code, value, _ = darkroom("license", "settle", str(held), "--json")
    assert (code, value["bits_used"], value["bits_given_back"]) == (0, 0, 2)
    assert market.budget(1) == BitBudget(taken.micro_bits, taken.reserved - 2 * MICRO)
    assert darkroom("license", "show", str(held), "--json")[1]["settled"] is True
    assert "settled before" in darkroom("license", "settle", str(held), "--json")[1]["error"]["message"]


def test_what_a_license_was_told_is_counted_from_public_records(home: Home, scene: MarketNode) -> None:
    """It is at least what the decision on its settled job charged, and never more than what it is guaranteed."""
    network = Network.open(home)
    decision = Decision.from_bytes(
        scene.store.read(digest_to_cid(network.market.job(scene.settled).decision), limit=1 << 20)
    )
    held = network.market.license(scene.license)
    assert 0 < decision.micro_bits <= used_by(network, held) <= held.micro_bits
