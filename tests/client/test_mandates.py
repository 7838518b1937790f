"""Mandates as people and agents meet them: signed and ended by command, spent by a buyer who is an agent."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from typing import Any

import pytest

from app.chain.contracts.beside import deploy_mandates
from app.chain.market import Market
from app.client.dataset import Dataset
from app.client.mandates import Mandates
from app.client.place import OrderPlace
from app.client.purchase import find_terms, purchase
from app.home.config import read_config, write_config
from app.home.home import Home
from app.home.network import Network
from app.protocol.errors import BadInput, MandateRefused, NotFound, VerificationFailed
from app.protocol.market.entities import JobState
from app.protocol.market.mandate import SignedMandate
from app.protocol.policy.reasons import Reason
from app.seal.keys import SealingKey
from tests.client.conftest import Run
from tests.support.homes import PASSPHRASE
from tests.support.market import DOLLAR, ETHER, MICRO, person
from tests.support.regression import WEIGHTS, license, regressor, sample, settle
from tests.support.web import MarketNode


@dataclass
class Agency:
    """A payer and an agent on one machine, and the agent's mandates."""

    scene: MarketNode
    network: Network
    payer: Mandates
    agent: Mandates
    offer: int


@pytest.fixture
def agency(scene: MarketNode, home: Home, darkroom: Run, monkeypatch: pytest.MonkeyPatch) -> Agency:
    """The contract of mandates beside the scene's market, in a home of its own; an agent with gas and no money."""
    own = home.root / "deployment.json"
    shutil.copy(read_config(home).deployment, own)
    write_config(home, read_config(home).model_copy(update={"deployment": str(own)}))
    deploy_mandates(scene.chain, person("deployer"), own)
    agent = person("agent")
    scene.chain.fund(agent.address, ETHER)
    agent.save(home.actor("agent", create=True).path("account.json"), PASSPHRASE, light=True)
    network = Network.open(home)
    monkeypatch.setattr(scene.stage, "market", Market.open(scene.chain, own))  # what the custodian reads
    offer = network.market.license(license(scene)).offer
    payer = Mandates(network, home.actor("buyer"), scene.stage.buyer)
    return Agency(scene, network, payer, Mandates(network, home.actor("agent"), agent), offer)


def sign(agency: Agency, **terms: object) -> SignedMandate:
    """A mandate for the agent on the scene's dataset, with money in it, and kept by the agent."""
    usual: dict[str, object] = {
        "datasets": (agency.scene.stage.dataset,),
        "amount_range": 10 * DOLLAR,
        "budget": 40 * DOLLAR,
        "bits_range": MICRO,
        "bits_budget": 3 * MICRO // 2,
        "purpose": "Look at risk.",
    }
    signed = agency.payer.sign(agency.agent.account.address, **(usual | terms))  # type: ignore[arg-type]
    agency.payer.fund(signed, 30 * DOLLAR)
    agency.agent.keep(signed)
    return signed


def test_without_the_contract_everything_else_works(darkroom: Run, scene: MarketNode, home: Home) -> None:
    """A home of before says what is missing and what to do, and its market is as it was."""
    code, value, err = darkroom("mandate", "list", "--json")
    assert code == 5
    assert "darkroom mandate deploy" in err + json.dumps(value)
    assert Network.open(home).market.mandates_address is None
    assert darkroom("license", "list", "--json")[0] == 0


def test_an_agent_runs_a_model_with_the_payers_money_and_bits(agency: Agency, scene: MarketNode) -> None:
    """Bought, ordered, released, opened, with a receipt of each; one bit too many is refused at both ends."""
    signed = sign(agency)
    buyer, market = agency.agent.under(signed), agency.network.market
    buyer._sealing_key = SealingKey.generate()
    dataset = Dataset.open(agency.network, scene.stage.dataset)
    first, second = (
        buyer.models.keep(dataset.with_levels(regressor(dataset, WEIGHTS + shift), 2, sample()))
        for shift in (0.375, 0.625)
    )
    terms = find_terms(buyer, dataset, first, OrderPlace(60, offer=agency.offer))
    assert terms.total is not None
    bought = purchase(buyer, first, terms, most=terms.total)
    assert bought.license is not None
    assert market.job(bought.job.value).buyer == market.mandate_account(signed.mandate)
    assert market.balance(agency.agent.account.address) == 0
    settle(scene, bought.job.value)
    opened = buyer.open_result(bought.job.value, buyer.sealing_key())
    assert len(opened.labels()) == 60
    spent = agency.agent.spent(signed.mandate, scene.stage.dataset)
    assert (spent.micro_bits, spent.occurrences, spent.amount) == (MICRO, 2, terms.total)
    of_license, of_job = agency.payer.uses(signed.mandate)
    assert (of_license.action, of_license.order, of_license.result) == ("license", bought.license.value, None)
    assert of_job.result is not None
    assert of_job.audit is not None
    assert (of_job.action, of_job.order, of_job.result.state) == ("job", bought.job.value, "settled")
    assert of_job.audit.receipt == market.job(bought.job.value).receipt
    assert spent.balance == 30 * DOLLAR - of_license.payment.amount - of_job.payment.amount + of_job.payment.refunded

    place = {"first_row": 0, "rows": 60, "sealing_key": buyer.sealing_key()}
    with pytest.raises(MandateRefused, match=r"0\.5 are left") as caught:
        buyer.open_job(bought.license.value, second, **place)  # type: ignore[arg-type]
    assert caught.value.reason == "BitsSpent"
    # A program that asks nobody pays, and the custodian refuses it by what is public.
    scene.store.put(second.data)
    order: dict[str, Any] = {
        "circuit": second.circuit_digest, "first_row": 0, "rows": 60, "units": 1, "replicas": 2, "max_fee": 6000
    }  # fmt: skip
    key = buyer.sealing_key().public.hex()
    job = market.open_job_under(agency.agent.account, signed, bought.license.value, sealing_key=key, **order).value
    settle(scene, job)
    assert (market.job(job).state, market.job(job).reason) == (JobState.REFUSED, Reason.MANDATE_BITS)


