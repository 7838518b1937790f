"""What is known of a table's columns before anything is published, and the code that is proposed for each.

The ranges are measured on private data. Publishing a code built from them reveals them, so a proposal is rounded
outward to two digits, which reveals less and reads better.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from app.protocol.data.dataset import Affine
from app.protocol.errors import BadTable
from ingestion.reading import Kind

DEFAULT_LEVELS = 256


@dataclass(frozen=True)
class ColumnProfile:
    """One column: `low` and `high` are its smallest and largest finite values, None if it has none or is no number."""

    name: str
    kind: Kind
    low: float | None = None
    high: float | None = None
    missing: int = 0  # empty, null or NaN
    infinite: int = 0
    distinct: int = 0  # estimated, within a few percent
    held: str = field(default="", compare=False)  # in words, where it is no number
    fault: tuple[str, str] | None = field(default=None, compare=False)  # of a mixed one: what is wrong, how to mend it
    first: str = ""  # of dates and times, as ISO 8601 has them
    last: str = ""
    forms: tuple[str, ...] = ()  # of dates that are not ISO 8601, as strftime has it; two where a day may be a month
    identifies: str = ""  # what it seems to tell of a person, in words; then it stays at home unless it is named
    same_as: str = ""  # an earlier column with the same values
    padded: bool = False  # whole numbers are written with zeros in front, as codes are
    common: int = 0  # how many of its first words at least USUAL_GROUP rows have

    @property
    def usable(self) -> bool:
        """Whether an affine code or bins can be made for it: numbers, and at least one of them finite."""
        return self.low is not None

    @property
    def constant(self) -> bool:
        """Whether all rows have the same value."""
        return not self.missing and (self.low == self.high if self.low is not None else self.distinct == 1)

    def range_outward(self) -> tuple[float, float]:
        """[low, high] rounded outward to two digits of its width. Only for usable columns."""
        if self.low is None or self.high is None:
            raise ValueError("the column has no finite value")
        if self.kind == "boolean":
            return 0.0, 1.0
        width = min(self.high - self.low or abs(self.high) or 1.0, sys.float_info.max)
        unit = 10.0 ** max(math.floor(math.log10(width)) - 1, -300)
        if self.kind == "integer":
            unit = max(unit, 1.0)
        low, high = math.floor(self.low / unit) * unit, math.ceil(self.high / unit) * unit
        low, high = (float(f"{edge:.12g}") for edge in (low, high))  # 0.1 * 3 reads 0.3 again
        low, high = min(low, self.low), max(high, self.high)  # where twelve digits are too few
        return low, high if high > low else low + max(unit, abs(low) * 1e-9)

    def proposal(self) -> Affine:
        """An affine code for the measured range: each whole number its own level where they fit, else 256 levels."""
        low, high = self.range_outward()
        if self.kind != "real" and high - low < DEFAULT_LEVELS:
            return Affine(low=low, step=1.0, levels=max(2, int(high - low) + 1))
        return Affine(low=low, step=high / (DEFAULT_LEVELS - 1) - low / (DEFAULT_LEVELS - 1), levels=DEFAULT_LEVELS)


@dataclass(frozen=True)
class TableProfile:
    """A whole table."""

    path: Path
    rows: int
    columns: tuple[ColumnProfile, ...]
    quantiles: Mapping[str, tuple[float, ...]] = field(
        default_factory=dict
    )  # measured of columns, where they are asked

    def column(self, name: str) -> ColumnProfile:
        """The column of this name. Errors: BadTable."""
        for column in self.columns:
            if column.name == name:
                return column
        raise BadTable(f"{self.path.name} has no column {name!r}.", "See its columns: darkroom dataset profile.")
