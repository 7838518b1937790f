"""What can be told apart of a dataset's columns: cells, and the bits that say in which one a row is.

A column with bins has a cell between any two neighbouring edges and one at each end; a column of two codes has two.
A category that is published by a column for each word has a cell for each, and one for rows that have none of them. A
set of cells is a linear form of published values that is 1 in them and 0 elsewhere: one column needs no bootstrap.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from app.client.ask.query import Compared, Operator, Value
from app.protocol.data.dataset import Affine, Codebook, ColumnCode
from app.protocol.data.derivation import CategorySource, Member, Place
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

    def __init__(self, code: ColumnCode, words: tuple[str, ...] = ()) -> None:
        """`words`: what its values 0, 1, ... are places of, of a category that is published by its place."""
        self.code, self.name, self._words = code, code.name, words

    @property
    def affine(self) -> Affine | None:
        """The codes that sums are taken of; None for words, which have none."""
        return None if self._words else self.code.affine

    @property
    def numbers(self) -> bool:
        """Whether its values can be added up."""
        return not self._words

    @property
    def binned(self) -> bool:
        """Whether a cell holds several values."""
        return self.code.bins is not None

    @property
    def parts_at_once(self) -> int:
        """How many inputs an indicator may read and still be known to be 0 or 1: bits of one column are ordered."""
        return len(self.cells)

    @property
    def whole(self) -> bool:
        """Whether its values are whole numbers, so that > 39 is >= 40."""
        return bool(self._words) or self.code.dtype.lower().startswith(("int", "uint", "bool"))

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
            return tuple(
                Cell(value, value, value, self._words_in(value, value + 1) if self._words else text(value))
                for value in values
            )
        width = edges[1] - edges[0] if len(edges) > 1 else 1.0, edges[-1] - edges[-2] if len(edges) > 1 else 1.0
        least, most = edges[0] - width[0], edges[-1] + width[1]
        if affine is not None and affine.low < edges[0] and affine.low + affine.step * (affine.levels - 1) >= edges[-1]:
            least, most = affine.low, affine.low + affine.step * (affine.levels - 1)
        bounds = (None, *edges, None)
        found = []
        for low, high in itertools.pairwise(bounds):
            middle = ((least if low is None else low) + (most if high is None else high)) / 2
            found.append(Cell(low, high, middle, self._words_in(low, high) if self._words else _label(low, high)))
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
        if isinstance(number, str) and number in self._words and comparison.operator in ("=", "<>"):
            number = float(self._words.index(number))
        elif isinstance(number, str) and self._words:
            raise unknown_word(self.name, self._words)
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
        edges = self.code.bins or ()
        low = 0 if self._words and number == 0 else self._edge(number, comparison)
        last = self._words and number == len(self._words) - 1 and number + 1 not in edges
        same = frozenset(range(low, len(cells) if last else self._edge(self._after(number, comparison), comparison)))
        return same if comparison.operator == "=" else everything - same

    def _words_in(self, low: float | None, high: float | None) -> str:
        """The words whose places lie in [low, high)."""
        first = 0 if low is None else math.ceil(low)
        places = range(first, len(self._words) if high is None else min(len(self._words), math.ceil(high)))
        return ", ".join(self._words[place] for place in places)

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
            f"{self.name} {comparison.operator} {comparison.value} is not on a published edge.",
            f"Nearest that can be asked: {said} (or < in place of >=).",
        )


class AskedCategory:
    """A category that is published by a column for each of its words, as questions read it."""

    affine = None
    numbers = False
    binned = False
    parts_at_once = 1  # that no row has two words is not known where ranges are worked out

    def __init__(self, source: CategorySource, members: Mapping[int, ColumnCode]) -> None:
        self.name, self._source, self._members = source.name, source, sorted(members.items())

    @cached_property
    def cells(self) -> tuple[Cell, ...]:
        """One for each published word, and one for what is none of them, unless there is nothing else."""
        words = [*self._source.words, "(other)"]
        found = [Cell(None, None, float(place), words[place]) for place, _ in self._members]
        every = len(found) == len(self._source.words) + self._source.other
        if every and all(column.impute is None for _, column in self._members):
            return tuple(found)
        return (*found, Cell(None, None, float(len(words)), "(none of these)"))

    @property
    def wires(self) -> tuple[Input, ...]:
        """The published value of each of its words, in the order of its cells: 1 where a row has it."""
        return tuple(Input(column.name, "affine") for _, column in self._members)

    def indicator(self, cells: frozenset[int]) -> Indicator:
        """1 in these cells, 0 in others."""
        rest = len(self._members) in cells
        named = {at for at in range(len(self._members)) if (at in cells) != rest}
        if not rest and len(self.cells) == len(self._members) and 2 * len(named) > len(self._members):
            named, rest = set(range(len(self._members))) - named, True  # fewer columns say the same
        sign = -1 if rest else 1
        return Indicator({Input(self._members[at][1].name, "affine"): sign for at in sorted(named)}, int(rest))

    def meeting(self, comparison: Compared) -> frozenset[int]:
        """The cells whose values all meet a comparison. Errors: BadQuery for a word that is not published."""
        found = [at for at, cell in enumerate(self.cells) if cell.label == comparison.value]
        if not found or comparison.operator not in ("=", "<>"):
            raise unknown_word(self.name, tuple(cell.label for cell in self.cells))
        same = frozenset(found)
        return same if comparison.operator == "=" else frozenset(range(len(self.cells))) - same


def unknown_word(name: str, words: tuple[str, ...]) -> BadQuery:
    """What is said of a comparison that a category has no answer to."""
    shown = ", ".join(repr(word) for word in words[:8])
    return BadQuery(f"{name} is a category, and this is none of its words.", f"Compare it by = or IN with {shown}.")


class AskedTable:
    """The columns of a codebook by name."""

    def __init__(self, codebook: Codebook) -> None:
        self.codebook = codebook
        self._columns: dict[str, AskedColumn | AskedCategory] = {}
        for column in codebook.columns:
            source = codebook.source(column.reads)
            words = source.words if isinstance(source, CategorySource) and isinstance(column.derivation, Place) else ()
            self._columns[column.name] = AskedColumn(column, words)
        for source in codebook.sources:
            members = {
                column.derivation.place: column
                for column in codebook.columns
                if column.reads == source.name and isinstance(column.derivation, Member)
            }
            if isinstance(source, CategorySource) and members:
                self._columns[source.name] = AskedCategory(source, members)

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __getitem__(self, name: str) -> AskedColumn | AskedCategory:
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
