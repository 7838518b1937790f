"""Questions in SQL over the web: compiled, explained for free, and how their sums are read where they are opened."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from app.client.ask.plan import Plan, plan
from app.client.ask.query import parse
from app.client.ask.reading import FormKind
from app.client.place import OrderPlace
from app.execution.inputs import load_manifest
from app.market.queries.view import Amount
from app.market.web.dependencies.caller import Spend
from app.market.web.dependencies.state import AppState
from app.market.web.fields import ResponseModel
from app.market.web.quotes import JudgedCircuit, QuoteReport, facts_of_sums, judge_circuit
from app.protocol.data.dataset import EncryptedTable
from app.protocol.documents import sha256
from app.protocol.errors import RowsOutsideDataset
from fhe.circuit import codec
from fhe.profiles import find


class FormView(ResponseModel):
    """One figure as a form of the sums: docs/api.md says how each kind is worked out."""

    kind: FormKind
    outputs: tuple[int, ...]  # of the circuit; -1: the number in `known` stands in its place
    known: tuple[float, ...]
    weights: tuple[float, ...]
    at: float  # of a quantile


class ReadingRowView(ResponseModel):
    """The labels of a group, and a form for each figure."""

    groups: tuple[str, ...]
    figures: tuple[FormView, ...]


class ReadingView(ResponseModel):
    """The whole answer before its sums are known."""

    groups: tuple[str, ...]  # names of the columns that label rows
    names: tuple[str, ...]  # of the figures
    rows: tuple[ReadingRowView, ...]
    remarks: tuple[str, ...]


class CompiledQuestion(ResponseModel):
    """A question as a circuit of a version of a dataset."""

    sql: str
    dataset: int
    version: int
    rows: int
    digest: str  # of the circuit, as the market calls it; "" where the answer is public
    circuit: str  # its bytes, which are text; "" likewise
    reading: ReadingView


class QuestionReport(ResponseModel):
    """What a question would cost and how well it could be answered. Bits are micro-bits about each person."""

    sql: str
    dataset: int
    version: int
    rows: int
    bootstraps: Amount  # of one executor, in all
    values_decrypted: Amount
    epsilon: float
    noise_scale: float  # of the discrete Laplace noise on each sum
    half_widths: dict[str, float | None]  # of the 95 % interval; null where it depends on the answer
    micro_bits: int  # that the answer costs each person; 0: it was given before, or is public
    left_license: int  # micro-bits that the license has after it
    left_person: int  # that anybody has
    remarks: tuple[str, ...]
    answer: tuple[dict[str, float | str | None], ...] | None  # where it is public: nothing has to be asked
    quote: QuoteReport | None  # of its circuit; null likewise


def compile_question(
    here: AppState, dataset: int, sql: str, *, version: int | None, rows: int | None
) -> CompiledQuestion:
    """A question's circuit on a version, by default the present one, and how the sums of `rows` rows are read.

    Errors: BadQuery with the nearest question that can be asked; NotFound, BadBlock, BadDocument, RowsOutsideDataset.
    """
    market = here.market
    record = market.dataset(dataset) if version is None else market.dataset_version(dataset, version)
    count = row_count(record.rows, 0, rows)
    asked = planned(here, sql, load_manifest(here.store, record).table)
    data = b"" if asked.circuit is None else codec.encode(asked.circuit)
    return CompiledQuestion(
        sql=sql,
        dataset=dataset,
        version=record.version,
        rows=count,
        digest=sha256(data) if data else "",
        circuit=data.decode(),
        reading=_reading(asked, count),
    )


def explain_question(here: AppState, dataset: int, sql: str, spend: Spend, place: OrderPlace) -> QuestionReport:
    """What asking would cost and tell, for free. Errors: BadQuery; as `quote_circuit`."""
    record = here.market.dataset(dataset)
    table = load_manifest(here.store, record).table
    asked, count = planned(here, sql, table), row_count(record.rows, place.first_row, place.rows)
    if asked.circuit is None:
        return public_report(sql, dataset, record.version, count, asked)
    data = codec.encode(asked.circuit)
    return question_report(sql, asked, judge_circuit(here, dataset, data, spend, replace(place, rows=count)), data)


def public_report(sql: str, dataset: int, version: int, rows: int, asked: Plan) -> QuestionReport:
    """Of a question whose answer is public: it is in the report."""
    answer = asked.answer(np.zeros(0, np.int64), rows, 0.0)
    return QuestionReport(
        sql=sql, dataset=dataset, version=version, rows=rows, bootstraps=0, values_decrypted=0, epsilon=0.0,
        noise_scale=0.0, half_widths=asked.half_widths(rows, 0.0), micro_bits=0, left_license=0, left_person=0,
        remarks=asked.remarks, answer=tuple(answer.to_dicts()), quote=None,
    )  # fmt: skip


def question_report(sql: str, asked: Plan, judged: JudgedCircuit, data: bytes) -> QuestionReport:
    """Of a question that was judged; `data`: its circuit's bytes."""
    facts = facts_of_sums(judged, data)
    widths = asked.half_widths(facts["rows"], facts["noise_scale"])
    return QuestionReport(sql=sql, half_widths=widths, remarks=asked.remarks, answer=None, **facts)


def planned(here: AppState, sql: str, table: EncryptedTable) -> Plan:
    """A question, compiled for a table. Errors: BadQuery, Busy."""
    query = parse(sql)
    with here.quoting.turn():
        return plan(query, table.codebook, find(table.profile))


def row_count(there: int, first_row: int, rows: int | None) -> int:
    """How many rows are asked about; all from `first_row` on by default. Errors: RowsOutsideDataset."""
    if first_row >= there:
        raise RowsOutsideDataset(f"The dataset has rows 0 to {there - 1}.", "Choose rows inside the dataset.")
    return there - first_row if rows is None else rows


def _reading(asked: Plan, rows: int) -> ReadingView:
    found = asked.reading(rows)
    lines = tuple(
        ReadingRowView(groups=row.groups, figures=tuple(FormView(**form.to_dict()) for form in row.figures))
        for row in found.rows
    )
    return ReadingView(groups=found.groups, names=found.names, rows=lines, remarks=found.remarks)
