"""What one estimator reads, as a function of a dataset's codes, through whatever steps come before it.

A column has finitely many codes, so every step on one column is a table over them; it is found by asking the steps,
not by knowing their classes, and checked on random rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from app.protocol.errors import BadModel, TooLarge
from fhe.arrays import F64, I64
from fhe.compile.foreign import guarded
from fhe.compile.space import FeatureSpace
from fhe.compile.trees.graph import Node, Split

Bools = npt.NDArray[np.bool_]

MOST_NUMBERS = 1 << 23  # in one table that a foreign step is asked about
CHECKED_ROWS = 200
SAME = 1e-9  # of a feature's range
MOST_PIECES = 16  # intervals of codes on one side of a split


@dataclass(frozen=True, eq=False)
class Column:
    """A feature that follows from one column: its value (levels,) for each code, and where that is missing."""

    column: int
    values: F64
    missing: float | None = None  # None where the circuit cannot see that a value is missing


@dataclass(frozen=True, eq=False)
class Inputs:
    """The features of an estimator: `evaluate` gives them for codes (rows, columns), as the estimator takes them."""

    space: FeatureSpace
    evaluate: Callable[[I64], Any]
    plain: bool = False  # the columns themselves, with no step before

    @classmethod
    def of(cls, space: FeatureSpace) -> Inputs:
        """The columns themselves."""
        return cls(space, space.table, plain=True)

    def through(self, step: Any) -> Inputs:
        """What comes out of a fitted transformer."""

        def evaluate(codes: I64) -> Any:
            table = self.evaluate(codes)
            with guarded(step, "transform() of", "Leave this step out, or fit it on columns that the dataset has."):
                return step.transform(table)

        return Inputs(self.space, evaluate)

    def picked(self, features: npt.NDArray[np.int64]) -> Inputs:
        """Some of the features, in an order of their own, as an array."""
        return Inputs(self.space, lambda codes: np.asarray(self.evaluate(codes))[:, features])

    @cached_property
    def features(self) -> tuple[Column | None, ...]:
        """Each feature's column and table; None for one that follows from several columns."""
        levels = self.space.levels
        if self.plain:
            return tuple(
                Column(number, self.space.units(number), None if self.space.gap_of(number) is None else np.nan)
                for number in range(self.space.features)
            )
        levels = levels[: self.space.features]
        base = self.space.middle()
        block = max(1, MOST_NUMBERS // max(1, len(levels)))
        if sum(levels) > block:
            raise TooLarge(f"The model reads {len(levels)} columns of {sum(levels)} codes.", "Fit it on fewer columns.")
        rows = np.repeat(base[None], sum(levels), axis=0)
        ends = np.cumsum([0, *levels])
        for column, count in enumerate(levels):
            rows[ends[column] : ends[column + 1], column] = np.arange(count)
        seen = dense(self.evaluate(rows))
        normal = dense(self.evaluate(base[None]))[0]
        random = np.repeat(base[None], CHECKED_ROWS, axis=0)
        random[:, : len(levels)] = np.random.default_rng(5).integers(0, np.array(levels), (CHECKED_ROWS, len(levels)))
        truth = dense(self.evaluate(random))
        missing = self._where_missing(base)
        found: list[Column | None] = []
        for feature in range(seen.shape[1]):
            moved = np.flatnonzero(seen[:, feature] != normal[feature])
            columns = np.unique(np.searchsorted(ends, moved, side="right") - 1) if len(moved) else np.array([0])
            if len(columns) > 1:
                found.append(None)
                continue
            column = int(columns[0])
            table = seen[ends[column] : ends[column + 1], feature]
            off = np.abs(table[random[:, column]] - truth[:, feature]).max()
            follows = off <= SAME * max(1.0, float(np.ptp(table)))
            empty = missing[column][feature] if column in missing else None
            found.append(Column(column, table, empty) if follows else None)
        return tuple(found)

    def _where_missing(self, base: I64) -> dict[int, F64]:
        """What all features are (features,) where a column has no value, by column."""
        if not self.space.gaps:
            return {}
        rows = np.repeat(base[None], len(self.space.gaps), axis=0)
        rows[:, self.space.features :] = np.eye(len(rows), dtype=np.int64)
        found = dense(self.evaluate(rows))
        return {column: found[row] for row, columns in enumerate(self.space.gaps) for column in columns}

    def split(
        self, feature: int, below: Callable[[F64], Bools], yes: Node, no: Node, missing: bool | None = None
    ) -> Node:
        """The node that goes to `yes` where `below` holds of a feature's values, else to `no`; a missing value goes to
        `yes` if `missing` is true, and without it as NaN does. Errors: BadModel.
        """
        known = self.features[feature]
        if known is None:
            raise BadModel(
                "A tree of this model splits on a combination of several columns.",
                "Fit the trees on the columns themselves, without PCA, interactions or projections.",
            )
        side = below(known.values)
        changes = np.flatnonzero(side[1:] != side[:-1]) + 1
        if len(changes) and self.space.encodings[known.column] != "bins":
            raise BadModel(
                f"The model splits on column {self.space.columns[known.column].name!r}, of which the dataset publishes"
                " no bins.",
                "Leave that column out, or ask the owner to publish bins of it.",
            )
        if len(changes) > MOST_PIECES:
            raise BadModel(
                f"A split parts the codes of column {self.space.columns[known.column].name!r} into {len(changes) + 1}"
                " pieces.",
                "Encode that column in its order.",
            )
        node = yes if side[-1] else no
        for cut in changes[::-1]:
            node = Split(known.column, int(cut), yes if side[cut - 1] else no, node)
        gap = self.space.gap_of(known.column)
        if gap is None or known.missing is None:
            return node
        absent = np.isnan(known.missing) and missing is not None
        default = missing if absent else bool(below(np.array([known.missing]))[0])
        return Split(gap, 1, node, yes if default else no)


def dense(table: Any) -> F64:
    """A foreign table as an array of numbers. Errors: BadModel."""
    if hasattr(table, "toarray"):
        table = table.toarray()
    try:
        return np.asarray(table, np.float64)
    except (TypeError, ValueError):
        raise BadModel("A step of this model makes something that is not a number.", "Leave that step out.") from None
