"""The shared world that every role talks to: a chain with the contracts, and a store."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from app.files.environment import from_environment
from app.home.home import Home
from app.home.upgrade import bring_forward, deployment_of
from app.protocol.errors import UsageError
from app.storage.open import absolute, open_places

if TYPE_CHECKING:
    from app.chain.market import Market
    from app.chain.node import ChainNode
    from app.execution.runner import BlockRunner
    from app.protocol.ports import Store
    from fhe.engine.core import BackendName


@dataclass(frozen=True)
class Network:
    """An open chain, its market and a store."""

    node: ChainNode
    market: Market
    store: Store
    places: tuple[str, ...] = ()  # where the store is, for other processes
    compute: str = "local"

    @classmethod
    def open(cls, home: Home) -> Network:
        """The network that this home is set up for, with the market of its edition.

        Errors: NotFound before `darkroom init` or a demo, or for an edition that is not here; Unavailable.
        """
        from app.chain.market import Market
        from app.chain.outbox import FILE, Outbox
        from app.chain.sender import GWEI, Sender

        config = bring_forward(home)
        node = open_chain(home, config.chain, config.chain_fallbacks)
        sender = Sender(node, Outbox(home.root / FILE), most=round(config.max_gas_gwei * GWEI))
        path, drained = deployment_of(home, config)
        market = Market.open(node, path, sender, drained=drained)
        places = tuple(absolute(each, home.root) for each in (config.store, *config.store_fallbacks))
        return cls(node, market, open_places(places, home.root), places, config.compute)

    @property
    def embedded(self) -> bool:
        """Whether the chain is one for demonstrations, with a faucet and a clock that can be moved."""
        from app.chain.node import DevNode

        return isinstance(self.node, DevNode)

    def runner(self, device: BackendName = "auto") -> BlockRunner | None:
        """The cluster that computes blocks of rows, where the settings name one; None for this process.

        Errors: UsageError; Unavailable where it does not answer, or Ray is not installed.
        """
        compute = from_environment(self.compute)
        if compute == "local":
            return None
        scheme, _, address = compute.partition(":")
        if scheme != "ray" or not address:
            raise UsageError(f"Blocks are computed by local or ray:ADDRESS, not by {scheme!r}.", "Correct node.json.")
        from app.execution.on_ray import RayRunner

        return RayRunner(address, self.places, device)

    def fund(self, address: str) -> None:
        """Ether for gas from the embedded chain's faucet. Errors: UsageError on any other chain."""
        from app.chain.node import GAS_MONEY, DevNode

        if not isinstance(self.node, DevNode):
            raise UsageError("This chain has no faucet.", f"Send ether for gas to {address} from another account.")
        if self.node.balance(address) < GAS_MONEY // 2:
            self.node.fund(address, GAS_MONEY)


def open_chain(home: Home, where: str, fallbacks: Sequence[str] = ()) -> ChainNode:
    """The chain that `where` names; of several endpoints the first that answers. Errors: UsageError, Unavailable."""
    from app.chain.open import open_node

    scheme, _, rest = from_environment(where).partition(":")
    if scheme != "embedded":
        return open_node(f"{scheme}:{rest}", *(from_environment(each) for each in fallbacks))
    if fallbacks:
        raise UsageError("The embedded chain is one file, and nothing takes over for it.", "Remove the fallbacks.")
    path = _path(home, rest)
    path.parent.mkdir(parents=True, exist_ok=True)
    return open_node(f"embedded:{path}")


def threads_available() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _path(home: Home, text: str) -> Path:
    return home.root / text
