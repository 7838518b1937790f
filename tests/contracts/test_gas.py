"""What a transaction costs, on the embedded chain's EVM: the figures that buyers, owners and providers pay."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import rlp  # type: ignore[import-untyped]
from eth_abi import abi
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak
from web3 import Web3
from web3.middleware import SignAndSendRawMiddlewareBuilder

import contracts
from app.chain.evm.embedded import EmbeddedChain
from tests.support.market import ETHER, person

DOLLAR = 10**6
MICRO = 10**6  # micro-bits a bit
UNITS = 10_000
FIXED_FEE, PRICE = 20_000, 8_000_000  # token units for a job, and for a million units of work
FEE = FIXED_FEE + PRICE * UNITS // 1_000_000
RECEIPT, SALT = b"\x07" * 32, b"\x08" * 32
MANIFEST, ROOT, PROFILE = (bytes([digit]) * 32 for digit in (1, 2, 3))
CODEC = 0x55
CONTENT = keccak(abi.encode(["bytes32", "uint8", "bytes32", "bytes32"], [MANIFEST, CODEC, ROOT, PROFILE]))


@dataclass
class GasMeter:
    """A deployed market and the gas of every step taken in it."""

    chain: EmbeddedChain
    web3: Web3
    deployer: str
    at: dict[str, Any] = field(default_factory=dict)
    gas: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))

    def deploy(self, name: str, *arguments: object) -> None:
        artifact = contracts.load(name)
        factory = self.web3.eth.contract(abi=list(artifact.abi), bytecode=artifact.bytecode)
        sent = factory.constructor(*arguments).transact({"from": self.deployer})
        address = self.web3.eth.wait_for_transaction_receipt(sent)["contractAddress"]
        assert address is not None
        self.at[name] = self.web3.eth.contract(address=address, abi=list(artifact.abi))
        assert artifact.matches(bytes(self.web3.eth.get_code(address)))

    def do(self, step: str, who: str, contract: str, function: str, *arguments: object) -> None:
        call = self.at[contract].functions[function](*arguments)
        receipt = self.web3.eth.wait_for_transaction_receipt(call.transact({"from": who, "gas": 3_000_000}))
        assert receipt["status"] == 1
        self.gas[step].append(receipt["gasUsed"])


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GasMeter]:
    """Three rounds of everything; the first pays for storage that the later ones find in use."""
    chain = EmbeddedChain(tmp_path_factory.mktemp("gas") / "chain.sqlite")
    people = [person(name) for name in ("deployer", "owner", "buyer", "one", "two")]
    world = GasMeter(chain, chain.web3(), people[0].address)
    world.web3.middleware_onion.inject(
        SignAndSendRawMiddlewareBuilder.build([each._signer for each in people]), layer=0
    )
    for each in people:
        chain.fund(each.address, ETHER)
    deployer, owner, buyer, one, two = (each.address for each in people)
    world.deploy("TestUSD")
    world.deploy("DatasetRegistry")
    nonce = world.web3.eth.get_transaction_count(to_checksum_address(deployer))
    market = to_checksum_address(keccak(rlp.encode([bytes.fromhex(deployer[2:]), nonce + 4]))[12:])
    usd, datasets = world.at["TestUSD"].address, world.at["DatasetRegistry"].address
    world.deploy("LicenseMarket", usd, datasets, market)
    world.deploy("ProviderRegistry", usd, market, 10 * DOLLAR, 86_400, 86_400)
    licenses, providers = world.at["LicenseMarket"].address, world.at["ProviderRegistry"].address
    world.deploy("LineRules")
    world.deploy("Disputes", market, 2 * DOLLAR, 3_600, world.at["LineRules"].address)
    wired = (usd, datasets, licenses, providers, world.at["Disputes"].address)
    world.deploy("JobMarket", *wired, deployer, (3_600, 21_600, 3_600, 86_400))
    assert world.at["JobMarket"].address == market
    for account in (owner, buyer, one, two):
        world.do("faucet", account, "TestUSD", "faucet", account, 10_000 * DOLLAR)
        for spender in (licenses, providers, market):
            world.do("approve", account, "TestUSD", "approve", spender, 2**256 - 1)
    for provider in (one, two):
        world.do("bond", provider, "ProviderRegistry", "bond", 1_000 * DOLLAR, FIXED_FEE, PRICE, 3 * UNITS)
    for _ in range(3):
        world.do("publish", owner, "DatasetRegistry", "publish", MANIFEST, CODEC, ROOT, PROFILE, 285, owner)
        terms = (1, 5 * DOLLAR, 100_000, 1_000, 10, 10_000, 86_400, b"\4" * 32, 8 * MICRO, 5, 120 * MICRO)
        world.do("offer", owner, "LicenseMarket", "createOffer", terms, [])
        world.do("buy", buyer, "LicenseMarket", "buy", 1)
    # Before the first job, as every market does: the bond that answers for the custodian's silence.
    world.do("bond_custodian", owner, "JobMarket", "bondCustodian", 1, 100 * DOLLAR)
    for job in (1, 2, 3):
        run_job(world, job, owner, buyer)
    yield world
    chain.close()


def run_job(world: GasMeter, job: int, owner: str, buyer: str) -> None:
    """From the opening to the settlement, with two executors, and the sum as `job_total`."""
    before = {step: len(each) for step, each in world.gas.items()}
    jobs = world.at["JobMarket"].functions
    world.do("open", buyer, "JobMarket", "open", (1, b"\5" * 32, 0, 285, b"\6" * 32, UNITS, 2, 2 * FEE, 1, CONTENT))
    world.chain.mine()
    world.do("draw", buyer, "JobMarket", "draw", job)
    executors = [each[0] for each in jobs.executionsOf(job).call()]
    for each in executors:
        world.do("commit", each, "JobMarket", "commit", job, jobs.commitmentFor(job, each, RECEIPT, SALT).call())
    for each in executors:
        world.do("reveal", each, "JobMarket", "reveal", job, RECEIPT, SALT)
    head = jobs.decisionHead(1).call()
    world.do("release", owner, "JobMarket", "release", job, b"\x09" * 32, b"\x0a" * 32, head)
    assert jobs.get(job).call()[3] == 6
    assert len(executors) == 2
    world.gas["job_total"].append(
        sum(sum(each[before.get(step, 0) :]) for step, each in world.gas.items() if step != "job_total")
    )


@pytest.mark.parametrize(("step", "limit"), [("publish", 110_000), ("buy", 110_000), ("job_total", 600_000)])
def test_a_market_in_use_stays_below_its_gas_limits(world: GasMeter, step: str, limit: int) -> None:
    """Publishing, buying a license and a whole job cost less than promised, from the second time on."""
    first, second, third = world.gas[step]
    assert max(second, third) < limit
    assert second < first < limit * 1.3


def test_a_job_s_parts_are_its_total(world: GasMeter) -> None:
    """The total counts one opening, one draw, two commitments, two receipts and one release."""
    parts = sum(sum(world.gas[step]) for step in ("open", "draw", "commit", "reveal", "release"))
    assert parts == sum(world.gas["job_total"])
    assert len(world.gas["commit"]) == len(world.gas["reveal"]) == 6
