"""An agent with a mandate on a served market: what a person signs and funds, and what the agent's machine has."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from app.chain.contracts.beside import deploy_mandates
from app.chain.wallet.account import Account
from app.client.mandates import Mandates
from app.files.private import write_private
from app.home.home import Home
from app.home.network import Network
from app.mcp.desk import Desk
from app.mcp.running import open_desk
from app.mcp.toolbox import call
from app.protocol.market.mandate import SignedMandate
from tests.support.homes import PASSPHRASE
from tests.support.market import DOLLAR, ETHER, MICRO, person
from tests.support.web import MarketNode

MAX_ANSWER = 16_000  # characters
LIMITS: dict[str, Any] = {
    "amount_range": 50 * DOLLAR,
    "budget": 200 * DOLLAR,
    "bits_range": 60 * MICRO,
    "bits_budget": 100 * MICRO,
    "purpose": "tell benign from malignant samples",
}


@dataclass
class MandatedAgent:
    """A payer's grant, and the agent's home."""

    payer: Account
    agent: Account
    network: Network
    payers: Mandates
    home: Home
    node: str

    def sign(self, fund: int = 200 * DOLLAR, **limits: Any) -> SignedMandate:
        """A mandate of the payer's for the agent, funded."""
        signed = self.payers.sign(self.agent.address, **({"datasets": [1]} | LIMITS | limits))
        self.payers.grant(signed, fund)
        return signed

    def held(self, signed: SignedMandate) -> int:
        """What the mandate's account holds."""
        return self.network.market.balance(self.account_of(signed))

    def account_of(self, signed: SignedMandate) -> str:
        """The address of the mandate's account."""
        return self.network.market.mandate_account(signed.mandate)

    def desk(self, signed: SignedMandate) -> Desk:
        """The agent's desk under a mandate, as `darkroom mcp --mandate FILE` opens it."""
        path = self.home.root / f"{signed.mandate.nonce}-{signed.mandate.digest[:8]}.json"
        path.write_bytes(signed.to_bytes())
        return open_desk(self.home, "agent", node=self.node, mandate=str(path))


def mandated(scene: MarketNode, home: Home, node: str) -> MandatedAgent:
    """Mandates beside the scene's market, a payer with dollars, an agent with gas alone; on a home of the agent's."""
    deployer, agent, payer = person("deployer"), person("agent"), scene.stage.buyer
    deploy_mandates(scene.chain, deployer, scene.folder / "deployment.json")
    scene.chain.fund(agent.address, ETHER)
    actor = home.actor("agent", create=True)
    agent.save(actor.path("account.json"), PASSPHRASE, light=True)
    write_private(actor.path("passphrase"), PASSPHRASE.encode())
    network = Network.open(home)
    payers = Mandates(network, home.actor("payer", create=True), payer)
    return MandatedAgent(payer, agent, network, payers, home, node)


def told(desk: Desk, name: str, **arguments: Any) -> dict[str, Any]:
    """The answer of a tool that goes well; it is short."""
    found = call(desk, name, arguments)
    assert not found.failed, found.value
    assert len(json.dumps(found.value)) < MAX_ANSWER
    return found.value
