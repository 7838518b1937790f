"""Attacks on mandates: none spends what it should not, each is refused for its own reason, the honest agent goes on."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from app.chain.contracts.abi import Interface, Parameters
from app.chain.evm.embedded import EmbeddedChain
from app.protocol.errors import VerificationFailed
from app.protocol.market.mandate import Mandate, MandateSpent, MandateState
from app.protocol.policy.bits import charge
from app.protocol.policy.reasons import Reason
from contracts import load
from fhe.leakage import leakage_of
from tests.support.custody import BUYER, OPEN_POLICY, MarketInMemory, codebook, linear_circuit
from tests.support.mandate_attacks import CHAIN_ATTACKS, Tried, run_attacks
from tests.support.mandates import MandateStage, mandate_stage
from tests.support.market import open_market, set_stage


@pytest.fixture(scope="module")
def mandate_scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MandateStage]:
    """One chain for all attacks."""
    folder = tmp_path_factory.mktemp("mandates")
    chain = EmbeddedChain(folder / "chain.sqlite")
    market = set_stage(open_market(chain, folder / "deployment.json")).market
    yield mandate_stage(market, folder / "deployment.json")
    chain.close()
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def tried(mandate_scene: MandateStage) -> dict[str, Tried]:
    """What came of each attack."""
    return {each.name: each for each in run_attacks(mandate_scene)}


@pytest.mark.parametrize("name", CHAIN_ATTACKS)
def test_the_attack_spends_nothing(name: str, tried: dict[str, Tried]) -> None:
    """Refused for the reason that stands beside it, at no loss, and the honest agent beside it buys what it may."""
    found = tried[name]
    assert (found.refused, found.stolen, found.honest) == (found.expected, 0, True)


def test_there_are_enough_of_them(mandate_scene: MandateStage) -> None:
    """The list cannot shrink unseen; and an attack that takes something would be told so."""
    assert len(CHAIN_ATTACKS) >= 40
    signed = mandate_scene.signed()
    before = mandate_scene.wealth(signed.mandate)
    mandate_scene.buy(signed)
    assert before - mandate_scene.wealth(signed.mandate) > 0


def test_a_purpose_that_is_no_text_stops_no_reader(mandate_scene: MandateStage) -> None:
    """Anybody can grant a mandate with any bytes in it: blocks are read on, and it is listed for nobody."""
    market, thief = mandate_scene.market, mandate_scene.thief
    interface = Interface(load("Mandates").abi)
    (entry,) = (each for each in load("Mandates").abi if each.get("name") == "grant")
    terms, proof_kind = entry["inputs"]
    loose = [dict(each, type="bytes") if each["name"] == "purpose" else each for each in terms["components"]]
    raw = Parameters([dict(terms, components=loose), proof_kind])
    values = (*list(mandate_scene.mandate(payer=thief.address).message.values())[:-1], b"\xff\xfe\x00")
    place = market.mandates_required()

    def call(function: str, count: int, *arguments: object) -> bytes:
        kinds = raw if count == 2 else Parameters([dict(terms, components=loose)])
        return interface.function(function, count).digest[:4] + kinds.encode(arguments, function)

    digest = market.node.call(place, call("digestOf", 1, values))
    proof = bytes(thief._signer.unsafe_sign_hash(digest).signature)  # type: ignore[arg-type]
    receipt = market.client.transact(thief, place, call("grant", 2, values, proof))
    (event,) = market.events(receipt.block, receipt.block)
    assert event.name == "MandateGranted"
    with pytest.raises(VerificationFailed, match="digest"):
        market.granted_mandate(event.args["mandate"])
    assert not list(market.granted_mandates(payer=thief.address))


# --- what a chain cannot see: the custodian's part

SPREADS = (
    [17, -4, 9, 30, 2, 8, -11, 5],
    [5, 17, -4, 9, 30, 2, 8, -11],
    [30, 2, 8, -11, 5, 17, -4, 9],
)  # of equal range
COST = charge(OPEN_POLICY, leakage_of(linear_circuit([SPREADS[0]]), codebook()), 1)


def hold(world: MarketInMemory, licenses: Iterable[int], **terms: Any) -> None:
    """Let the buyer be a mandate's account, with these licenses bought under it."""
    usual: dict[str, Any] = {
        "chain_id": world.chain.chain_id,
        "contract": "0x" + "c" * 40,
        "payer": "0x" + "a" * 40,
        "agent": "0x" + "b" * 40,
        "actions": ("license", "job"),
        "datasets": (1,),
        "policies": (OPEN_POLICY.digest,),
        "amount_range": 1,
        "budget": 1,
        "bits_range": 100 * COST,
        "bits_budget": 100 * COST,
        "max_occurrences": 10,
        "not_before": 0,
        "not_after": 1 << 40,
        "nonce": 1,
        "purpose": "Look at risk.",
    }
    world.chain.mandates[BUYER] = MandateState(Mandate(**(usual | terms)), frozenset(licenses), MandateSpent())


