"""A provider on one machine: what it can promise, its bond, and the agent that serves for it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, TypedDict, Unpack

from app.home.home import Actor
from app.home.network import Network, threads_available

if TYPE_CHECKING:
    from app.chain.market import Sent
    from app.chain.wallet.account import Account
    from app.provider.agent import ProviderAgent
    from app.provider.handover import WorkFolder
    from app.provider.pricing import Pricing
    from app.provider.speed import Speed
    from app.provider.standing_terms import StandingTerms
    from fhe.engine.core import BackendName


class Stated(TypedDict, total=False):
    """What a provider says itself; the rest follows from what its machine costs and does."""

    fixed_fee: int | None
    price: int | None
    capacity: int | None
    device: BackendName


@dataclass(frozen=True)
class Asked:
    """A provider's terms on the chain, in token units and units of static cost."""

    fixed_fee: int
    price: int  # for PRICED_UNITS units
    capacity: int


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

    def asks(
        self,
        pricing: Pricing | None = None,
        *,
        fixed_fee: int | None = None,
        price: int | None = None,
        capacity: int | None = None,
        device: BackendName = "auto",
    ) -> Asked:
        """What this provider would state on the chain; what is None follows from what its machine and gas cost.

        `fixed_fee` is token units for a job of any size, by default the gas of one at twice the present base fee;
        `price` for PRICED_UNITS units on top, by default what the measured machine costs meanwhile; `capacity` the
        units taken at a time, by default what it was measured to do. Errors: Unavailable.
        """
        from app.provider.pricing import Pricing, kept

        costs = pricing or kept(self.actor.folder) or Pricing()
        if fixed_fee is None and not self.network.market.fixed_fees:
            fixed_fee = 0
        elif fixed_fee is None:
            fixed_fee = costs.fixed_fee(self.network.market.node.fees().max_fee)
        if price is None or capacity is None:
            speed = self.speed(device=device)
            price = costs.price(speed) if price is None else price
            capacity = capacity or speed.capacity(self.commit_window)
        return Asked(fixed_fee, price, capacity)

    def bond(self, bond: int, pricing: Pricing | None = None, **stated: Unpack[Stated]) -> Sent[int]:
        """Put down token units and take a seat in the draw on the terms of `asks`; the value is the whole bond.

        A fixed fee that was not stated follows the price of gas from then on, while the provider serves. Errors:
        Reverted, Unavailable.
        """
        asked = self._remember(pricing, **stated)
        return self.network.market.register_provider(self.account, bond=bond, **asdict(asked))

    def restate(self, pricing: Pricing | None = None, **stated: Unpack[Stated]) -> Sent[None]:
        """State the terms of `asks` for later draws, as `bond` does. Errors: Reverted, Unavailable."""
        return self.network.market.set_terms(self.account, **asdict(self._remember(pricing, **stated)))

    def _remember(self, pricing: Pricing | None, **stated: Unpack[Stated]) -> Asked:
        """The terms, and in the folder the prices that they follow; nothing where the fixed fee was stated."""
        from app.provider.pricing import Pricing, keep, kept

        asked = self.asks(pricing, **stated)
        follows = stated.get("fixed_fee") is None
        keep(self.actor.folder, pricing or kept(self.actor.folder) or Pricing() if follows else None)
        return asked

    def work(self) -> WorkFolder:
        """Its lease and journal in this market on this machine."""
        from app.provider.handover import WorkFolder

        market = self.network.market
        return WorkFolder(market.folder(self.actor.folder), market.deployment.market, self.account.address)

    def standing_terms(self) -> StandingTerms:
        """Who keeps its fixed fee at what gas costs."""
        from app.provider.standing_terms import StandingTerms

        return StandingTerms(self.network.market, self.account, self.actor.folder)

    def agent(
        self, threads: int | None = None, device: BackendName = "auto", *, in_turn: bool = False
    ) -> ProviderAgent:
        """Who evaluates the jobs that this provider is drawn for; `in_turn` where it looks again and again."""
        from app.execution.tracing import spans_for
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
            pays=self.standing_terms().pays,
            runner=self.network.runner(device),
            spans=spans_for("provider", self.actor.name, market.chain_id, market.address),
        )
