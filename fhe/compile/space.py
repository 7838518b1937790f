"""What a model's features are on a dataset: its columns in the model's order, and what it reads for each of their
codes.

A buyer fits a model on affine codes ("codes"), on bin codes ("bins"), or on the columns' own values ("values"). A
circuit reads codes. Under "values" a code stands for a value: an affine code c for low + step * c, a bin for a value
inside it, which is a whole number where the column's are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from app.protocol.data.dataset import Codebook, ColumnCode
from app.protocol.data.derivation import IsMissing, Member
from app.protocol.errors import BadModel
from app.protocol.vocabulary import Encoding
from fhe.arrays import F64, I64
from fhe.compile.foreign import frame

FittedOn = Literal["codes", "bins", "values"]
MissingAs = Literal["impute", "nan"]  # what a model reads where a published bit says that there is no value
READINGS: tuple[FittedOn, ...] = ("codes", "bins", "values")


@dataclass(frozen=True)
class FeatureSpace:
    """Columns of a dataset as the features of one model."""

    columns: tuple[ColumnCode, ...]  # in the order of the model's features
    reading: FittedOn
    encodings: tuple[Encoding, ...]  # which code of each column the circuit reads
    names: tuple[str, ...] | None = None  # of the frame that the model wants
    gaps: tuple[tuple[int, ...], ...] = ()  # the last columns are no features: each is 1 where these have no value

    @property
    def features(self) -> int:
        """How many features the model reads."""
        return len(self.columns) - len(self.gaps)

    def with_gaps(self, codebook: Codebook) -> FeatureSpace:
        """The same features, which the model reads as NaN where a published bit says that there is no value.

        A feature whose bit the model reads as a feature of its own is left as it is, and so are members of a one-hot
        code, which are 0 then, as dummies are.
        """
        bits = {
            column.reads: column
            for column in codebook.columns
            if isinstance(column.derivation, IsMissing) and column.bins and column not in self.columns
        }
        gaps: dict[str, list[int]] = {}
        for number, column in enumerate(self.columns):
            if column.reads in bits and not isinstance(column.derivation, Member):
                gaps.setdefault(column.reads, []).append(number)
        binned: tuple[Encoding, ...] = tuple("bins" for _ in gaps)
        return replace(
            self,
            columns=self.columns + tuple(bits[source] for source in gaps),
            encodings=self.encodings + binned,
            gaps=tuple(map(tuple, gaps.values())),
        )

    def gap_of(self, feature: int) -> int | None:
        """The column that says where a feature has no value."""
        places = (self.features + place for place, own in enumerate(self.gaps) if feature in own)
        return next(places, None)

    def units(self, column: int) -> F64:
        """What the model reads (levels,) for each code of a column."""
        return units(self.columns[column], self.encodings[column], self.reading)

    @property
    def levels(self) -> tuple[int, ...]:
        """How many codes each column has."""
        return tuple(count(column, encoding) for column, encoding in zip(self.columns, self.encodings))

    def values(self, codes: I64) -> F64:
        """What the model reads (rows, features) for codes (rows, columns)."""
        table = np.empty((len(codes), self.features), np.float64)
        for number in range(self.features):
            table[:, number] = self.units(number)[codes[:, number]]
        return self._gapped(table, codes)

    def spread(self, codes: I64, random: np.random.Generator) -> F64:
        """Values (rows, features) anywhere inside the bins of codes (rows, features); affine codes as they are."""
        table = self.values(codes)
        for number, (column, encoding) in enumerate(zip(self.columns[: self.features], self.encodings)):
            if encoding == "bins" and not whole(column):
                bounds = bin_bounds(column)
                low, high = bounds[:-1][codes[:, number]], bounds[1:][codes[:, number]]
                table[:, number] = low + random.random(len(codes)) * (high - low)
        return self._gapped(table, codes)

    def _gapped(self, table: F64, codes: I64) -> F64:
        for place, features in enumerate(self.gaps, self.features):
            table[np.ix_(codes[:, place] == 1, features)] = np.nan
        return table

    def table(self, codes: I64) -> Any:
        """The same as the model takes it: a frame, if it was fitted on named columns."""
        return frame(self.values(codes), self.names)

    def by_input(self, codes: I64) -> dict[tuple[str, Encoding], I64]:
        """The codes by column and encoding, for `fhe.circuit.clear.gather_inputs`."""
        return {
            (column.name, encoding): codes[:, number]
            for number, (column, encoding) in enumerate(zip(self.columns, self.encodings))
        }

    def on(self, encodings: Sequence[Encoding]) -> FeatureSpace:
        """The same features read through other codes."""
        return replace(self, encodings=tuple(encodings))

    def middle(self) -> I64:
        """A row of codes (columns,) away from every edge, in which no value is missing."""
        return np.array([n // 2 if place < self.features else 0 for place, n in enumerate(self.levels)], np.int64)


def published(column: ColumnCode, encoding: Encoding) -> bool:
    """Whether a dataset publishes such codes of a column."""
    return column.affine is not None if encoding == "affine" else bool(column.bins)


def count(column: ColumnCode, encoding: Encoding) -> int:
    """How many codes there are."""
    if encoding == "affine":
        return column.affine.levels if column.affine else 0
    return len(column.bins or ()) + 1


def units(column: ColumnCode, encoding: Encoding, reading: FittedOn) -> F64:
    """What a model of this reading sees (levels,) for each code of one column."""
    codes = np.arange(count(column, encoding), dtype=np.float64)
    if reading == "bins" or (reading == "codes" and encoding == "affine"):
        return codes
    if encoding == "affine":
        assert column.affine is not None
        return column.affine.low + column.affine.step * codes
    inside = representatives(column)
    if reading == "values":
        return inside
    assert column.affine is not None
    nearest: F64 = np.rint((inside - column.affine.low) / column.affine.step)
    return nearest.clip(0, column.affine.levels - 1)


def representatives(column: ColumnCode) -> F64:
    """One value (bins,) inside each bin [edge, next edge): its middle, whole where the column's values are."""
    bounds = bin_bounds(column)
    middles: F64 = (bounds[:-1] + bounds[1:]) / 2
    if whole(column):
        below = np.floor(middles)
        middles = np.where(below >= bounds[:-1], below, np.ceil(bounds[:-1]))
    return middles


