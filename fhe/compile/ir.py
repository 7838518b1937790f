"""Symbolic wires: what a circuit reads and computes, before it is numbered into layers.

`Bit(column, cut)` is a published bit, 1 when the column's code is at least `cut` (1 <= cut < levels). `AffineExpr` is
an integer combination of wires. `TableExpr` looks up the value of an Affine, which lies in [0, len(entries)) on every
row. All are immutable and compare by value, so equal lookups are one lookup without further ado.

Bits of one column are ordered (a code >= 5 is >= 3), so an indicator of an interval of codes is a difference of two
bits, and every function of one column alone is affine. That is where most of the savings of this compiler come from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from fhe.arrays import I64


@dataclass(frozen=True)
class TableSizes:
    """How many entries tables have, and whether an output may read a bit as it is.

    What a table may have depends on its noise: `first` where its message reads bits alone, `second` where it reads
    other tables, whose results a keyswitch makes noisier.
    """

    first: int
    second: int
    bare: bool

    def of(self, form: AffineExpr) -> int:
        """Entries of a table on this message."""
        return self.second if tables(form) else self.first


PACKED = TableSizes(first=8, second=8, bare=True)
SMALL_KEY = TableSizes(first=16, second=8, bare=False)  # bins under the small key, which nothing but lookups reads


@dataclass(frozen=True)
class Bit:
    """1 when the code of `column` is at least `cut`: the published bit "value >= bins[cut - 1]"."""

    column: int
    cut: int


@dataclass(frozen=True)
class TableExpr:
    """entries[of]: one bootstrap."""

    of: AffineExpr
    entries: tuple[int, ...]


Wire = Bit | TableExpr


@dataclass(frozen=True)
class AffineExpr:
    """constant + sum of weight * wire; terms are sorted, without zero weights."""

    terms: tuple[tuple[Wire, int], ...] = ()
    constant: int = 0

    def __add__(self, other: AffineExpr) -> AffineExpr:
        return total([(self, 1), (other, 1)])

    def __mul__(self, factor: int) -> AffineExpr:
        return total([(self, factor)])


def constant(value: int) -> AffineExpr:
    """The same on every row."""
    return AffineExpr((), value)


def wire(which: Wire, weight: int = 1) -> AffineExpr:
    """weight * wire."""
    return total([(AffineExpr(((which, 1),)), weight)])


def total(parts: Iterable[tuple[AffineExpr, int]]) -> AffineExpr:
    """sum of factor * affine, in normal form."""
    weights: dict[Wire, int] = {}
    offset = 0
    for part, factor in parts:
        offset += factor * part.constant
        for which, weight in part.terms:
            weights[which] = weights.get(which, 0) + factor * weight
    kept = [(which, weight) for which, weight in weights.items() if weight]
    return AffineExpr(tuple(sorted(kept, key=lambda term: _order(term[0]))), offset)


def interval(column: int, low: int, high: int, levels: int) -> AffineExpr:
    """Indicator of low <= code < high."""
    lower = wire(Bit(column, low)) if low > 0 else constant(1)
    return lower + wire(Bit(column, high), -1) if high < levels else lower


def tables(of: AffineExpr) -> list[TableExpr]:
    """The tables that an Affine reads."""
    return [which for which, _ in of.terms if isinstance(which, TableExpr)]


def cuts(of: AffineExpr) -> dict[int, set[int]]:
    """The cuts of each column that an Affine depends on, through its tables too."""
    found: dict[int, set[int]] = {}
    for which, _ in of.terms:
        if isinstance(which, Bit):
            found.setdefault(which.column, set()).add(which.cut)
        else:
            for column, more in cuts(which.of).items():
                found.setdefault(column, set()).update(more)
    return found


def cells(by_column: Mapping[int, Iterable[int]]) -> dict[int, I64]:
    """One row for each combination of the intervals that the cuts make: code arrays (rows,) by column."""
    columns = sorted(by_column)
    starts = [np.array(sorted({0, *by_column[column]}), np.int64) for column in columns]
    grids = np.meshgrid(*starts, indexing="ij") if starts else []
    return {column: grid.ravel() for column, grid in zip(columns, grids)}


def evaluate(of: AffineExpr, codes: Mapping[int, I64]) -> I64:
    """Values (rows,) on the given codes; a table whose message is out of range raises IndexError."""
    rows = len(next(iter(codes.values()))) if codes else 1
    result = np.full(rows, of.constant, np.int64)
    for which, weight in of.terms:
        if isinstance(which, Bit):
            result += weight * (codes[which.column] >= which.cut)
            continue
        message = evaluate(which.of, codes)
        if message.min() < 0:
            raise IndexError("a lookup's message is negative")
        result += weight * np.array(which.entries, np.int64)[message]
    return result


def tabulate(
    form: AffineExpr,
    function: Callable[[Mapping[int, I64]], I64],
    extra: Mapping[int, Iterable[int]],
    size: int = PACKED.first,
) -> TableExpr:
    """The table, of `size` entries, of a function of codes that is constant wherever `form` is; the rest of it is 0.

    Exhaustive over all combinations of the intervals that `form` and `extra` (the function's own cuts) distinguish, so
    it is a proof. Raises ValueError where the function needs more than the form tells, or the form leaves [0, size).
    """
    together = cuts(form)
    for column, more in extra.items():
        together.setdefault(column, set()).update(more)
    codes = cells(together)
    message, values = evaluate(form, codes), function(codes)
    if message.min() < 0 or message.max() >= size:
        raise ValueError(f"a message from {message.min()} to {message.max()} does not fit a lookup")
    entries = np.zeros(size, np.int64)
    entries[message] = values
    if not np.array_equal(entries[message], values):
        raise ValueError("one message stands for two values")
    return TableExpr(form, tuple(int(entry) for entry in entries))


@lru_cache(maxsize=65_536)
def reached(form: AffineExpr) -> tuple[int, ...]:
    """The values that a form takes on some row, in order."""
    return tuple(int(value) for value in np.unique(evaluate(form, cells(cuts(form)))))


@lru_cache(maxsize=65_536)
def _order(which: Wire) -> tuple[object, ...]:
    if isinstance(which, Bit):
        return (0, which.column, which.cut)
    return (1, tuple((_order(inner), weight) for inner, weight in which.of.terms), which.of.constant, which.entries)
