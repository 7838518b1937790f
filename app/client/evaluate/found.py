"""What a test of a model found, in plain values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from app.client.ask.answer import SPREAD, Figure
from fhe.arrays import F64


@dataclass(frozen=True)
class Calibrated:
    """Rows of one score: the chance of the second class that the model gives them, and how many have it."""

    said: float
    true: Figure
    rows: float  # with noise


@dataclass(frozen=True)
class TestFigures:
    """The figures of a test, each with its 95 % interval. `confusion` (true, said) has noise of `noise_scale`."""

    classes: tuple[str, ...]  # none for a regression
    confusion: F64
    noise_scale: float
    figures: dict[str, Figure]
    calibration: tuple[Calibrated, ...] = ()
    remarks: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The same as plain values: each figure `name` with its interval `name_low` to `name_high`."""
        named: dict[str, Any] = {}
        for name, figure in self.figures.items():
            named |= {name: figure.value, f"{name}_low": figure.low, f"{name}_high": figure.high}
        half = SPREAD * 2**0.5 * self.noise_scale
        return {
            "figures": named,
            "classes": list(self.classes),
            "confusion": [
                {"true": self.classes[i], "said": self.classes[j], "rows": float(self.confusion[i, j])}
                for i in range(len(self.classes))
                for j in range(len(self.classes))
            ],
            "count_half_width": half if self.classes else None,
            "calibration": [
                {"said": each.said, "true": each.true.value, "true_low": each.true.low, "true_high": each.true.high,
                 "rows": each.rows}
                for each in self.calibration
            ],
            "remarks": list(self.remarks),
        }  # fmt: skip
