"""Random life on a market: every action that its contracts know, by chance, so that every event comes about."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

from app.chain.contracts.beside import deploy_mandates
from app.chain.market import Market
from app.chain.node import DevNode
from app.chain.wallet.account import Account
from app.protocol.errors import NotAllowed, Unavailable
from app.protocol.ids import Digest
from app.protocol.market.entities import Job, JobState
from tests.support.mandates import MandateStage
from tests.support.market import DOLLAR, HOUR, MICRO, MarketOnChain, digest, open_market, person, set_stage


class MarketHistory:
    """One market and its people. Each step is one action; what the contracts refuse changes nothing."""

    def __init__(self, stage: MarketOnChain, seed: int) -> None:
        self.stage, self.market, self.chance = stage, stage.market, random.Random(seed)
        self.salt = 0

    def step(self) -> None:
        """Do something."""
        actions: list[tuple[int, Callable[[], object]]] = [
            (40, self.go_on), (6, self.open), (2, self.buy), (2, self.offer), (1, self.publish), (1, self.renew),
            (1, self.pass_on), (1, self.name_custodian), (1, self.tombstone), (1, self.deactivate), (1, self.revoke),
            (2, self.withdraw), (1, self.heartbeat), (1, self.set_terms), (1, self.unbond), (1, self.take_bond),
            (3, self.bond), (2, self.wait), (3, self.say), (2, self.settle), (2, self.put_down), (1, self.take_back),
            (1, self.evict),
        ]  # fmt: skip
        weights, choices = zip(*actions, strict=True)
        try:
            self.chance.choices(choices, weights)[0]()
        except (NotAllowed, Unavailable):
            return

    def rarities(self) -> None:
        """What chance would hardly bring about: a provider that comes and goes, a pause, a draw that comes too late."""
        market, node, passer_by, stage = self.market, self.market.node, person("passer-by"), self.stage
        assert isinstance(node, DevNode)
        node.fund(passer_by.address, 10**18)
        market.faucet(passer_by, 500 * DOLLAR)
        market.register_provider(passer_by, bond=200 * DOLLAR, price=1_000_000, capacity=10)
        market.unbond(passer_by)
        node.advance(25 * HOUR)
        market.withdraw_bond(passer_by)
        guardian = person("guardian")
        market.client.send(guardian, "JobMarket", "pause", HOUR)
        market.client.send(guardian, "JobMarket", "unpause")
        for each in stage.providers:
            market.heartbeat(each)
        late = stage.open("late", replicas=1)
        node.mine(258)
        stage.answer(late, market.draw(stage.buyer, late).value, digest("receipt of the late one"))
        self.publish()
        market.tombstone(stage.owner, market.dataset_count(), 1, digest("statement"))
        market.revoke_license(stage.owner, market.buy_license(stage.buyer, stage.offer).value)
        market.deactivate_offer(stage.owner, self.offer())
        self.sell_out()
        self.trouble()
        self.doubt()
        self.delegate()
        self.accuse()

    def accuse(self) -> None:
        """An executor that is accused and silent is convicted; the job goes on with the other's result."""
        market, node, stage = self.market, self.market.node, self.stage
        assert isinstance(node, DevNode)
        job = stage.open("accused", replicas=2, program=digest("program"))
        stage.answer(job, stage.draw(job), digest("receipt of the accused"))
        dispute = market.open_dispute(stage.owner, job, 0, 0).value
        node.advance(market.move_window() + 1)
        market.expire_dispute(stage.owner, dispute)

    def delegate(self) -> None:
        """An agent that buys under a mandate; mandates that their payer revokes, one and all below a nonce."""
        market, node = self.market, self.market.node
        assert isinstance(node, DevNode)
        agency = MandateStage(market, self.stage)
        for each in (agency.payer, agency.agent):
            node.fund(each.address, 10**18)
            market.faucet(each, 100 * DOLLAR)
        agency.buy(agency.signed(budget=50 * DOLLAR, amount_range=50 * DOLLAR, funds=50 * DOLLAR))
        market.revoke_mandate(agency.payer, Digest(agency.signed(0).mandate.digest))
        market.void_mandates(agency.payer, 10)

    def sell_out(self) -> None:
        """An offer of one license, which is revoked and settled."""
        market, owner = self.market, self.stage.owner
        license = market.buy_license(self.stage.buyer, self.stage.sell(licenses=1, micro_bits=3 * MICRO))
        market.revoke_license(owner, license.value)
        market.settle_license(owner, license.value, MICRO)

    def doubt(self) -> None:
        """Contests that others decide this way and that, and one that nobody decides; dead seats; a step back."""
        market, stage = self.market, self.stage
        assert isinstance(market.node, DevNode)
        for outcome in ("overturned", "upheld", "left alone"):
            job = stage.compute(outcome, replicas=1)
            market.contest(stage.owner, job)
            if outcome != "left alone":
                receipt = digest(f"receipt of {outcome}" if outcome == "upheld" else "the truth")
                stage.answer(job, stage.draw(job), receipt)
                stage.release(job)
                continue
            for _ in range(2):  # four different receipts: one more than an undecided contest pays for
                stage.answer(job, stage.draw(job), lambda address: digest(f"alone {address}"))
            self.let_pass(job)
            market.refuse(stage.owner, job, reason="rank-budget", decision=digest("an undecided contest"))
        backed_out = stage.open("backed out")
        market.decline(stage.by_address(stage.draw(backed_out)[0]), backed_out)
        market.unbond_custodian(stage.owner, stage.dataset, DOLLAR)
        self.bury()

    def bury(self) -> None:
        """A provider that fell silent is met by a draw, another is evicted; both come back."""
        market, stage = self.market, self.stage
        assert isinstance(market.node, DevNode)
        market.node.advance(25 * HOUR)
        quiet, evicted, *others = stage.providers
        for each in others:
            market.heartbeat(each)
        market.evict(stage.buyer, evicted.address)
        market.compact(stage.buyer, 2)
        while market.provider(quiet.address).seat:  # a draw of three among four seats meets it, or it comes last
            stage.draw(stage.open("among the dead", replicas=3))
        for each in (quiet, evicted):
            market.heartbeat(each)

    def trouble(self) -> None:
        """Executors that disagree, a custodian and executors that stay silent, and what it costs them."""
        market, stage = self.market, self.stage
        market.release(stage.owner, stage.compute("good"), sealed=digest("sealed"), decision=digest("decision"))
        market.approve_job(stage.owner, stage.open("foreseen"))
        market.deny_job(stage.owner, unwanted := stage.compute("unwanted"))
        market.refuse(stage.owner, unwanted, reason="not-approved", decision=digest("against it"))
        refusal = digest("refusal")
        market.refuse(stage.owner, stage.compute("bad"), reason="rank-budget", decision=Digest(refusal))
        quarrel = stage.open("quarrel")
        stage.answer(quarrel, stage.draw(quarrel), lambda address: digest(f"alone {address}"))
        (judge,) = stage.draw(quarrel)
        first = market.job(quarrel).executions[0].provider
        receipt, salt = digest(f"alone {first}"), digest("salt of the judge")
        market.commit(stage.by_address(judge), quarrel, Digest(receipt), salt)
        market.reveal(stage.by_address(judge), quarrel, receipt, salt)
        self.let_pass(quarrel)  # the custodian's deadline
        silent = stage.open("silent")
        stage.draw(silent)
        self.let_pass(silent)
        self.let_pass(silent)
        for each in stage.providers:
            market.heartbeat(each)
        market.withdraw(stage.owner, [stage.offer])

    def let_pass(self, job: int) -> None:
        """Wait until a deadline is over, and say so."""
        node = self.market.node
        assert isinstance(node, DevNode)
        node.advance(max(self.market.job(job).deadline - node.now() + 1, 0))
        self.market.expire(self.stage.buyer, job)

    def go_on(self) -> None:
        """Move a job, rightly or wrongly."""
        newest = self.market.jobs(first=self.market.job_count() - 5)
        running = [job for job in newest if not job.state.terminal]
        if not running:
            self.open()
            return
        job = self.chance.choice(running)
        if self.chance.random() < 0.06:
            self.let_pass(job.id)
        elif job.state in (JobState.OPEN, JobState.DISPUTED):
            self.market.draw(self.stage.buyer, job.id)
        elif job.state is JobState.ASSIGNED:
            self.compute(job)
        elif self.chance.random() < 0.15:
            self.market.contest(self.custodian(job.dataset), job.id)
        elif self.chance.random() < 0.3:
            decision = digest(f"refusal {job.id}")
            self.market.refuse(self.custodian(job.dataset), job.id, reason="rank-budget", decision=Digest(decision))
        else:
            sealed, decision = digest(f"sealed {job.id}"), digest(f"decision {job.id}")
            self.market.release(self.custodian(job.dataset), job.id, sealed=Digest(sealed), decision=Digest(decision))

    def compute(self, job: Job) -> None:
        """The executors commit, or reveal, now and then one alone, and now and then another digest than the others."""
        for each in job.executions[: self.chance.choice([1, 9, 9, 9])]:
            honest = int(each.provider, 16) % 5 or job.id % 2
            receipt = digest(f"receipt {job.id}" if honest else f"other receipt {job.id} {each.provider}")
            salt = digest(f"salt {job.id} {each.provider}")
            provider = self.stage.by_address(each.provider)
            if each.out or int(each.receipt, 16):
                continue
            if not job.revealing and not int(each.commitment, 16):
                if self.chance.random() < 0.05:
                    self.market.decline(provider, job.id)
                    continue
                self.market.commit(provider, job.id, Digest(receipt), salt)
            if job.revealing:
                self.market.reveal(provider, job.id, receipt, salt)

    def open(self) -> None:
        alive = [each.id for each in self.market.licenses() if not each.revoked and each.jobs_left]
        self.stage.license = self.chance.choice(alive)
        rows, replicas = self.chance.randint(1, 300), self.chance.choice([1, 2, 2, 3])
        self.stage.open(f"job {self.chance.randint(1, 9)}", replicas=replicas, rows=rows)

    def buy(self) -> None:
        self.market.buy_license(self.stage.buyer, self.chance.randint(1, self.market.offer_count()))

    def offer(self) -> int:
        dataset = self.dataset()
        sold = self.market.budget(dataset).micro_bits
        bits = {"micro_bits": self.chance.choice([MICRO, 8 * MICRO]), "licenses": self.chance.choice([1, 2, 20])}
        sent = self.market.create_offer(
            self.owner(dataset), dataset, **bits, budget=sold + self.chance.choice([0, 50 * MICRO]),
            price_license=self.chance.randint(0, 9) * DOLLAR, price_job=DOLLAR,
            price_row=100, max_jobs=self.chance.choice([1, 20]), max_rows=5000, duration=30 * 24 * HOUR,
            policy=digest(f"policy {self.chance.randint(1, 3)}"),
            beneficiaries=self.chance.choice([(), ((person("a").address, 2500), (person("b").address, 7500))]),
        )  # fmt: skip
        return sent.value

    def publish(self) -> None:
        number = self.market.dataset_count() + 1
        self.market.publish_dataset(
            self.stage.owner, manifest=digest(f"manifest {number}"), data_root=digest("root"),
            profile=digest("profile"), rows=1000 + number,
            custodian=self.chance.choice([None, person("custodian").address]),
        )  # fmt: skip

    def renew(self) -> None:
        dataset = self.dataset()
        renew = self.chance.choice([self.market.new_version, self.market.new_epoch])
        label = f"manifest {dataset} {self.chance.random()}"
        renew(
            self.owner(dataset), dataset, manifest=digest(label), data_root=digest("root"), profile=digest("profile"),
            rows=self.chance.randint(500, 1500),
        )  # fmt: skip

    def pass_on(self) -> None:
        dataset = self.dataset()
        to = self.chance.choice([self.stage.owner, person("heir")]).address
        owner = self.owner(dataset)
        self.market.client.send(owner, "DatasetRegistry", "transferFrom", owner.address, to, dataset)

    def name_custodian(self) -> None:
        dataset = self.dataset()
        who = self.chance.choice([self.stage.owner, person("custodian")])
        self.market.set_custodian(self.owner(dataset), dataset, who.address)

    def tombstone(self) -> None:
        if self.chance.random() < 0.3:
            dataset = self.dataset()
            epoch = self.market.dataset(dataset).epoch
            self.market.tombstone(self.owner(dataset), dataset, epoch, digest(f"statement {dataset}"))

    def deactivate(self) -> None:
        if self.market.offer_count() > 2:
            offer = self.market.offer(self.chance.randint(1, self.market.offer_count()))
            self.market.deactivate_offer(self.account(offer.seller), offer.id)

    def settle(self) -> None:
        license = self.market.license(self.chance.randint(1, self.market.license_count()))
        self.market.settle_license(self.custodian(license.dataset), license.id, self.chance.randint(0, MICRO))

    def put_down(self) -> None:
        dataset = self.dataset()
        who = self.owner(dataset)
        self.market.bond_custodian(who, dataset, self.chance.randint(1, 20) * DOLLAR)

    def take_back(self) -> None:
        dataset = self.dataset()
        self.market.unbond_custodian(self.custodian(dataset), dataset, self.chance.randint(1, 9) * DOLLAR)

    def evict(self) -> None:
        self.market.evict(self.stage.buyer, self.chance.choice(self.stage.providers).address)

    def revoke(self) -> None:
        license = self.market.license(self.chance.randint(1, self.market.license_count()))
        if self.chance.random() < 0.3:
            self.market.revoke_license(self.owner(license.dataset), license.id)

    def withdraw(self) -> None:
        who = self.chance.choice([*self.stage.people(), person("a")])
        self.market.withdraw(who, self.market.offers_of(who.address)[:2])

    def heartbeat(self) -> None:
        self.market.heartbeat(self.chance.choice(self.stage.providers))

    def set_terms(self) -> None:
        self.market.set_terms(
            self.chance.choice(self.stage.providers),
            fixed_fee=1000,
            price=self.chance.choice([1, 2, 3]) * 1_000_000,
            capacity=10**6,
        )

    def unbond(self) -> None:
        if self.chance.random() < 0.2:
            self.market.unbond(self.chance.choice(self.stage.providers))

    def take_bond(self) -> None:
        self.market.withdraw_bond(self.chance.choice(self.stage.providers))

    def bond(self) -> None:
        self.market.register_provider(
            self.chance.choice(self.stage.providers), bond=200 * DOLLAR, fixed_fee=1000, price=2_000_000, capacity=10**6
        )

    def wait(self) -> None:
        node = self.market.node
        assert isinstance(node, DevNode)
        node.advance(self.chance.choice([1, 20, 600]))

    def say(self) -> None:
        job = self.market.job(self.chance.randint(max(self.market.job_count() - 5, 1), self.market.job_count()))
        say = self.chance.choice([self.market.approve_job, self.market.approve_job, self.market.deny_job])
        say(self.owner(job.dataset), job.id)

    def dataset(self) -> int:
        """One of the datasets."""
        return self.chance.randint(1, self.market.dataset_count())

    def owner(self, dataset: int) -> Account:
        """Who owns it now."""
        return self.account(self.market.dataset(dataset).owner)

    def custodian(self, dataset: int) -> Account:
        """Who may release."""
        return self.account(self.market.dataset(dataset).custodian)

    def account(self, address: str) -> Account:
        """The person behind an address."""
        everyone = [*self.stage.people(), person("heir"), person("custodian"), person("guardian")]
        return next(each for each in everyone if each.address == address)


def begin(market: Market, seed: int, *, providers: int = 5) -> MarketHistory:
    """A market at its beginning, with everybody funded."""
    stage = set_stage(market, providers)
    node = market.node
    assert isinstance(node, DevNode)
    for name in ("heir", "custodian", "guardian", "a"):
        node.fund(person(name).address, 10**18)
        market.faucet(person(name), 1000 * DOLLAR)
    return MarketHistory(stage, seed)


def told(node: DevNode, folder: Path, *, seed: int = 7, steps: int = 110) -> Market:
    """A whole story on a new chain; on one that has it, its market."""
    path = folder / "deployment.json"
    if path.exists():
        return Market.open(node, path)
    open_market(node, path)
    deploy_mandates(node, person("deployer"), path)
    story = begin(Market.open(node, path), seed)
    story.rarities()
    for _ in range(steps):
        story.step()
    return story.market
