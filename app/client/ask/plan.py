"""From a query to a circuit that sums, and from its sums to the answer.

A group is a cell of each GROUP BY column. For count(*) an output counts the rows of each group that meet the condition.
For sum, avg, quantile and histogram of a column, an output counts each of the column's own cells in each group; the
answer is worked out of those counts, each cell's rows standing at its middle. Without a condition and groups, sum and
avg are taken of the column's codes themselves, to the codebook's step. Cells exclude one another, so that a person
moves all counts together by two, however many there are.

Where the owner publishes products of a column with the bits of one condition or group, its sum and average there are
exact too: v = sum of its codes in the group and u = sum of what these lack to the greatest code are two outputs, which
stand for rows at either end of the column. u + v is the count times L - 1, and a person moves all groups together by
2 (L - 1).

Where the owner publishes the products of two columns' bits, counts under a condition on both, or by both, or under one
by the other, are linear forms of them and take no lookup; else they are looked up.

Everything that can be counted is returned, empty or not: which groups are there is as private as their numbers.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

import numpy as np

from app.client.ask.answer import Answer
from app.client.ask.cells import AskedCategory, AskedColumn, AskedTable, Cell
from app.client.ask.counting import CountingCircuit, NoProducts
from app.client.ask.formula import Formula, both, formula_of, in_cells
from app.client.ask.query import Aggregate, Query
from app.client.ask.reading import KNOWN, AnswerReading, FigureForm, FormKind, ReadingRow
from app.protocol.data.dataset import Codebook
from app.protocol.errors import BadQuery
from fhe.arrays import I64
from fhe.circuit.circuit import Circuit
from fhe.profile import EncryptionProfile

MAX_OUTPUTS = 1024


@dataclass(frozen=True)
class Count:
    """A count of rows: an output of the circuit, or a number that is known without asking (None: all of the rows)."""

    output: int | None
    known: int | None = 0


@dataclass(frozen=True)
class Plan:
    """A question's circuit (None where the answer is public), and how its sums become the answer."""

    query: Query
    circuit: Circuit | None
    lookups: int  # bootstraps a row
    remarks: tuple[str, ...]
    _groups: tuple[tuple[tuple[str, ...], dict[str, tuple[Count, ...]], Count | None], ...] = field(repr=False)
    _middles: dict[str, tuple[Cell, ...]] = field(repr=False)
    _totals: dict[str, tuple[int, float, float]] = field(repr=False)  # column: output, low and step of its codes
    _per: int = field(default=1, repr=False)  # what each row adds to its outputs: L - 1 where products are summed

    def reading(self, rows: int) -> AnswerReading:
        """How the sums of a job on `rows` rows become the answer."""
        first = self.query.aggregates[0]
        histogram = first.kind == "histogram"
        found = []
        for labels, histograms, count in self._groups:
            if histogram:
                cells = zip(self._middles[first.column], histograms[first.column], strict=True)
                found += [ReadingRow((cell.label,), (_form("total", (one,), (1.0,), rows),)) for cell, one in cells]
            else:
                forms = tuple(self._figure(each, histograms, count, rows) for each in self.query.aggregates)
                found.append(ReadingRow(labels, forms))
        groups = (first.column,) if histogram else self.query.groups
        return AnswerReading(groups, tuple(each.name for each in self.query.aggregates), tuple(found), self.remarks)

    def answer(self, sums: I64, rows: int, noise_scale: float) -> Answer:
        """The answer from the outputs (outputs,) of a job on `rows` rows, with noise of this discrete Laplace scale."""
        return self.reading(rows).answer(sums, noise_scale)

    def half_widths(self, rows: int, noise_scale: float) -> dict[str, float | None]:
        """Of the 95 % interval of each count, sum and average over all rows, by name, before anything is asked; None
        where it depends on the answer.
        """
        nothing = np.zeros(0 if self.circuit is None else len(self.circuit.outputs), np.int64)
        return self.reading(rows).half_widths(nothing, noise_scale)

    def _figure(
        self, aggregate: Aggregate, histograms: dict[str, tuple[Count, ...]], count: Count | None, rows: int
    ) -> FigureForm:
        if aggregate.column in self._totals and aggregate.kind in ("sum", "avg"):
            output, low, step = self._totals[aggregate.column]
            per = rows if aggregate.kind == "avg" else 1
            return _form("total", (Count(output), Count(None, None)), (step / per, low / per), rows)
        if aggregate.kind == "count":
            counts = (count,) if count is not None else next(iter(histograms.values()))
            return _form("total", counts, (1.0 / self._per,) * len(counts), rows)
        middles = tuple(cell.middle for cell in self._middles[aggregate.column])
        if aggregate.kind == "sum":
            middles = tuple(middle / self._per for middle in middles)
        kinds: dict[str, FormKind] = {"sum": "total", "avg": "average", "quantile": "quantile"}
        return _form(kinds[aggregate.kind], histograms[aggregate.column], middles, rows, aggregate.at)


