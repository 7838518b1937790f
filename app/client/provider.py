"""A provider on one machine: what it can promise, its bond, and the agent that serves for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.home.home import Actor
from app.home.network import Network, threads_available

if TYPE_CHECKING:
    from app.chain.market import Sent
    from app.chain.wallet.account import Account
    from app.provider.agent import ProviderAgent
    from app.provider.speed import Speed
    from fhe.engine.core import BackendName

PRICE = 10  # token units for one unit of static cost, by default


@dataclass(frozen=True)
class Provider:
    """Its network, its folder, its account."""

    network: Network
    actor: Actor
    account: Account

    @property
    def commit_window(self) -> int:
        """Seconds that the market gives its executors to compute."""
        return int(self.network.market.client.read("JobMarket", "commitWindow"))

    def speed(self, threads: int | None = None, device: BackendName = "auto", *, again: bool = False) -> Speed:
        """What this machine was measured to do, measured now where it was not, or with `again`. Errors: Unavailable."""
        from app.provider.speed import known

        return known(self.actor.folder, threads or threads_available(), device, again=again)

    def bond(
        self, bond: int, *, price: int = PRICE, capacity: int | None = None, device: BackendName = "auto"
    ) -> Sent[int]:
        """Put down token units and take a seat in the draw; the value is the whole bond.

        `price` is token units for one unit of static cost, `capacity` the units taken at a time: by default what this
        machine was measured to do. Errors: Reverted.
        """
        units = capacity or self.speed(device=device).capacity(self.commit_window)
        return self.network.market.register_provider(self.account, bond=bond, price=price, capacity=units)

    def agent(
        self, threads: int | None = None, device: BackendName = "auto", *, in_turn: bool = False
    ) -> ProviderAgent:
        """Who evaluates the jobs that this provider is drawn for; `in_turn` where it looks again and again."""
        from app.provider.agent import ProviderAgent
        from app.provider.speed import kept

        market, store, folder = self.network.market, self.network.store, self.actor.folder
        count = threads or threads_available()
        speed = kept(folder, count, device)
        rate = None if speed is None else speed.units_per_second
        return ProviderAgent(
            market,
            store,
            self.account,
            folder,
            threads=count,
            device=device,
            units_per_second=rate,
            in_turn=in_turn,
        )
