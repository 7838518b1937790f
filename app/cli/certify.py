"""`darkroom dataset certify` and `certificate`: figures of a dataset that anyone can recompute."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from app.cli.context import AsJson, AsOwner, CommandContext, Replicas
from app.console.output import rows_table
from app.protocol.market.money import dollars, token_units

Number = Annotated[int, typer.Argument(help="The dataset's number.", min=1)]


def certify(
    number: Number,
    column: Annotated[
        list[str] | None, typer.Option(help="A column whose histogram is certified too; repeat it for more.")
    ] = None,
    max_price: Annotated[
        str | None, typer.Option(help="The most that all questions may cost together, in test dollars.")
    ] = None,
    license: Annotated[int | None, typer.Option("--license", help="A license of yours to ask under.", min=1)] = None,
    offer: Annotated[int | None, typer.Option("--offer", help="The offer to buy a license of.", min=1)] = None,
    replicas: Replicas = 2,
    yes: Annotated[bool, typer.Option("--yes", help="Order what is shown without asking.")] = False,
    timeout: Annotated[float | None, typer.Option(help="Seconds to wait for each answer; forever by default.")] = None,
    role: AsOwner = "owner",
    as_json: AsJson = False,
) -> None:
    """Certify figures of your dataset, means, label rates and histograms, by jobs that anyone recomputes.

    Each is a question like a buyer's, ordered under an offer of yours that sells aggregates. It is summed on
    ciphertext, noised, and charged to the one budget of bits about each person; its answer is sealed to a key that
    everybody has. Price, epsilon and bits are shown and asked for first. Run again, it goes on where it was.
    """
    from app.client.buyer import Buyer
    from app.client.certifying import order_certificate, plan_certificate
    from app.client.dataset import Dataset
    from app.client.place import OrderPlace
    from app.protocol.policy.bits import MICRO, describe_bits, tell_bits
    from app.seal.keys import everybody

    session = CommandContext(role, as_json)
    buyer = Buyer(session.network, session.actor, session.account, sealing_key=everybody())
    place = OrderPlace(replicas=replicas, license=license, offer=offer)
    plan = plan_certificate(buyer, Dataset.open(session.network, number), column or (), place)
    most = plan.total if max_price is None else token_units(max_price)
    rows = [
        {
            "question": each.sql,
            "price": dollars(each.price),
            "epsilon": each.explained.epsilon,
            "noise_scale": each.explained.noise_scale,
        }
        for each in plan.questions
    ]
    bits, left = tell_bits(plan.micro_bits), describe_bits(plan.micro_bits_left)
    session.out.err.print(rows_table(rows, title="Becomes public, with noise"))
    session.out.say(f"{bits} about each person, of the {left} that are left.")
    if plan.total <= most:
        session.out.ask(f"Order {len(rows)} answers for at most {dollars(most)} test dollars?", yes=yes)

    def told(job: int, sql: str) -> None:
        session.out.say(f"Asked as job {job}: {sql}")

    made, cid = order_certificate(buyer, plan, most=most, timeout=timeout, told=told)
    answers = [{"job": each.job, "question": each.sql} for each in made.answers]
    value = {
        "dataset": number,
        "certificate": made.digest,
        "cid": cid,
        "bits": plan.micro_bits / MICRO,
        "answers": answers,
    }
    session.out.show(value, lambda out: out.print(rows_table(answers, title=f"Certified: {made.digest}")))


def certificate(
    number: Number,
    out: Annotated[Path | None, typer.Option(help="Write the certificate's document, receipts included, here.")] = None,
    as_json: AsJson = False,
) -> None:
    """The certified figures of a dataset, read from chain and store; darkroom audit --certificate checks them."""
    from app.client.certificate import CERTIFIED, certified
    from app.client.certificate import certificate as document

    session = CommandContext("anyone", as_json)
    if out is not None:
        out.write_bytes(document(session.network.market, session.network.store, number).to_bytes())
    found = certified(session.network.market, session.network.store, number)
    value = [
        {
            "job": each.said.job,
            "version": each.said.version,
            "question": each.said.sql,
            "rows": each.answer.to_dicts(),
            "means": CERTIFIED,
        }
        for each in found
    ]

    def draw(console: Any) -> None:
        for each in found:
            title = f"Job {each.said.job}: {each.said.sql}"
            console.print(rows_table(each.answer.to_dicts(), title=title))
        console.print(f"{CERTIFIED}." if found else "Nothing about this dataset is certified.")

    session.out.show(value, draw)
