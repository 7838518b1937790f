"""`darkroom custodian`: what is decrypted and released, and why not."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.context import AsDevice, AsJson, AsOwner, CommandContext, DeviceChoice, FirstRow
from app.console.output import facts_table, rows_table
from app.protocol.errors import PolicyRefused
from app.protocol.market.entities import Approval
from app.protocol.market.money import DECIMALS, dollars

if TYPE_CHECKING:
    from app.chain.contracts.client import Sent
    from app.chain.wallet.account import Account

app = typer.Typer(
    no_args_is_help=True,
    help="The custodian: bond, serve, pending, approve, refuse, explain, ledger, backup, restore, rebuild.",
)
Number = Annotated[int, typer.Argument(help="The job's number.", min=1)]


@app.command("serve")
def serve(
    once: Annotated[bool, typer.Option("--once", help="Do what can be done now, then stop.")] = False,
    every: Annotated[float, typer.Option(help="Seconds between looks at the chain.", min=0.1)] = 2.0,
    role: AsOwner = "owner",
    device: AsDevice = DeviceChoice.AUTO,
    as_json: AsJson = False,
) -> None:
    """Verify, decrypt, seal and release the jobs on this owner's datasets, or refuse them with a reason.

    It logs on stderr until Ctrl-C or SIGTERM; the ledger knows where every job stands.
    """
    from app.custodian.unlocked_keys import harden

    harden()  # from here on the secret key may be in this process's memory
    session = CommandContext(role, as_json)
    with _at_work(session, alone=False):
        _serve(session, device, every, once)


def _serve(session: CommandContext, device: DeviceChoice, every: float, once: bool) -> None:
    agent = session.owner.custodian(device=device.value)
    if once:
        outcomes = agent.step()
        done = [{"job": each.job, "what": str(each.what), "detail": each.detail} for each in outcomes]
        for each in outcomes:
            session.out.say(f"job {each.job}: {each.what} {each.detail}".rstrip())
        session.out.show(done, lambda out: None)
        return
    from app.node.agents import serve_custodian

    serve_custodian(agent, session.network.market, session.account, every, session.actor)


@app.command("pending")
def pending(role: AsOwner = "owner", as_json: AsJson = False) -> None:
    """Jobs that are not brought to an end yet, and which of them wait for the owner's word."""
    from app.custodian.ledger import OPEN

    session = CommandContext(role, as_json)
    rows = [
        {
            "job": each.job,
            "dataset": each.dataset,
            "state": str(each.state),
            "waits for the owner": each.held and session.network.market.job(each.job).approval is Approval.NONE,
        }
        for each in session.owner.ledger().records(*OPEN)
    ]
    session.out.show(rows, lambda out: out.print(rows_table(rows, empty="Nothing waits.")))


@app.command("approve")
def approve(number: Number, role: AsOwner = "owner", as_json: AsJson = False) -> None:
    """Say yes on the chain, as the dataset's owner, to a job's release; the custodian goes on with it.

    It can be said from the job's opening on, once, and stands.
    """
    session = CommandContext(role, as_json)
    _say(session, number, session.network.market.approve_job)


@app.command("refuse")
def refuse(number: Number, role: AsOwner = "owner", as_json: AsJson = False) -> None:
    """Say no on the chain, as the dataset's owner, to a job's release; the custodian refuses it and refunds the buyer.

    It can be said from the job's opening on, once, and stands.
    """
    session = CommandContext(role, as_json)
    _say(session, number, session.network.market.deny_job)


def _say(session: CommandContext, number: int, say: Callable[[Account, int], Sent[Approval]]) -> None:
    session.network.market.job(number)  # says plainly when there is none
    sent = say(session.account, number)
    value = {"job": number, "approval": sent.value.name.lower(), "transaction": sent.tx}
    session.out.show(value, lambda out: out.print(facts_table(value)))


DatasetNumber = Annotated[int, typer.Argument(help="The dataset's number.", min=1)]
Dollars = Annotated[int, typer.Argument(help="Test dollars.", min=1)]


