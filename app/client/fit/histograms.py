"""How many rows of each class are in each bin of some columns, as one job releases them.

Bins of a column exclude one another, classes do, so that a row moves two numbers a column, whatever there are of them.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from app.client.fit.label import LabelClasses
from app.client.fit.linear_sums import sums_of
from app.client.published import PublishedValues, wire_of
from app.protocol.data.dataset import Codebook, ColumnCode
from app.protocol.data.product import Factor
from app.protocol.errors import BadQuery
from fhe.arrays import F64, I64
from fhe.circuit.circuit import Circuit, Input
from fhe.profile import EncryptionProfile


@dataclass(frozen=True)
class ClassHistograms:
    """Counts (classes, bins) of each column by the label, and the standard deviation of their noise."""

    columns: tuple[str, ...]
    rows: int
    counts: tuple[F64, ...]
    deviation: float

    def __add__(self, other: ClassHistograms) -> ClassHistograms:
        """Of the rows of both."""
        counts = tuple(one + two for one, two in zip(self.counts, other.counts, strict=True))
        deviation = float(np.hypot(self.deviation, other.deviation))
        return ClassHistograms(self.columns, self.rows + other.rows, counts, deviation)

    @property
    def classes(self) -> F64:
        """How many rows (classes,) each class has: the mean over the columns, of what all rows add up to."""
        found = np.mean([np.maximum(each, 0).sum(axis=1) for each in self.counts], axis=0)
        shares: F64 = np.maximum(found, 1e-9) / max(float(found.sum()), 1e-9)
        return shares * self.rows


@dataclass(frozen=True)
class HistogramPlan:
    """What to ask for histograms by a label, and how to read the answer."""

    columns: tuple[str, ...]
    circuit: Circuit
    _bins: tuple[int, ...] = field(repr=False)
    _label: LabelClasses = field(repr=False)

    def read(self, released: I64, rows: int, scale: float) -> ClassHistograms:
        """The counts in the released numbers (released,) of a job on `rows` rows, with noise of this Laplace scale."""
        counts, start, classes = [], 0, self._label.count
        for bins in self._bins:
            found = released[start : start + classes * bins].astype(np.float64).reshape(bins, classes).T.copy()
            if self._label.rest is not None:
                found[self._label.rest, 0] += rows  # its first bin is counted as what the others leave
            counts.append(found)
            start += classes * bins
        return ClassHistograms(self.columns, rows, tuple(counts), float(np.sqrt(2) * scale))


def plan_histograms(
    codebook: Codebook, profile: EncryptionProfile, columns: Sequence[str], label: LabelClasses
) -> HistogramPlan:
    """The sums that histograms by a label take. Errors: BadQuery with the nearest that can be."""
    published = PublishedValues(codebook)
    released: dict[str, dict[Input, int]] = {}
    bins = []
    for name in columns:
        edges = published.column(name).bins
        if edges is None:
            raise BadQuery(
                f"Column {name!r} is published without bins.", f"These have: {_binned(codebook, label.name)}."
            )
        bits: list[tuple[Input, list[Input]]] = []
        for edge in range(len(edges)):
            bit = Factor(column=name, edge=edge)
            both = [published.find(bit, Factor(column=own)) for own in label.own]
            if None in both:
                raise BadQuery(
                    f"The dataset publishes no product of {label.name} and the bins of {name}.",
                    f"These have: {_paired(published, label)}. Or ask the owner for bins under [products].",
                )
            bits.append((wire_of(bit), [wire for wire in both if wire is not None]))
        for cell in range(len(edges) + 1):
            for number, place in enumerate(label.places):
                released[f"{name} {cell} {number}"] = _cell(bits, cell, place, label)
        bins.append(len(edges) + 1)
    if not bins:
        raise BadQuery("No column has bins with products of the label.", "Ask the owner for bins under [products].")
    return HistogramPlan(tuple(columns), sums_of(released, codebook, profile), tuple(bins), label)


def _cell(
    bits: Sequence[tuple[Input, list[Input]]], cell: int, place: int | None, label: LabelClasses
) -> dict[Input, int]:
    """Rows of a cell and class, from bits "value >= edge" and their products with the label's own columns; less all
    rows for the first cell of the class of the rest.
    """
    found: dict[Input, int] = {}

    def add(wire: Input, weight: int) -> None:
        found[wire] = found.get(wire, 0) + weight

    for edge, sign in ((cell - 1, 1), (cell, -1)):  # rows from the cell's edge on, less those from the next one on
        if edge >= len(bits):
            continue
        alone, both = (None, [Input(own, "affine") for own in label.own]) if edge < 0 else bits[edge]
        if place is not None:
            add(both[place], sign)
            continue
        for wire in both:
            add(wire, -sign)
        if alone is not None:
            add(alone, sign)
    return found


def _binned(codebook: Codebook, label: str) -> str:
    return ", ".join(column.name for column in codebook.columns if column.bins and column.name != label)[:200] or "none"


def _paired(published: PublishedValues, label: LabelClasses) -> str:
    return ", ".join(binned_with(published, label))[:200] or "none"


def binned_with(published: PublishedValues, label: LabelClasses) -> list[str]:
    """The columns whose every bin has a product with each of a label's own columns."""

    def has(column: ColumnCode) -> bool:
        edges = [Factor(column=column.name, edge=edge) for edge in range(len(column.bins or ()))]
        pairs = itertools.product(edges, label.own)
        return bool(edges) and all(published.find(edge, Factor(column=own)) for edge, own in pairs)

    return [column.name for column in published.codebook.columns if column.name not in label.own and has(column)]
