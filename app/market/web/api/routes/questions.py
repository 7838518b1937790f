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
from app.market.web.fields import MAX_ID, AskedPlace, Id, RequestModel
from app.market.web.questions import CompiledQuestion, QuestionReport, compile_question, explain_question

router = APIRouter(tags=["datasets"])

Sql = Annotated[
    str,
    Field(
        min_length=1, max_length=MAX_SQL, examples=["SELECT avg(c0) FROM data"], description="docs/ask.md says what."
    ),
]


class AskedQuestion(AskedPlace):
    """A question and the terms under which it would be asked."""

    sql: Sql


class PutQuestion(RequestModel):
    """A question, and the version and rows that it is or was asked of."""

    sql: Sql
    version: Annotated[int | None, Field(ge=1, le=MAX_ID, description="The present one by default.")] = None
    rows: Annotated[int | None, Field(ge=1, le=MAX_ID, description="All of the dataset's by default.")] = None


@router.post(
    "/datasets/{id}/questions",
    response_model=QuestionReport,
    responses=error_responses(404, 409, 502),
    dependencies=[Depends(rate_cost(2))],
)
def explain_asked(id: Id, asked: AskedQuestion, here: State, spend: Spending) -> Response:
    """Explain a question for free: price, bootstraps, epsilon, the intervals' half widths, bits left after it."""
    return reply(explain_question(here, id, asked.sql, spend, asked.place))


@router.post(
    "/datasets/{id}/questions/compiled",
    response_model=CompiledQuestion,
    responses=error_responses(404, 502),
    dependencies=[Depends(rate_cost(2))],
)
def compile_asked(id: Id, asked: PutQuestion, here: State) -> Response:
    """Compile a question: its circuit, to be published, and how the sums of its job are read."""
    return reply(compile_question(here, id, asked.sql, version=asked.version, rows=asked.rows))
