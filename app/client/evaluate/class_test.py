"""What is asked for a test of a classifier, and how the answer is read: rows by what it says and the true label."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from app.client.ask.answer import Figure
from app.client.evaluate.figures import accuracy, area, confusion, drawn, share
from app.client.evaluate.found import Calibrated, TestFigures
from fhe.arrays import F64, I64
from fhe.circuit.circuit import Circuit


@dataclass(frozen=True)
class ClassTest:
    """The counts (buckets, classes) of a classifier: buckets of its scores by the label; they exclude one another."""

    circuit: Circuit
    classes: tuple[str, ...]  # of the label, in the order of its codes
    said: tuple[int, ...]  # which class each bucket says
    ranked: bool  # whether the buckets rise with the score of the second of two classes
    chances: tuple[float, ...] | None  # of the second class, in each bucket
    merged: bool  # whether a bucket holds several scores
    per: int = field(default=1, repr=False)  # what a row adds to its count
    rest: int | None = field(default=None, repr=False)  # the bucket whose last class is counted as what others leave

    @property
    def buckets(self) -> int:
        """How many there are."""
        return len(self.said)

    def read(self, released: I64, rows: int, scale: float) -> TestFigures:
        """The figures of the released numbers (buckets * classes,) of a job on `rows` rows."""
        scale /= self.per
        counts: F64 = released.astype(np.float64).reshape(self.buckets, len(self.classes)) / self.per
        if self.rest is not None:
            counts[self.rest, -1] += rows
        said = np.array(self.said)
        right = (said[:, None] == np.arange(len(self.classes))).astype(np.float64)
        figures = {"accuracy": accuracy(counts, right, rows, scale)}
        for place, name in enumerate(self.classes):
            chosen = said == place
            precision = share(counts[chosen], right[chosen], scale) if chosen.any() else Figure(None, None, None)
            recall = share(counts[:, [place]], right[:, [place]], scale)
            suffix = "" if len(self.classes) == 2 and place == 1 else f"_{name}"
            if len(self.classes) > 2 or place == 1:
                figures |= {f"precision{suffix}": precision, f"recall{suffix}": recall}
        calibration: tuple[Calibrated, ...] = ()
        if self.ranked:
            figures["auc"] = drawn(counts, scale, area, int(released.sum()) & 0xFFFFFFFF)
            if self.chances is not None:
                only = np.array([0.0, 1.0])
                calibration = tuple(
                    Calibrated(chance, share(own, only, scale), float(own.sum()))
                    for chance, own in zip(self.chances, counts, strict=True)
                )
        remarks = ("Neighbouring scores share a bucket, so the area under the curve is that of buckets.",)
        table = confusion(counts, self.said, len(self.classes))
        return TestFigures(self.classes, table, scale, figures, calibration, remarks if self.merged else ())
