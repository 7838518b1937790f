"""Moving a node's home on to a later edition of the contracts: what would be done, and doing it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from app.home.config import NodeConfig
from app.home.home import Home
from app.home.network import Network, open_chain
from app.home.setup import deploy_later
from app.home.upgrade import bring_forward, markets_of, move_on
from contracts import EDITION

if TYPE_CHECKING:
    from app.chain.market import Market


@dataclass(frozen=True)
class OpenThings:
    """What a market still has to run to its end."""

    edition: str
    market: str  # its address
    drained: bool
    jobs: int  # that are not over
    licenses: int  # that can still open jobs

    @property
    def words(self) -> str:
        """For people."""
        return f"edition {self.edition} ({self.market}): {self.jobs} open jobs, {self.licenses} licenses with jobs left"


def open_things(home: Home) -> list[OpenThings]:
    """Of each market of a home, the present one first. It reads every license. Errors: NotFound, Unavailable."""
    found = []
    for each in markets_of(home, bring_forward(home)):
        market = Network.open(Home(home.root, each.edition)).market
        found.append(OpenThings(each.edition, market.address, each.drained, *_open(market)))
    return found


def _open(market: Market) -> tuple[int, int]:
    from app.protocol.market.entities import LicenseState

    now = market.now()
    usable = (LicenseState.ACTIVE, LicenseState.PENDING)
    return len(market.live_jobs().ids()), sum(each.state(now) in usable for each in market.licenses())


def upgrade(home: Home, deployment: str | None, told: Callable[[str], None]) -> str:
    """Make a later market the home's present one; the edition that is drained from now on, "" where nothing was done.

    `deployment` is the later market's file, as `node.json` is to name it; with None this home puts one of this
    version's edition on its own chain, from the operator's account, where there is none yet. Errors: NotFound,
    BadDocument, BadInput, Reverted.
    """
    config = bring_forward(home)
    present = markets_of(home, config)[0]
    if deployment is None and present.edition == EDITION:
        return ""
    if deployment == config.deployment:
        return ""
    name = deployment or deploy_later(home, config, present.deployment.terms)
    _check(home, config, home.root / name)
    before = move_on(home, name)
    told(
        f"Darkroom now has edition {EDITION} of the contracts. This home moved on to a market of it; that of edition"
        f" {before.edition} is drained: it takes no new datasets, offers or licenses, and runs to its end beside it"
        f" (darkroom --edition {before.edition} ...)."
    )
    return before.edition


def _check(home: Home, config: NodeConfig, path: Path) -> None:
    """Errors: VerificationFailed unless the later market is on this home's chain and is what it says."""
    from app.chain.contracts.deployment import check, read
    from app.chain.evm.embedded import EmbeddedChain

    node = open_chain(home, config.chain)
    try:
        check(node, read(path))
    finally:
        if isinstance(node, EmbeddedChain):
            node.close()
