"""A market with mandates beside it: a payer, an agent and a thief, on the embedded chain or anvil."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from app.chain.contracts.beside import deploy_mandates
from app.chain.contracts.entities import content_of
from app.chain.contracts.mandates import mandate_id
from app.chain.market import Market
from app.chain.node import DevNode
from app.chain.wallet.account import Account
from app.protocol.errors import DarkroomError
from app.protocol.ids import Digest
from app.protocol.market.mandate import TYPES, Mandate, SignedMandate
from tests.support.market import DOLLAR, ETHER, HOUR, MICRO, MarketOnChain, digest, person, staged

SCORES = digest("a policy that gives scores")
LICENSE_PRICE = 5 * DOLLAR


@dataclass
class MandateStage:
    """A market on which anyone can try anything. Each mandate has a nonce of its own, so none disturbs another."""

    market: Market
    stage: MarketOnChain
    payer: Account = field(default_factory=lambda: person("payer"))
    agent: Account = field(default_factory=lambda: person("agent"))
    thief: Account = field(default_factory=lambda: person("thief"))
    foreign_offer: int = 0  # on a dataset that no mandate names
    scores_offer: int = 0  # on the named dataset, under a policy that no mandate names
    own_license: int = 0  # the thief's own, on the named dataset
    _nonces: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def mandate(self, **terms: Any) -> Mandate:
        """One that covers two licenses of the usual offer and a few jobs."""
        now = self.market.now()
        usual: dict[str, Any] = {
            "chain_id": self.market.chain_id,
            "contract": self.market.mandates_address,
            "payer": self.payer.address,
            "agent": self.agent.address,
            "actions": ("license", "job"),
            "datasets": (self.stage.dataset,),
            "policies": (self.market.offer(self.stage.offer).policy,),
            "amount_range": LICENSE_PRICE,
            "budget": 2 * LICENSE_PRICE,
            "bits_range": MICRO,
            "bits_budget": 8 * MICRO,
            "max_occurrences": 6,
            "not_before": now - 10,
            "not_after": now + 1000 * HOUR,
            "nonce": next(self._nonces),
            "purpose": "Look at risk.",
        }
        return Mandate(**(usual | terms))

    def signed(self, funds: int = 2 * LICENSE_PRICE, **terms: Any) -> SignedMandate:
        """The same signed by the payer, with money in its account."""
        signed = self.market.sign_mandate(self.payer, self.mandate(**terms))
        if funds:
            self.market.fund_mandate(self.payer, signed.mandate, funds)
        return signed

    def send(self, function: str, mandate: Mandate, signature: bytes, *args: Any, sender: Account | None = None) -> Any:
        """Call the contract as a program of one's own would: nothing is looked at before."""
        terms = tuple(mandate.message.values())
        return self.market.client.send(sender or self.agent, "Mandates", function, terms, signature, *args)

    def buy(self, signed: SignedMandate, offer: int = 0, *, sender: Account | None = None) -> int:
        """Buy a license under a mandate, unasked; its number."""
        proof = bytes.fromhex(signed.signature)
        sent = self.send("buyLicense", signed.mandate, proof, offer or self.stage.offer, sender=sender)
        return int(sent.event("LicenseBought").args["license"])

    def order(self, license: int, **changes: Any) -> tuple[Any, ...]:
        """The contract's Order of a usual job of a hundred rows."""
        dataset = self.market.dataset(self.stage.dataset)
        usual: dict[str, Any] = {
            "license": license,
            "circuit": digest("circuit"),
            "first_row": 0,
            "rows": 100,
            "sealing_key": digest("sealing key"),
            "units": 1000,
            "replicas": 2,
            "max_fee": 6000,
            "version": dataset.version,
            "content": content_of(dataset),
        }
        return tuple((usual | changes).values())

    def open(self, signed: SignedMandate, license: int, *, sender: Account | None = None, **changes: Any) -> int:
        """Open a job under a mandate, unasked; its number."""
        proof = bytes.fromhex(signed.signature)
        sent = self.send("openJob", signed.mandate, proof, self.order(license, **changes), sender=sender)
        return int(sent.event("JobOpened").args["job"])

    def sign_as(self, account: Account, mandate: Mandate, **domain: Any) -> bytes:
        """A signature by any account, for any domain."""
        return account.sign_typed(mandate.domain | domain, TYPES, mandate.message)

    def wealth(self, mandate: Mandate) -> int:
        """What payer and mandate have together: what an attack must not make less."""
        place = self.market.mandate_account(mandate)
        mine = 0 if mandate.payer != self.payer.address else self.market.balance(self.payer.address)
        return mine + self.market.balance(place) + self.market.claim(place)


def mandate_stage(market: Market, path: Path) -> MandateStage:
    """Put mandates beside a market on which everything up to a license is done."""
    node = market.node
    assert isinstance(node, DevNode)
    deploy_mandates(node, person("deployer"), path)
    market = Market.open(node, path)
    scene = MandateStage(market, staged(market))
    for each in (scene.payer, scene.agent, scene.thief):
        node.fund(each.address, ETHER)
        market.faucet(each, 100_000 * DOLLAR)
    stage = scene.stage
    stage.offer = stage.sell(licenses=500)
    scene.scores_offer = stage.sell(policy=SCORES)
    publication = {"manifest": digest("other"), "data_root": digest("other root"), "profile": digest("profile")}
    other = market.publish_dataset(stage.owner, rows=1000, **publication).value
    scene.foreign_offer = replace(stage, dataset=other).sell()
    scene.own_license = market.buy_license(scene.thief, stage.offer).value
    return scene


def refused(attempt: Callable[[], object]) -> str:
    """The reason why an attempt was refused; "" where it was not."""
    try:
        attempt()
    except DarkroomError as error:
        return str(getattr(error, "reason", "")) or error.code
    return ""


def id_of(signed: SignedMandate) -> Digest:
    """A mandate's digest."""
    return mandate_id(signed.mandate)


Attempt = Callable[[], object]
Setup = Callable[[MandateStage], tuple[Attempt, Mandate]]
CHAIN_ATTACKS: dict[str, tuple[Setup, str]] = {}  # the setup, and the reason of the refusal


def attack(name: str, expected: str) -> Callable[[Setup], Setup]:
    """Register an attack with the reason of its refusal."""

    def add(setup: Setup) -> Setup:
        assert name not in CHAIN_ATTACKS
        CHAIN_ATTACKS[name] = setup, expected
        return setup

    return add