def test_a_payer_signs_and_ends_by_command(agency: Agency, darkroom: Run, home: Home) -> None:
    """The signed file goes to the agent; what it did is shown with receipts; revoked it buys no more, and pays back."""
    market = agency.network.market
    words = ("--dataset", "1", "--budget", "40", "--each", "20", "--fund", "30", "--purpose", "Risk.")
    file = home.root / "mandate.json"
    agent = agency.agent.account.address
    code, told, err = darkroom("mandate", "sign", agent, *words, "--out", str(file), "--json")
    assert code == 0, err
    assert (told["state"], told["balance"], told["on_chain"]) == ("active", 30 * DOLLAR, False)
    assert darkroom("mandate", "import", str(file), "--as", "agent", "--json")[0] == 0
    signed = agency.agent.find(told["mandate"])
    number = agency.agent.buy_license(signed, agency.offer).value
    assert market.license(number).buyer == told["account"]
    assert agency.agent.buy_license(signed, agency.offer).value == number  # the same order is carried out once
    code, shown, _ = darkroom("mandate", "show", told["mandate"][:12], "--json")
    (receipt,) = shown["receipts"]
    assert (receipt["action"], receipt["order"], receipt["payment"]["occurrence"]) == ("license", number, 1)
    assert shown["ap2"]["vct"] == "mandate.payment.open.1"
    assert darkroom("mandate", "show", told["mandate"][:12])[0] == 0
    code, funded, _ = darkroom("mandate", "fund", told["mandate"][:12], "2.5", "--json")
    assert funded["balance"] == 32_500_000 - market.offer(agency.offer).price_license

    assert darkroom("mandate", "revoke", told["mandate"][:12], "--json")[0] == 0
    with pytest.raises(MandateRefused, match="revoked") as caught:
        agency.agent.buy_license(signed, agency.offer, anew=True)
    assert caught.value.reason == "MandateIsRevoked"
    code, value, _ = darkroom("mandate", "withdraw", told["mandate"][:12], "--json")
    assert value["amount"] == funded["balance"]
    code, value, _ = darkroom("mandate", "list", "--json")
    assert [each["state"] for each in value if each["mandate"] == told["mandate"]] == ["revoked"]
    other = sign(agency)
    assert darkroom("mandate", "revoke", "--all", "--json")[0] == 0
    assert agency.payer.view(other.mandate).state == "revoked"


def test_terms_that_make_no_sense_are_told(agency: Agency, darkroom: Run) -> None:
    """Contradictions, unknown datasets, tags and mandates, another market's file: one sentence each, nothing signed."""
    with pytest.raises(BadInput, match="a limit for one action is at most"):
        sign(agency, amount_range=100 * DOLLAR)
    with pytest.raises(BadInput, match="datasets"):
        sign(agency, datasets=())
    with pytest.raises(NotFound):
        sign(agency, datasets=(99,))
    with pytest.raises(NotFound, match="keyword"):
        sign(agency, datasets=(), tags=("no such tag",))
    with pytest.raises(BadInput, match="many people"):
        sign(agency, actions=("license", "ask"))
    code, value, err = darkroom("mandate", "show", "abcd", "--json")
    assert (code, value["error"]["code"] if value else "not-found") == (5, "not-found"), err
    signed = sign(agency)
    foreign = signed.model_copy(update={"mandate": signed.mandate.model_copy(update={"chain_id": 1})})
    with pytest.raises(VerificationFailed, match="another chain"):
        agency.agent.keep(foreign)
    assert agency.payer.view(signed.mandate).state == "active"


def test_a_job_has_an_evaluator_and_an_audit_an_export(agency: Agency, darkroom: Run, scene: MarketNode) -> None:
    """Its address is the same before and after it is made; the audit gives a registry its response of 100."""
    number = str(scene.settled)
    code, before, err = darkroom("job", "evaluator", number, "--json")
    assert code == 0, err
    code, made, _ = darkroom("job", "evaluator", number, "--make", "--json")
    assert made["evaluator"] == before["evaluator"]
    assert scene.chain.code(made["evaluator"])
    code, told, _ = darkroom("audit", number, "--erc8004", "--json")
    assert (told["erc8004"]["response"], told["erc8004"]["request"]["job"]) == (100, scene.settled)
    code, text, _ = darkroom("provider", "registration", "--name", "P", "--as", "buyer")
    assert json.loads(text)["services"][-1]["endpoint"].endswith(scene.stage.buyer.address)
