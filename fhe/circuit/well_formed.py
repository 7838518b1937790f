"""What every circuit's form has to be, before anything is known of a dataset. Errors: BadDocument.

1. Layers alternate Linear, Lookup, Linear, ... and end with a Linear; there is one output name for each of its rows.
2. A Linear's columns are wires that exist before it, increasing in a row; its values are not zero; every input of the
   circuit is read by some Linear; a wire is never read at a width above its own.
3. A Lookup's sources are rows of the Linear before it, its tables have 2^width entries in [-2^out, 2^out).
4. Inputs and output names are distinct; the readout fits the number of outputs.
5. A circuit that sums over rows has blocks of 1 to `MAX_BLOCK` rows and the readout `value`. It is a document of a kind
   of its own, `darkroom/circuit-2`, so that the bytes of other circuits are what they always were.
6. A circuit of digits is a document of a third kind, `darkroom/circuit-3`, which says `"switch": "centred"`. Only there
   tables have 2^u entries with u <= width, a Lookup may be negacyclic (`"op": "negacyclic"`), and a Linear may read a
   wire of width w < width, with weights that are multiples of 2^(width - w). One that sums over rows is of
   a fourth kind, `darkroom/circuit-4`, which has what both have.
7. A circuit of digits that reads bins under the small key is a document of a fifth kind, `darkroom/circuit-5`, which
   says `"bins": "lwe"` as well. Its inputs are bins, of width `BIN_WIDTH`; its last Linear reads none of them. One
   that sums over rows says its `block`, which is left out of the bytes where it sums over none.
8. A circuit of digits that shares rotations is a document of a sixth kind, `darkroom/circuit-6`, which says
   `"rotations": "shared"`. Its inputs are packed, it sums over no rows, and its tables have at most
   `MAX_SHARED_ENTRIES` entries and `MAX_SHARED_WIDTH` bits, so that products are small and differences fit a word.
   Only there a Lookup may be a Selection (`"op": "selection"`, or `"negacyclic selection"`), of the width of the Linear
   before it, among 2^u <= `MAX_SHARED_ENTRIES` rows of it, which read no input.
9. A circuit that sums may have a mix of its sums: at least one row, every output in some row, no zero weight, distinct
   names. It is left out of the bytes where there is none.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from app.protocol.errors import BadDocument
from fhe.arrays import I64
from fhe.circuit.circuit import Circuit, Linear, Lookup, Mix, Selection

MAX_WIDTH = 62  # bits under the padding bit
MAX_LOOKUP_WIDTH = 12  # 4,096 entries a table
MAX_SHARED_WIDTH, MAX_SHARED_ENTRIES = 60, 64
MAX_MIX = 1 << 32  # weight of a sum in what is released
MAX_BLOCK = 1 << 40  # rows: as many as a table has at most


def check_form(circuit: Circuit) -> None:
    """Refuse a circuit that breaks a rule of the module's docstring. Errors: BadDocument."""
    require(len(set(circuit.inputs)) == len(circuit.inputs), "names an input twice")
    require(all(i.index == 0 for i in circuit.inputs if i.encoding == "affine"), "gives an affine input an index")
    require(len(set(circuit.outputs)) == len(circuit.outputs), "names an output twice")
    require(len(circuit.layers) % 2 == 1, "does not alternate Linear and Lookup layers and end with a Linear")
    inputs = circuit.input_width(MAX_WIDTH)  # the profile caps those of packed values
    widths = [np.full(len(circuit.inputs), inputs, np.int64)]  # of the wires so far
    read = np.zeros(len(circuit.inputs), bool)
    linear: Linear | None = None
    for number, layer in enumerate(circuit.layers):
        if number % 2 == 0:
            require(isinstance(layer, Linear), f"has no Linear as layer {number}")
            assert isinstance(layer, Linear)
            linear = layer
            wires = np.concatenate(widths)
            _check_linear(layer, wires, f"layer {number}", widens=circuit.centred)
            read[layer.columns[layer.columns < len(read)]] = True
        else:
            require(not isinstance(layer, Linear), f"has no Lookup as layer {number}")
            assert not isinstance(layer, Linear)
            assert linear is not None
            where = f"layer {number}"
            if isinstance(layer, Selection):
                require(circuit.shared, f"selects in {where} and shares no rotations")
                _check_selection(layer, linear, len(read), where)
            else:
                _check_lookup(layer, linear, where, digits=circuit.centred)
            small = layer.width_out <= MAX_SHARED_WIDTH and 1 << layer.bits() <= MAX_SHARED_ENTRIES
            require(small or not circuit.shared, f"shares rotations of tables that are too large in {where}")
            widths.append(np.full(len(layer.source), layer.width_out, np.int64))
    assert linear is not None
    require(bool(read.all()), "has an input that no layer reads")
    if circuit.lwe_bins:
        require(circuit.centred, "reads bins under the small key and has no centred switch")
        require(all(i.encoding == "bins" for i in circuit.inputs), "reads affine codes under the small key")
        require(bool((linear.columns >= len(read)).all()), "reads a bin under the small key without a lookup")
    if circuit.shared:
        require(circuit.centred, "shares rotations and has no centred switch")
        require(not circuit.block, "shares rotations and sums over rows")
        require(not circuit.lwe_bins, "shares rotations and reads bins under the small key")
    rows, readout = len(linear.bias), circuit.readout
    require(len(circuit.outputs) == rows, f"names {len(circuit.outputs)} outputs for {rows} values")
    require(readout.kind != "threshold" or rows == 1, "has a threshold readout for more than one output")
    require(readout.kind != "argmax" or rows > 1, "has an argmax readout for one output")
    require(readout.kind == "threshold" or readout.at == 0, "gives a threshold to a readout that has none")
    require(readout.kind != "cuts" or rows == 1, "has cut points for more than one output")
    require((readout.kind == "cuts") == bool(readout.cuts), "has a readout without its cut points, or cuts in another")
    require(all(low < high for low, high in pairwise(readout.cuts)), "has cut points that do not increase")
    require(0 <= circuit.block <= MAX_BLOCK, f"sums over {circuit.block} rows")
    require(not circuit.block or readout.kind == "value", "sums over rows and reads a label of each")
    require(not circuit.centred or len(circuit.layers) > 1, "has a centred switch and no lookup")
    if circuit.mix is not None:
        require(bool(circuit.block), "mixes sums that it does not take")
        _check_mix(circuit.mix, rows)


