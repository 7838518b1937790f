"""A market in which everything that can go wrong has: one page for each state that people may meet.

The chain, its contracts, the store and the index are real; what executors compute is nobody's concern here, so receipts
are digests of labels. The chain's clock is moved past each deadline in turn.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.chain.evm.embedded import EmbeddedChain
from app.chain.market import Market
from app.market.db.database import Database
from app.market.indexer.indexer import Indexer
from app.protocol.data.manifest import Manifest, write_manifest
from app.protocol.documents import sha256
from app.protocol.ids import Digest
from app.protocol.market.entities import JobState
from app.protocol.market.receipt import OutputPolicy
from app.storage.folder import BlockStore
from tests.support.documents import manifest, terms
from tests.support.market import BITS, DOLLAR, ETHER, HOUR, MarketOnChain, digest, open_market, person, set_stage
from tests.support.policies import roomy

POLICY = roomy()
COMPANIONS = 6  # providers with bonds that outlast everything here


@dataclass
class States:
    """The parts of a node, and where in them each state is to be seen: {words: path}."""

    folder: Path
    chain: EmbeddedChain
    market: Market
    store: BlockStore
    database: Database
    at: dict[str, str] = field(default_factory=dict)

    def sync(self) -> None:
        """Let the index catch up."""
        Indexer(self.market, self.store, self.database).sync()

    def close(self) -> None:
        """Let go of the files."""
        self.database.close()
        self.chain.close()


def bare(folder: Path) -> States:
    """A market without a single dataset."""
    folder.mkdir(exist_ok=True)
    chain = EmbeddedChain(folder / "chain.sqlite")
    market = open_market(chain, folder / "deployment.json")
    return States(folder, chain, market, BlockStore(folder / "store"), Database(f"sqlite:///{folder}/index.sqlite"))


def empty(folder: Path) -> States:
    """The same, with an index that has seen it."""
    made = bare(folder)
    made.sync()
    return made


def build(folder: Path) -> States:
    """The whole world."""
    made = bare(folder)
    Troubles(made).tell()
    made.sync()
    return made


class Troubles:
    """Brings the states about, those that need time first."""

    def __init__(self, states: States) -> None:
        self.states, self.market, self.chain = states, states.market, states.chain
        self.stage: MarketOnChain = set_stage(states.market, 1)
        states.store.put(POLICY.to_bytes())
        self.buyer, self.owner = self.stage.buyer, self.stage.owner

    def tell(self) -> None:
        """Everything, in an order in which each deadline is met or missed as it should be."""
        self.describe()
        self.stage.offer = self.offer()
        self.stage.license = self.buy(self.stage.offer)
        self.missed_deadlines()
        self.datasets()
        self.licenses()
        self.endings()
        self.overdue()
        self.running()
        self.providers()

    def note(self, words: str, path: str) -> None:
        """Where a state is to be seen."""
        self.states.at[words] = path

    def job(self, words: str, job: int) -> int:
        """Where a job's state is to be seen."""
        self.note(words, f"/jobs/{job}")
        return job

    def describe(self) -> None:
        """The dataset that everything runs on."""
        made = manifest("Household survey", keywords=("income", "survey"), policy=POLICY)
        self.keep(made)
        self.market.new_version(self.owner, self.stage.dataset, **terms(made))

    def keep(self, made: Manifest) -> None:
        """Put a manifest into the store."""
        self.states.store.put(write_manifest(made))

    def offer(
        self,
        *,
        max_jobs: int = 100,
        duration: int = 24 * 30 * HOUR,
        dataset: int = 0,
        price: int = 5 * DOLLAR,
        policy: str = POLICY.digest,
        licenses: int = BITS["licenses"],
    ) -> int:
        """An offer of the owner's."""
        return self.market.create_offer(
            self.owner, dataset or self.stage.dataset, price_license=price, price_job=DOLLAR, price_row=100,
            max_jobs=max_jobs, max_rows=100_000, duration=duration, policy=policy, **BITS | {"licenses": licenses},
        ).value  # fmt: skip

    def buy(self, offer: int) -> int:
        """A license of the buyer's."""
        return self.market.buy_license(self.buyer, offer).value

    def enter(self, number: int, bond: int) -> None:
        """One more provider."""
        each = person(f"provider {number}")
        self.chain.fund(each.address, ETHER)
        self.market.faucet(each, 2000 * DOLLAR)
        self.market.approve(each, "ProviderRegistry", 2000 * DOLLAR)
        self.market.register_provider(each, bond=bond, fixed_fee=1000, price=2_000_000, capacity=10**6)
        self.stage.providers.append(each)

    def quarrel(self, label: str) -> int:
        """A job whose first executors disagree."""
        job = self.stage.open(label)
        self.stage.answer(job, self.stage.draw(job), lambda address: digest(f"{label} of {address}"))
        return job

    def settle(self, job: int) -> int:
        """Released, though no store ever got the sealed document."""
        self.market.release(self.owner, job, sealed=digest(f"sealed {job}"), decision=digest(f"decision {job}"))
        return job

    def missed_deadlines(self) -> None:
        """An executor, a draw, a custodian and a provider that stayed away, and a license that ran out."""
        self.enter(1, 150 * DOLLAR)  # a stake below the least bond is left of it
        diligent, silent = self.stage.providers
        deserted = self.stage.open("deserted")
        self.stage.draw(deserted)
        self.market.commit(diligent, deserted, digest("receipt"), digest("salt"))
        for number in range(2, 2 + COMPANIONS):
            self.enter(number, 1000 * DOLLAR)
        steady = [each for each in self.stage.providers if each is not silent]
        self.settle(self.stage.compute("earned"))  # what a penalty is taken from
        undrawn, unanswered = self.stage.open("undrawn"), self.stage.compute("unanswered")
        self.enter(2 + COMPANIONS, 200 * DOLLAR)
        self.short = self.buy(self.offer(duration=HOUR))
        self.chain.advance(25 * HOUR)
        for each in steady:
            self.market.heartbeat(each)
        for job in (undrawn, unanswered, deserted):
            self.market.expire(self.buyer, job)
        (judge,) = self.stage.draw(deserted)
        self.market.commit(self.stage.by_address(judge), deserted, digest("receipt"), digest("salt"))
        for each in (diligent, self.stage.by_address(judge)):
            self.market.reveal(each, deserted, digest("receipt"), digest("salt"))
        self.job("expired by the draw", undrawn)
        self.job("expired by the custodian", unanswered)
        self.job("settled after an executor stayed silent", self.settle(deserted))
        self.note("slashed provider", f"/providers/{silent.address}")
        self.note("silent provider", f"/providers/{self.stage.providers[-1].address}")

    def datasets(self) -> None:
        """Another good one, withdrawn by its owner, out of reach, and a lie."""
        visits = manifest(
            "Clinic visits", rows=60_000, columns=tuple(f"visit_{number}" for number in range(12)),
            policy=OutputPolicy(
                release="label", circuits=("linear",), epsilon_micro_per_job=100_000, micro_bits_per_license=4_000_000,
            ),
        )  # fmt: skip
        self.keep(visits)
        self.states.store.put(visits.policy.to_bytes())
        self.note("a good day", f"/datasets/{(good := self.publish(**terms(visits)))}")
        self.offer(dataset=good, price=25 * DOLLAR, policy=visits.policy.digest)
        gone, lie = manifest("Withdrawn register", policy=POLICY), b"These bytes are no manifest."
        self.keep(gone)
        self.states.store.put(lie)
        withdrawn = self.publish(**terms(gone))
        offer = self.offer(dataset=withdrawn)
        self.market.tombstone(self.owner, withdrawn, 1, digest("statement"))
        self.note("withdrawn dataset", f"/datasets/{withdrawn}")
        self.note("offer of a withdrawn dataset", f"/offers/{offer}")
        self.note("unavailable dataset", f"/datasets/{self.publish(**terms(manifest('Nowhere')))}")
        self.note("invalid dataset", f"/datasets/{self.publish(**terms(gone) | {'manifest': sha256(lie)})}")

    def publish(self, **what: Any) -> int:
        """A dataset of the owner's."""
        return self.market.publish_dataset(self.owner, **what).value

    def licenses(self) -> None:
        """Revoked, run out, used up; and an offer that sells no more."""
        closed = self.offer()
        revoked = self.buy(closed)
        self.market.revoke_license(self.owner, revoked)
        self.market.deactivate_offer(self.owner, closed)
        self.note("closed offer", f"/offers/{closed}")
        self.note("revoked license", f"/licenses/{revoked}")
        self.buy(sold_out := self.offer(licenses=1))
        self.note("sold-out offer", f"/offers/{sold_out}")
        self.note("expired license", f"/licenses/{self.short}")
        usual, self.stage.license = self.stage.license, self.buy(self.offer(max_jobs=1))
        self.settle(self.stage.compute("the only one"))
        self.note("used-up license", f"/licenses/{self.stage.license}")
        self.stage.license = usual

    def endings(self) -> None:
        """Jobs that ended: no agreement, refused, released where no store has the result."""
        hopeless = self.quarrel("hopeless")
        while self.market.job(hopeless).state is JobState.DISPUTED:
            drawn = self.stage.draw(hopeless)
            for address in drawn:
                own = digest(f"hopeless of {address}")
                self.market.commit(self.stage.by_address(address), hopeless, Digest(own), digest("salt"))
                self.market.reveal(self.stage.by_address(address), hopeless, own, digest("salt"))
        self.job("failed", hopeless)
        refused = self.stage.compute("refused")
        self.market.refuse(self.owner, refused, reason="rank-budget", decision=digest("refusal"))
        self.job("refused", refused)
        lie = self.stage.compute("lie")
        self.market.contest(self.owner, lie)
        self.stage.answer(lie, self.stage.draw(lie), digest("the truth"))
        self.job("settled after a contest", self.settle(lie))
        self.job("settled out of reach", self.settle(self.stage.compute("settled")))

    def overdue(self) -> None:
        """Jobs whose deadline is over and for whom nobody has said so."""
        drawn = self.stage.open("drawn in vain")
        self.stage.draw(drawn)
        late = {
            "open too long": self.stage.open("never drawn"),
            "assigned too long": drawn,
            "disputed too long": self.quarrel("never judged"),
            "computed too long": self.stage.compute("never released"),
        }
        self.chain.advance(3 * HOUR + 1)
        for words, job in late.items():
            self.job(words, job)

    def running(self) -> None:
        """Jobs on their way."""
        self.job("open", self.stage.open("waiting"))
        assigned = self.stage.open("assigned")
        self.stage.draw(assigned)
        self.job("assigned", assigned)
        for words, reveal in (("committed", False), ("revealing", True)):
            job = self.stage.open(words)
            drawn = [self.stage.by_address(address) for address in self.stage.draw(job)]
            for each in drawn if reveal else drawn[:1]:
                self.market.commit(each, job, digest("receipt"), digest("salt"))
            if reveal:
                self.market.reveal(drawn[0], job, digest("receipt"), digest("salt"))
            self.job(words, job)
        self.job("disputed", self.quarrel("disputed"))
        judged = self.job("being judged", self.stage.open("judged", program=digest("program")))
        self.stage.answer(judged, self.stage.draw(judged), digest("receipt of the judged"))
        self.market.open_dispute(self.owner, judged, 0, 0)
        self.market.contest(self.owner, self.job("contested", self.stage.compute("doubted")))
        self.job("computed", self.stage.compute("computed"))
        self.market.approve_job(self.owner, self.job("approved", self.stage.compute("approved")))
        self.market.deny_job(self.owner, self.job("denied", self.stage.compute("denied")))
        by_hand = POLICY.model_copy(update={"approval": "manual"})
        self.states.store.put(by_hand.to_bytes())
        self.stage.license = self.buy(self.offer(policy=by_hand.digest))
        self.job("for the owner to approve", self.stage.compute("by hand"))

    def providers(self) -> None:
        """Somebody leaves, and somebody has left."""
        leaving = person("leaving")
        self.chain.fund(leaving.address, ETHER)
        self.market.faucet(leaving, 500 * DOLLAR)
        self.market.register_provider(leaving, bond=200 * DOLLAR, price=1_000_000, capacity=10)
        self.market.unbond(leaving)
        self.note("leaving provider", f"/providers/{leaving.address}")
