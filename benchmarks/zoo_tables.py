"""The tables of the zoo: two classes, three, ten and a value, with labels as people write them.

Values come from a seed. Six columns in units of their own: four measured ones, a whole number and one of two values;
each with affine codes of at most 64 levels and at most 12 bins. Labels follow from several columns at once, with noise.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from app.protocol.data.dataset import Affine, Codebook, ColumnCode
from fhe.arrays import F64, I64
from fhe.compile.space import FeatureSpace, FittedOn, published
from ingestion.codes import encode, encode_bins

Target = Literal["two", "three", "ten", "value"]

TARGETS: tuple[Target, ...] = ("two", "three", "ten", "value")
ROWS, HELD_OUT = 600, 400
LEVELS, BINS = 64, 13


@dataclass(frozen=True, eq=False)
class Table:
    """Raw values (rows, columns) with a label each; the last `HELD_OUT` rows are not trained on."""

    codebook: Codebook
    values: F64
    target: npt.NDArray[Any]

    def read(self, reading: FittedOn, named: bool) -> Any:
        """All rows as a model of this reading takes them: an array, or a frame."""
        table: F64
        if reading == "values":
            table = self.values
        else:
            table = (encode if reading == "codes" else encode_bins)(self.codebook, self.values).astype(np.float64)
        if not named:
            return table
        import pandas as pd

        return pd.DataFrame(table, columns=[column.name for column in self.codebook.columns])

    def space(self, circuit: Any, reading: FittedOn) -> FeatureSpace:
        """What a model of this reading reads for the codes that a circuit reads."""
        wanted = {wire.column: wire.encoding for wire in circuit.inputs}
        first = "bins" if reading == "bins" or "bins" in wanted.values() else "affine"
        chosen = tuple(wanted.get(column.name, first) for column in self.codebook.columns)
        assert all(published(column, encoding) for column, encoding in zip(self.codebook.columns, chosen))
        return FeatureSpace(self.codebook.columns, reading, chosen)


@cache
def table(target: Target) -> Table:
    """One of the four."""
    random = np.random.default_rng(17)
    rows = ROWS + HELD_OUT
    values: F64 = np.stack(
        [
            random.normal(52, 9, rows).clip(20, 90),
            random.gamma(2.0, 700.0, rows).clip(0, 6_000),
            random.uniform(0.1, 0.9, rows),
            random.normal(0, 1, rows).clip(-3, 3),
            random.integers(0, 12, rows).astype(np.float64),
            (random.random(rows) < 0.4).astype(np.float64),
        ],
        axis=1,
    )
    scaled = (values - values.mean(axis=0)) / values.std(axis=0)
    hidden: F64 = scaled[:, 0] + scaled[:, 1] * (scaled[:, 5] > 0) - 0.8 * scaled[:, 2] + 0.7 * np.abs(scaled[:, 3])
    hidden += 0.5 * scaled[:, 4] + 0.4 * random.normal(size=rows)
    return Table(_codebook(values), values, _labels(hidden, scaled, target))


def _labels(hidden: F64, scaled: F64, target: Target) -> npt.NDArray[Any]:
    if target == "value":
        found: F64 = 40_000.0 + 9_000.0 * hidden.clip(-4, 4)
        return found
    if target == "two":
        return np.where(hidden > np.quantile(hidden, 0.6), "yes", "no")
    if target == "three":
        return np.array([-3, 4, 11])[np.digitize(hidden, np.quantile(hidden, [0.4, 0.75]))]
    tenths: I64 = np.digitize(hidden + 0.3 * scaled[:, 3], np.quantile(hidden, np.linspace(0.1, 0.9, 9)))
    return tenths


def _codebook(values: F64) -> Codebook:
    columns = []
    for number, (column, ends) in enumerate(zip(values.T, [(20, 90), (0, 6_000), (0, 1), (-3, 3), (0, 11), (0, 1)])):
        low, high = float(ends[0]), float(ends[1])
        whole = number >= 4
        levels = int(high - low) + 1 if whole else LEVELS
        edges = np.unique(np.quantile(column, np.linspace(0, 1, BINS + 1)[1:-1]))
        edges = edges[edges > low]
        columns.append(
            ColumnCode(
                name=("age", "income", "share", "index", "visits", "member")[number],
                dtype="int64" if whole else "float64",
                affine=Affine(low=low, step=(high - low) / (levels - 1), levels=levels),
                bins=tuple(float(edge) for edge in (np.arange(low + 1, high + 1) if whole else edges)),
                declared=True,
            )
        )
    return Codebook(columns=tuple(columns))
