"""How many rows of each class are in each bin of some columns, as one job releases them.

Bins of a column exclude one another, classes do, so that a row moves two numbers a column, whatever there are of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from app.client.fit.linear_sums import sums_of
from app.client.published import PublishedValues
from app.protocol.data.dataset import Codebook, ColumnCode
from app.protocol.data.product import Factor
from app.protocol.errors import BadQuery
from fhe.arrays import F64, I64
from fhe.circuit.circuit import Circuit, Input
from fhe.profile import EncryptionProfile


@dataclass(frozen=True)
class ClassHistograms:
    """Counts (2, bins) of each column by the label's code, and the standard deviation of their noise."""

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
        """How many rows (2,) each class has: the mean over the columns, of what all rows add up to."""
        found = np.mean([np.maximum(each, 0).sum(axis=1) for each in self.counts], axis=0)
        shares: F64 = np.maximum(found, 1e-9) / max(float(found.sum()), 1e-9)
        return shares * self.rows


@dataclass(frozen=True)
class HistogramPlan:
    """What to ask for histograms by a label, and how to read the answer."""

    columns: tuple[str, ...]
    circuit: Circuit
    _bins: tuple[int, ...] = field(repr=False)

    def read(self, released: I64, rows: int, scale: float) -> ClassHistograms:
        """The counts in the released numbers (released,) of a job on `rows` rows, with noise of this Laplace scale."""
        counts, start = [], 0
        for bins in self._bins:
            found = released[start : start + 2 * bins].astype(np.float64).reshape(bins, 2).T.copy()
            found[0, 0] += rows  # the first bin of the first class is counted as what the others leave
            counts.append(found)
            start += 2 * bins
        return ClassHistograms(self.columns, rows, tuple(counts), float(np.sqrt(2) * scale))


def plan_histograms(
    codebook: Codebook, profile: EncryptionProfile, columns: Sequence[str], label: str
) -> HistogramPlan:
    """The sums that histograms by a label of two codes take. Errors: BadQuery with the nearest that can be."""
    published = PublishedValues(codebook)
    if not published.is_bit(label):
        raise BadQuery(f"Column {label!r} has more than two codes, so it is no label of two classes.", "Name another.")
    two = Factor(column=label)
    released: dict[str, dict[Input, int]] = {}
    bins = []
    for name in columns:
        column = published.column(name)
        edges = column.bins
        if edges is None:
            raise BadQuery(f"Column {name!r} is published without bins.", f"These have: {_binned(codebook, label)}.")
        bits: list[tuple[Input, Input]] = []
        for edge in range(len(edges)):
            both = published.find(Factor(column=name, edge=edge), two)
            if both is None:
                raise BadQuery(
                    f"The dataset publishes no product of {label} and the bins of {name}.",
                    f"These have: {_paired(published, label)}. Or ask the owner for bins under [products].",
                )
            bits.append((Input(name, "bins", edge), both))
        for cell in range(len(edges) + 1):
            for wanted in (0, 1):
                released[f"{name} {cell} {wanted}"] = _cell(bits, cell, wanted, Input(label, "affine"))
        bins.append(len(edges) + 1)
    if not bins:
        raise BadQuery("No column has bins with products of the label.", "Ask the owner for bins under [products].")
    return HistogramPlan(tuple(columns), sums_of(released, codebook, profile), tuple(bins))


def _cell(bits: Sequence[tuple[Input, Input]], cell: int, wanted: int, label: Input) -> dict[Input, int]:
    """Rows of a cell and class, from bits "value >= edge", and their products with the label; less all rows for the
    first cell of the first class.
    """
    found: dict[Input, int] = {}

    def add(wire: Input, weight: int) -> None:
        found[wire] = found.get(wire, 0) + weight

    for place, sign in ((cell - 1, 1), (cell, -1)):  # rows from the cell's edge on, less those from the next one on
        if place >= len(bits):
            continue
        alone, both = (None, label) if place < 0 else bits[place]
        if wanted:
            add(both, sign)
        else:
            add(both, -sign)
            if alone is not None:
                add(alone, sign)
    return found


def _binned(codebook: Codebook, label: str) -> str:
    return ", ".join(column.name for column in codebook.columns if column.bins and column.name != label)[:200] or "none"


def _paired(published: PublishedValues, label: str) -> str:
    return ", ".join(binned_with(published, label))[:200] or "none"


def binned_with(published: PublishedValues, label: str) -> list[str]:
    """The columns whose every bin has a product with a label."""

    def has(column: ColumnCode) -> bool:
        edges = [Factor(column=column.name, edge=edge) for edge in range(len(column.bins or ()))]
        return bool(edges) and all(published.find(edge, Factor(column=label)) for edge in edges)

    return [column.name for column in published.codebook.columns if column.name != label and has(column)]
