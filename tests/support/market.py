"""A market on a real chain, embedded or anvil: its people, an offer, a license, and jobs, driven as far as wanted."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eth_account import Account as Keys

from app.chain.contracts.beside import deploy_mandates
from app.chain.contracts.deployment import Terms, deploy
from app.chain.contracts.dollars import in_dollars
from app.chain.market import Market, Sent
from app.chain.node import DevNode
from app.chain.wallet.account import Account
from app.protocol.ids import Address, Digest
from app.protocol.market.entities import DatasetRecord
from app.protocol.ports import Store

ETHER = 10**18
DOLLAR = 10**6
HOUR = 3600
MICRO = 10**6
BITS: dict[str, Any] = {
    "micro_bits": 100 * MICRO,
    "licenses": 50,
    "budget": 100_000 * MICRO,
}  # what an offer here sells
TERMS = Terms(
    guardian=str(Keys.from_key(hashlib.sha256(b"guardian").digest()).address),
    stake_floor=100 * DOLLAR,
    unbonding_delay=24 * HOUR,
    heartbeat_window=24 * HOUR,
    draw_window=2 * HOUR,
    commit_window=HOUR,
    reveal_window=HOUR,
    release_window=3 * HOUR,
)


def person(name: str) -> Account:
    """The same key for the same name in every run, so that addresses, and with them gas, are the same everywhere."""
    return Account(Keys.from_key(hashlib.sha256(name.encode()).digest()))


def digest(label: str) -> Digest:
    """32 bytes without a zero byte, hex: call data of random digests would cost a little more or less gas."""
    return Digest(bytes(byte or 1 for byte in hashlib.sha256(label.encode()).digest()).hex())


def open_market(node: DevNode, path: Path, *, authorized: bool = False) -> Market:
    """The contracts on a fresh chain; `authorized`, in dollars that take signed transfers, with orders beside it."""
    deployer = person("deployer")
    node.fund(deployer.address, ETHER)
    deploy(node, deployer, path, in_dollars(node, deployer, path, TERMS) if authorized else TERMS)
    if authorized:
        deploy_mandates(node, deployer, path)
    return Market.open(node, path)


@dataclass
class MarketOnChain:
    """A market with an owner, a buyer, bonded providers, a dataset, an offer and a license."""

    market: Market
    providers: list[Account]
    owner: Account = field(default_factory=lambda: person("owner"))
    buyer: Account = field(default_factory=lambda: person("buyer"))
    dataset: int = 0
    offer: int = 0
    license: int = 0
    gas: dict[str, int] = field(default_factory=dict)

    def paid(self, step: str, sent: Sent[Any]) -> Any:
        """Note a step's gas; the step's value."""
        self.gas[step] = sent.gas
        return sent.value

    def people(self) -> list[Account]:
        """Everybody who needs ether and dollars."""
        return [self.owner, self.buyer, *self.providers]

    def by_address(self, address: str) -> Account:
        """The provider behind an address."""
        return next(each for each in self.providers if each.address == address)

    def open(
        self,
        label: str = "job",
        replicas: int = 2,
        rows: int = 100,
        *,
        buyer: Account | None = None,
        license: int = 0,
        **order: Any,
    ) -> int:
        """Open a job of the usual shape, under the usual license unless another is named; its id."""
        terms: dict[str, Any] = {
            "circuit": digest(f"circuit of {label}"),
            "first_row": 0,
            "rows": rows,
            "sealing_key": digest("sealing key"),
            "units": 1000,
            "replicas": replicas,
            "max_fee": replicas * 3000,
        }
        number: int = self.paid(
            "open", self.market.open_job(buyer or self.buyer, license or self.license, **(terms | order))
        )
        return number

    def sell(self, **terms: Any) -> int:
        """Offer licenses of the usual shape; the offer's id."""
        usual: dict[str, Any] = {
            "price_license": 5 * DOLLAR,
            "price_job": DOLLAR,
            "price_row": 100,
            "max_jobs": 50,
            "max_rows": 100_000,
            "duration": 30 * 24 * HOUR,
            "policy": digest("policy"),
            **BITS,
        }
        number: int = self.paid("offer", self.market.create_offer(self.owner, self.dataset, **(usual | terms)))
        return number

    def release(self, job: int, **answer: Any) -> None:
        """The owner's custodian releases a job."""
        self.paid(
            "release",
            self.market.release(
                self.owner,
                job,
                sealed=digest(f"sealed {job}"),
                decision=digest(f"decision {job}"),
                **answer,
            ),
        )

    def draw(self, job: int) -> tuple[Address, ...]:
        """The executors of a job."""
        drawn: tuple[Address, ...] = self.paid("draw", self.market.draw(self.buyer, job))
        return drawn

    def answer(self, job: int, drawn: Sequence[str], receipt: Callable[[str], str] | str) -> None:
        """Everybody drawn commits, then reveals, in the order of the draw."""
        of = receipt if callable(receipt) else lambda address: receipt
        for place, address in enumerate(drawn):
            salt = digest(f"salt of {address}")
            self.paid(f"commit {place}", self.market.commit(self.by_address(address), job, Digest(of(address)), salt))
        for place, address in enumerate(drawn):
            salt = digest(f"salt of {address}")
            self.paid(f"reveal {place}", self.market.reveal(self.by_address(address), job, of(address), salt))

    def publish(self, version: DatasetRecord) -> None:
        """A new version of the dataset, as an encrypted table's record says it."""
        self.market.new_version(
            self.owner, self.dataset, manifest=version.manifest, data_root=version.data_root, profile=version.profile,
            rows=version.rows,
        )  # fmt: skip

    def execute(self, store: Store, job: int, drawn: Sequence[str] | None = None) -> int:
        """A real job up to COMPUTED: whoever is drawn (now, where nobody was) evaluates it honestly; the job's id."""
        from app.execution.execute import execute
        from app.execution.inputs import load_job_inputs

        drawn = self.draw(job) if drawn is None else drawn
        done = execute(load_job_inputs(self.market, store, job), store, threads=1)
        store.put(done.receipt.to_bytes())
        store.put(bytes(done.output))
        self.answer(job, drawn, done.receipt.digest)
        return job

    def compute(self, label: str = "job", **order: Any) -> int:
        """A job up to COMPUTED, of whose circuit and receipt there are only digests."""
        job = self.open(label, **order)
        self.answer(job, self.draw(job), digest(f"receipt of {label}"))
        return job


