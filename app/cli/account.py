"""`darkroom init` and `darkroom account`: a home, its roles, their accounts and their money."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from app.cli.context import AsJson, AsOwner, CommandContext
from app.console.output import facts_table, rows_table
from app.home.home import Home
from app.protocol.errors import BadInput
from app.protocol.market.money import DECIMALS, dollars

app = typer.Typer(no_args_is_help=True, help="Roles on this machine: accounts, balances, withdrawals.")


def init(
    config: Annotated[
        Path | None,
        typer.Option("--config", metavar="FILE", help="A node's settings, for a chain that is not embedded."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Set up an empty market in the home folder: chain, contracts, store; all of it embedded without --config."""
    from app.home.setup import set_up
    from app.node.settings import read_settings

    session = CommandContext("operator", as_json)
    if (session.home.root / "node.json").exists():
        raise BadInput(f"{session.home.root} is set up already.", "Use it as it is, or name another DARKROOM_HOME.")
    deployed = set_up(session.home, read_settings(config).network if config else None)
    value = {"home": str(session.home.root), "contracts": {each.name: each.address for each in deployed}}
    session.out.show(value, lambda out: out.print(facts_table({"home": value["home"], **value["contracts"]})))  # type: ignore[dict-item]


@app.command("create")
def create(role: AsOwner, as_json: AsJson = False) -> None:
    """Make a role: a folder of its own and an account sealed under its passphrase."""
    from app.chain.wallet.account import Account

    session = CommandContext(role, as_json)
    actor = session.home.actor(role, create=True)
    path = actor.path("account.json")
    if path.exists():
        raise BadInput(f"The role {role} has an account already.", "See it: darkroom account show.")
    account = Account.create(path, actor.passphrase(confirm=True), light=session.network.embedded)
    if session.network.embedded:
        session.network.fund(account.address)
    value = {"role": role, "address": account.address}
    session.out.show(value, lambda out: out.print(facts_table(value)))


@app.command("show")
def show(role: AsOwner, as_json: AsJson = False) -> None:
    """A role's address, balance and what the contracts owe it."""
    session = CommandContext(role, as_json)
    market, address = session.network.market, session.account.address
    value: dict[str, Any] = {
        "role": role,
        "address": address,
        "ether_wei": session.network.node.balance(address),
        "tokens": market.balance(address),
        "claimable": market.claims(address),
        "uncollected": {str(offer): market.earnings(offer) for offer in market.offers_of(address)},
    }
    shown = {
        "role": role,
        "address": address,
        "ether": f"{value['ether_wei'] / 10**18:.4f}",
        "test dollars": dollars(value["tokens"]),
        "claimable": dollars(sum(value["claimable"].values()) + sum(value["uncollected"].values())),
    }
    session.out.show(value, lambda out: out.print(facts_table(shown)))


@app.command("list")
def list_roles(as_json: AsJson = False) -> None:
    """The roles that live in this home."""
    session = CommandContext("operator", as_json)
    rows = [{"role": name} for name in Home.default().actors()]
    session.out.show(rows, lambda out: out.print(rows_table(rows)))


@app.command("faucet")
def faucet(
    role: AsOwner,
    amount: Annotated[int, typer.Option(help="Test dollars.", min=1)] = 1000,
    as_json: AsJson = False,
) -> None:
    """Test dollars, and ether for gas on the embedded chain."""
    session = CommandContext(role, as_json)
    address = session.account.address
    if session.network.embedded:
        session.network.fund(address)
    sent = session.network.market.faucet(session.account, amount * 10**DECIMALS)
    value = {"address": address, "tokens": session.network.market.balance(address), "tx": sent.tx}
    session.out.show(value, lambda out: out.print(facts_table({**value, "tokens": dollars(int(value["tokens"]))})))  # type: ignore[call-overload]


@app.command("withdraw")
def withdraw(role: AsOwner, as_json: AsJson = False) -> None:
    """Take out everything that the contracts owe this role."""
    session = CommandContext(role, as_json)
    market = session.network.market
    sent = market.withdraw(session.account, market.offers_of(session.account.address))
    value = {
        "paid": sum(each.value for each in sent),
        "balance": market.balance(session.account.address),
        "transactions": [each.tx for each in sent],
    }
    shown = {"paid": dollars(int(str(value["paid"]))), "balance": dollars(int(str(value["balance"])))}
    session.out.show(value, lambda out: out.print(facts_table(shown)))
