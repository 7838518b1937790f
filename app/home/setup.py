"""Setting up a home: a chain with the contracts on it, a store, and roles."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from app.files.private import write_private
from app.home.config import NodeConfig, write_config
from app.home.home import Actor, Home
from app.home.network import Network, open_chain

if TYPE_CHECKING:
    from app.chain.contracts.deployment import Deployed, Terms
    from app.chain.wallet.account import Account

OPERATOR = "operator"  # who deploys the contracts; it has no power over them afterwards


def set_up(home: Home, config: NodeConfig | None = None, terms: Terms | None = None) -> list[Deployed]:
    """Deploy the contracts from the operator's account and write the settings; what was deployed in this run.

    A chain for demonstrations gives the operator its gas, and then its passphrase may lie beside its key. Going on
    after an interruption deploys what is missing. Errors: BadInput for another chain's deployment file;
    Reverted where the operator has no gas; Unavailable.
    """
    from app.chain.contracts.beside import deploy_mandates
    from app.chain.contracts.deployment import deploy
    from app.chain.contracts.dollars import in_dollars
    from app.chain.evm.embedded import EmbeddedChain
    from app.chain.node import GAS_MONEY, DevNode

    config = config or NodeConfig()
    actor = home.actor(OPERATOR, create=True)
    deployed: list[Deployed] = []
    node = open_chain(home, config.chain)
    try:
        account = account_of(actor, light=isinstance(node, DevNode), written=isinstance(node, DevNode))
        if isinstance(node, DevNode) and node.balance(account.address) < GAS_MONEY // 2:
            node.fund(account.address, GAS_MONEY)
        path = home.root / config.deployment
        deploy(node, account, path, in_dollars(node, account, path, terms, deployed.append), report=deployed.append)
        deploy_mandates(node, account, home.root / config.deployment)
    finally:
        if isinstance(node, EmbeddedChain):
            node.close()
    write_config(home, config)
    return deployed


def deploy_later(home: Home, config: NodeConfig, terms: Terms) -> str:
    """Put a market of this version's edition on the home's chain, on the terms and in the token of the one there.

    The value is its deployment file, as `node.json` names it. Errors: Reverted where the operator has no gas; NotFound,
    Unavailable.
    """
    from app.chain.contracts.deployment import deploy, read
    from app.chain.contracts.token import COIN
    from app.chain.evm.embedded import EmbeddedChain
    from app.chain.node import GAS_MONEY, DevNode
    from contracts import EDITION

    name = str(Path(config.deployment).with_name(f"deployment-{EDITION}.json"))
    token = read(home.root / config.deployment).contracts[COIN].address
    node = open_chain(home, config.chain)
    try:
        light = isinstance(node, DevNode)
        account = account_of(home.actor(OPERATOR, create=True), light=light, written=light)
        if isinstance(node, DevNode):
            node.fund(account.address, GAS_MONEY)
        deploy(node, account, home.root / name, terms.model_copy(update={"token": token}))
    finally:
        if isinstance(node, EmbeddedChain):
            node.close()
    add_mandates(home, config.model_copy(update={"deployment": name}))
    return name


def add_mandates(home: Home, config: NodeConfig) -> str:
    """Put the contract of mandates beside the home's market, from the operator's account, where there is none yet.

    The value is its address. Errors: Reverted where the operator has no gas; NotFound, VerificationFailed, Unavailable.
    """
    from app.chain.contracts.beside import deploy_mandates
    from app.chain.evm.embedded import EmbeddedChain
    from app.chain.node import GAS_MONEY, DevNode

    node = open_chain(home, config.chain, config.chain_fallbacks)
    try:
        light = isinstance(node, DevNode)
        account = account_of(home.actor(OPERATOR, create=True), light=light, written=light)
        if isinstance(node, DevNode):
            node.fund(account.address, GAS_MONEY)
        return deploy_mandates(node, account, home.root / config.deployment).mandates.address
    finally:
        if isinstance(node, EmbeddedChain):
            node.close()


def account_of(actor: Actor, *, light: bool, written: bool) -> Account:
    """The account of a role, made when there is none yet.

    With `written`, a role without a passphrase gets a random one in a file of its own folder, so that demonstrations
    run unattended: whoever can read that folder can act as the role.
    """
    from app.chain.wallet.account import Account

    if written and not actor.path("passphrase").exists():
        write_private(actor.path("passphrase"), secrets.token_urlsafe(24).encode())
    path = actor.path("account.json")
    if path.exists():
        return Account.load(path, actor.passphrase())
    return Account.create(path, actor.passphrase(), light=light)


def join(home: Home, network: Network, role: str) -> tuple[Actor, Account]:
    """A role's folder and account, made when there are none yet; with gas on a chain for demonstrations.

    There the passphrase may lie beside the key (`account_of`); elsewhere it comes as for every command. Errors:
    UsageError where no passphrase can be had; WrongPassphrase.
    """
    actor = home.actor(role, create=True)
    account = account_of(actor, light=network.embedded, written=network.embedded)
    if network.embedded:
        network.fund(account.address)
    return actor, account
