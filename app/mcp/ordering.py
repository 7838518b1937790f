"""Tools that pay, always under a mandate and for at most a bound that the agent names: licenses, jobs, questions."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from app.client.ask.order import keep_note
from app.client.ordered import AGAIN, Orders
from app.client.purchase import OrderTerms
from app.mcp.desk import Desk, Prepared
from app.mcp.pricing import PlaceArguments
from app.mcp.purse import Purse
from app.mcp.schema import (
    Arguments,
    Dollars,
    Handle,
    MaxPrice,
    Number,
    Quoted,
    Sql,
    ToolAnswer,
    in_bits,
    in_dollars,
    quoted,
    then,
)
from app.mcp.tool import AgentTool
from app.protocol.errors import BadQuery, NotAllowed
from app.protocol.market.money import dollars, token_units

Anew = Annotated[bool, Field(description="Order it again where the same was ordered before.")]
MOST_GROUPS = 200


class BuyArguments(Arguments):
    """Which offer, and for how much at most."""

    offer: Number
    max_price: MaxPrice


class BuyAnswer(ToolAnswer):
    """A license that was bought."""

    license: int
    offer: int
    dataset: int
    paid: Dollars
    transaction: str


def buy_license(desk: Desk, asked: BuyArguments) -> BuyAnswer:
    """Buy one license of an offer."""
    purse, market = desk.spend(), desk.network.market
    offer, most = market.offer(asked.offer), token_units(asked.max_price)
    _within(offer.price_license, most)
    sent = purse.buy_license(asked.offer, most)
    return BuyAnswer(
        license=sent.value,
        offer=offer.id,
        dataset=offer.dataset,
        paid=str(in_dollars(offer.price_license)),
        transaction=sent.tx,
        next=then("quote", "Quote an order under it.", dataset=offer.dataset, license=sent.value),
    )


class OpenArguments(PlaceArguments):
    """What to run, where, and for how much at most, a missing license included."""

    model: Handle
    max_price: MaxPrice
    anew: Anew = False


class OpenAnswer(ToolAnswer):
    """A job that was opened, or the one that the same order opened before."""

    job: int
    dataset: int
    license: int
    license_bought: bool
    paid: Dollars
    bits: float
    ordered_before: bool
    transaction: str


def open_job(desk: Desk, asked: OpenArguments) -> OpenAnswer:
    """Publish the circuit and open the job."""
    purse = desk.spend()
    dataset = desk.dataset(asked.dataset)
    return _order(desk, purse, desk.prepared(dataset, asked.model), asked, asked.max_price, asked.anew)


class AskArguments(PlaceArguments):
    """A question in SQL, and for how much at most, a missing license included."""

    sql: Sql
    max_price: MaxPrice
    anew: Anew = False


class AskWords(Quoted):
    """An answer that is public already, with the owner's words for groups."""

    rows: tuple[dict[str, float | int | str | None], ...]


class AskAnswer(ToolAnswer):
    """A question's job; None where the answer is public and stands here."""

    job: int | None
    dataset: int
    license: int | None
    license_bought: bool
    paid: Dollars
    bits: float
    ordered_before: bool
    transaction: str
    untrusted_data: AskWords


def ask(desk: Desk, asked: AskArguments) -> AskAnswer:
    """Order a question, or read what is public."""
    dataset = desk.dataset(asked.dataset)
    order, plan = desk.asked(dataset, asked.sql)
    if plan.query.explain:
        raise BadQuery("EXPLAIN is answered for free.", "Call explain, or leave the word out to ask.")
    if order is None:
        import numpy as np

        count = asked.rows or dataset.record.rows - asked.first_row
        rows = plan.answer(np.zeros(0, np.int64), count, 0.0).to_dicts()
        return AskAnswer(
            job=None, dataset=asked.dataset, license=None, license_bought=False, paid="0", bits=0.0,
            ordered_before=False, transaction="", untrusted_data=AskWords(rows=in_words(rows)),
            next=then(None, "This answer is public: nothing was paid and nobody has to be audited."),
        )  # fmt: skip
    made = _order(desk, desk.spend(), order, asked, asked.max_price, asked.anew)
    return AskAnswer(**dict(made), untrusted_data=AskWords(rows=()))


