"""Deployments: finished whatever interrupts them, and refused when they are not ours."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from app.chain.contracts import deployment as deployments
from app.chain.contracts.client import ContractClient
from app.chain.contracts.deployment import ORDER, Deployed, Deployment, Terms, created_at, deploy, read
from app.chain.evm.embedded import CHAIN_ID, EmbeddedChain
from app.chain.market import Market
from app.chain.node import DevNode
from app.protocol.errors import BadDocument, BadInput, DarkroomError, NotFound, Reverted, TooLarge, VerificationFailed
from tests.support.market import DOLLAR, ETHER, TERMS, MarketOnChain, digest, open_market, person, set_stage


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the deployment is written."""
    return tmp_path / "deployment.json"


class PowerCut(Exception):
    """The process ends here."""


def test_a_deployment_records_address_block_and_code(market: Market, node: DevNode, tmp_path: Path) -> None:
    """Every contract is where CREATE puts it, with its block and code hash, on both kinds of chain."""
    deployment = read(tmp_path / "deployment.json")
    assert deployment == market.deployment
    assert (deployment.chain_id, deployment.deployer) == (node.chain_id, person("deployer").address)
    for nonce, name in enumerate(ORDER):
        placed = deployment.contracts[name]
        assert placed.address == created_at(person("deployer").address, nonce) == market.addresses[name]
        assert len(placed.code_hash) == 64
        assert placed.block == market.first_block + nonce


def test_deploying_again_changes_nothing(market: Market, node: DevNode, tmp_path: Path) -> None:
    """A second run sends nothing and writes the same file."""
    path, head = tmp_path / "deployment.json", node.head()
    before = path.read_bytes()
    assert deploy(node, person("deployer"), path, TERMS) == market.deployment
    assert (node.head(), path.read_bytes()) == (head, before)


@pytest.mark.parametrize("cut", range(len(ORDER)))
@pytest.mark.parametrize("moment", ["sent", "noted"])
def test_an_interrupted_deployment_goes_on(embedded: EmbeddedChain, path: Path, cut: int, moment: str) -> None:
    """Cut after any contract, before or after it was noted, the next run creates only what is missing."""
    deployer, tell, context = person("deployer"), _stop_at(cut), pytest.MonkeyPatch()
    embedded.fund(deployer.address, ETHER)
    if moment == "noted":
        tell = _nothing
        write, written = deployments._write, iter(range(100))

        def power_fails(where: Path, plan: Deployment) -> None:
            write(where, plan)
            if next(written) == cut + 1:  # the first one notes the plan
                raise PowerCut

        context.setattr(deployments, "_write", power_fails)
    with pytest.raises(PowerCut):
        deploy(embedded, deployer, path, TERMS, tell)
    context.undo()
    noted = [name for name in ORDER if read(path).contracts[name].code_hash]
    assert noted == list(ORDER[: cut + (moment == "noted")])
    told: list[str] = []
    deployment = deploy(embedded, deployer, path, TERMS, lambda deployed: told.append(deployed.name))
    assert deployment.complete
    assert told == list(ORDER[cut + 1 :])
    assert embedded.nonce(deployer.address) == len(ORDER)
    market = Market.open(embedded, path)
    market.faucet(deployer, 5)
    assert [event.name for event in market.events(market.first_block, market.block_number)][-1] == "Transfer"


def _nothing(deployed: Deployed) -> None:
    """Nobody listens."""


def _stop_at(count: int) -> Any:
    """Ends the process when contract `count` (from 0) is there; past the last one, at the last."""
    done: list[str] = []

    def tell(deployed: Deployed) -> None:
        done.append(deployed.name)
        if len(done) == min(count + 1, len(ORDER)):
            raise PowerCut

    return tell


def test_a_disturbed_deployment_is_not_mixed(embedded: EmbeddedChain, path: Path) -> None:
    """When the deployer's account was used in between, nothing more is sent and the user is told."""
    deployer = person("deployer")
    embedded.fund(deployer.address, ETHER)
    with pytest.raises(PowerCut):
        deploy(embedded, deployer, path, TERMS, _stop_at(1))
    ContractClient(embedded, []).transact(deployer, person("other").address, b"")
    head = embedded.head()
    with pytest.raises(BadInput, match="other transactions"):
        deploy(embedded, deployer, path, TERMS)
    assert embedded.head() == head


def test_another_account_does_not_finish_it(embedded: EmbeddedChain, path: Path) -> None:
    """A begun deployment belongs to who began it, and to its terms."""
    deployer = person("deployer")
    embedded.fund(deployer.address, ETHER)
    with pytest.raises(PowerCut):
        deploy(embedded, deployer, path, TERMS, _stop_at(1))
    with pytest.raises(BadInput, match="begun by"):
        deploy(embedded, person("other"), path, TERMS)
    with pytest.raises(BadInput, match="other terms"):
        deploy(embedded, deployer, path, Terms())


