"""What can be told apart of a dataset's columns: cells, and the bits that say in which one a row is.

A column with bins has a cell between any two neighbouring edges and one at each end; a column of two codes has two.
A set of cells is a linear form of published values that is 1 in them and 0 elsewhere, so one column needs no bootstrap.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from app.client.ask.query import Compared, Operator, Value
from app.protocol.data.dataset import Codebook, ColumnCode
from app.protocol.errors import BadQuery
from fhe.circuit.circuit import Input

TWO = 2  # codes of a column that is told apart without edges


@dataclass(frozen=True)
class Cell:
    """Values from `low` (inclusive, None: from the least) to `high` (exclusive); `middle` stands for all of them."""

    low: float | None
    high: float | None
    middle: float
    label: str


@dataclass(frozen=True)
class Indicator:
    """A linear form of published values that is 0 or 1: the sum of weights times inputs, plus `constant`."""

    weights: Mapping[Input, int]
    constant: int


class AskedColumn:
    """One column of a codebook, as questions read it."""

    def __init__(self, code: ColumnCode) -> None:
        self.code, self.name = code, code.name

    @property
    def whole(self) -> bool:
        """Whether its values are whole numbers, so that > 39 is >= 40."""
        return self.code.dtype.lower().startswith(("int", "uint", "bool"))

    @cached_property
    def cells(self) -> tuple[Cell, ...]:
        """Its cells in order. Errors: BadQuery for a column of which nothing can be told apart."""
        affine, edges = self.code.affine, self.code.bins
        if edges is None:
            if affine is None or affine.levels != TWO:
                raise BadQuery(
                    f"Column {self.name!r} is published without edges, so its values cannot be told apart.",
                    f"Ask sum({self.name}) or avg({self.name}) over all rows, or ask its owner to publish bins.",
                )
            values = affine.low, affine.low + affine.step
            return tuple(Cell(value, value, value, text(value)) for value in values)
        width = edges[1] - edges[0] if len(edges) > 1 else 1.0, edges[-1] - edges[-2] if len(edges) > 1 else 1.0
        least, most = edges[0] - width[0], edges[-1] + width[1]
        if affine is not None and affine.low < edges[0] and affine.low + affine.step * (affine.levels - 1) >= edges[-1]:
            least, most = affine.low, affine.low + affine.step * (affine.levels - 1)
        bounds = (None, *edges, None)
        found = []
        for low, high in itertools.pairwise(bounds):
            middle = ((least if low is None else low) + (most if high is None else high)) / 2
            found.append(Cell(low, high, middle, _label(low, high)))
        return tuple(found)

    def indicator(self, cells: frozenset[int]) -> Indicator:
        """1 in these cells, 0 in others."""
        count = len(self.cells)
        inside = [int(number in cells) for number in range(count)]
        if self.code.bins is None:
            return Indicator({Input(self.name, "affine"): inside[1] - inside[0]}, inside[0])
        steps = {Input(self.name, "bins", at): inside[at + 1] - inside[at] for at in range(count - 1)}
        return Indicator({wire: step for wire, step in steps.items() if step}, inside[0])

    def meeting(self, comparison: Compared) -> frozenset[int]:
        """The cells whose values all meet a comparison. Errors: BadQuery where a cell lies on both sides."""
        value = comparison.value
        number = float(value) if isinstance(value, bool) else value
        if isinstance(number, str):
            raise BadQuery(
                f"Column {self.name!r} holds numbers, and {number!r} is none.", f"Compare {self.name} with a number."
            )
        everything, cells = frozenset(range(len(self.cells))), self.cells
        if self.code.bins is None:
            return frozenset(at for at, cell in enumerate(cells) if _holds(cell.middle, comparison.operator, number))
        match comparison.operator:
            case ">=":
                return frozenset(range(self._edge(number, comparison), len(cells)))
            case "<":
                return everything - frozenset(range(self._edge(number, comparison), len(cells)))
            case ">":
                return frozenset(range(self._edge(self._after(number, comparison), comparison), len(cells)))
            case "<=":
                return everything - frozenset(
                    range(self._edge(self._after(number, comparison), comparison), len(cells))
                )
        first, after = self._edge(number, comparison), self._edge(self._after(number, comparison), comparison)
        same = frozenset(range(first, after))
        return same if comparison.operator == "=" else everything - same

    def _after(self, value: float, comparison: Compared) -> float:
        """The next value after this one, of a column of whole numbers."""
        if not self.whole:
            raise self._refusal(value, comparison)
        return math.floor(value) + 1

    def _edge(self, value: float, comparison: Compared) -> int:
        """The number of the cell that begins at this edge."""
        edges = self.code.bins or ()
        if self.whole:
            value = math.ceil(value)
        if value not in edges:
            raise self._refusal(value, comparison)
        return edges.index(value) + 1

    def _refusal(self, value: float, comparison: Compared) -> BadQuery:
        edges = self.code.bins or ()
        near = sorted(edges, key=lambda edge: abs(edge - value))[:2]
        said = " or ".join(f"{self.name} >= {text(edge)}" for edge in sorted(near))
        return BadQuery(
            f"{self.name} {comparison.operator} {text(float(comparison.value))} is not on a published edge.",
            f"Nearest that can be asked: {said} (or < in place of >=).",
        )


class AskedTable:
    """The columns of a codebook by name."""

    def __init__(self, codebook: Codebook) -> None:
        self.codebook = codebook
        self._columns = {column.name: AskedColumn(column) for column in codebook.columns}

    def __getitem__(self, name: str) -> AskedColumn:
        """Errors: BadQuery, which names columns that there are."""
        if name not in self._columns:
            lower = {each.lower(): each for each in self._columns}
            if name.lower() in lower:
                return self._columns[lower[name.lower()]]
            shown = ", ".join(list(self._columns)[:8])
            raise BadQuery(f"The dataset has no column {name!r}.", f"It has {shown}. See: darkroom dataset show.")
        return self._columns[name]


def _holds(value: float, operator: Operator, other: Value) -> bool:
    assert not isinstance(other, str)
    return {
        "=": value == other,
        "<>": value != other,
        "<": value < other,
        "<=": value <= other,
        ">": value > other,
        ">=": value >= other,
    }[operator]


def text(value: float) -> str:
    """A number for people."""
    return f"{value:g}"


def _label(low: float | None, high: float | None) -> str:
    if low is None:
        return f"< {text(high or 0.0)}"
    return f">= {text(low)}" if high is None else f"[{text(low)}, {text(high)})"
