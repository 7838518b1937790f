"""What a home is set up for: its file `node.json`.

    {"chain": "embedded:chain/chain.sqlite", "deployment": "chain/deployment.json", "store": "folder:store"}

`chain` may be an http(s) URL of any EVM node, `store` a Kubo RPC endpoint (`kubo:http://127.0.0.1:5001`) or a bucket
(`s3:https://HOST/BUCKET`). Relative paths are relative to the home folder. Either may be `env:NAME`: then the variable
NAME holds it, which keeps a URL with an access token out of files. DARKROOM_KUBO_AUTH holds `user:password` where a
Kubo endpoint wants them. `node` may hold the address of a marketplace node whose index this machine asks
(`app.client.index.client`).
`chain_fallbacks` and `store_fallbacks` list further endpoints of the same kinds, for when one fails. At most
`max_gas_gwei` are paid for a unit of gas. `compute` may be `ray:ADDRESS`, a Ray cluster that evaluates blocks of rows.
What was sent is kept in `outbox.sqlite` (`app.chain.outbox`).

`earlier` names the deployments of earlier editions of the contracts, the newest first, which are drained here: each is
opened where `Home.edition` names it. `layout` says how the home's folders are, `version` which Darkroom wrote them last
(`app.home.upgrade`).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app import __version__
from app.files.private import write_private
from app.home.home import Home
from app.protocol.documents import first_fault
from app.protocol.errors import BadDocument, NotFound

MAX_CONFIG_BYTES = 1 << 16
LAYOUT = 2  # of a home's folders: 2 keeps what belongs to one market alone under its name
NODE_FILE = "node.url"  # in a market's place, while a node serves it: where this machine reaches its API


class NodeConfig(BaseModel):
    """What `node.json` says."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["darkroom/node"] = "darkroom/node"
    chain: str = "embedded:chain/chain.sqlite"
    deployment: str = "chain/deployment.json"
    store: str = "folder:store"
    chain_fallbacks: tuple[str, ...] = ()  # further endpoints of the same chain, which take over when one fails
    compute: str = "local"  # who computes blocks of rows: this machine, or ray:ADDRESS
    store_fallbacks: tuple[str, ...] = ()  # further stores: read where one before has not the right bytes, written too
    node: str = ""  # http://host:port
    max_gas_gwei: Annotated[float, Field(gt=0, le=1_000_000)] = 500  # paid for a unit of gas at most
    earlier: tuple[str, ...] = ()
    layout: int = 1  # a file of before layouts were counted
    version: str = ""

    def same_network(self, other: NodeConfig) -> bool:
        """Whether both speak of one chain and store, whatever takes over when one of them fails, and the other's market
        is one of these.
        """
        return (self.chain, self.store) == (other.chain, other.store) and other.deployment in self.deployments

    @property
    def deployments(self) -> tuple[str, ...]:
        """All of them, the present one first."""
        return (self.deployment, *self.earlier)


def read_config(home: Home) -> NodeConfig:
    """Errors: NotFound, BadDocument."""
    path = home.root / "node.json"
    if not path.is_file():
        raise NotFound(
            f"{home.root} is not set up yet.", "Run darkroom demo, or darkroom init to set up an empty market."
        )
    data = path.read_bytes()[: MAX_CONFIG_BYTES + 1]
    _check_layout(path, data)
    try:
        return NodeConfig.model_validate_json(data)
    except ValidationError as error:
        raise BadDocument(
            f"{path} is not a node setting: {first_fault(error, 'the file')}.", "Correct it by hand."
        ) from None


def _check_layout(path: Path, data: bytes) -> None:
    """Errors: BadDocument for a home that a newer version wrote, whatever else its settings say."""
    try:
        said = json.loads(data)
        layout, version = said.get("layout", 1), said.get("version", "")
    except (ValueError, AttributeError):
        return  # told as what it is
    if isinstance(layout, int) and layout > LAYOUT:
        raise BadDocument(
            f"{path} was written by Darkroom {str(version)[:40]!a}: this version, {__version__}, does not know homes of"
            f" layout {layout}.",
            "Install that version: pip install --upgrade darkroom-market.",
        )


def write_config(home: Home, config: NodeConfig) -> None:
    """Set this home up for a chain and a store; its folders are as this version has them."""
    home.root.mkdir(parents=True, exist_ok=True, mode=0o700)
    config = config.model_copy(update={"layout": LAYOUT, "version": __version__})
    write_private(home.root / "node.json", json.dumps(config.model_dump(), indent=2).encode())
