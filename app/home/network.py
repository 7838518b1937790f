"""The shared world that every role talks to: a chain with the contracts, and a store."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from app.home.config import from_environment
from app.home.home import Home
from app.home.upgrade import bring_forward, deployment_of
from app.protocol.errors import UsageError

if TYPE_CHECKING:
    from app.chain.market import Market
    from app.chain.node import ChainNode
    from app.protocol.ports import Store
    from app.storage.content import ContentStore


@dataclass(frozen=True)
class Network:
    """An open chain, its market and a store."""

    node: ChainNode
    market: Market
    store: Store

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
        return cls(node, market, open_stores(home, (config.store, *config.store_fallbacks)))

    @property
    def embedded(self) -> bool:
        """Whether the chain is one for demonstrations, with a faucet and a clock that can be moved."""
        from app.chain.node import DevNode

        return isinstance(self.node, DevNode)

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


def open_stores(home: Home, places: Sequence[str]) -> Store:
    """The store in one place, or in several as one. Errors: UsageError; Unavailable for a single one out of reach."""
    if len(places) == 1:
        return open_store(home, places[0])
    from app.storage.several import SeveralStores

    return SeveralStores([open_store(home, where) for where in places])


def open_store(home: Home, where: str) -> ContentStore:
    """The store that `where` names. Errors: UsageError, Unavailable."""
    scheme, _, rest = from_environment(where).partition(":")
    if scheme == "folder" and rest:
        from app.storage.folder import BlockStore

        return BlockStore(_path(home, rest))
    if scheme == "kubo" and rest:
        from app.storage.kubo import KuboStore

        user, _, password = os.environ.get("DARKROOM_KUBO_AUTH", "").partition(":")
        return KuboStore(rest, auth=(user, password) if user else None)
    if scheme == "s3" and rest:
        from app.storage.bucket import BucketStore

        return BucketStore(rest)
    raise UsageError(
        f"A store is named by folder:PATH, kubo:URL or s3:URL, not by something that begins with {scheme!r}.",
        "Correct the store in the node settings.",
    )


def threads_available() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _path(home: Home, text: str) -> Path:
    return home.root / text
