"""What a circuit means: its integers in the clear.

Used by tests (against Concrete ML, and against the encrypted run), by the rehearsal on a preview, and by the leak
report. It computes exactly what the evaluator computes on ciphertexts, and refuses a row on which a value leaves its
range, where the evaluator would give nonsense.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from app.protocol.errors import BadInput, MessageOverflow
from app.protocol.vocabulary import Encoding
from fhe.arrays import I64
from fhe.circuit.circuit import Circuit, Linear, Lookup, Selection, rotating

CELLS = 1 << 21  # integers in one array: 16 MiB, of which a run holds five or so


def gather_inputs(circuit: Circuit, codes: Mapping[tuple[str, Encoding], I64]) -> I64:
    """The circuit's inputs (rows, inputs) from codes (rows,) by column and encoding.

    `("age", "affine")` holds a column's affine codes, `("age", "bins")` its bin codes (number of edges not above the
    value); input bit i of a column is then "bin code > i". Errors: `BadInput` for a column that is missing.
    """
    missing = [i for i in circuit.inputs if (i.column, i.encoding) not in codes]
    if missing:
        raise BadInput(
            f"The circuit reads the {missing[0].encoding} codes of column {missing[0].column!r}, which are not given.",
            "Encode the table with the dataset's codebook.",
        )
    read = [codes[i.column, i.encoding] for i in circuit.inputs]
    return np.stack(
        [column if i.encoding == "affine" else column > i.index for i, column in zip(circuit.inputs, read)], axis=1
    ).astype(np.int64)


def evaluate_clear(circuit: Circuit, inputs: I64) -> I64:
    """Outputs (rows, outputs) on inputs (rows, inputs), in blocks of rows: besides both, at most some `CELLS` integers.

    Errors: `BadInput` for another shape; `MessageOverflow` where a value leaves its range, with the least and greatest
    of the first block in which one does.
    """
    given = np.asarray(inputs, np.int64)
    if given.ndim != 2 or given.shape[1] != len(circuit.inputs):
        raise BadInput(
            f"The circuit has {len(circuit.inputs)} inputs; these values have the shape {given.shape}.",
            "Give one row of inputs for each row of the table.",
        )
    outputs, step = np.empty((len(given), len(circuit.outputs)), np.int64), block_rows(circuit)
    for start in range(0, len(given), step):
        outputs[start : start + step] = _run(circuit, given[start : start + step].T).T
    return outputs


def sum_blocks(circuit: Circuit, outputs: I64) -> I64:
    """The sums (blocks, outputs) over blocks of rows of a circuit that sums, from its outputs (rows, outputs).

    Errors: MessageOverflow where a sum leaves the last layer's width.
    """
    starts = np.arange(0, len(outputs), circuit.block)
    sums: I64 = np.add.reduceat(outputs, starts, axis=0)
    last = circuit.layers[-1]
    _in_range(sums.T, -(1 << last.width), 1 << last.width, len(circuit.layers) - 1)  # type: ignore[union-attr]
    return sums


def block_rows(circuit: Circuit) -> int:
    """How many rows at a time keep every array of a run at `CELLS` integers."""
    terms = [len(layer.columns) if isinstance(layer, Linear) else len(layer.source) for layer in circuit.layers]
    lookups = sum(len(layer.source) for layer in rotating(circuit.layers))
    return max(1, CELLS // max(len(circuit.inputs) + lookups, *terms))


def evaluate_after(circuit: Circuit, layer: int, wires: I64) -> I64:
    """Outputs (rows, outputs) of a circuit whose wires (rows, wires) up to a Lookup, that layer, are known already.

    Errors: as `evaluate_clear`.
    """
    outputs, step = np.empty((len(wires), len(circuit.outputs)), np.int64), block_rows(circuit)
    for start in range(0, len(wires), step):
        outputs[start : start + step] = _run(circuit, wires[start : start + step].T, layer + 1).T
    return outputs


def _run(circuit: Circuit, inputs: I64, first: int = 0) -> I64:
    """Outputs (outputs, rows) of the layers from `first` on, on the wires (wires, rows) before them.

    Wires are kept one after the other: each is read as a whole.
    """
    filled, rows = inputs.shape
    lookups = sum(len(layer.source) for layer in rotating(circuit.layers))
    wires = np.empty((len(circuit.inputs) + lookups, rows), np.int64)
    wires[:filled], values, places = inputs, inputs[:0], np.arange(rows)
    for number, layer in enumerate(circuit.layers[first:], first):
        if isinstance(layer, Linear):
            values = _linear(layer, wires)
            if number == len(circuit.layers) - 1:
                _in_range(values, -(1 << layer.width), 1 << layer.width, number)
            elif not circuit.centred:
                _in_range(values, 0, 1 << layer.width, number)
        elif circuit.centred:
            before = circuit.layers[number - 1]
            assert isinstance(before, Linear)
            read = values[layer.source] & ((2 << before.width) - 1)
            if isinstance(layer, Selection):
                found = _selected(layer, before.width, values, read, number)
            else:
                found = read_tables(layer, before.width, read, number, rounds=circuit.shared)
            wires[filled : filled + len(read)] = found
            filled += len(read)
        else:
            assert isinstance(layer, Lookup)
            count = len(layer.source)
            which = np.arange(count)[:, None]
            wires[filled : filled + count] = layer.tables[which, values[layer.source[:, None], places]]
            filled += count
    return values


def _selected(layer: Selection, width: int, values: I64, read: I64, number: int) -> I64:
    """What a selection gives (lookups, rows) of values (values, rows), by what tells it (lookups, rows) modulo
    2^(width + 1).

    Errors: MessageOverflow as `read_tables`, and for a value that is selected among and leaves the width.
    """
    _in_range(values[np.unique(layer.entries)], -(1 << width), 1 << width, number - 1)
    places = np.tile(np.arange(layer.entries.shape[1]) + 1, (len(layer.source), 1))  # the entry's number, and its sign
    told = read_tables(Lookup(width, layer.source, places, layer.negacyclic), width, read, number, rounds=True)
    chosen = np.take_along_axis(layer.entries, np.abs(told) - 1, axis=1)
    return np.sign(told) * np.take_along_axis(values, chosen, axis=0)


def read_tables(layer: Lookup, width: int, values: I64, number: int, *, rounds: bool = False) -> I64:
    """What a lookup of a circuit of digits gives for values (lookups, rows) in [0, 2^(width + 1)).

    Errors: MessageOverflow for a value that is no multiple of 2^(width - u), where the tables have 2^u entries, and for
    one that uses the padding bit of a layer that is not negacyclic. With `rounds` it is read as the nearest multiple,
    and only a value right between two is an error.
    """
    box = 1 << (width - layer.bits())
    if rounds:
        values, off = round_to(values, width, box)
        wrong = off == -(box // 2) if box > 1 else np.zeros_like(off, bool)
    else:
        wrong = values & (box - 1) != 0
    if not layer.negacyclic:
        _in_range(values, 0, 1 << width, number - 1)
    loose = np.flatnonzero(wrong.any(axis=1))
    if len(loose):
        raise MessageOverflow(
            f"Lookup {int(loose[0])} of layer {number} reads {layer.bits()} bits of a value that has lower ones too.",
            "Compile the model again for this dataset.",
        )
    return negacyclic(layer.tables, width, values)


def round_to(values: I64, width: int, box: int) -> tuple[I64, I64]:
    """Values modulo 2^(width + 1) as the nearest multiples of a box, and how far off they are, in [-box/2, box/2)."""
    above = (values + box // 2) & ((2 << width) - 1)
    return above & -box, (above & (box - 1)) - box // 2


def negacyclic(tables: I64, width: int, values: I64) -> I64:
    """f(x), and -f(x) for x + 2^width: tables (lookups, entries) read values (lookups, rows) in their nearest boxes."""
    entries = tables.shape[1]
    box = (1 << width) // entries
    place = (values + box // 2) // box
    found = np.take_along_axis(tables, place & (entries - 1), axis=1)
    return np.where(place & entries, -found, found)


def _linear(layer: Linear, wires: I64) -> I64:
    """W m + bias, (values, rows)."""
    values = np.repeat(layer.bias[:, None], wires.shape[1], axis=1)
    filled = np.flatnonzero(np.diff(layer.indptr))  # what has no terms has no part of its own to add up
    if len(filled):
        terms = wires[layer.columns]
        terms *= layer.values[:, None]
        values[filled] += np.add.reduceat(terms, layer.indptr[filled], axis=0)
    return values


def _in_range(values: I64, low: int, high: int, number: int) -> None:
    if not values.size:
        return
    least, most = values.min(axis=1), values.max(axis=1)
    wrong = np.flatnonzero((least < low) | (most >= high))
    if len(wrong):
        at = int(wrong[0])
        raise MessageOverflow(
            f"Value {at} of layer {number} runs from {least[at]} to {most[at]}, outside [{low}, {high}).",
            "Compile the model again for this dataset.",
        )