def _check_linear(layer: Linear, wire_widths: I64, where: str, *, widens: bool) -> None:
    for name in ("indptr", "columns", "values", "bias"):
        array = getattr(layer, name)
        require(array.dtype == np.int64 and array.ndim == 1, f"has {name} in {where} that are not a row of integers")
    rows, nonzeros = len(layer.bias), len(layer.columns)
    require(rows >= 1, f"has no rows in {where}")
    require(1 <= layer.width <= MAX_WIDTH, f"has an impossible width in {where}")
    require(len(layer.indptr) == rows + 1 and len(layer.values) == nonzeros, f"has unequal arrays in {where}")
    inside = layer.indptr.min() >= 0 and layer.indptr.max() <= nonzeros  # first, so that differences cannot wrap
    steps = np.diff(layer.indptr)
    ends = layer.indptr[0] == 0 and layer.indptr[-1] == nonzeros and bool((steps >= 0).all())
    require(bool(inside and ends), f"has row bounds in {where} that do not cover its values in order")
    require(bool((layer.values != 0).all()), f"has a zero weight in {where}")
    if nonzeros:
        inside = layer.columns.min() >= 0 and layer.columns.max() < len(wire_widths)
        require(bool(inside), f"reads a wire in {where} that does not exist yet")
        first = np.zeros(nonzeros, bool)
        first[layer.indptr[:-1][steps > 0]] = True
        rising = np.diff(layer.columns) > 0
        require(bool((rising | first[1:]).all()), f"has columns in {where} that do not increase in a row")
        lacking = np.maximum(layer.width - wire_widths[layer.columns], 0)
        whole = layer.values % (np.int64(1) << lacking) == 0
        require(bool((lacking == 0).all() if not widens else whole.all()), f"widens a wire in {where}")


