"""What every command begins with: the home, a role, its account, the network."""

from __future__ import annotations

from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Annotated

import typer

from app.console.output import Terminal
from app.home.home import Actor, Home

if TYPE_CHECKING:
    from app.chain.wallet.account import Account
    from app.client.buyer import Buyer
    from app.client.index.client import IndexClient
    from app.client.owner import Owner
    from app.client.provider import Provider
    from app.home.network import Network

FirstRow = Annotated[int, typer.Option(help="The first row.", min=0)]
Replicas = Annotated[int, typer.Option(help="Executors that must agree.", min=1, max=5)]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON value on stdout and nothing else there.")]
AsOwner = Annotated[str, typer.Option("--as", metavar="ROLE", help="The role whose folder and account to use.")]
AsBuyer = AsOwner
AsProvider = AsOwner


class DeviceChoice(StrEnum):
    """What computes; results are the same bytes."""

    AUTO = "auto"  # the GPUs that pass their self-test, with the CPU behind them
    CPU = "cpu"
    CUDA = "cuda"  # the GPUs of CUDA_VISIBLE_DEVICES; jobs fail when all of them do


AsDevice = Annotated[
    DeviceChoice, typer.Option(help="What computes; auto is a GPU that passes its self-test, else the CPU.")
]
AsNode = Annotated[
    str | None,
    typer.Option("--node", metavar="URL", help="Whose index to ask; else $DARKROOM_NODE, node.json, or darkroom up's."),
]


class CommandContext:
    """One command as one role; parts are opened when they are first needed."""

    def __init__(self, role: str, as_json: bool) -> None:
        self.role = role
        self.out = Terminal(as_json)
        self.home = Home.default()

    @cached_property
    def network(self) -> Network:
        """The chain and the store."""
        from app.home.network import Network

        return Network.open(self.home)

    @cached_property
    def actor(self) -> Actor:
        """The role's own folder."""
        return self.home.actor(self.role)

    @cached_property
    def account(self) -> Account:
        """The role's account, opened with its passphrase."""
        from app.chain.wallet.account import Account

        return Account.load(self.actor.path("account.json"), self.actor.passphrase())

    @cached_property
    def owner(self) -> Owner:
        """The role as a data owner."""
        from app.client.owner import Owner

        return Owner(self.network, self.actor, self.account)

    @cached_property
    def buyer(self) -> Buyer:
        """The role as a buyer."""
        from app.client.buyer import Buyer

        return Buyer(self.network, self.actor, self.account)

    @cached_property
    def provider(self) -> Provider:
        """The role as a provider."""
        from app.client.provider import Provider

        return Provider(self.network, self.actor, self.account)

    def index(self, node: str | None) -> IndexClient:
        """A node's index of this home's market. Errors: NotFound, Unavailable; VerificationFailed for another's."""
        from app.client.index.client import IndexClient, find_node

        return IndexClient.of(find_node(self.home, node), self.network.market)
