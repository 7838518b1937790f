"""`darkroom provider`: bonding, serving, leaving."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from app.cli.context import AsDevice, AsJson, AsProvider, CommandContext, DeviceChoice
from app.console.output import facts_table, rows_table
from app.protocol.market.money import DECIMALS, dollars

app = typer.Typer(no_args_is_help=True, help="Compute providers: bond, measure, serve, status, unbond, withdraw-bond.")


@app.command("bond")
def bond(
    role: AsProvider,
    amount: Annotated[int, typer.Option(help="Test dollars to bond.", min=1)] = 1000,
    price: Annotated[int, typer.Option(help="Token units for one unit of static cost.", min=0)] = 10,
    capacity: Annotated[
        int | None, typer.Option(help="Units taken at a time; by default what this machine was measured to do.", min=1)
    ] = None,
    device: AsDevice = DeviceChoice.AUTO,
    as_json: AsJson = False,
) -> None:
    """Bond, and take a seat in the draw."""
    session = CommandContext(role, as_json)
    sent = session.provider.bond(amount * 10**DECIMALS, price=price, capacity=capacity, device=device.value)
    value = {"provider": session.account.address, "bond": sent.value, "transaction": sent.tx}
    session.out.show(value, lambda out: out.print(facts_table({**value, "bond": dollars(sent.value)})))


@app.command("measure")
def measure(
    role: AsProvider,
    threads: Annotated[int | None, typer.Option(help="Threads; all cores by default.", min=1)] = None,
    device: AsDevice = DeviceChoice.AUTO,
    as_json: AsJson = False,
) -> None:
    """Time this machine's device, keep the result, and show the capacity that it can promise."""
    session = CommandContext(role, as_json)
    speed, window = session.provider.speed(threads, device.value, again=True), session.provider.commit_window
    value = {
        "device": speed.computed,
        "threads": speed.threads,
        "units_per_second": speed.units_per_second,
        "commit_window": window,
        "capacity": speed.capacity(window),
    }
    session.out.show(value, lambda out: out.print(facts_table(value)))


@app.command("serve")
def serve(
    role: AsProvider,
    once: Annotated[bool, typer.Option("--once", help="Do what can be done now, then stop.")] = False,
    every: Annotated[float, typer.Option(help="Seconds between looks at the chain.", min=0.1)] = 2.0,
    threads: Annotated[int | None, typer.Option(help="Threads; all cores by default.", min=1)] = None,
    device: AsDevice = DeviceChoice.AUTO,
    as_json: AsJson = False,
) -> None:
    """Evaluate the jobs this provider is drawn for: fetch, evaluate, commit, reveal; and give signs of life.

    It logs on stderr until Ctrl-C or SIGTERM; jobs go on where they were when it serves again.
    """
    session = CommandContext(role, as_json)
    agent = session.provider.agent(threads, device.value, in_turn=not once)
    if once:
        with session.out.progress("evaluate") as progress:
            actions = agent.step(progress)
        done = [{"job": action.job, "what": action.what.value, "detail": action.detail} for action in actions]
        for action in actions:
            session.out.say(f"job {action.job}: {action.what} {action.detail}".rstrip())
        session.out.show(done, lambda out: None)
        return
    from app.node.agents import serve_provider

    serve_provider(agent, session.network.market, session.account, every, session.actor)


@app.command("status")
def status(as_json: AsJson = False) -> None:
    """The providers that can be drawn."""
    session = CommandContext("anyone", as_json)
    rows = [
        {
            "seat": each.seat,
            "provider": each.address,
            "bond": dollars(each.bond),
            "price": each.price,
            "capacity": each.capacity,
            "in use": each.in_use,
            "heartbeat": datetime.fromtimestamp(each.heartbeat, UTC).strftime("%Y-%m-%d %H:%M UTC"),
        }
        for each in session.network.market.providers()
    ]
    session.out.show(rows, lambda out: out.print(rows_table(rows, empty="No provider is bonded yet.")))


@app.command("heartbeat")
def heartbeat(role: AsProvider, as_json: AsJson = False) -> None:
    """Show that the provider is alive; without it for a day it is not drawn."""
    session = CommandContext(role, as_json)
    value = {"transaction": session.network.market.heartbeat(session.account).tx}
    session.out.show(value, lambda out: out.print(facts_table(value)))


@app.command("unbond")
def unbond(role: AsProvider, as_json: AsJson = False) -> None:
    """Leave the draw; the bond can be taken back after the delay."""
    session = CommandContext(role, as_json)
    sent = session.network.market.unbond(session.account)
    value = {"free_at": sent.value, "transaction": sent.tx}
    session.out.show(value, lambda out: out.print(facts_table(value)))


@app.command("withdraw-bond")
def withdraw_bond(role: AsProvider, as_json: AsJson = False) -> None:
    """Take the bond back after the delay."""
    session = CommandContext(role, as_json)
    sent = session.network.market.withdraw_bond(session.account)
    value = {"paid": sent.value, "transaction": sent.tx}
    session.out.show(value, lambda out: out.print(facts_table({**value, "paid": dollars(sent.value)})))