@app.command("bond")
def bond(dataset: DatasetNumber, amount: Dollars, role: AsOwner = "owner", as_json: AsJson = False) -> None:
    """Add to what answers for the custodian's silence: each open job holds as much of it as its executors may cost."""
    session = CommandContext(role, as_json)
    market = session.network.market
    market.dataset(dataset)  # says plainly when there is none
    _put_down(session, dataset, market.bond_custodian(session.account, dataset, amount * 10**DECIMALS))


@app.command("unbond")
def unbond(dataset: DatasetNumber, amount: Dollars, role: AsOwner = "owner", as_json: AsJson = False) -> None:
    """Take back what no open job holds; it can then be withdrawn: darkroom account withdraw."""
    session = CommandContext(role, as_json)
    market = session.network.market
    market.dataset(dataset)
    _put_down(session, dataset, market.unbond_custodian(session.account, dataset, amount * 10**DECIMALS))


def _put_down(session: CommandContext, dataset: int, sent: Sent[int]) -> None:
    custody = session.network.market.custody(dataset)
    value = {"dataset": dataset, "bond": custody.bond, "held": custody.held, "transaction": sent.tx}
    shown = {**value, "bond": dollars(custody.bond), "held": dollars(custody.held)}
    session.out.show(value, lambda out: out.print(facts_table(shown)))


@app.command("explain")
def explain(
    dataset: Annotated[int, typer.Argument(help="The dataset's number.", min=1)],
    circuit: Annotated[str, typer.Argument(help="A file with a circuit, or a digest of one in the store.")],
    rows: Annotated[int | None, typer.Option(help="Rows of the job; all from the first by default.", min=1)] = None,
    first_row: FirstRow = 0,
    offer: Annotated[int | None, typer.Option(help="Under this offer's policy instead of the manifest's.")] = None,
    as_json: AsJson = False,
) -> None:
    """What the custodian would say to a circuit, and what the circuit reveals, before anyone pays.

    It counts what public records say was released on the dataset before, and makes every check of a real order. The
    exit code is that of the policy's answer.
    """
    from app.client.dataset import Dataset
    from app.client.verdict import verdict

    session = CommandContext("anyone", as_json)
    published = Dataset.open(session.network, dataset)
    count = published.record.rows - first_row if rows is None else rows
    found = verdict(published, published.circuit(circuit), count, first_row=first_row, offer=offer)
    said = found.said
    value = {
        "allowed": said.allowed,
        "reason": str(said.reason) if said.reason else None,
        "released": said.released,
        "decrypted": said.decrypted,
        "micro_bits": said.micro_bits,
        "micro_bits_per_license": said.limit_license,
        "micro_bits_per_person": said.limit_person,
        "spent_person": said.spent_person,
        "again": said.again,
        "rank": said.rank,
        "rank_limit": said.rank_limit,
        "bootstraps": said.bootstraps,
        "ready": found.ready,
        "problems": found.listed(),
        "sentences": found.sentences(),
    }
    session.out.show(value, lambda out: out.print("\n".join(found.sentences()), markup=False))
    if not said.allowed:
        raise typer.Exit(PolicyRefused.exit_code)


@app.command("budget")
def budget(
    dataset: Annotated[int, typer.Argument(help="The dataset's number.", min=1)],
    offer: Annotated[int | None, typer.Option(help="Under this offer's policy instead of the manifest's.")] = None,
    role: AsOwner = "owner",
    as_json: AsJson = False,
) -> None:
    """How much of each stretch of rows was given away, and what is left."""
    from app.client.dataset import Dataset
    from app.policy.statement import statement
    from fhe.leakage import space_of

    session = CommandContext(role, as_json)
    published = Dataset.open(session.network, dataset)
    history, space = session.owner.ledger().history(dataset), space_of(published.codebook)
    place = (published.manifest.table, published.record.version)
    rows = [asdict(each) for each in statement(history, published.policy(offer), space, *place)]
    session.out.show(rows, lambda out: out.print(rows_table(rows, title=f"Dataset {dataset}: budgets by rows")))