def ask(world: MarketInMemory, weights: Sequence[int], license: int, first: int = 0, block: int = 0) -> str:
    """Order a job under a license and let the custodian answer: the job's state, or the reason of its refusal."""
    number = world.job(linear_circuit([list(weights)], block=block), first=first, rows=20, license=license)
    world.agent().process(number)
    job = world.chain.job(number)
    return job.reason or job.state.name


def test_one_answer_tells_no_more_than_one_answer_may(tmp_path: Path) -> None:
    """An answer above the range is refused before anything is decrypted; one at the range is given."""
    world = MarketInMemory(tmp_path)
    license = world.license()
    hold(world, [license], bits_range=COST - 1)
    assert ask(world, SPREADS[0], license) == Reason.MANDATE_BITS
    assert world.ledger.decryptions(1, 1) == 0
    hold(world, [license], bits_range=COST)
    assert ask(world, SPREADS[0], license) == "SETTLED"


def test_bits_are_drained_once_over_all_licenses_of_a_mandate(tmp_path: Path) -> None:
    """Two licenses are one agent: what the second would tell comes on top. Other rows, and the equal query, go on."""
    world = MarketInMemory(tmp_path)
    loose = OPEN_POLICY.model_copy(update={"max_concentration": 1.0})
    first, second, own = (world.license(loose) for _ in range(3))
    hold(world, [first, second], bits_budget=2 * COST - 1, bits_range=COST)
    assert ask(world, SPREADS[0], first) == "SETTLED"
    assert ask(world, SPREADS[1], second) == Reason.MANDATE_BITS
    assert ask(world, SPREADS[0], second) == "SETTLED"
    assert ask(world, SPREADS[1], second, first=20) == "SETTLED"
    hold(world, [first, second], bits_budget=2 * COST, bits_range=COST)
    assert ask(world, SPREADS[1], second) == "SETTLED"
    assert ask(world, SPREADS[2], first) == Reason.MANDATE_BITS
    world.chain.mandates.clear()
    assert ask(world, SPREADS[2], own) == "SETTLED"


def test_who_may_ask_about_many_gets_no_answer_about_one(tmp_path: Path) -> None:
    """Where only questions were granted an answer for each row is refused, and an aggregate is given."""
    world = MarketInMemory(tmp_path)
    whole = OPEN_POLICY.model_copy(update={"release": "aggregate", "epsilon_micro_per_job": 500_000, "raw_scores": ""})
    rows, many = world.license(), world.license(whole)
    hold(world, [rows, many], actions=("license", "ask"))
    assert ask(world, SPREADS[0], rows) == Reason.MANDATE_ACTION
    assert ask(world, SPREADS[0], many, block=20) == "SETTLED"


def test_a_mandate_of_no_known_form_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    """Silence would cost the custodian its bond: what it cannot read it refuses, and the buyer has the price back."""
    world = MarketInMemory(tmp_path)
    license = world.license()
    world.chain.unreadable.add(BUYER)
    assert ask(world, SPREADS[0], license) == Reason.MANDATE_UNREADABLE
    world.chain.unreadable.clear()
    assert ask(world, SPREADS[0], license) == "SETTLED"
