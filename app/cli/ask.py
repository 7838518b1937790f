"""`darkroom ask`: a question in SQL about a dataset's rows, explained for free or answered with noise."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from app.cli.context import AsBuyer, AsJson, CommandContext, FirstRow, Replicas
from app.console.output import facts_table, rows_table
from app.protocol.errors import UsageError
from app.protocol.market.money import dollars, token_units


def ask(
    dataset: Annotated[int, typer.Argument(help="The dataset's number.", min=1)],
    sql: Annotated[str, typer.Argument(help="SELECT count(*), avg(x) FROM data WHERE y >= 1 GROUP BY z")],
    max_price: Annotated[
        str | None, typer.Option(help="The most it may cost, in test dollars, a new license included.")
    ] = None,
    license: Annotated[int | None, typer.Option("--license", help="The license to use.", min=1)] = None,
    offer: Annotated[int | None, typer.Option("--offer", help="The offer to buy a license of.", min=1)] = None,
    rows: Annotated[int | None, typer.Option(help="How many rows; all from the first by default.", min=1)] = None,
    first_row: FirstRow = 0,
    replicas: Replicas = 2,
    job: Annotated[
        int | None, typer.Option("--job", help="Read the answer of this job, which was asked before.", min=1)
    ] = None,
    timeout: Annotated[float | None, typer.Option(help="Seconds to wait for the answer; forever by default.")] = None,
    role: AsBuyer = "buyer",
    as_json: AsJson = False,
) -> None:
    """Ask how many, how much or how high on average, of groups of rows; EXPLAIN SELECT ... tells what it would cost.

    Rows are summed on ciphertext; the owner's machine decrypts sums alone and adds noise. Each figure comes with the
    interval in which the truth lies with 95 %. Aggregates: count(*), sum, avg, median, quantile(x, q), histogram.
    Conditions compare published edges with AND, OR, NOT, BETWEEN and IN; GROUP BY takes one or two columns.
    """
    from app.client.ask import order
    from app.client.ask.query import parse
    from app.client.dataset import Dataset
    from app.client.place import OrderPlace

    session = CommandContext(role, as_json)
    if job is None:
        published = Dataset.open(session.network, dataset)
        place = OrderPlace(rows, first_row, replicas, license, offer)
        if parse(sql).explain:
            told = order.explain(session.buyer, published, sql, place).to_dict()
            session.out.show(told, lambda out: out.print(facts_table(_in_words(told))))
            return
        most = None if max_price is None else token_units(max_price)
        asked = order.ask(session.buyer, published, sql, place, most=most)
        if isinstance(asked, order.Reply):
            _show(session, asked)
            return
        job = asked
        session.out.say(f"Asked as job {job}. If this ends before the answer, say the same with --job {job}.")
    elif max_price is not None or license is not None or offer is not None:
        raise UsageError("A job that was asked before is paid already.", "Leave the terms out with --job.")
    _show(session, order.reply(session.buyer, job, sql=sql, timeout=timeout))


def _show(session: CommandContext, answered: Any) -> None:
    value = answered.to_dict()
    spent = {name: value[name] for name in ("job", "epsilon", "bits", "bits_left_license", "bits_left_person")}

    def show(out: Any) -> None:
        out.print(rows_table(value["rows"], empty="No groups."))
        out.print(facts_table(spent))
        for remark in value["remarks"]:
            out.print(remark)

    session.out.show(value, show)


def _in_words(told: dict[str, Any]) -> dict[str, Any]:
    price = told["price"]
    problems = "; ".join(f"{each['message']} {each['next_step']}" for each in told["problems"])
    widths = ", ".join(
        f"{name} +-{width:.4g}" if width is not None else f"{name}: depends on the answer"
        for name, width in told["half_widths"].items()
    )
    return told | {
        "price": "-" if price is None else dollars(price),
        "half_widths": widths,
        "problems": problems or "none",
        "remarks": " ".join(told["remarks"]) or "none",
    }