def bin_bounds(column: ColumnCode) -> F64:
    """The ends (bins + 1,) of a column's bins; the outer ones by its affine code's range, else one bin further."""
    edges = np.array(column.bins or (), np.float64)
    if not len(edges):
        return np.zeros(2)
    gap = float(np.diff(edges).min()) if len(edges) > 1 else max(abs(float(edges[0])), 1.0)
    low, high = edges[0] - gap, edges[-1] + gap
    if column.affine is not None:
        lowest = column.affine.low
        highest = column.affine.low + column.affine.step * (column.affine.levels - 1)
        low, high = (lowest if lowest < edges[0] else low), (highest if highest > edges[-1] else high)
    bounds: F64 = np.concatenate([[low], edges, [high]])
    return bounds


def whole(column: ColumnCode) -> bool:
    """Whether a column's own values are whole numbers."""
    return column.dtype.lower().startswith(("int", "uint", "bool"))


def codes_of(column: ColumnCode, encoding: Encoding, values: F64) -> I64:
    """The codes (rows,) of a column's values by the codebook, clipped to its range; `ingestion.codes` refuses instead.

    Errors: BadModel for values that are missing where the codebook imputes none.
    """
    if np.isnan(values).any():
        if column.impute is None:
            raise BadModel(f"The rows to check on miss values of {column.name!r}.", "Drop those rows.")
        values = np.where(np.isnan(values), column.impute, values)
    if encoding == "bins":
        return np.searchsorted(np.array(column.bins or ()), values, side="right").astype(np.int64)
    assert column.affine is not None
    codes: F64 = np.rint((values - column.affine.low) / column.affine.step)
    return codes.clip(0, column.affine.levels - 1).astype(np.int64)
