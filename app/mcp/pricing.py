"""Tools that say what an order would cost and tell before anybody pays: a quote, and the custodian's view of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Self

from pydantic import Field, model_validator

from app.client.place import OrderPlace
from app.client.purchase import OrderTerms
from app.mcp.desk import Desk, Prepared
from app.mcp.schema import (
    MAX_ROWS,
    Arguments,
    DatasetNumber,
    Dollars,
    Handle,
    NextCall,
    Number,
    ProblemWords,
    Quoted,
    Sql,
    ToolAnswer,
    ToolProblem,
    in_bits,
    in_dollars,
    quoted,
    then,
)
from app.mcp.tool import AgentTool
from app.policy.preflight import MAX_REPLICAS, REPLICAS
from app.protocol import errors
from app.protocol.errors import DarkroomError

MOST_PROBLEMS, MOST_SENTENCES = 8, 24


class PlaceArguments(Arguments):
    """Where an order would run: all rows under the best terms by default."""

    dataset: DatasetNumber
    rows: Annotated[int | None, Field(ge=1, le=MAX_ROWS, description="All that one job may have by default.")] = None
    first_row: Annotated[int, Field(ge=0, le=MAX_ROWS)] = 0
    license: Annotated[Number | None, Field(description="A license of the mandate's to use.")] = None
    offer: Annotated[Number | None, Field(description="The offer of which a license would be bought.")] = None
    replicas: Annotated[int, Field(ge=1, le=MAX_REPLICAS, description="Executors that must agree.")] = REPLICAS

    @property
    def place(self) -> OrderPlace:
        """The same as `Desk.terms` takes it."""
        return OrderPlace(self.rows, self.first_row, self.replicas, self.license, self.offer)


class OrderArguments(PlaceArguments):
    """A model's handle, or a question's words."""

    model: Handle | None = None
    sql: Sql | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.model is None) == (self.sql is None):
            raise ValueError("name either model or sql")
        return self


class QuoteAnswer(ToolAnswer):
    """What an order would cost and tell. Amounts are test dollars; None where nothing is for sale or nobody serves."""

    dataset: int
    model: Annotated[Handle | None, Field(description="None for a question whose answer is public.")]
    license: int | None
    offer: int | None
    rows: int
    price_license: Dollars | None
    price_job: Dollars | None
    max_fee: Annotated[Dollars | None, Field(description="For executors; what they do not earn comes back.")]
    total: Annotated[Dollars | None, Field(description="Everything that would leave the mandate's account.")]
    seconds: float | None
    lookups: int
    releases: str
    bits: Annotated[float, Field(description="The most that the result tells about any person.")]
    ready: bool
    problems: tuple[ToolProblem, ...]


class ExplainWords(Quoted):
    """The custodian's view in sentences, which name the owner's columns."""

    sentences: tuple[str, ...]
    remarks: tuple[str, ...]
    half_widths: Annotated[
        dict[str, float | None], Field(description="Of each figure's 95 % interval; None where the answer decides.")
    ]


class ExplainAnswer(ToolAnswer):
    """What the custodian would say to an order, by everything that is public."""

    dataset: int
    model: Handle | None
    allowed: bool
    reason: Annotated[str, Field(description="The custodian's code for a refusal; empty where there is none.")]
    releases: str
    bits: float
    bits_left_license: float
    bits_left_person: float
    values_decrypted: int
    epsilon: float
    noise_scale: float
    total: Dollars | None
    ready: bool
    problems: tuple[ToolProblem, ...]
    untrusted_data: ExplainWords


def judged(desk: Desk, asked: OrderArguments) -> tuple[Prepared | None, OrderTerms | None]:
    """What would be ordered, and under which terms; neither for a question whose answer is public."""
    dataset = desk.dataset(asked.dataset)
    if asked.sql is not None:
        order, _ = desk.asked(dataset, asked.sql)
        if order is None:
            return None, None
    else:
        order = desk.prepared(dataset, asked.model or "")
    return order, desk.terms(dataset, order, asked.place)


def quote(desk: Desk, asked: OrderArguments) -> QuoteAnswer:
    """The price."""
    order, terms = judged(desk, asked)
    if order is None or terms is None:
        return QuoteAnswer(
            dataset=asked.dataset, model=None, license=None, offer=None, rows=0, price_license=None, price_job=None,
            max_fee=None, total="0", seconds=None, lookups=0, releases="", bits=0.0, ready=True, problems=(),
            next=_free(asked),
        )  # fmt: skip
    found, problems = terms.found, terms.found.problems
    return QuoteAnswer(
        dataset=asked.dataset,
        model=order.digest,
        license=terms.license or None,
        offer=terms.offer,
        rows=found.request.rows,
        price_license=None if terms.license else in_dollars(found.price.price_license),
        price_job=in_dollars(
            None if found.price.price_job is None else found.price.price_job + (found.price.price_rows or 0)
        ),
        max_fee=in_dollars(found.price.max_fee),
        total=in_dollars(terms.total),
        seconds=found.price.slowest_seconds,
        lookups=found.cost.bootstraps,
        releases=found.said.released,
        bits=in_bits(found.said.micro_bits),
        ready=not problems,
        problems=tuple(map(problem, problems[:MOST_PROBLEMS])),
        next=_after(asked, order, terms, problems),
    )


def explain(desk: Desk, asked: OrderArguments) -> ExplainAnswer:
    """The custodian's view."""
    order, terms = judged(desk, asked)
    if order is None or terms is None:
        return ExplainAnswer(
            dataset=asked.dataset, model=None, allowed=True, reason="", releases="", bits=0.0, bits_left_license=0.0,
            bits_left_person=0.0, values_decrypted=0, epsilon=0.0, noise_scale=0.0, total="0", ready=True, problems=(),
            untrusted_data=ExplainWords(sentences=(), remarks=(), half_widths={}), next=_free(asked),
        )  # fmt: skip
    found, problems = terms.found, terms.found.problems
    said = found.said
    widths: dict[str, float | None] = {}
    epsilon = scale = 0.0
    remarks: tuple[str, ...] = ()
    if order.question is not None:
        from app.client.ask.order import accuracy

        dataset = desk.dataset(asked.dataset)
        epsilon, scale, widths = accuracy(desk.network, dataset, order.question.plan, terms, found.request.rows)
        remarks = order.question.plan.remarks
    return ExplainAnswer(
        dataset=asked.dataset,
        model=order.digest,
        allowed=said.allowed,
        reason=str(said.reason or ""),
        releases=said.released,
        bits=in_bits(said.micro_bits),
        bits_left_license=in_bits(max(0, said.limit_license - said.spent_license - said.micro_bits)),
        bits_left_person=in_bits(max(0, said.limit_person - said.spent_person - said.micro_bits)),
        values_decrypted=len(order.circuit.outputs) * order.circuit.result_rows(found.request.rows),
        epsilon=epsilon,
        noise_scale=scale,
        total=in_dollars(terms.total),
        ready=not problems,
        problems=tuple(map(problem, problems[:MOST_PROBLEMS])),
        untrusted_data=ExplainWords(
            sentences=tuple(quoted(each, 400) for each in found.sentences()[:MOST_SENTENCES]),
            remarks=tuple(quoted(each, 400) for each in remarks),
            half_widths={quoted(name, 120): width for name, width in widths.items()},
        ),
        next=_after(asked, order, terms, problems),
    )


