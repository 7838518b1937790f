"""What each step of the market costs in gas, on the embedded chain and, where it is installed, on anvil.

Every step has two figures: `first`, which pays for storage that nobody had used before, and `in_use`, the greatest of
the later rounds (the draw's order is random and moves a job's cost a little). Each round puts down a bond for a new
dataset's custodian and buys from an offer that has sold nothing yet. `commit` and `reveal` are one executor's, the
dearer one's; `withdraw` is an executor's.

`job_total` runs from the opening to the settlement with two executors: open, draw, both commits, both reveals, release.
Its `after_withdrawal` is a job just after everybody emptied their claims, which then have to be filled from zero.
Payments come from allowances given before; `buy_license_by_permit` and `open_by_permit` are what a buyer sends who gave
none, again with contracts that were emptied first. `aims_met` holds every figure against its step's aim.

`gas_equal` says whether anvil charges the same for every step, a job being held against the same job where the draw
gave the same order; it is null where that cannot be said, with the reason beside it. Permits take no part: signatures
change with the time, and zero bytes are cheaper. `peers`: a paid job elsewhere, see `benchmarks.gas_peers`.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eth_account import Account as Keys

from app.chain.contracts.deployment import Terms, deploy
from app.chain.evm.embedded import EmbeddedChain
from app.chain.market import Market, Sent
from app.chain.node import DevNode
from app.chain.wallet.account import Account
from app.protocol.ids import Address, Digest
from app.protocol.market.entities import PRICED_UNITS, JobState
from app.protocol.ports import Progress
from benchmarks import gas_peers
from benchmarks.anvil import anvil, program

ETHER = 10**18
DOLLAR = 10**6
DAY = 24 * 3600
ROUNDS = 8
ROWS = 100
UNITS = 1000
FIXED_FEE = 2_000  # token units for a job
PRICE = 1_000_000  # and for a million units of work
REPLICAS = 2
BITS: dict[str, Any] = {"micro_bits": 8_000_000, "licenses": 10, "budget": 80_000_000}  # about one person, as sold
BOND = 10 * DOLLAR  # of a dataset's custodian
STEPS = ("publish", "offer", "buy_license", "open", "draw", "commit", "reveal", "release", "withdraw")
JOB_STEPS = ("open", "draw", "commit", "reveal", "release")
BY_PERMIT = "_by_permit"
AIMS = {"publish": 110_000, "buy_license": 110_000, "job_total": 605_000}


def run(progress: Progress, rounds: int = ROUNDS) -> dict[str, Any]:
    """All figures, from at least 2 rounds of the whole story on each chain."""
    binary = program()
    total = rounds * (2 if binary else 1)
    with tempfile.TemporaryDirectory() as folder:
        chain = EmbeddedChain(Path(folder) / "chain.sqlite")
        try:
            here = tell(chain, Path(folder) / "embedded.json", rounds, lambda done: progress(done, total))
        finally:
            chain.close()
        there = None
        if binary:
            # The same chain id: commitments hold it, and zero bytes of call data are cheaper.
            with anvil(binary, chain.chain_id) as other:
                file = Path(folder) / "anvil.json"
                there = tell(other, file, rounds, lambda done: progress(rounds + done, total))
    own = figures(here)
    equal, reason = compare(here, there)
    return {
        "rounds": rounds,
        **own,
        "aims": AIMS,
        "aims_met": {step: {use: gas < aim for use, gas in own[step].items()} for step, aim in AIMS.items()},
        "gas_equal": equal,
        "gas_equal_reason": reason,
        "anvil": figures(there) if there else None,
        "peers": gas_peers.PEERS,
    }


@dataclass
class Costs:
    """The gas of a story: by step each round's, and each job's parts with the seats in the order of the draw."""

    steps: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    jobs: list[tuple[tuple[int, ...], dict[str, list[int]]]] = field(default_factory=list)


def figures(costs: Costs) -> dict[str, Any]:
    """First use and use by step. The last job is the one after the withdrawals."""
    rounds: dict[str, list[int]] = {step: list(each) for step, each in costs.steps.items()}
    *jobs, last = [parts for _, parts in costs.jobs]
    for step in JOB_STEPS:
        rounds[step] = [max(parts[step]) for parts in jobs]
    rounds["job_total"] = [_total(parts) for parts in jobs]
    result: dict[str, Any] = {step: {"first": each[0], "in_use": max(each[1:])} for step, each in rounds.items()}
    result["job_total"]["after_withdrawal"] = _total(last)
    return {step: result.pop(step) for step in (*STEPS, "job_total")} | result


def compare(here: Costs, there: Costs | None) -> tuple[bool | None, str | None]:
    """Whether two chains charge the same, and why that cannot be said where it cannot."""
    if there is None:
        return None, "anvil is not installed: run contracts/setup.sh"
    plain = {step for step in here.steps if not step.endswith(BY_PERMIT)}  # a permit's signature holds the time
    if any(here.steps[step] != there.steps[step] for step in plain):
        return False, None
    pairs = zip(here.jobs, there.jobs, strict=True)  # by number: a commitment's bytes depend on it
    alike = [(ours, theirs) for (order, ours), (other, theirs) in pairs if order == other]
    if not alike:
        return None, "the two chains drew the executors of no job in the same order: run it again"
    return all(ours == theirs for ours, theirs in alike), None


def _total(parts: Mapping[str, Sequence[int]]) -> int:
    """Every transaction of a job."""
    return sum(sum(each) for each in parts.values())


def tell(node: DevNode, path: Path, rounds: int, done: Callable[[int], None]) -> Costs:
    """The whole story on a fresh chain."""
    story = _Story(node, path)
    for number in range(rounds):
        story.trade()
        story.job()
        done(number + 1)
    story.withdraw()
    story.job()
    story.withdraw()
    story.by_permit()
    story.by_permit()
    return story.costs


class _Story:
    """An owner, a buyer and two bonded providers, on a market of their own."""

    def __init__(self, node: DevNode, path: Path) -> None:
        """Deploy, and fund everybody."""
        self.costs = Costs()
        self.owner, self.buyer, *self.providers = (_person(name) for name in ("owner", "buyer", "one", "two"))
        deployer = _person("deployer")
        node.fund(deployer.address, ETHER)
        deploy(node, deployer, path, Terms(guardian=deployer.address, stake_floor=10 * DOLLAR))
        self.market = Market.open(node, path)
        for each in (self.owner, self.buyer, *self.providers):
            node.fund(each.address, ETHER)
            self.market.faucet(each, 10_000 * DOLLAR)
            for contract in ("LicenseMarket", "ProviderRegistry", "JobMarket"):
                self.market.approve(each, contract, 10_000 * DOLLAR)
        for each in self.providers:
            self.market.register_provider(each, bond=1000 * DOLLAR, fixed_fee=FIXED_FEE, price=PRICE, capacity=10**6)
        self.license = 0

    def trade(self) -> None:
        """Publish a dataset, offer licenses, buy one."""
        steps, market = self.costs.steps, self.market
        published = market.publish_dataset(
            self.owner, manifest=_digest("manifest"), data_root=_digest("root"), profile=_digest("profile"), rows=ROWS
        )
        steps["publish"].append(published.gas)
        steps["bond_custodian"].append(market.bond_custodian(self.owner, published.value, BOND).gas)
        offered = market.create_offer(
            self.owner,
            published.value,
            price_license=5 * DOLLAR,
            price_job=DOLLAR,
            price_row=100,
            max_jobs=50,
            max_rows=100_000,
            duration=30 * DAY,
            policy=_digest("policy"),
            **BITS,
        )
        steps["offer"].append(offered.gas)
        bought = market.buy_license(self.buyer, offered.value)
        steps["buy_license"].append(bought.gas)
        self.offer, self.license = offered.value, self.license or bought.value

    def job(self) -> None:
        """From the opening to the settlement, on the first license."""
        market, receipt = self.market, _digest("receipt")
        parts: dict[str, list[int]] = {}

        def paid(step: str, sent: Sent[Any]) -> Any:
            parts.setdefault(step, []).append(sent.gas)
            return sent.value

        job = paid("open", self.open())
        drawn: tuple[str, ...] = paid("draw", market.draw(self.buyer, job))
        accounts = [next(each for each in self.providers if each.address == address) for address in drawn]
        for each in accounts:
            paid("commit", market.commit(each, job, Digest(receipt), _digest(each.address)))
        for each in accounts:
            paid("reveal", market.reveal(each, job, receipt, _digest(each.address)))
        paid(
            "release",
            market.release(self.owner, job, sealed=Digest(_digest("sealed")), decision=Digest(_digest("decision"))),
        )
        if market.job(job).state is not JobState.SETTLED or len(drawn) != REPLICAS:
            raise AssertionError("the job was not settled by two executors")
        self.costs.jobs.append((tuple(market.provider(Address(address)).seat for address in drawn), parts))

    def open(self) -> Sent[int]:
        """A job of the usual shape."""
        return self.market.open_job(
            self.buyer,
            self.license,
            circuit=_digest("circuit"),
            first_row=0,
            rows=ROWS,
            sealing_key=_digest("sealing key"),
            units=UNITS,
            replicas=REPLICAS,
            max_fee=REPLICAS * (FIXED_FEE + PRICE * UNITS // PRICED_UNITS),
        )

    def withdraw(self) -> None:
        """Everybody takes what they are owed; the first provider's is what counts."""
        first, *_ = [self.market.withdraw(each) for each in self.providers]
        self.costs.steps["withdraw"].append(first[0].gas)
        self.market.withdraw(self.owner, self.market.offers_of(self.owner.address))

    def by_permit(self) -> None:
        """Buy, and open, as a buyer does who has given no allowance."""
        for contract in ("LicenseMarket", "JobMarket"):
            self.market.approve(self.buyer, contract, 0)
        bought = self.market.buy_license(self.buyer, self.offer)
        self.costs.steps["buy_license" + BY_PERMIT].append(bought.gas)
        self.costs.steps["open" + BY_PERMIT].append(self.open().gas)


def _person(name: str) -> Account:
    """The same key in every run, so that addresses, and with them gas, are the same everywhere."""
    return Account(Keys.from_key(hashlib.sha256(name.encode()).digest()))


def _digest(label: str) -> str:
    """32 bytes without a zero byte, hex: the dearest call data that a digest can be."""
    return bytes(byte or 1 for byte in hashlib.sha256(label.encode()).digest()).hex()
