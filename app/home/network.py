"""The shared world that every role talks to: a chain with the contracts, and a store.

`node.json` in the home folder names both:

    {"chain": "embedded:chain/chain.sqlite", "deployment": "chain/deployment.json", "store": "folder:store"}

`chain` may be an http(s) URL of any EVM node, `store` a Kubo RPC endpoint (`kubo:http://127.0.0.1:5001`) or a bucket
(`s3:https://HOST/BUCKET`). Relative paths are relative to the home folder. Either may be `env:NAME`: then the variable
NAME holds it, which keeps a URL with an access token out of files. DARKROOM_KUBO_AUTH holds `user:password` where a
Kubo endpoint wants them. `chain_fallbacks` and `store_fallbacks` list further endpoints, for when one fails. `node` may
hold the address of a marketplace node whose index this machine asks (`app.client.index.client`). At most `max_gas_gwei`
are paid for a unit of gas. What was sent is kept in `outbox.sqlite` (`app.chain.outbox`).
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.files.private import write_private
from app.home.home import Home
from app.protocol.documents import first_fault
from app.protocol.errors import BadDocument, NotFound, UsageError

if TYPE_CHECKING:
    from app.chain.market import Market
    from app.chain.node import ChainNode
    from app.protocol.ports import Store
    from app.storage.content import ContentStore

MAX_CONFIG_BYTES = 1 << 16
NODE_FILE = "node.url"  # in the home, while a node runs there: where this machine reaches its API


class NodeConfig(BaseModel):
    """What `node.json` says."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["darkroom/node"] = "darkroom/node"
    chain: str = "embedded:chain/chain.sqlite"
    deployment: str = "chain/deployment.json"
    store: str = "folder:store"
    chain_fallbacks: tuple[str, ...] = ()  # further endpoints of the same chain, which take over when one fails
    store_fallbacks: tuple[str, ...] = ()  # further stores: read where one before has not the right bytes, written too
    node: str = ""  # http://host:port
    max_gas_gwei: Annotated[float, Field(gt=0, le=1_000_000)] = 500  # paid for a unit of gas at most

    def same_network(self, other: NodeConfig) -> bool:
        """Whether both speak of one chain, market and store, whatever takes over when one of them fails."""
        return (self.chain, self.deployment, self.store) == (other.chain, other.deployment, other.store)


def from_environment(text: str) -> str:
    """The text itself, or what the variable of `env:NAME` holds. Errors: UsageError."""
    scheme, _, name = text.partition(":")
    if scheme != "env":
        return text
    if not (value := os.environ.get(name, "")):
        raise UsageError(f"The settings want the environment variable {name}, which is not set.", "Set it.")
    return value


@dataclass(frozen=True)
class Network:
    """An open chain, its market and a store."""

    node: ChainNode
    market: Market
    store: Store

    @classmethod
    def open(cls, home: Home) -> Network:
        """The network that this home is set up for. Errors: NotFound before `darkroom init` or a demo; Unavailable."""
        from app.chain.market import Market
        from app.chain.outbox import FILE, Outbox
        from app.chain.sender import GWEI, Sender

        config = read_config(home)
        node = open_chain(home, config.chain, config.chain_fallbacks)
        sender = Sender(node, Outbox(home.root / FILE), most=round(config.max_gas_gwei * GWEI))
        market = Market.open(node, _path(home, config.deployment), sender)
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


def read_config(home: Home) -> NodeConfig:
    """Errors: NotFound, BadDocument."""
    path = home.root / "node.json"
    if not path.is_file():
        raise NotFound(
            f"{home.root} is not set up yet.", "Run darkroom demo, or darkroom init to set up an empty market."
        )
    try:
        return NodeConfig.model_validate_json(path.read_bytes()[: MAX_CONFIG_BYTES + 1])
    except ValidationError as error:
        raise BadDocument(
            f"{path} is not a node setting: {first_fault(error, 'the file')}.", "Correct it by hand."
        ) from None


def write_config(home: Home, config: NodeConfig) -> None:
    """Set this home up for a chain and a store."""
    home.root.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_private(home.root / "node.json", json.dumps(config.model_dump(), indent=2).encode())


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
