"""Conditions as formulas over sets of cells: comparisons become cells, NOT goes into them, one column is one set."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from app.client.ask.cells import AskedTable
from app.client.ask.query import Compared, Condition


@dataclass(frozen=True)
class InCells:
    """A row's value of a column is in one of these cells; never none or all of them."""

    column: str
    cells: frozenset[int]


@dataclass(frozen=True)
class AllOf:
    """Every part holds; at least two, no two of them about one column alone."""

    parts: frozenset[Formula]


@dataclass(frozen=True)
class AnyOf:
    """Some part holds; likewise."""

    parts: frozenset[Formula]


Formula = InCells | AllOf | AnyOf | bool


def formula_of(condition: Condition | None, table: AskedTable) -> Formula:
    """The formula of a condition; True without one. Errors: BadQuery."""
    return True if condition is None else _formula(condition, table, False)


def _formula(condition: Condition, table: AskedTable, negated: bool) -> Formula:
    if isinstance(condition, Compared):
        column = table[condition.column]
        cells = column.meeting(condition)
        return in_cells(table, column.name, frozenset(range(len(column.cells))) - cells if negated else cells)
    if condition.word == "not":
        return _formula(condition.parts[0], table, not negated)
    parts = [_formula(part, table, negated) for part in condition.parts]
    return both(table, parts) if (condition.word == "and") != negated else either(table, parts)


def in_cells(table: AskedTable, column: str, cells: frozenset[int]) -> Formula:
    """Whether a column's value is in some cells: a constant for none or all."""
    if not cells:
        return False
    return True if len(cells) == len(table[column].cells) else InCells(column, cells)


def both(table: AskedTable, parts: Iterable[Formula]) -> Formula:
    """All of some formulas."""
    return _join(table, parts, AllOf, neutral=True)


def either(table: AskedTable, parts: Iterable[Formula]) -> Formula:
    """Any of some formulas."""
    return _join(table, parts, AnyOf, neutral=False)


def _join(table: AskedTable, parts: Iterable[Formula], kind: type[AllOf | AnyOf], *, neutral: bool) -> Formula:
    sets: dict[str, frozenset[int]] = {}
    others: set[Formula] = set()
    waiting = list(parts)
    while waiting:
        part = waiting.pop()
        if isinstance(part, bool):
            if part is not neutral:
                return part
        elif isinstance(part, kind):
            waiting += part.parts
        elif isinstance(part, InCells):
            before = sets.get(part.column)
            joined = part.cells if before is None else before & part.cells if kind is AllOf else before | part.cells
            sets[part.column] = joined
        else:
            others.add(part)
    for column, cells in sets.items():
        one = in_cells(table, column, cells)
        if isinstance(one, bool):
            if one is not neutral:
                return one
        else:
            others.add(one)
    if not others:
        return neutral
    return next(iter(others)) if len(others) == 1 else kind(frozenset(others))
