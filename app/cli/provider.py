"""`darkroom provider`: bonding, serving, leaving."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.context import AsDevice, AsJson, AsProvider, CommandContext, DeviceChoice
from app.console.output import facts_table, rows_table
from app.protocol.errors import UsageError
from app.protocol.market.money import DECIMALS, dollars, token_units

if TYPE_CHECKING:
    from app.provider.pricing import Pricing

app = typer.Typer(
    no_args_is_help=True,
    help="Compute providers: bond, terms, measure, serve, export, import, status, unbond, withdraw-bond, registration.",
)


FixedFee = Annotated[
    int | None,
    typer.Option(help="Token units for a job of any size; by default its gas, and following it.", min=0),
]
PriceOption = Annotated[
    int | None, typer.Option(help="Token units for a million units of static cost; by default by speed.", min=0)
]
CapacityOption = Annotated[
    int | None, typer.Option(help="Units taken at a time; by default what this machine was measured to do.", min=1)
]
CoreHour = Annotated[str | None, typer.Option(help="Test dollars that an hour of one core costs; 0.1 at first.")]
GpuHour = Annotated[str | None, typer.Option(help="Test dollars that an hour of one GPU costs; 2.5 at first.")]
Ether = Annotated[str | None, typer.Option(help="Test dollars that an ether costs; 5000 at first.")]


@app.command("bond")
def bond(
    role: AsProvider,
    amount: Annotated[int, typer.Option(help="Test dollars to bond.", min=1)] = 1000,
    fixed_fee: FixedFee = None,
    price: PriceOption = None,
    capacity: CapacityOption = None,
    core_hour: CoreHour = None,
    gpu_hour: GpuHour = None,
    ether: Ether = None,
    device: AsDevice = DeviceChoice.AUTO,
    as_json: AsJson = False,
) -> None:
    """Bond, say what is asked for work, and take a seat in the draw."""
    session = CommandContext(role, as_json)
    pricing = _pricing(session, core_hour, gpu_hour, ether)
    sent = session.provider.bond(
        amount * 10**DECIMALS, pricing, fixed_fee=fixed_fee, price=price, capacity=capacity, device=device.value
    )
    value = {"provider": session.account.address, "bond": sent.value, **_asked(session), "transaction": sent.tx}
    session.out.show(value, lambda out: out.print(facts_table({**value, "bond": dollars(sent.value)})))


@app.command("terms")
def terms(
    role: AsProvider,
    fixed_fee: FixedFee = None,
    price: PriceOption = None,
    capacity: CapacityOption = None,
    core_hour: CoreHour = None,
    gpu_hour: GpuHour = None,
    ether: Ether = None,
    device: AsDevice = DeviceChoice.AUTO,
    as_json: AsJson = False,
) -> None:
    """State anew what is asked of later jobs; what is left out follows from speed, costs and gas."""
    session = CommandContext(role, as_json)
    pricing = _pricing(session, core_hour, gpu_hour, ether)
    sent = session.provider.restate(pricing, fixed_fee=fixed_fee, price=price, capacity=capacity, device=device.value)
    value = {"provider": session.account.address, **_asked(session), "transaction": sent.tx}
    session.out.show(value, lambda out: out.print(facts_table(value)))


@app.command("measure")
def measure(
    role: AsProvider,
    threads: Annotated[int | None, typer.Option(help="Threads; all cores by default.", min=1)] = None,
    core_hour: CoreHour = None,
    gpu_hour: GpuHour = None,
    ether: Ether = None,
    device: AsDevice = DeviceChoice.AUTO,
    as_json: AsJson = False,
) -> None:
    """Time this machine's device, keep the result, and show what it can promise and would ask."""
    session = CommandContext(role, as_json)
    speed, window = session.provider.speed(threads, device.value, again=True), session.provider.commit_window
    pricing = _pricing(session, core_hour, gpu_hour, ether)
    fees = session.network.market.node.fees()
    value = {
        "device": speed.computed,
        "threads": speed.threads,
        "units_per_second": speed.units_per_second,
        "commit_window": window,
        "capacity": speed.capacity(window),
        "fixed_fee": pricing.fixed_fee(fees.max_fee),
        "price": pricing.price(speed),
        "core_hour": dollars(pricing.core_hour),
        "gpu_hour": dollars(pricing.gpu_hour),
        "ether": dollars(pricing.ether),
        "gas_price_wei": fees.present,
    }
    session.out.show(value, lambda out: out.print(facts_table(value)))


def _pricing(session: CommandContext, core_hour: str | None, gpu_hour: str | None, ether: str | None) -> Pricing:
    """What was said now, else before, else at first."""
    from app.provider.pricing import MOST_COST, Pricing, kept

    said = {"core_hour": core_hour, "gpu_hour": gpu_hour, "ether": ether}
    told = {name: token_units(text) for name, text in said.items() if text is not None}
    if any(each > MOST_COST for each in told.values()):
        raise UsageError("Nothing costs that much.", f"Say at most {dollars(MOST_COST)} test dollars.")
    return Pricing.model_validate((kept(session.actor.folder) or Pricing()).model_dump() | told)


def _asked(session: CommandContext) -> dict[str, int]:
    """What the chain now says that this provider asks."""
    record = session.network.market.provider(session.account.address)
    return {"fixed_fee": record.fixed_fee, "price": record.price, "capacity": record.capacity}


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

    serve_provider(agent, session.provider, every)


Carried = Annotated[Path, typer.Argument(metavar="FOLDER", help="What is carried from one machine to the other.")]


@app.command("export")
def export(folder: Carried, role: AsProvider, as_json: AsJson = False) -> None:
    """Hand this account's work over: write what it remembers of open jobs, and serve here no more.

    The account's key is not in it: bring that first (darkroom account). Nothing may serve meanwhile.
    """
    session = CommandContext(role, as_json)
    done = session.provider.work().export(folder, session.network.market.live_jobs().ids())
    value = {"folder": str(folder), "account": done.account, "lease": done.number, "files": len(done.files)}
    session.out.show(value, lambda out: out.print(facts_table(value)))


@app.command("import")
def take(folder: Carried, role: AsProvider, as_json: AsJson = False) -> None:
    """Go on with the work that another machine handed over."""
    session = CommandContext(role, as_json)
    done = session.provider.work().take(folder)
    value = {"account": done.account, "lease": done.number, "files": len(done.files)}
    session.out.show(value, lambda out: out.print(facts_table(value)))


@app.command("status")
def status(as_json: AsJson = False) -> None:
    """The providers that can be drawn."""
    session = CommandContext("anyone", as_json)
    rows = [
        {
            "seat": each.seat,
            "provider": each.address,
            "bond": dollars(each.bond),
            "fixed fee": each.fixed_fee,
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


@app.command("registration")
def registration(
    name: Annotated[str, typer.Option(help="What the provider is called.")],
    description: Annotated[str, typer.Option(help="One sentence.")] = "Computes on encrypted tables, bit for bit.",
    endpoint: Annotated[str, typer.Option(help="A page about it; may be left out.")] = "",
    role: AsProvider = "provider",
) -> None:
    """Print a registration file for an ERC-8004 identity registry. It is an export: nothing here reads a registry."""
    import json

    from app.chain.erc8004 import registration as written

    session = CommandContext(role, True)
    services = [("web", endpoint)] if endpoint else []
    chain = session.network.market.chain_id
    told = written(
        name=name, description=description, services=services, address=session.account.address, chain_id=chain
    )
    print(json.dumps(told, indent=2))
