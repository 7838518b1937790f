"""`darkroom job`: opening jobs and following them."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer

from app.cli.account import dollars
from app.cli.context import AsBuyer, AsJson, Session
from app.cli.output import facts_table, rows_table
from app.protocol.market import Job

app = typer.Typer(no_args_is_help=True, help="Jobs: open, list, show, watch, expire.")
Number = Annotated[int, typer.Argument(help="The job's number.", min=1)]
POLL_SECONDS = 1.0


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
    license: Annotated[int, typer.Option("--license", help="The license to use.", min=1)],
    model: Annotated[str, typer.Option("--model", help="Digest of a compiled model, or how it begins.")],
    first_row: Annotated[int, typer.Option(help="The first row.", min=0)] = 0,
    rows: Annotated[int | None, typer.Option(help="How many rows; all from the first by default.", min=1)] = None,
    replicas: Annotated[int, typer.Option(help="Executors that must agree.", min=1, max=5)] = 2,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the quote and stop.")] = False,
    role: AsBuyer = "buyer",
    as_json: AsJson = False,
) -> None:
    """Publish a compiled model's circuit and open a job: one transaction, escrow included."""
    from app.client.dataset import Dataset

    session = Session(role, as_json)
    buyer, market = session.buyer, session.network.market
    held = market.license(license)
    dataset = Dataset.open(session.network, held.dataset)
    chosen = buyer.models.find(model)
    count = dataset.record.rows - first_row if rows is None else rows
    price = buyer.quote(dataset, chosen, held.offer, count, replicas)
    value: dict[str, Any] = {
        "rows": count,
        "replicas": replicas,
        "units": price.cost.units,
        "price": price.price_job + price.price_rows,
        "max_fee": price.max_fee,
    }
    if not dry_run:
        sent = buyer.open_job(
            license, chosen, first_row=first_row, rows=count, sealing_key=session.sealing_key(), replicas=replicas
        )
        value |= {"job": sent.value, "transaction": sent.tx, "gas": sent.gas}
    shown = {**value, "price": dollars(value["price"]), "max_fee": dollars(value["max_fee"])}
    session.out.show(value, lambda out: out.print(facts_table(shown)))


@app.command("list")
def list_jobs(role: AsBuyer = "buyer", as_json: AsJson = False) -> None:
    """The role's jobs."""
    session = Session(role, as_json)
    jobs = session.network.market.jobs(buyer=session.account.address)
    rows = [{key: facts(job)[key] for key in ("job", "state", "dataset", "license", "rows")} for job in jobs]
    session.out.show(rows, lambda out: out.print(rows_table(rows, empty="No job yet.")))


@app.command("show")
def show(number: Number, as_json: AsJson = False) -> None:
    """One job."""
    session = Session("anyone", as_json)
    value = facts(session.network.market.job(number))
    session.out.show(value, lambda out: out.print(facts_table(value)))


@app.command("watch")
def watch(
    number: Number,
    timeout: Annotated[int, typer.Option(help="Seconds to wait at most.", min=1)] = 3600,
    as_json: AsJson = False,
) -> None:
    """Wait until a job is over, telling each change of state; exit code 5 when it is not over in time."""
    from app.protocol.errors import TryAgain

    session = Session("anyone", as_json)
    end, seen = time.monotonic() + timeout, None
    while True:
        job = session.network.market.job(number)
        if job.state is not seen:
            session.out.say(f"job {number}: {job.state.name.lower()}")
            seen = job.state
        if job.state.terminal:
            break
        if time.monotonic() > end:
            raise TryAgain(f"Job {number} is still {job.state.name.lower()}.", "Watch it again.")
        time.sleep(POLL_SECONDS)
    value = facts(job)
    session.out.show(value, lambda out: out.print(facts_table(value)))


@app.command("expire")
def expire(number: Number, role: AsBuyer = "buyer", as_json: AsJson = False) -> None:
    """Move on a job whose deadline has passed: whoever missed it pays, everybody else is refunded."""
    session = Session(role, as_json)
    sent = session.network.market.expire(session.account, number)
    value = {"job": number, "state": sent.value.name.lower(), "transaction": sent.tx}
    session.out.show(value, lambda out: out.print(facts_table(value)))
