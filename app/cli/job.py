"""`darkroom job`: opening jobs and following them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from app.cli.context import AsBuyer, AsJson, AsNode, CommandContext, FirstRow, Replicas
from app.cli.search import tell_differences
from app.console.output import facts_table, rows_table
from app.protocol.errors import NotFound, Unavailable, UsageError
from app.protocol.market.entities import Job, JobState
from app.protocol.market.money import dollars
from app.protocol.policy.bits import tell_bits

if TYPE_CHECKING:
    from app.client.index.client import IndexClient
    from app.client.index.crosscheck import Difference

app = typer.Typer(no_args_is_help=True, help="Jobs: open, run, list, show, watch, expire.")
Number = Annotated[int, typer.Argument(help="The job's number.", min=1)]
Used = Annotated[int, typer.Option("--license", help="The license to use.", min=1)]
Digest = Annotated[str, typer.Option("--model", help="Digest of a compiled model, or how it begins.")]


def facts(job: Job) -> dict[str, Any]:
    """A job in plain values."""
    return {
        "job": job.id,
        "state": job.state.name.lower(),
        "dataset": job.dataset,
        "license": job.license,
        "rows": f"{job.first_row}..{job.first_row + job.rows - 1}",
        "circuit": job.circuit,
        "executors": ", ".join(each.provider for each in job.executions) or "-",
        "receipt": job.receipt,
        "deadline": job.deadline,
        "reason": job.reason or "-",
    }


@app.command("open")
def open_job(
    license: Used,
    model: Digest,
    first_row: FirstRow = 0,
    rows: Annotated[int | None, typer.Option(help="How many rows; all from the first by default.", min=1)] = None,
    replicas: Replicas = 2,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the quote and stop.")] = False,
    anew: Annotated[
        bool, typer.Option("--anew", help="Open another one, also where the same was ordered before.")
    ] = False,
    role: AsBuyer = "buyer",
    as_json: AsJson = False,
) -> None:
    """Publish a compiled model's circuit and open a job: one transaction, escrow included.

    A job that the custodian would refuse, by what is public, is refused before anything is published or paid. The same
    order given again on this machine is answered with the first one's job; nothing is paid twice.
    """
    from app.client.dataset import Dataset

    session = CommandContext(role, as_json)
    buyer, market = session.buyer, session.network.market
    held = market.license(license)
    dataset = Dataset.open(session.network, held.dataset)
    chosen = buyer.models.find(model)
    count = dataset.record.rows - first_row if rows is None else rows
    place: dict[str, Any] = {"first_row": first_row, "rows": count, "replicas": replicas}
    if not (dry_run or anew) and (before := buyer.ordered(license, chosen, sealing_key=buyer.sealing_key(), **place)):
        known = {"rows": count, "replicas": replicas, "model": chosen.digest, "job": before.value}
        known |= {"transaction": before.tx, "gas": before.gas, "ordered_before": True}
        session.out.say(f"The same was ordered before, as job {before.value}. For another one: --anew.")
        session.out.show(known, lambda out: out.print(facts_table(known)))
        return
    order = buyer.order(license, chosen, **place)
    price = order.price
    value: dict[str, Any] = {
        "rows": count,
        "replicas": replicas,
        "model": chosen.digest,
        "units": order.cost.units,
        "price": (price.price_job or 0) + (price.price_rows or 0),
        "max_fee": price.max_fee,
        "released": order.said.released,
        "decrypted": order.said.decrypted,
        "micro_bits": order.said.micro_bits,
    }
    if not dry_run:
        sent = buyer.open_job(license, chosen, sealing_key=session.buyer.sealing_key(), anew=anew, **place)
        value |= {"job": sent.value, "transaction": sent.tx, "gas": sent.gas, "ordered_before": False}
    shown = {**value, "price": dollars(value["price"]), "max_fee": dollars(value["max_fee"])}
    shown |= {"micro_bits": f"{tell_bits(order.said.micro_bits)} about each person"}
    session.out.show(value, lambda out: out.print(facts_table(shown)))


@app.command("run")
def run(
    license: Used,
    model: Digest,
    first_row: FirstRow = 0,
    rows: Annotated[int | None, typer.Option(help="How many rows; all from the first by default.", min=1)] = None,
    replicas: Replicas = 2,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the jobs and their price, and stop.")] = False,
    anew: Annotated[bool, typer.Option("--anew", help="Order all again, also what was opened before.")] = False,
    timeout: Annotated[int, typer.Option(help="Seconds to wait at most.", min=1, max=604_800)] = 86_400,
    out: Annotated[Path | None, typer.Option(help="Write the rows to a .csv or .parquet file.")] = None,
    role: AsBuyer = "buyer",
    as_json: AsJson = False,
) -> None:
    """Order any number of rows, wait, and open the result: split into jobs where one would be too large.

    All checks of all jobs come first, and one price. The same command goes on with a run that was stopped or killed.
    """
    from app.cli.result import check_file, show_result
    from app.client.run import Run

    check_file(out)
    session = CommandContext(role, as_json)
    buyer, market = session.buyer, session.network.market
    count = rows or market.dataset(market.license(license).dataset).rows - first_row
    ordered = Run(
        buyer, license, buyer.models.find(model), session.buyer.sealing_key(), first_row=first_row, rows=count,
        replicas=replicas, anew=anew,
    )  # fmt: skip
    plan = ordered.plan() if dry_run else ordered.begin()
    value: dict[str, Any] = {
        "rows": plan.rows,
        "jobs": plan.jobs,
        "to_open": len(plan.parts),
        "price": plan.price,
        "max_fee": plan.max_fee,
        "micro_bits": plan.micro_bits,
        "problems": [{"code": e.code, "message": e.message, "next_step": e.next_step} for e in plan.problems],
    }
    if dry_run:
        shown = {**value, "price": dollars(plan.price), "max_fee": dollars(plan.max_fee)}
        shown |= {"problems": "\n".join(map(str, plan.problems)) or "-"}
        session.out.show(value, lambda console: console.print(facts_table(shown)))
        return
    session.out.say(
        f"{plan.rows} rows in {plan.jobs} jobs, {len(plan.parts)} to open: {dollars(plan.price)} and at most"
        f" {dollars(plan.max_fee)} in fees."
    )
    with session.out.progress("rows released") as progress:
        opened = ordered.follow(timeout, progress)
    show_result(session, opened, {"jobs": ordered.jobs}, out)


@app.command("list")
def list_jobs(
    states: Annotated[list[str] | None, typer.Option("--state", help="Only in this state; may be repeated.")] = None,
    most: Annotated[int, typer.Option(help="How many at most, the newest of them.", min=1, max=10_000)] = 100,
    chain_only: Annotated[bool, typer.Option("--chain-only", help="Ask no node; look at every job there is.")] = False,
    node: AsNode = None,
    role: AsBuyer = "buyer",
    as_json: AsJson = False,
) -> None:
    """The role's jobs: found in a node's index where there is one, and each read from the chain."""
    session = CommandContext(role, as_json)
    wanted = _states(states or [])
    index = None if chain_only else _index_for_jobs(session, node)
    jobs = _scanned(session, wanted, most) if index is None else _looked_up(session, index, wanted, most)
    rows = [{key: facts(job)[key] for key in ("job", "state", "dataset", "license", "rows")} for job in jobs]
    session.out.show(rows, lambda out: out.print(rows_table(rows, empty="No job yet.")))


def _states(names: list[str]) -> set[JobState]:
    known = {state.name.lower(): state for state in JobState if state.name != "NONE"}
    if wrong := [name for name in names if name not in known]:
        raise UsageError(f"There is no state {wrong[0]!r} of a job.", f"Name one of: {', '.join(known)}.")
    return {known[name] for name in names}


def _index_for_jobs(session: CommandContext, node: str | None) -> IndexClient | None:
    """The index to ask; None where no node was asked for and none answers, since the chain knows it all too."""
    try:
        return session.index(node)
    except NotFound:
        if node:
            raise
    except Unavailable as error:
        if node:
            raise
        session.out.say(f"[yellow]note[/]: {escape(error.message)} Reading every job of the chain instead.")
    return None


def _scanned(session: CommandContext, wanted: set[JobState], most: int) -> list[Job]:
    found = session.network.market.jobs(buyer=session.account.address, states=wanted or None)
    return list(found)[-most:]


def _looked_up(session: CommandContext, index: IndexClient, wanted: set[JobState], most: int) -> list[Job]:
    """Oldest first, like the chain's own list."""
    from app.client.index.crosscheck import check_job

    names = [state.name.lower() for state in wanted]
    jobs: list[Job] = []
    wrong: list[Difference] = []
    for told in index.jobs(buyer=session.account.address, state=names, most=most):
        job, differences = check_job(session.network.market, told)
        wrong += differences
        if job.buyer == session.account.address and (not wanted or job.state in wanted):
            jobs.append(job)
    tell_differences(session, index, wrong)
    return jobs[::-1]


