"""The label that a classifier is tested against: its cells, and which of them each class of the model is."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt

from app.client.ask.cells import AskedCategory, AskedColumn, AskedTable, Cell
from app.protocol.errors import BadQuery
from fhe.circuit.circuit import Circuit
from fhe.compile.decoder import Decoder

MOST_CLASSES = 16


def truth_of(circuit: Circuit, table: AskedTable, label: str) -> AskedColumn | AskedCategory:
    """The published label. Errors: BadQuery for one of too many classes, and for one that the model reads."""
    truth = table[label]
    if len(truth.cells) > MOST_CLASSES:
        raise BadQuery(
            f"The label {label!r} has {len(truth.cells)} classes, more than {MOST_CLASSES}.", "Name another."
        )
    if any(table[wire.column].name == truth.name for wire in circuit.inputs):
        raise BadQuery(f"The model reads {label!r}, which it is tested against.", "Test it against another label.")
    return truth


def places_of(decoder: Decoder, truth: AskedColumn | AskedCategory) -> list[int]:
    """The cell of the label that each class of the model is. Errors: BadQuery."""
    assert decoder.labels is not None
    return [_place(truth, each) for each in decoder.labels.array().tolist()]


def _place(truth: AskedColumn | AskedCategory, value: Any) -> int:
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
