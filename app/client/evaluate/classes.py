"""Testing a classifier on bits: rows are counted by what it says, how sure it is, and the published label.

Every (bucket of scores, label) is a count of rows; they exclude one another, so a row moves two of them. A box of bins
together with a bit of the label is a lookup or a few. Classes, scores and probabilities are the model's own, by its
decoder, on the boxes; nothing else is released.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from app.client.ask.answer import Figure
from app.client.ask.cells import AskedColumn, AskedTable, Cell
from app.client.ask.counting import CountingCircuit
from app.client.ask.formula import both, in_cells
from app.client.evaluate.boxes import boxes_of, grid_of
from app.client.evaluate.figures import accuracy, area, confusion, drawn, share
from app.client.evaluate.found import Calibrated, TestFigures
from app.protocol.data.dataset import Codebook
from app.protocol.errors import BadQuery
from fhe.arrays import F64, I64
from fhe.circuit.circuit import Circuit, Mix
from fhe.compile.check import check
from fhe.compile.decoder import Decoder
from fhe.profile import EncryptionProfile

MOST_BUCKETS = 16  # of scores, for each class that is said
MOST_CLASSES = 16


@dataclass(frozen=True)
class ClassTest:
    """What to ask for a test of a classifier, and how to read the answer."""

    circuit: Circuit
    classes: tuple[str, ...]  # of the label, in the order of its codes
    said: tuple[int, ...]  # which class each bucket says
    scores: tuple[float, ...] | None  # of each bucket, rising; None for more than two classes
    chances: tuple[float, ...] | None  # of the second class, in each bucket
    merged: bool  # whether a bucket holds several scores
    _buckets: int = field(repr=False)

    def read(self, released: I64, rows: int, scale: float) -> TestFigures:
        """The figures of the released numbers (buckets * classes,) of a job on `rows` rows."""
        counts: F64 = released.astype(np.float64).reshape(self._buckets, len(self.classes))
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
        if self.scores is not None:
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


def plan_classes(
    circuit: Circuit, decoder: Decoder, codebook: Codebook, profile: EncryptionProfile, label: str
) -> ClassTest:
    """The counts that a test of a classifier takes. Errors: BadQuery with the nearest that can be tested."""
    table = AskedTable(codebook)
    truth = table[label]
    if len(truth.cells) > MOST_CLASSES:
        raise BadQuery(
            f"The label {label!r} has {len(truth.cells)} classes, more than {MOST_CLASSES}.", "Name another."
        )
    if any(table[wire.column].name == truth.name for wire in circuit.inputs):
        raise BadQuery(f"The model reads {label!r}, which it is tested against.", "Test it against another label.")
    grid = grid_of(circuit, table)
    assert decoder.labels is not None
    places = [_place(truth, each) for each in decoder.labels.array().tolist()]
    predicted = np.array(
        [decoder.labels.array().tolist().index(each) for each in decoder.predict(grid.outputs.T).tolist()]
    )
    said = np.array(places)[predicted]
    two = len(truth.cells) == 2 and len(places) == 2
    scores = _scores(decoder, grid.outputs) if two else None
    if scores is not None and places[0] == 1:
        scores = -scores
    buckets, values, merged = _bucketed(said, scores)
    if values.max() == 0:
        raise BadQuery("This model says the same of every row.", "Ask a question: docs/ask.md.")
    chances = None
    if two and decoder.probabilities:
        chance = decoder.predict_proba(grid.outputs.T)[:, places.index(1)]
        chances = tuple(float(chance[values == bucket].mean()) for bucket in range(len(buckets)))
    building = CountingCircuit(table, profile)
    mix: dict[str, dict[int, int]] = {f"{b} {c}": {} for b in range(len(buckets)) for c in range(len(truth.cells))}
    last = len(truth.cells) - 1
    for bucket, box in boxes_of(grid, values):
        whole = both(table, [in_cells(table, name, cells) for name, cells in box.items()])
        every = building.count(whole)
        mix[f"{bucket} {last}"][every] = 1
        for place in range(last):
            own = building.count(both(table, [whole, in_cells(table, truth.name, frozenset([place]))]))
            mix[f"{bucket} {place}"][own] = 1
            mix[f"{bucket} {last}"][own] = -1
    made = replace(building.circuit(), mix=Mix.of(mix))
    check(made, codebook, profile)
    ordered = None if scores is None else tuple(float(scores[values == b].mean()) for b in range(len(buckets)))
    labels = tuple(cell.label for cell in truth.cells)
    return ClassTest(made, labels, tuple(buckets), ordered, chances, merged, len(buckets))


def _scores(decoder: Decoder, outputs: I64) -> F64:
    """One number (combinations,) that rises with the second of two classes."""
    found = decoder.scores(outputs.T)
    return found if found.ndim == 1 else found[:, 1] - found[:, 0]


def _bucketed(said: I64, scores: F64 | None) -> tuple[list[int], I64, bool]:
    """(the class that each bucket says, the bucket of each combination, whether scores were merged)."""
    if scores is None:
        classes, values = np.unique(said, return_inverse=True)
        return classes.tolist(), values.astype(np.int64), False
    keys: list[tuple[float, int]] = []
    merged, found = False, np.empty(len(said), object)
    for one in np.unique(said):
        own = np.unique(scores[said == one])
        ends = own
        if len(own) > MOST_BUCKETS:
            merged, ends = True, own[np.linspace(0, len(own) - 1, MOST_BUCKETS).round().astype(int)]
        for at in np.flatnonzero(said == one):
            found[at] = (float(ends[np.searchsorted(ends, scores[at])]), int(one))
        keys += [(float(end), int(one)) for end in ends]
    keys = sorted(set(found.tolist()))
    places = {key: number for number, key in enumerate(keys)}
    return [one for _, one in keys], np.array([places[key] for key in found.tolist()], np.int64), merged


def _place(truth: Any, value: Any) -> int:
    """The cell of a label that a class is. Errors: BadQuery."""
    cells: tuple[Cell, ...] = truth.cells
    for place, cell in enumerate(cells):
        if str(value) == cell.label or (isinstance(truth, AskedColumn) and _inside(cell, value)):
            return place
    raise BadQuery(
        f"The model says {value!r}, which is no value of the label {truth.name!r}.",
        f"Its values are {', '.join(cell.label for cell in cells)[:200]}.",
    )


def _inside(cell: Cell, value: npt.ArrayLike) -> bool:
    if isinstance(value, str):
        return False
    number = float(value)  # type: ignore[arg-type]
    if cell.low is not None and cell.low == cell.high:
        return number == cell.low
    return (cell.low is None or number >= cell.low) and (cell.high is None or number < cell.high)