@app.command("show")
def show(number: Number, as_json: AsJson = False) -> None:
    """One job; while a provider of this home computes it, how far it is."""
    from app.home.agent_status import read_statuses

    session = CommandContext("anyone", as_json)
    value = facts(session.network.market.job(number))
    for status in read_statuses(session.home):
        if status.computing is not None and status.computing[0] == number and not status.stopped:
            value[f"computed by {status.role}"] = "{1:,} of {2:,} rows".format(*status.computing)
    session.out.show(value, lambda out: out.print(facts_table(value)))


@app.command("watch")
def watch(
    number: Number,
    timeout: Annotated[int, typer.Option(help="Seconds to wait at most.", min=1, max=86_400)] = 3600,
    node: Annotated[
        str | None,
        typer.Option("--node", metavar="URL", help="Look when this node tells of an event."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Wait until a job is over, telling each change of state; exit code 5 when it is not over in time.

    What is told is read from the chain, also when a node says that it is time to look.
    """
    from app.client.following import follow_job

    session = CommandContext("anyone", as_json)
    looks = None if node is None else _at_events(session.index(node), number, time.monotonic() + timeout)
    for job in follow_job(session.network.market, number, timeout, None if looks is None else looks.__next__):
        session.out.say(f"job {number}: {job.state.name.lower()}")
    value = facts(job)
    session.out.show(value, lambda out: out.print(facts_table(value)))


def _at_events(index: IndexClient, number: int, end: float) -> Iterator[None]:
    """Once for each event that a node tells, and for each of its signs of life."""
    after = None
    while True:
        left = max(1, min(int(end - time.monotonic()), 3600))
        for event in index.follow(number, after=after, seconds=left):
            after = event.cursor if event else after
            yield
        yield


@app.command("expire")
def expire(number: Number, role: AsBuyer = "buyer", as_json: AsJson = False) -> None:
    """Move on a job whose deadline has passed: whoever missed it pays, everybody else is refunded."""
    session = CommandContext(role, as_json)
    sent = session.network.market.expire(session.account, number)
    value = {"job": number, "state": sent.value.name.lower(), "transaction": sent.tx}
    session.out.show(value, lambda out: out.print(facts_table(value)))


@app.command("evaluator")
def evaluator(
    number: Number,
    make: Annotated[bool, typer.Option("--make", help="Put its code on the chain, where it is not there yet.")] = False,
    role: AsBuyer = "buyer",
    as_json: AsJson = False,
) -> None:
    """The address to name as evaluator of an ERC-8183 job that is to be paid exactly when this job is settled."""
    session = CommandContext(role if make else "anyone", as_json)
    market = session.network.market
    value: dict[str, Any] = {"job": number, "evaluator": market.evaluator_of(number)}
    if make:
        value["transaction"] = market.make_evaluator(session.account, number).tx
    session.out.show(value, lambda out: out.print(facts_table(value)))