def _order(desk: Desk, purse: Purse, order: Prepared, asked: PlaceArguments, bound: str, anew: bool) -> OpenAnswer:
    dataset, most = desk.dataset(asked.dataset), token_units(bound)
    terms = desk.terms(dataset, order, asked.rows, **asked.place)
    if not anew and (before := _ordered(desk, purse, order, terms)):
        job, license = before
        return _opened(job, order, license, paid=0, terms=terms, tx="", before=True)
    terms.found.require()
    total = terms.total
    assert total is not None  # an order that goes through has a price
    _within(total, most)
    purse.check(terms.found, terms.license, terms.offer, total)
    paid, bought = 0, False
    if not terms.license:
        sent = purse.buy_license(terms.offer or 0, most)
        paid, bought = terms.found.price.price_license or 0, True
        terms = desk.terms(
            dataset, order, terms.found.request.rows, first_row=asked.first_row, replicas=asked.replicas,
            license=sent.value,
        )  # fmt: skip
        terms.found.require()  # the license stays the mandate's, and the next order uses it
    orders = Orders(desk.folder / "orders", desk.network.market.chain_id, desk.network.market.address)
    orders.prepare()
    desk.network.store.put(order.data)
    _within(paid + (terms.total or 0), most)
    opened = purse.open_job(terms.license, order, terms.found, most - paid)
    if order.question is not None:
        keep_note(
            desk.folder / "questions", desk.network.market, opened.value, order.question, order.dataset, terms.found
        )
    orders.note(opened.value, order)
    paid += terms.total or 0
    answer = _opened(opened.value, order, terms.license, paid=paid, terms=terms, tx=opened.tx, before=False)
    return answer.model_copy(update={"license_bought": bought})


def _opened(
    job: int, order: Prepared, license: int, *, paid: int, terms: OrderTerms, tx: str, before: bool
) -> OpenAnswer:
    return OpenAnswer(
        job=job,
        dataset=order.dataset,
        license=license,
        license_bought=False,
        paid=str(in_dollars(paid)),
        bits=in_bits(0 if before else terms.found.said.micro_bits),
        ordered_before=before,
        transaction=tx,
        next=then("job_status", "Wait until its result is out.", job=job, wait_seconds=50),
    )


def _ordered(desk: Desk, purse: Purse, order: Prepared, terms: OrderTerms) -> tuple[int, int] | None:
    """The job and license of the same order given before, where it still answers it: nothing is paid twice."""
    request, market = terms.found.request, desk.network.market
    key = purse.sealing_key().public.hex()
    wanted = (order.circuit_digest, request.first_row, request.rows, request.replicas, terms.found.version, key)
    for job in market.jobs(buyer=purse.holder):
        said = (job.circuit, job.first_row, job.rows, job.replicas, job.version, job.sealing_key)
        if said == wanted and job.dataset == order.dataset and job.state not in AGAIN and purse.owns(job.id):
            return job.id, job.license
    return None


def _within(total: int, most: int) -> None:
    """Errors: NotAllowed above the bound."""
    if total > most:
        raise NotAllowed(
            f"This costs {dollars(total)} test dollars, and {dollars(most)} is the bound.",
            "Raise your own bound if your mandate's purpose wants it, or ask for fewer rows.",
        )


def in_words(rows: list[dict[str, float | int | str | None]]) -> tuple[dict[str, float | int | str | None], ...]:
    """Rows of an answer, cut and made safe to show."""
    return tuple(
        {quoted(name, 120): quoted(each, 120) if isinstance(each, str) else each for name, each in row.items()}
        for row in rows[:MOST_GROUPS]
    )


ORDERING = (
    AgentTool(
        "buy_license", "Buy a license",
        "Buy one license of an offer with the mandate's money. open_job and ask do it by themselves where one is"
        " missing.",
        "pay", BuyArguments, BuyAnswer, buy_license,
    ),
    AgentTool(
        "open_job", "Order a model's result",
        "Run a compiled model or question on encrypted rows for at most max_price of the mandate's money. The same"
        " order given again is answered with its job, and nothing is paid.",
        "pay", OpenArguments, OpenAnswer, open_job,
    ),
    AgentTool(
        "ask", "Ask a question in SQL",
        "Ask how many, how much or how high on average, for at most max_price of the mandate's money. explain says"
        " first what it would cost. The same question again is answered with its job, and nothing is paid.",
        "pay", AskArguments, AskAnswer, ask,
    ),
)  # fmt: skip
