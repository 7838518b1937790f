"""What a compiled model's clear quantized self says, computed by the model and not by its circuit.

Of Concrete ML's models, and plain ones that it imports, it is their own quantized inference; of networks, lookup
networks and neighbours that are quantized here their integers; of all other models their scores in whole steps, which
trees are walked for leaf by leaf.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.rows_tables import RowsTable
from fhe.arrays import I64
from fhe.compile import Compiled
from fhe.compile.direct import direct_form
from fhe.compile.foreign import kind, origin
from fhe.compile.importers.core import core, is_concrete_network
from fhe.compile.importers.inputs import Inputs
from fhe.compile.neighbours import is_neighbours, quantized_neighbours
from fhe.compile.networks.network import QuantizedNetwork
from fhe.compile.quantize import is_linear
from fhe.compile.quantized import Whole
from fhe.compile.reading import spaces
from fhe.compile.rounding import balanced_leaves
from fhe.compile.sample import OwnRows
from fhe.compile.space import FeatureSpace, FittedOn

Numbers = npt.NDArray[Any]


def differing(
    given: Any, compiled: Compiled, table: RowsTable, reading: FittedOn, own: OwnRows | None, outputs: I64
) -> int:
    """On how many of the table's rows outputs (outputs, rows) are not what the quantized model says."""
    space = spaces(table.codebook.columns, None)[reading]
    quantized = compiled.model
    if kind(given) == "LookupNetwork":
        return _apart(outputs.T, given.integers(table.read("bins")))
    if is_neighbours(_inner(given, space)):
        found, _ = quantized_neighbours(given, space, own, None)
        return _apart(compiled.circuit.readout.label(outputs)[0], found.numbers(_codes(found.space, table)))
    if is_concrete_network(_inner(given, space)):
        return _apart(outputs.T * compiled.decoder.scale, _forward(given, table.read(reading)))
    if isinstance(quantized, QuantizedNetwork):
        return _apart(outputs.T, quantized.outputs(_codes(quantized.space, table)).T)
    if origin(quantized) == "concrete":
        read = table.read(reading)
        if is_linear(quantized):
            return _apart(compiled.decoder.raw(outputs), quantized._inference(quantized.quantize_input(read)))
        sums = quantized._inference(quantized.quantize_input(read.astype(np.float32))).sum(axis=-1)
        return _apart(outputs.T, sums.reshape(len(read), -1))
    return _apart(outputs.T, _in_steps(compiled, table, space, own).T)


def _in_steps(compiled: Compiled, table: RowsTable, space: FeatureSpace, own: OwnRows | None) -> I64:
    """The integers (outputs, rows) of a model quantized here.

    Leaves are rounded by themselves or, where noise leaves few bits, against one another: the compiler's own choice, as
    its circuit tells on other rows than these.
    """
    made = direct_form(compiled.model, space, own)
    zero = np.array(compiled.decoder.zero_points)[:, None]
    whole = Whole.of(made.form, made.space, compiled.decoder.scale)
    ways = [whole]
    if made.form.trees:
        balanced = balanced_leaves(made.form, made.space, compiled.decoder.scale)
        ways.append(replace(whole, leaves=balanced))
    others = made.comparison.codes
    said, reached = made.comparison.outputs(compiled.circuit), made.form.reached(others)
    chosen = min(ways, key=lambda way: _apart(said.T, (way.outputs(others, reached) + zero).T))
    codes = _codes(made.space, table)
    return chosen.outputs(codes, made.form.reached(codes)) + zero


def _inner(model: Any, space: FeatureSpace) -> Any:
    return core(model, Inputs.of(space)).model if hasattr(model, "predict") else model


def _codes(space: FeatureSpace, table: RowsTable) -> I64:
    """The rows' codes (rows, columns) as a space reads them."""
    both = {encoding: table.codes(encoding) for encoding in set(space.encodings)}
    return np.stack([both[encoding][:, i] for i, encoding in enumerate(space.encodings)], axis=1)


def _forward(model: Any, read: Any) -> Numbers:
    """Concrete ML's own words of a network, in the clear; what comes before it in a pipeline is done first."""
    if kind(model) == "Pipeline":
        read, model = model[:-1].transform(read), model[-1]
    found: Numbers = model.quantized_module_.forward(read.astype(np.float32), fhe="disable")
    return found


def _apart(found: Numbers, wanted: Numbers) -> int:
    """How many rows are not equal to the last bit."""
    found, wanted = np.asarray(found), np.asarray(wanted)
    if found.size != wanted.size:
        return len(found)
    return int(np.count_nonzero((found.reshape(len(found), -1) != wanted.reshape(len(found), -1)).any(axis=1)))
