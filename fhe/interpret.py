"""What a circuit means: its integers in the clear.

Used by tests (against Concrete ML, and against the encrypted run), by the rehearsal on a preview, and by the leak
report. It computes exactly what the evaluator computes on ciphertexts, and refuses a row on which a value leaves its
range, where the evaluator would give nonsense.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from app.protocol.errors import BadInput, MessageOverflow
from fhe.circuit import Circuit, Encoding, Linear

I64 = npt.NDArray[np.int64]


def gather(circuit: Circuit, codes: Mapping[tuple[str, Encoding], I64]) -> I64:
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


def interpret(circuit: Circuit, inputs: I64) -> I64:
    """Outputs (rows, outputs) on inputs (rows, inputs). Errors: `MessageOverflow` where a value leaves its range."""
    wires = np.asarray(inputs, np.int64)
    if wires.ndim != 2 or wires.shape[1] != len(circuit.inputs):
        raise BadInput(
            f"The circuit has {len(circuit.inputs)} inputs; these values have the shape {wires.shape}.",
            "Give one row of inputs for each row of the table.",
        )
    values = wires[:, :0]
    for number, layer in enumerate(circuit.layers):
        if isinstance(layer, Linear):
            values = _linear(layer, wires)
            final = number == len(circuit.layers) - 1
            _in_range(values, -(1 << layer.width) if final else 0, 1 << layer.width, number)
        else:
            found = layer.tables[np.arange(len(layer.source)), values[:, layer.source]]
            wires = np.concatenate([wires, found], axis=1)
    return values


def _linear(layer: Linear, wires: I64) -> I64:
    """W m + bias, row by row of the sparse map."""
    values = np.empty((len(wires), len(layer.bias)), np.int64)
    for row, (start, stop) in enumerate(zip(layer.indptr, layer.indptr[1:])):
        values[:, row] = wires[:, layer.columns[start:stop]] @ layer.values[start:stop] + layer.bias[row]
    return values


def _in_range(values: I64, low: int, high: int, number: int) -> None:
    if not values.size:
        return
    least, most = values.min(axis=0), values.max(axis=0)
    wrong = np.flatnonzero((least < low) | (most >= high))
    if len(wrong):
        at = int(wrong[0])
        raise MessageOverflow(
            f"Value {at} of layer {number} runs from {least[at]} to {most[at]}, outside [{low}, {high}).",
            "Compile the model again for this dataset.",
        )
