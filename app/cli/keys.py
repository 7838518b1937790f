"""`darkroom keys`: an owner's encryption keys by epoch, and a buyer's sealing key."""

from __future__ import annotations

from typing import Annotated

import typer

from app.cli.context import AsBuyer, AsJson, AsOwner, CommandContext
from app.console.output import facts_table, rows_table

app = typer.Typer(no_args_is_help=True, help="Keys: make an epoch, list; the sealing key.")


@app.command("create")
def create(
    name: Annotated[str, typer.Argument(help="The keyring's name; each dataset has one of its own.")],
    lookups: Annotated[bool, typer.Option(help="Publish an evaluation key, so that trees can run.")] = True,
    packing: Annotated[
        bool, typer.Option(help="Make results of trees compact: without it they take 7 kB a value.")
    ] = True,
    role: AsOwner = "owner",
    as_json: AsJson = False,
) -> None:
    """Make a keyring's next epoch through Concrete; the secret keys are sealed under the role's passphrase."""
    session = CommandContext(role, as_json)
    record = session.owner.new_epoch(name, lookups=lookups, packing=packing)
    value = record.model_dump(mode="json")
    session.out.show(value, lambda out: out.print(facts_table(value)))


@app.command("list")
def list_keys(role: AsOwner = "owner", as_json: AsJson = False) -> None:
    """The epochs whose secret keys are in this role's folder, by keyring."""
    session = CommandContext(role, as_json)
    cabinet = session.owner.cabinet
    rows = [
        cabinet.epoch(name, number).model_dump(mode="json", exclude={"kind"})
        for name in cabinet.names()
        for number in cabinet.keyring(name).epochs()
    ]
    session.out.show(rows, lambda out: out.print(rows_table(rows, empty="No keys yet.")))


@app.command("remember")
def remember(role: AsOwner, as_json: AsJson = False) -> None:
    """Keep a role's passphrase in the operating system's keyring, once it has opened the role's account."""
    session = CommandContext(role, as_json)
    address = session.account.address  # a passphrase that opens nothing is not worth keeping
    session.actor.remember(session.actor.passphrase())
    value = {"role": role, "address": address, "remembered": True}
    session.out.show(value, lambda out: out.print(facts_table(value)))


@app.command("forget")
def forget(role: AsOwner, as_json: AsJson = False) -> None:
    """Remove a role's passphrase from the operating system's keyring."""
    session = CommandContext(role, as_json)
    session.actor.forget()
    value = {"role": role, "remembered": False}
    session.out.show(value, lambda out: out.print(facts_table(value)))


@app.command("sealing")
def sealing(role: AsBuyer = "buyer", as_json: AsJson = False) -> None:
    """Show a buyer's public sealing key, made when there is none yet."""
    session = CommandContext(role, as_json)
    value = {"role": role, "sealing_key": session.buyer.sealing_key().public.hex()}
    session.out.show(value, lambda out: out.print(facts_table(value)))
