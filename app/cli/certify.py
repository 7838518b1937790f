"""`darkroom dataset certify` and `certificate`: figures of a dataset that anyone can recompute."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from app.cli.context import AsJson, AsOwner, CommandContext, Replicas
from app.console.output import rows_table
from app.protocol.errors import NotAllowed, UsageError
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
    from app.client.ask import order
    from app.client.ask.certificate import certificate_questions
    from app.client.buyer import Buyer
    from app.client.certificate import certificate as document
    from app.client.dataset import Dataset
    from app.protocol.market.entities import LicenseState
    from app.protocol.policy.bits import MICRO, describe_bits
    from app.seal.keys import everybody

    session = CommandContext(role, as_json)
    network = session.network
    buyer = Buyer(network, session.actor, session.account, sealing_key=everybody())
    dataset = Dataset.open(network, number)
    if dataset.record.owner != session.account.address:
        raise UsageError(f"Dataset {number} is another's.", "A certificate is its owner's: darkroom dataset list.")
    market, now = network.market, network.market.now()
    if offer is not None and license is None:  # what an earlier run bought is used up first
        mine = [each for each in market.licenses(buyer=session.account.address) if each.offer == offer]
        license = next((each.id for each in mine if each.state(now) is LicenseState.ACTIVE), None)
    place: dict[str, Any] = {"replicas": replicas, "license": license, "offer": None if license else offer}
    questions = certificate_questions(dataset.codebook, column or ())
    if not questions:
        raise UsageError("This dataset has neither numbers nor labels to certify.", "Name columns with --column.")
    explained = [order.explain(buyer, dataset, sql, **place) for sql in questions]
    terms = [each.terms for each in explained if each.terms is not None]
    for sql, each in zip(questions, terms, strict=True):
        for problem in each.found.problems:
            raise UsageError(f"{sql} cannot be asked: {problem.message}", problem.next_step)
    said = [each.found.said for each in terms]
    bits = sum(each.micro_bits for each in said)
    left = min(min(each.limit_license - each.spent_license, each.limit_person - each.spent_person) for each in said)
    if bits > left:
        raise UsageError(
            f"These {len(questions)} answers say {describe_bits(bits)} bits about each person, and"
            f" {describe_bits(left)} are left.",
            "Certify fewer columns, or offer aggregates at a lower epsilon.",
        )
    prices = [each.found.price.job_total or 0 for each in terms]
    first = 0 if license or not terms else terms[0].found.price.price_license or 0
    most = sum(prices) + first if max_price is None else token_units(max_price)
    rows = [
        {"question": sql, "price": dollars(price), "epsilon": each.epsilon, "noise_scale": each.noise_scale}
        for sql, price, each in zip(questions, prices, explained, strict=True)
    ]
    session.out.err.print(rows_table(rows, title="Becomes public, with noise"))
    session.out.say(f"{describe_bits(bits)} bits about each person, of the {describe_bits(left)} that are left.")
    if sum(prices) + first > most:
        raise NotAllowed(f"This costs {dollars(sum(prices) + first)} test dollars.", "Raise --max-price.")
    session.out.ask(f"Order {len(questions)} answers for at most {dollars(most)} test dollars?", yes=yes)
    for sql, price in zip(questions, prices, strict=True):
        job = order.ask(buyer, dataset, sql, most=price + (0 if place["license"] else first), **place)
        assert isinstance(job, int)  # a certificate's questions read columns
        session.out.say(f"Asked as job {job}: {sql}")
        place |= {"license": market.job(job).license, "offer": None}
        order.reply(buyer, job, sql=sql, timeout=timeout)
    made = document(market, network.store, number)
    cid = network.store.put(made.to_bytes())
    answers = [{"job": each.job, "question": each.sql} for each in made.answers]
    value = {
        "dataset": number,
        "certificate": made.digest,
        "cid": cid,
        "bits": bits / MICRO,
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
