"""A market on an embedded chain whose agents work in this process, for what needs jobs and no processes."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from app.client.owner import Owner
from app.client.provider import Provider
from app.home.home import Home
from app.home.network import Network
from app.home.setup import join
from app.protocol.market.entities import JobState
from benchmarks.live_market import LiveMarket, set_up_market


@dataclass
class Worked:
    """The market, and everybody's work on one job of it."""

    market: LiveMarket

    @property
    def env(self) -> dict[str, str]:
        """What a command needs to work in its home."""
        return {"DARKROOM_HOME": str(self.market.home.root)}

    def settle(self) -> int:
        """One job through the whole protocol, by agents as their commands make them."""
        network, home = self.market.network, self.market.home
        agents = [Provider(network, *join(home, network, name)).agent(1, "cpu") for name in self.market.providers]
        owner = Owner(network, *join(home, network, "owner")).custodian(device="cpu")
        number = self.market.open_job()
        network.node.mine(3)  # type: ignore[attr-defined]
        for _ in range(4):
            for each in agents:
                each.step()
        owner.step()
        assert network.market.job(number).state is JobState.SETTLED
        return number

    def copied(self, target: Path) -> Worked:
        """A copy with its own chain, store and clock."""
        home = Home(target)
        shutil.copytree(self.market.home.root, home.root)
        opened = list(self.market.opened)
        return Worked(replace(self.market, home=home, network=Network.open(home), opened=opened))


def worked_market(folder: Path) -> Worked:
    """A new one."""
    return Worked(set_up_market(Home(folder), "embedded:chain.sqlite", providers=2))