def _form(
    kind: FormKind, counts: tuple[Count, ...], weights: tuple[float, ...], rows: int, at: float = 0.5
) -> FigureForm:
    outputs = tuple(KNOWN if one.output is None else one.output for one in counts)
    known = tuple(float(rows if one.known is None else one.known) if one.output is None else 0.0 for one in counts)
    return FigureForm(kind, outputs, known, weights, at)


def plan(query: Query, codebook: Codebook, profile: EncryptionProfile) -> Plan:
    """Compile a question for a dataset: of published values and products alone where these are there, else by lookups.

    Errors: BadQuery with the nearest question that can be asked.
    """
    table = AskedTable(codebook)
    where = formula_of(query.where, table)
    try:
        return _planned(query, table, where, CountingCircuit(table, profile, where, products=True))
    except NoProducts:
        return _planned(query, table, where, CountingCircuit(table, profile, where))


def _planned(query: Query, table: AskedTable, where: Formula, building: CountingCircuit) -> Plan:
    groups = [table[name] for name in query.groups]
    plain = where is True and not groups
    totals: dict[str, tuple[int, float, float]] = {}
    binned: list[str] = []
    remarks: list[str] = []
    for aggregate in query.aggregates:
        if aggregate.kind == "count":
            continue
        column = table[aggregate.column]
        affine = column.affine
        if not column.numbers and aggregate.kind != "histogram":
            raise BadQuery(
                f"{column.name} holds words, which have no {aggregate.kind}.",
                f"Ask histogram({column.name}), or count(*) and GROUP BY {column.name}.",
            )
        if plain and aggregate.kind in ("sum", "avg") and affine is not None:
            if aggregate.column not in totals:
                totals[aggregate.column] = building.total(column.name), affine.low, affine.step
        elif aggregate.column not in binned:
            binned.append(aggregate.column)
    keys = [
        both(
            table,
            [where, *(in_cells(table, each.name, frozenset([at])) for each, at in zip(groups, places, strict=True))],
        )
        for places in itertools.product(*(range(len(each.cells)) for each in groups))
    ]
    per = _levels_of_products(query, table, building, keys)
    cells: dict[str, tuple[Cell, ...]]
    if per:
        cells = {name: _ends(table[name]) for name in binned}
    else:
        cells = {name: table[name].cells for name in binned}
        remarks += [f"Rows of {name} stand at the middle of their bin." for name in binned if table[name].binned]
    found = []
    counted = any(aggregate.kind == "count" for aggregate in query.aggregates) and not binned
    outputs = 1
    for each in groups:
        outputs *= len(each.cells)
    if outputs * max(1, sum(len(cells[name]) for name in binned)) > MAX_OUTPUTS:
        raise BadQuery(
            f"The answer has more than {MAX_OUTPUTS} cells.", "Group by one column, or ask for fewer aggregates."
        )
    for places in itertools.product(*(range(len(each.cells)) for each in groups)):
        own = [in_cells(table, each.name, frozenset([at])) for each, at in zip(groups, places, strict=True)]
        group = both(table, [where, *own])
        histograms = {
            name: tuple(Count(output) for output in building.ends(name, group))
            if per
            else tuple(
                _count(building, both(table, [group, in_cells(table, table[name].name, frozenset([at]))]))
                for at in range(len(cells[name]))
            )
            for name in binned
        }
        labels = tuple(each.cells[at].label for each, at in zip(groups, places, strict=True))
        found.append((labels, histograms, _count(building, group) if counted else None))
    circuit = building.circuit() if building.outputs else None
    if building.reads_products:
        remarks.append("Counted by published products of two columns, without a lookup.")
    return Plan(query, circuit, building.lookups, tuple(remarks), tuple(found), cells, totals, per or 1)


def _levels_of_products(query: Query, table: AskedTable, building: CountingCircuit, keys: list[Formula]) -> int:
    """L - 1 of the one column whose sums and averages are asked, where products give them in every group; else 0."""
    wanted = [each for each in query.aggregates if each.kind != "count"]
    names = {each.column for each in wanted}
    if len(names) != 1 or any(each.kind not in ("sum", "avg") for each in wanted):
        return 0
    column = table[names.pop()]
    if column.affine is None or not all(building.has_ends(column.name, key) for key in keys):
        return 0
    return column.affine.levels - 1


def _ends(column: AskedColumn | AskedCategory) -> tuple[Cell, Cell]:
    """The least and the greatest value of a column, as cells."""
    assert column.affine is not None
    low, high = column.affine.low, column.affine.low + column.affine.step * (column.affine.levels - 1)
    return Cell(low, low, low, ""), Cell(high, high, high, "")


def _count(building: CountingCircuit, formula: Formula) -> Count:
    if isinstance(formula, bool):
        return Count(None, None if formula else 0)
    return Count(building.count(formula))


def exact(plan: Plan, outputs: I64) -> Answer:
    """The answer without noise, from the circuit's outputs (rows, outputs) in the clear: what tests compare with."""
    return plan.answer(np.asarray(outputs.sum(axis=0), np.int64), len(outputs), 0.0)
