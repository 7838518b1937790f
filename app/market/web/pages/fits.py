"""Fitting models by sums: what a fit would cost, how loud its noise is, and the command that orders it."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse

from app.client.ask.cells import AskedTable
from app.client.fit.names import KINDS
from app.execution.inputs import load_manifest
from app.market.queries.dataset import dataset
from app.market.web.dependencies.caller import Spend, Spending
from app.market.web.fields import Id
from app.market.web.pages.questions import SHOWN_COLUMNS, WORK, sells_questions
from app.market.web.pages.site import Visit, Visiting
from app.market.web.pages.terms import ChosenTerms, chosen_terms, rows_said
from app.market.web.sums import SumsReport, explain_sums, fit_of
from app.protocol.errors import DarkroomError

router = APIRouter()
MAX_COLUMNS = 2000  # characters
WITHOUT_LABEL = ("components",)


@router.get("/datasets/{id}/fit", response_class=HTMLResponse)
def fit_page(
    here: Visiting,
    id: Id,
    spend: Spending,
    kind: Annotated[str, Query(max_length=40)] = "",
    label: Annotated[str, Query(max_length=200)] = "",
    columns: Annotated[str, Query(max_length=MAX_COLUMNS)] = "",
    terms: Annotated[str, Query(max_length=40)] = "",
    rows: Annotated[str, Query(max_length=40)] = "",
) -> HTMLResponse:
    """The page of fits; with a `kind` also what that fit would cost."""
    with here.backend.session() as session:
        detail = dataset(session, id)
        offers = sells_questions(detail)
        chosen = chosen_terms(session, detail, offers, terms, now=here.backend.now())
    most = chosen.most_rows(detail.entry.rows) if chosen else detail.entry.rows
    names: tuple[str, ...] = ()
    trouble = None
    try:
        names = tuple(AskedTable(load_manifest(here.backend.store, here.backend.market.dataset(id)).table.codebook))
    except DarkroomError as problem:
        trouble = problem
    named = [each.strip() for each in columns.split(",") if each.strip()]
    report, wrong = None, None
    if kind and chosen and trouble is None:
        report, wrong = _explained(here, id, (kind, label, named), chosen, rows_said(rows, most), spend)
    return here.page(
        "fit.html",
        title=f"Fit a model to {detail.entry.title}",
        it=detail,
        offers=offers,
        chosen=chosen,
        kinds=tuple(KINDS),
        kind=kind,
        label=label,
        columns=", ".join(named),
        rows=rows,
        most=most,
        names=names[:SHOWN_COLUMNS],
        report=report,
        wrong=wrong,
        command=_command(id, kind, label, named, chosen, rows) if report else "",
        unreadable=trouble,
    )


def _explained(
    here: Visit, id: int, model: tuple[str, str, list[str]], terms: ChosenTerms, rows: int, spend: Spend
) -> tuple[SumsReport | None, DarkroomError | None]:
    spend(WORK)
    kind, label, columns = model
    try:
        made = fit_of(kind, None if kind in WITHOUT_LABEL else label or None, columns or None)
        return explain_sums(here.backend, id, made, spend, terms.place(rows)), None
    except DarkroomError as problem:
        return None, problem


def _command(id: int, kind: str, label: str, columns: list[str], terms: ChosenTerms | None, rows: str) -> str:
    """What is typed to order just this fit."""
    words = [f"darkroom model fit {id} --kind {kind}"]
    words += [f"--label {_quoted(label)}"] * (bool(label) and kind not in WITHOUT_LABEL)
    words += [f"--column {_quoted(each)}" for each in columns]
    if terms is not None:
        words.append(f"--license {terms.license.id}" if terms.license else f"--offer {terms.offer.id}")
    words += [f"--rows {rows}"] * bool(rows)
    return " ".join(words)


def _quoted(word: str) -> str:
    return word if re.fullmatch(r"[\w.=-]+", word) else "'" + word.replace("'", "'\\''") + "'"
