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

from app.protocol.data.dataset import ColumnCode
from app.protocol.errors import BadModel
from app.protocol.vocabulary import Encoding
from fhe.arrays import F64, I64
from fhe.compile.foreign import frame

FittedOn = Literal["codes", "bins", "values"]
READINGS: tuple[FittedOn, ...] = ("codes", "bins", "values")


@dataclass(frozen=True)
class FeatureSpace:
    """Columns of a dataset as the features of one model."""

    columns: tuple[ColumnCode, ...]  # in the order of the model's features
    reading: FittedOn
    encodings: tuple[Encoding, ...]  # which code of each column the circuit reads
    names: tuple[str, ...] | None = None  # of the frame that the model wants

    def units(self, column: int) -> F64:
        """What the model reads (levels,) for each code of a column."""
        return units(self.columns[column], self.encodings[column], self.reading)

    @property
    def levels(self) -> tuple[int, ...]:
        """How many codes each column has."""
        return tuple(count(column, encoding) for column, encoding in zip(self.columns, self.encodings))

    def values(self, codes: I64) -> F64:
        """What the model reads (rows, features) for codes (rows, features)."""
        table = np.empty(codes.shape, np.float64)
        for number in range(len(self.columns)):
            table[:, number] = self.units(number)[codes[:, number]]
        return table

    def spread(self, codes: I64, random: np.random.Generator) -> F64:
        """Values (rows, features) anywhere inside the bins of codes (rows, features); affine codes as they are."""
        table = self.values(codes)
        for number, (column, encoding) in enumerate(zip(self.columns, self.encodings)):
            if encoding == "bins" and not whole(column):
                bounds = bin_bounds(column)
                low, high = bounds[:-1][codes[:, number]], bounds[1:][codes[:, number]]
                table[:, number] = low + random.random(len(codes)) * (high - low)
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
        """A row of codes (features,) away from every edge."""
        return np.array([levels // 2 for levels in self.levels], np.int64)


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
