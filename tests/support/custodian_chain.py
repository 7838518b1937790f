"""A custodian on the real contracts: a world in memory whose dataset is published, offered and licensed on a chain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from app.auditor.audit import Auditor
from app.auditor.report import AuditCheck, CheckStatus
from app.custodian.agent import CustodianAgent
from app.custodian.ledger import Ledger
from app.custodian.market_chain import MarketChain
from app.dispute.bench import Bench
from app.dispute.lines import Lines
from app.dispute.player import Player
from app.execution.execute import execute
from app.execution.key_roots import KeyRootsKept
from app.protocol.documents import sha256
from app.protocol.market.entities import JobState
from app.protocol.market.receipt import OutputPolicy
from fhe.circuit.circuit import Circuit
from fhe.circuit.codec import encode
from fhe.profiles import find
from tests.support.custody import BUYER_PUBLIC, OPEN_POLICY, EncryptedDataset, MarketInMemory
from tests.support.market import DOLLAR, HOUR, MICRO, MarketOnChain


@dataclass
class CustodianOnChain:
    """A world whose dataset is published, offered and licensed on the embedded chain."""

    world: MarketInMemory
    stage: MarketOnChain
    license: int
    agent: CustodianAgent

    def ask_the_owner(self) -> None:
        """From now on, jobs run under a license whose policy leaves each release to the owner."""
        self.license = self.sell(OPEN_POLICY.model_copy(update={"approval": "manual"}), price_license=0)

    def sell(self, policy: OutputPolicy, **terms: int) -> int:
        """Offer licenses under a policy and buy one; its number."""
        self.world.store.put(policy.to_bytes())
        usual: dict[str, Any] = {
            "price_license": DOLLAR, "price_job": DOLLAR, "price_row": 1, "max_jobs": 9, "max_rows": 1000,
            "duration": 24 * HOUR, "micro_bits": min(policy.micro_bits_per_license, 100 * MICRO), "licenses": 1,
        }  # fmt: skip
        offer = self.stage.market.create_offer(
            self.stage.owner, self.stage.dataset, policy=policy.digest, **(usual | terms)
        )
        return self.stage.market.buy_license(self.stage.buyer, offer.value).value

    def audited(self, job: int) -> AuditCheck | None:
        """What an auditor says of the owner's word."""
        report = Auditor(self.stage.market, self.world.store).audit(job)
        found = [check for check in report.checks if check.claim == "the release keeps to the owner's word"]
        assert len(found) < 2
        assert not found or report.confirmed == (found[0].status is not CheckStatus.WRONG)
        return found[0] if found else None

    def compute(self, circuit: Circuit, receipt: str | None = None) -> int:
        """A job that two drawn providers computed; with `receipt` they agree on that digest instead."""
        digest = sha256(data := encode(circuit))
        self.world.store.put(data)
        job = self.stage.open(circuit=digest, license=self.license, rows=40, sealing_key=BUYER_PUBLIC)
        self.answer(job, receipt)
        return job

    def answer(self, job: int, receipt: str | None = None) -> None:
        """Executors are drawn for a job and agree on its result, or on `receipt`."""
        if receipt is None:
            self.stage.execute(self.world.store, job)
        else:
            self.stage.answer(job, self.stage.draw(job), receipt)
        assert self.stage.market.job(job).state is JobState.COMPUTED


def agent_of(
    stage: MarketOnChain, world: EncryptedDataset, ledger: Ledger, lines: Lines | None = None
) -> CustodianAgent:
    """The custodian of the stage's dataset, on some ledger."""
    return CustodianAgent(
        MarketChain(stage.market, stage.owner), world.store, lambda _: world.keys, ledger, stage.owner.sign_digest,
        execute=lambda facts, _: execute(facts, world.store, threads=1), threads=1,
        court=Bench(Player(stage.market, world.store, stage.owner, lines), stage.market, KeyRootsKept(world.store)),
        find_profile=lambda digest: find(digest, [world.profile]),
    )  # fmt: skip
