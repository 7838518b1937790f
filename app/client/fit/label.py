"""The classes of a label that classifiers are fitted to: a column of two codes, or a category of several words.

A class is known by a published column of two codes that is 1 on its rows; one class may be that of all other rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from app.client.ask.cells import AskedCategory, AskedTable
from app.client.published import TWO
from app.protocol.data.dataset import Codebook
from app.protocol.errors import BadQuery


@dataclass(frozen=True)
class LabelClasses:
    """`values` (classes,) as a fitted model predicts them; a column of its `own` for each class but the `rest`."""

    name: str
    values: Any
    own: tuple[str, ...]
    rest: int | None

    @property
    def count(self) -> int:
        """How many classes there are."""
        return len(self.values)

    @property
    def places(self) -> tuple[int | None, ...]:
        """Which of its own columns each class is known by; None for the rest."""
        numbers = iter(range(len(self.own)))
        return tuple(None if one == self.rest else next(numbers) for one in range(self.count))

    @classmethod
    def of(cls, codebook: Codebook, label: str) -> LabelClasses:
        """Errors: BadQuery for a label of numbers or bins, which has no classes."""
        column = AskedTable(codebook)[label]
        if isinstance(column, AskedCategory):
            names = tuple(wire.column for wire in column.wires)
            cells = [cell.label for cell in column.cells]
            return cls(column.name, np.array(cells), names, len(names) if len(cells) > len(names) else None)
        affine = column.affine
        if affine is None or affine.levels != TWO:
            raise BadQuery(
                f"The label {label!r} is no category, and has more than two codes.",
                'Fit a regression, name another label, or ask the owner to publish it as kind = "category".',
            )
        values = np.array([affine.low, affine.low + affine.step])
        return cls(column.name, whole(values), (column.name,), 0)


def whole(values: Any) -> Any:
    """Whole numbers as integers."""
    return values.astype(np.int64) if np.array_equal(values, np.rint(values)) else values