@app.command("rebuild")
def rebuild(
    charge_missing: Annotated[
        bool,
        typer.Option("--charge-missing", help="Charge a whole license for a release whose circuit no store has."),
    ] = False,
    role: AsOwner = "owner",
    as_json: AsJson = False,
) -> None:
    """Make the ledger anew from the chain, beside the old file: after a loss, or for one of an earlier version.

    Stop the custodian first. Without --charge-missing it ends with an error where a released circuit cannot be read.
    """
    session = CommandContext(role, as_json)
    with _at_work(session, alone=True):
        aside, learned = session.owner.rebuild_ledger(charge_missing=charge_missing)
    value = {"old": str(aside) if aside else None, "releases": {str(each): count for each, count in learned.items()}}
    rows = [{"dataset": each, "releases": count} for each, count in learned.items()]
    session.out.say(f"The old ledger is {aside}." if aside else "There was no ledger.")
    session.out.show(value, lambda out: out.print(rows_table(rows, empty="No dataset yet.")))


@app.command("backup")
def backup(
    file: Annotated[Path, typer.Argument(help="A file that is not there yet.")],
    role: AsOwner = "owner",
    as_json: AsJson = False,
) -> None:
    """Copy the ledger into one file, while the custodian works; keep it as private as the ledger.

    Whatever is released after it is charged from the chain when it is restored.
    """
    from app.custodian.backup import back_up

    session = CommandContext(role, as_json)
    facts = back_up(session.actor.path("ledger.sqlite"), file)
    _show_copy(session, {"backup": str(file), **asdict(facts)})


@app.command("restore")
def restore(
    file: Annotated[Path, typer.Argument(help="A backup.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Look the backup through, and stop.")] = False,
    older: Annotated[bool, typer.Option("--older", help="Also in place of a newer ledger.")] = False,
    role: AsOwner = "owner",
    as_json: AsJson = False,
) -> None:
    """Put a backup in the ledger's place, the present one aside, and charge what the chain released since.

    Stop the custodian first. An older ledger than the present one is put in place with --older alone.
    """
    from app.custodian.backup import look_through
    from app.custodian.backup import restore as put_in_place

    session = CommandContext(role, as_json)
    if dry_run:
        _show_copy(session, {"backup": str(file), **asdict(look_through(file))})
        return
    with _at_work(session, alone=True):
        mark = f"until-{session.network.market.now()}"
        aside, facts = put_in_place(file, session.actor.path("ledger.sqlite"), mark, older=older)
        learned = session.owner.custodian().follow_all()
    releases = {str(each): count for each, count in learned.items()}
    _show_copy(session, {"old": str(aside) if aside else None, **asdict(facts), "releases": releases})


def _show_copy(session: CommandContext, value: dict[str, Any]) -> None:
    newest = value["newest"] and datetime.fromtimestamp(value["newest"], UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    session.out.show(value, lambda out: out.print(facts_table({**value, "newest": newest or "-"})))


def _at_work(session: CommandContext, *, alone: bool) -> AbstractContextManager[None]:
    """Hold the ledger: together with other custodians of it, or alone to replace it. Errors: NotAllowed."""
    from app.files.held import held

    told = "A custodian works with this ledger." if alone else "This ledger is being replaced."
    return held(session.actor.path("ledger.lock"), alone=alone, told=told, next_step="Stop it first, or wait for it.")


@app.command("ledger")
def ledger(role: AsOwner = "owner", as_json: AsJson = False) -> None:
    """Everything this custodian decided, with when and why."""
    session = CommandContext(role, as_json)
    rows = [
        {
            "job": each.job,
            "dataset": each.dataset,
            "state": str(each.state),
            "reason": each.reason or "-",
            "attempts": each.attempts,
            "error": each.error or "-",
            "changed": datetime.fromtimestamp(each.changed, UTC).strftime("%Y-%m-%d %H:%M:%S UTC"),
            "transaction": each.tx or "-",
        }
        for each in session.owner.ledger().records()
    ]
    session.out.show(rows, lambda out: out.print(rows_table(rows, empty="No job yet.")))