def staged(market: Market, providers: int = 2) -> MarketOnChain:
    """The people of a stage that was set before."""
    people = [person(f"provider {number}") for number in range(providers)]
    return MarketOnChain(market, people, dataset=1, offer=1, license=1)


def set_stage(market: Market, providers: int = 2, *, rows: int = 1000, max_jobs: int = 50) -> MarketOnChain:
    """Fund everybody, bond the providers, publish, offer, buy. Approvals replace permits, whose signatures vary."""
    node = market.node
    assert isinstance(node, DevNode)
    stage = MarketOnChain(market, staged(market, providers).providers)
    for each in stage.people():
        node.fund(each.address, ETHER)
        market.faucet(each, 10_000 * DOLLAR)
        for contract in ("LicenseMarket", "ProviderRegistry", "JobMarket"):
            market.approve(each, contract, 10_000 * DOLLAR)
    fees = {"fixed_fee": 1000, "price": 2_000_000} if market.fixed_fees else {"price": 3_000_000}
    for each in stage.providers:
        stage.paid("bond", market.register_provider(each, bond=1000 * DOLLAR, capacity=10**6, **fees))
    publication = {"manifest": digest("manifest"), "data_root": digest("root"), "profile": digest("profile")}
    stage.dataset = stage.paid("publish", market.publish_dataset(stage.owner, rows=rows, **publication))
    stage.paid("custody", market.bond_custodian(stage.owner, stage.dataset, 100 * DOLLAR))
    stage.offer = stage.sell(max_jobs=max_jobs)
    stage.license = stage.paid("buy_license", market.buy_license(stage.buyer, stage.offer))
    return stage


def crowd(stage: MarketOnChain, count: int) -> None:
    """More bonded providers, too small for jobs of the usual shape."""
    market, node = stage.market, stage.market.node
    assert isinstance(node, DevNode)
    for number in range(count):
        each = person(f"one of many {number}")
        stage.providers.append(each)
        node.fund(each.address, ETHER)
        market.faucet(each, 100 * DOLLAR)
        market.register_provider(each, bond=100 * DOLLAR, fixed_fee=1000, price=2_000_000, capacity=1)