def problem(error: DarkroomError) -> ToolProblem:
    """An error as a tool tells it."""
    words = ProblemWords(message=quoted(error.message, 500), next_step=quoted(error.next_step, 500))
    # a node may send a code of its own making: then it is the nearest of ours
    code = next(
        each.code
        for each in type(error).__mro__
        if issubclass(each, DarkroomError) and each.__module__ == errors.__name__
    )
    return ToolProblem(code=code, untrusted_data=words)


def _after(asked: OrderArguments, order: Prepared, terms: OrderTerms, problems: Sequence[DarkroomError]) -> NextCall:
    if problems:
        return then("explain" if order.question else "dataset_card", "It would not go through as it is: see problems.")
    if asked.sql is not None:
        return then("ask", "Ask it for at most a bound of your own.", dataset=asked.dataset, sql=asked.sql)
    return then(
        "open_job", "Order it for at most a bound of your own, a missing license included.",
        dataset=asked.dataset, model=order.digest, license=terms.license or None, offer=terms.offer,
    )  # fmt: skip


def _free(asked: OrderArguments) -> NextCall:
    return then("ask", "The answer is public: read it for nothing.", dataset=asked.dataset, sql=asked.sql)


PRICING = (
    AgentTool(
        "quote", "Quote an order",
        "The exact price of running a model or a question, what it would tell about a person, and every reason why it"
        " would not go through. Free.",
        "read", OrderArguments, QuoteAnswer, quote,
    ),
    AgentTool(
        "explain", "Hear what the custodian would say",
        "What the owner's custodian would answer to an order, before anybody pays: allowed or the reason, bits and what"
        " is left of the budget, noise and the width of intervals. Free.",
        "read", OrderArguments, ExplainAnswer, explain,
    ),
)  # fmt: skip
