"""The demo's actors: each with a folder, a passphrase and an account of its own, and only what its role may have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.client.buyer import Buyer
from app.client.owner import Owner
from app.home.config import NodeConfig
from app.home.home import Actor, Home
from app.home.network import Network
from app.home.setup import join, set_up
from app.protocol.errors import NotFound
from darkroom.market import Market
from darkroom.session import Session

if TYPE_CHECKING:
    from app.chain.contracts.client import Sent
    from app.chain.contracts.deployment import Deployed
    from app.chain.wallet.account import Account

DOLLAR = 10**6
BOND = 1000 * DOLLAR
FIXED_FEE = 2_000  # token units for a job of any size
PRICE = 14_000  # and for a million units of static cost: 0.10 dollars for an hour of one core
CAPACITY = 50_000_000  # units: more than any job of the demo
PROVIDERS = ("provider-1", "provider-2", "provider-3")


@dataclass(frozen=True)
class StagePart:
    """One role: its folder and its account."""

    actor: Actor
    account: Account


@dataclass(frozen=True)
class Stage:
    """Everyone who takes part, and the world they share."""

    home: Home
    network: Network
    deployed: list[Deployed]  # contracts that were deployed in this run
    owner: Owner
    buyer: Buyer
    providers: list[StagePart]

    @property
    def market(self) -> Market:
        """The market as the buyer meets it."""
        return Market(Session(self.home, self.network, self.buyer.actor.name))


def set_stage(home: Home, config: NodeConfig | None = None) -> Stage:
    """Set up the home if it is new, and give every actor an account and gas. Errors: UsageError without a faucet."""
    deployed = [] if (home.root / "node.json").exists() else set_up(home, config)
    network = Network.open(home)
    owner, buyer, *providers = [_part(home, network, name) for name in ("owner", "buyer", *PROVIDERS)]
    return Stage(
        home,
        network,
        deployed,
        Owner(network, owner.actor, owner.account),
        Buyer(network, buyer.actor, buyer.account),
        providers,
    )


def _part(home: Home, network: Network, name: str) -> StagePart:
    return StagePart(*join(home, network, name))


def bond(network: Network, account: Account) -> Sent[int]:
    """A provider's bond on the demo's terms; a market of the first edition has no fixed fees."""
    fixed = FIXED_FEE if network.market.fixed_fees else 0
    return network.market.register_provider(account, bond=BOND, fixed_fee=fixed, price=PRICE, capacity=CAPACITY)


def pocket_money(network: Network, account: Account, amount: int) -> None:
    """Test dollars from the token's faucet, up to `amount` in the account."""
    if network.market.balance(account.address) < amount:
        network.market.faucet(account, amount)


def bonded(network: Network, account: Account) -> bool:
    """Whether this provider has a seat in the draw."""
    try:
        return bool(network.market.provider(account.address).seat)
    except NotFound:
        return False
