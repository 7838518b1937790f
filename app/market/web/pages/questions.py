"""Asking questions of a dataset: what can be asked, what an answer would cost, and the way to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse

from app.client.ask.cells import AskedTable
from app.client.ask.samples import quoted, samples
from app.execution.inputs import load_manifest
from app.market.queries.dataset import DatasetDetail, dataset
from app.market.queries.licensing import OfferView
from app.market.web.dependencies.caller import Spend, Spending
from app.market.web.fields import Id
from app.market.web.pages.site import Visit, Visiting
from app.market.web.pages.terms import ChosenTerms, chosen_terms, rows_said
from app.market.web.questions import QuestionReport, explain_question
from app.protocol.data.dataset import EncryptedTable
from app.protocol.errors import BadQuery, DarkroomError
from fhe.profiles import find

router = APIRouter()
MAX_QUESTION = 2000  # characters: a page's address holds it
SHOWN_COLUMNS = 100
SHOWN_CELLS = 40
WORK = 2  # of one explained question, as the API counts it


@dataclass(frozen=True)
class ColumnToAsk:
    """A column as questions name it: by what it can be cut, in words, and whether its values can be added up."""

    name: str
    cells: tuple[str, ...]
    more: int  # cells that are not listed
    numbers: bool


@router.get("/datasets/{id}/ask", response_class=HTMLResponse)
def ask_page(
    here: Visiting,
    id: Id,
    spend: Spending,
    sql: Annotated[str, Query(max_length=10 * MAX_QUESTION)] = "",
    terms: Annotated[str, Query(max_length=40)] = "",
    rows: Annotated[str, Query(max_length=40)] = "",
) -> HTMLResponse:
    """The page of questions; with `sql` also what that question would cost."""
    with here.backend.session() as session:
        detail = dataset(session, id)
        offers = sells_questions(detail)
        chosen = chosen_terms(session, detail, offers, terms, now=here.backend.now())
    there = detail.entry.rows
    most = chosen.most_rows(there) if chosen else there
    columns: tuple[ColumnToAsk, ...] = ()
    begin: tuple[str, ...] = ()
    trouble = None
    if "hx-request" not in here.request.headers:  # the report alone follows typing
        try:
            table = load_manifest(here.backend.store, here.backend.market.dataset(id)).table
            columns, begin = columns_to_ask(table), _samples(table)
        except DarkroomError as problem:
            trouble = problem
    report, wrong, typed = None, None, sql.strip()
    if typed and chosen and trouble is None:
        report, wrong = _explained(here, id, typed, chosen, rows_said(rows, most), spend)
    return here.page(
        "ask.html",
        title=f"Ask a question about {detail.entry.title}",
        it=detail,
        offers=offers,
        chosen=chosen,
        sql=typed,
        rows=rows,
        most=most,
        columns=columns[:SHOWN_COLUMNS],
        column_count=len(columns),
        samples=begin,
        report=report,
        wrong=wrong,
        max_question=MAX_QUESTION,
        unreadable=trouble,
        scripts=("ask.js",),
    )


def sells_questions(detail: DatasetDetail) -> tuple[OfferView, ...]:
    """The open offers under which a dataset answers questions."""
    return tuple(each for each in detail.offers if each.policy.known and each.policy.release == "aggregate")


def columns_to_ask(table: EncryptedTable) -> tuple[ColumnToAsk, ...]:
    """The columns of a table, as questions name them."""
    asked, found = AskedTable(table.codebook), []
    for name in asked:
        column = asked[name]
        try:
            labels = tuple(cell.label for cell in column.cells)
        except BadQuery:
            labels = ()
        more = max(0, len(labels) - SHOWN_CELLS)
        found.append(ColumnToAsk(quoted(name), labels[:SHOWN_CELLS], more, column.numbers))
    return tuple(found)


def _samples(table: EncryptedTable) -> tuple[str, ...]:
    return samples(table.codebook, find(table.profile), lookups=table.evaluation_key is not None)


def _explained(
    here: Visit, id: int, sql: str, terms: ChosenTerms, rows: int, spend: Spend
) -> tuple[QuestionReport | None, DarkroomError | None]:
    if len(sql) > MAX_QUESTION:
        return None, BadQuery(
            f"A question on this page has at most {MAX_QUESTION:,} characters.", "Ask longer ones by darkroom ask."
        )
    spend(WORK)
    try:
        return explain_question(here.backend, id, sql, spend, terms.place(rows)), None
    except DarkroomError as problem:
        return None, problem