def _check_mix(mix: Mix, sums: int) -> None:
    for name in ("indptr", "columns", "weights"):
        array = getattr(mix, name)
        require(array.dtype == np.int64 and array.ndim == 1, f"has {name} in its mix that are not a row of integers")
    count = len(mix.columns)
    require(len(set(mix.outputs)) == len(mix.outputs) >= 1, "releases two mixes of one name, or none")
    require(len(mix.indptr) == len(mix.outputs) + 1 and len(mix.weights) == count, "has unequal arrays in its mix")
    steps = np.diff(mix.indptr)
    ends = mix.indptr[0] == 0 and mix.indptr[-1] == count and bool((steps >= 1).all()) and len(steps) <= count
    require(ends, "has row bounds in its mix that do not cover its weights in order")
    inside = bool((mix.columns >= 0).all() and (mix.columns < sums).all())
    require(inside, "mixes a sum that does not exist")
    require(len(set(mix.columns.tolist())) == sums, "has a sum that no mix reads")
    first = np.zeros(count, bool)
    first[mix.indptr[:-1]] = True
    rising = bool(((np.diff(mix.columns) > 0) | first[1:]).all())
    require(rising, "has columns in its mix that do not increase in a row")
    weights = bool((mix.weights != 0).all() and (np.abs(mix.weights) <= MAX_MIX).all())
    require(weights, "has a weight in its mix that is zero or too large")


def _check_selection(layer: Selection, linear: Linear, inputs: int, where: str) -> None:
    _check_sources(layer, linear, where)
    require(layer.width_out == linear.width, f"selects in {where} at another width than that of its values")
    entries = layer.entries
    require(entries.dtype == np.int64 and entries.ndim == 2, f"has entries in {where} of a wrong shape")
    require(entries.shape[1] >= 1, f"has empty tables in {where}")
    require(layer.bits() <= linear.width, f"has a lookup in {where} on {linear.width} bits")
    require(entries.shape == (len(layer.source), 1 << layer.bits()), f"has entries in {where} of a wrong shape")
    inside = entries.min() >= 0 and entries.max() < len(linear.bias)
    require(bool(inside), f"selects a value in {where} that does not exist")
    row_of = np.repeat(np.arange(len(linear.bias)), np.diff(linear.indptr))
    reading = np.unique(row_of[linear.columns < inputs])
    require(not np.isin(entries, reading).any(), f"selects a published value in {where}")


def _check_sources(layer: Lookup | Selection, linear: Linear, where: str) -> None:
    require(1 <= layer.width_out <= MAX_WIDTH, f"has an impossible width in {where}")
    require(layer.source.dtype == np.int64 and layer.source.ndim == 1, f"has sources in {where} that are no integers")
    require(len(layer.source) >= 1, f"has no lookups in {where}")
    inside = layer.source.min() >= 0 and layer.source.max() < len(linear.bias)
    require(bool(inside), f"looks up a value in {where} that does not exist")


def _check_lookup(layer: Lookup, linear: Linear, where: str, *, digits: bool) -> None:
    require(digits or not layer.negacyclic, f"has a negacyclic table in {where} and no centred switch")
    _check_sources(layer, linear, where)
    tables = layer.tables
    require(tables.dtype == np.int64 and tables.ndim == 2, f"has tables in {where} of a wrong shape")
    require(tables.shape[1] >= 1, f"has empty tables in {where}")
    bits = layer.bits() if digits else linear.width
    require(bits <= min(MAX_LOOKUP_WIDTH, linear.width), f"has a lookup in {where} on {linear.width} bits")
    require(tables.shape == (len(layer.source), 1 << bits), f"has tables in {where} of a wrong shape")
    bound = 1 << layer.width_out
    fits = layer.tables.min() >= -bound and layer.tables.max() < bound
    require(bool(fits), f"has a table entry in {where} beyond {layer.width_out} bits")


def require(holds: bool, what: str) -> None:
    """Errors: BadDocument, which says what the circuit is or does."""
    if not holds:
        raise BadDocument(f"This circuit {what}.", "Compile the model again: darkroom model compile.")
