"""Tools that pay, always under a mandate and for at most a bound that the agent names: licenses, jobs, questions."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from app.client.ask.order import keep_note
from app.client.buyer import Buyer
from app.client.dataset import Dataset
from app.client.purchase import Purchase, bought_before, find_terms, purchase, run_purpose
from app.mcp.desk import Desk, Prepared
from app.mcp.pricing import PlaceArguments
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
    anew: Annotated[bool, Field(description="Buy another one where one of yours still allows jobs.")] = False


class BuyAnswer(ToolAnswer):
    """A license that was bought."""

    license: int
    offer: int
    dataset: int
    paid: Dollars
    transaction: str


def buy_license(desk: Desk, asked: BuyArguments) -> BuyAnswer:
    """Buy one license of an offer."""
    buyer, offer = desk.spend(), desk.network.market.offer(asked.offer)
    _within(offer.price_license, token_units(asked.max_price))
    sent = buyer.buy_license(asked.offer, anew=asked.anew)
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
    buyer, dataset = desk.spend(), desk.dataset(asked.dataset)
    return _order(buyer, dataset, desk.prepared(dataset, asked.model), asked, asked.max_price, asked.anew)


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
    made = _order(desk.spend(), dataset, order, asked, asked.max_price, asked.anew)
    return AskAnswer(**dict(made), untrusted_data=AskWords(rows=()))


def _order(
    buyer: Buyer, dataset: Dataset, order: Prepared, asked: PlaceArguments, bound: str, anew: bool
) -> OpenAnswer:
    """Open a job, or find the one that the same order opened before: nothing is paid twice by accident."""
    most, place = token_units(bound), asked.place
    purpose = run_purpose(buyer, dataset, order, place)
    before = None if anew else bought_before(buyer, order, purpose)
    if before is not None:
        return _opened(buyer, order, before, paid=0, bits=0.0, before=True)
    terms = find_terms(buyer, dataset, order, place)
    bought = purchase(buyer, order, terms, most=most, purpose=purpose, anew=anew)
    if order.question is not None:
        keep_note(buyer, bought.job.value, order.question, terms.found)
    return _opened(buyer, order, bought, paid=terms.total or 0, bits=in_bits(terms.found.said.micro_bits), before=False)


def _opened(buyer: Buyer, order: Prepared, bought: Purchase, *, paid: int, bits: float, before: bool) -> OpenAnswer:
    job = bought.job.value
    return OpenAnswer(
        job=job,
        dataset=order.dataset,
        license=buyer.network.market.job(job).license,
        license_bought=bought.license is not None and not before,
        paid=str(in_dollars(paid)),
        bits=bits,
        ordered_before=before,
        transaction=bought.job.tx,
        next=then("job_status", "Wait until its result is out.", job=job, wait_seconds=50),
    )


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
