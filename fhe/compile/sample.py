"""The codes that a circuit and its model are compared on: random ones, every column's ends, every bin, the buyer's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from app.protocol.data.dataset import ColumnCode
from app.protocol.data.derivation import IsMissing
from app.protocol.errors import BadModel
from fhe.arrays import F64, I64
from fhe.compile.foreign import frame
from fhe.compile.space import FeatureSpace, codes_of

RANDOM_ROWS = 1_000
EDGE_ROWS = 2_000  # at most


def edge_codes(space: FeatureSpace, seed: int = 1) -> I64:
    """Codes (rows, features): all at one end, then each column at its ends (or in every bin) among random ones."""
    random = np.random.default_rng(seed)
    levels = np.array(space.levels)
    wanted = [np.zeros_like(levels), levels - 1]
    places = [
        (number, code)
        for number, (count, encoding) in enumerate(zip(space.levels, space.encodings))
        for code in (range(count) if encoding == "bins" else (0, count - 1))
    ]
    if len(places) > EDGE_ROWS:
        places = [places[i] for i in sorted(random.choice(len(places), EDGE_ROWS, replace=False))]
    rows = random.integers(0, levels, (len(places), len(levels)))
    for row, (number, code) in zip(rows, places):
        row[number] = code
    return np.concatenate([np.array(wanted, np.int64), rows])


def compared_codes(space: FeatureSpace, seed: int = 0) -> I64:
    """Random codes and those at every edge, (rows, features)."""
    random = np.random.default_rng(seed).integers(0, np.array(space.levels), (RANDOM_ROWS, len(space.levels)))
    return np.concatenate([random, edge_codes(space, seed + 1)])


@dataclass(frozen=True, eq=False)
class OwnRows:
    """The buyer's rows: their values by column name, and their labels."""

    columns: dict[str, F64]
    target: npt.NDArray[Any] | None
    order: tuple[str, ...] | None  # of the frame's columns without the target; None: an array

    @classmethod
    def of(cls, data: Any, target: Any, names: Sequence[str]) -> OwnRows | None:
        """Of a frame, a mapping or an array in the dataset's order; `target` is labels, or the name of their column."""
        if data is None:
            if target is not None:
                raise BadModel("A target needs rows to check on.", "Give the rows as well (check).")
            return None
        labels = np.asarray(data[target]) if isinstance(target, str) else target
        if isinstance(data, np.ndarray | list | tuple):
            table = np.asarray(data, np.float64)
            if table.ndim != 2 or table.shape[1] != len(names):
                raise BadModel(
                    f"The rows to check on have the shape {table.shape}; the dataset has {len(names)} columns.",
                    "Give a frame with the dataset's columns.",
                )
            return cls({name: table[:, i] for i, name in enumerate(names)}, _labels(labels, len(table)), None)
        given = [str(name) for name in (data.columns if hasattr(data, "columns") else data)]
        held = [name for name in given if name in set(names) and not (isinstance(target, str) and name == target)]
        columns = {name: _numbers(data[name], name) for name in held}
        rows = len(next(iter(columns.values()), ()))
        if not rows:
            raise BadModel("The rows to check on hold none of the dataset's columns.", "Give a frame that does.")
        return cls(columns, _labels(labels, rows), tuple(held))

    def codes(self, space: FeatureSpace) -> I64:
        """The rows' codes (rows, columns). Errors: BadModel for a column that they do not hold."""
        return np.stack([codes_of(c, e, self._own(c)) for c, e in zip(space.columns, space.encodings)], axis=1)

    def _own(self, column: ColumnCode) -> F64:
        """A column's values; whether one is missing follows from the number itself, where it is there."""
        if isinstance(column.derivation, IsMissing) and column.name not in self.columns:
            return np.isnan(self._of(column.reads)).astype(np.float64)
        return self._of(column.name)

    def table(self, space: FeatureSpace) -> Any:
        """What the float model reads of them: their own values under "values", else their codes."""
        if space.reading != "values":
            return space.table(self.codes(space))
        values = np.stack([self._of(column.name) for column in space.columns[: space.features]], axis=1)
        return frame(values, space.names)

    def _of(self, name: str) -> F64:
        if name not in self.columns:
            raise BadModel(f"The rows to check on have no column {name!r}.", "Give all columns that the model reads.")
        return self.columns[name]


def _numbers(values: Any, name: str) -> F64:
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise BadModel(
            f"Column {name!r} of the rows to check on holds something that is not a number.", "Write numbers."
        ) from None


def _labels(labels: Any, rows: int) -> npt.NDArray[Any] | None:
    if labels is None:
        return None
    found = np.asarray(labels)
    if len(found) != rows:
        raise BadModel(f"There are {len(found)} labels for {rows} rows to check on.", "Give one label a row.")
    return found
