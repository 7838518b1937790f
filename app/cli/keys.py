"""`darkroom keys`: an owner's encryption keys by epoch, and a buyer's sealing key."""

from __future__ import annotations

from typing import Annotated

import typer

from app.cli.context import AsBuyer, AsJson, AsOwner, Session
from app.cli.output import facts_table, rows_table

app = typer.Typer(no_args_is_help=True, help="Keys: make an epoch, list, destroy; the sealing key.")


@app.command("create")
def create(
    lookups: Annotated[bool, typer.Option(help="Publish an evaluation key, so that trees can run.")] = True,
    role: AsOwner = "owner",
    as_json: AsJson = False,
) -> None:
    """Make the next epoch's keys through Concrete; the secret ones are sealed under the role's passphrase."""
    session = Session(role, as_json)
    record = session.owner.new_epoch(lookups=lookups)
    value = record.model_dump(mode="json")
    session.out.show(value, lambda out: out.print(facts_table(value)))


@app.command("list")
def list_keys(role: AsOwner = "owner", as_json: AsJson = False) -> None:
    """The epochs whose secret keys are in this role's folder."""
    session = Session(role, as_json)
    rows = [session.owner.epoch(number).model_dump(mode="json") for number in session.owner.keyring.epochs()]
    session.out.show(rows, lambda out: out.print(rows_table(rows, empty="No keys yet.")))


@app.command("destroy")
def destroy(
    epoch: Annotated[int, typer.Argument(help="The epoch.", min=1)],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    role: AsOwner = "owner",
    as_json: AsJson = False,
) -> None:
    """Destroy an epoch's secret keys: nothing encrypted in it can ever be read again."""
    session = Session(role, as_json)
    if not yes:
        typer.confirm(f"Destroy the keys of epoch {epoch}? Its ciphertexts become unreadable.", abort=True, err=True)
    session.owner.keyring.destroy(epoch)
    value = {"destroyed": epoch}
    session.out.show(value, lambda out: out.print(facts_table(value)))


@app.command("sealing")
def sealing(role: AsBuyer = "buyer", as_json: AsJson = False) -> None:
    """Show a buyer's public sealing key, made when there is none yet."""
    session = Session(role, as_json)
    value = {"role": role, "sealing_key": session.sealing_key().public.hex()}
    session.out.show(value, lambda out: out.print(facts_table(value)))
