"""Questions in SQL about groups of a dataset's rows."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import Field
from starlette.responses import Response

from app.client.ask.query import MAX_SQL
from app.market.web.api.answers import reply
from app.market.web.dependencies.caller import Spending, rate_cost
from app.market.web.dependencies.state import State
from app.market.web.errors.problems import error_responses
from app.market.web.fields import MAX_ID, Id, RequestModel
from app.market.web.questions import CompiledQuestion, QuestionReport, compile_question, explain_question
from app.policy.preflight import MAX_REPLICAS

router = APIRouter(tags=["datasets"])

Sql = Annotated[
    str,
    Field(
        min_length=1, max_length=MAX_SQL, examples=["SELECT avg(c0) FROM data"], description="docs/ask.md says what."
    ),
]
RowCount = Annotated[int | None, Field(ge=1, le=MAX_ID, description="All of the dataset's by default.")]


class AskedQuestion(RequestModel):
    """A question and the terms under which it would be asked."""

    sql: Sql
    offer: Annotated[int | None, Field(ge=1, le=MAX_ID, description="Under whose prices and policy.")] = None
    license: Annotated[int, Field(ge=0, le=MAX_ID, description="What it was told counts. 0: a new one.")] = 0
    rows: RowCount = None
    first_row: Annotated[int, Field(ge=0, le=MAX_ID)] = 0
    replicas: Annotated[int, Field(ge=1, le=MAX_REPLICAS, description="Executors that must agree.")] = 2


class PutQuestion(RequestModel):
    """A question, and the version and rows that it is or was asked of."""

    sql: Sql
    version: Annotated[int | None, Field(ge=1, le=MAX_ID, description="The present one by default.")] = None
    rows: RowCount = None


@router.post(
    "/datasets/{id}/questions",
    response_model=QuestionReport,
    responses=error_responses(404, 409, 502),
    dependencies=[Depends(rate_cost(2))],
)
def explain_asked(id: Id, asked: AskedQuestion, here: State, spend: Spending) -> Response:
    """Explain a question for free: price, bootstraps, epsilon, the intervals' half widths, bits left after it."""
    place = {"first_row": asked.first_row, "license": asked.license, "replicas": asked.replicas}
    return reply(explain_question(here, id, asked.sql, spend, offer=asked.offer, rows=asked.rows, **place))


@router.post(
    "/datasets/{id}/questions/compiled",
    response_model=CompiledQuestion,
    responses=error_responses(404, 502),
    dependencies=[Depends(rate_cost(2))],
)
def compile_asked(id: Id, asked: PutQuestion, here: State) -> Response:
    """Compile a question: its circuit, to be published, and how the sums of its job are read."""
    return reply(compile_question(here, id, asked.sql, version=asked.version, rows=asked.rows))