def test_a_deployment_without_ether_can_be_repeated(embedded: EmbeddedChain, path: Path) -> None:
    """Too little ether stops before anything is sent; after funding, the same command works."""
    deployer = person("deployer")
    with pytest.raises(Reverted, match="ether"):
        deploy(embedded, deployer, path, TERMS)
    embedded.fund(deployer.address, ETHER)
    assert deploy(embedded, deployer, path, TERMS).complete


def test_an_existing_token_is_used(embedded: EmbeddedChain, path: Path, tmp_path: Path) -> None:
    """With a token named, four contracts are created and everything is paid in it."""
    first = open_market(embedded, tmp_path / "first.json")
    token = first.addresses["TestUSD"]
    terms = TERMS.model_copy(update={"token": token})
    told: list[str] = []
    deploy(embedded, person("deployer"), path, terms, lambda deployed: told.append(deployed.name))
    assert told == list(ORDER[1:])
    second = Market.open(embedded, path)
    assert second.addresses["TestUSD"] == token
    stage = set_stage(second)
    assert first.balance(second.addresses["LicenseMarket"]) == 5 * DOLLAR
    assert stage.license == 1


def _changed(path: Path, **fields: Any) -> None:
    """Rewrite fields of the deployment file, in canonical form."""
    document = json.loads(path.read_text("utf-8")) | fields
    path.write_bytes(Deployment.model_validate_json(json.dumps(document)).to_bytes())


def _moved(path: Path, name: str, **fields: Any) -> None:
    document = json.loads(path.read_text("utf-8"))
    document["contracts"][name] |= fields
    _changed(path, contracts=document["contracts"])


@pytest.fixture
def deployed(embedded_stage: MarketOnChain, path: Path) -> Path:
    """The file of a good deployment."""
    assert embedded_stage.license
    return path


def test_another_chain_is_refused(deployed: Path, staged_chain: EmbeddedChain) -> None:
    """A deployment of another chain id."""
    _changed(deployed, chain_id=CHAIN_ID + 1)
    with pytest.raises(VerificationFailed, match="on chain"):
        Market.open(staged_chain, deployed)


def test_a_new_chain_under_an_old_file_is_refused(deployed: Path, tmp_path: Path) -> None:
    """The chain file was deleted: there is no code, and deploying into the old file is refused too."""
    fresh = EmbeddedChain(tmp_path / "fresh.sqlite")
    with pytest.raises(VerificationFailed, match="no code"):
        Market.open(fresh, deployed)
    with pytest.raises(VerificationFailed, match="does not have the contracts"):
        deploy(fresh, person("deployer"), deployed, TERMS)
    fresh.close()


def test_unknown_code_is_refused_even_when_the_file_vouches_for_it(deployed: Path, staged_chain: EmbeddedChain) -> None:
    """Code that is not an artifact's is refused by its own hash and by the artifact."""
    deployment = read(deployed)
    other = deployment.contracts["DatasetRegistry"]
    _moved(deployed, "JobMarket", address=other.address)
    with pytest.raises(VerificationFailed, match="other code"):
        Market.open(staged_chain, deployed)
    _moved(deployed, "JobMarket", code_hash=other.code_hash)
    with pytest.raises(VerificationFailed, match="not the JobMarket"):
        Market.open(staged_chain, deployed)


@pytest.mark.parametrize("name", ["DatasetRegistry", "ProviderRegistry", "LicenseMarket", "JobMarket"])
def test_known_contracts_wired_to_others_are_refused(
    deployed: Path, staged_chain: EmbeddedChain, tmp_path: Path, name: str
) -> None:
    """A contract of another deployment has the right code and the wrong partners."""
    other = tmp_path / "other.json"
    deploy(staged_chain, person("deployer"), other, TERMS)
    foreign = read(other).contracts[name]
    _moved(deployed, name, address=foreign.address, code_hash=foreign.code_hash)
    with pytest.raises(VerificationFailed, match="wired"):
        Market.open(staged_chain, deployed)


def test_a_file_that_is_no_deployment_is_refused(deployed: Path, staged_chain: EmbeddedChain) -> None:
    """Missing, cut, changed, oversized or of another kind: typed errors before any question to the chain."""
    good = deployed.read_bytes()
    faults = [
        good[:-1],
        good + b"\n",
        b"",
        b"{}",
        good.replace(b"darkroom/deployment", b"darkroom/policy"),
        b" " * (2 << 20),
    ]
    for fault in faults:
        deployed.write_bytes(fault)
        with pytest.raises((BadDocument, TooLarge)):
            Market.open(staged_chain, deployed)
    deployed.unlink()
    with pytest.raises(NotFound):
        Market.open(staged_chain, deployed)
    deployed.write_bytes(good)
    assert Market.open(staged_chain, deployed).dataset(1).manifest == digest("manifest")


def test_an_unfinished_deployment_is_not_opened(embedded: EmbeddedChain, path: Path) -> None:
    """Contracts that are still missing are a typed error."""
    deployer = person("deployer")
    embedded.fund(deployer.address, ETHER)
    with pytest.raises(PowerCut):
        deploy(embedded, deployer, path, TERMS, _stop_at(2))
    with pytest.raises(DarkroomError):
        Market.open(embedded, path)
