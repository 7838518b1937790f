"""The circuits that attackers order: linear forms, and trees that copy a column where rows are real."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmarks.leakage_tables import Table
from fhe.arrays import F64, I64
from fhe.circuit.circuit import Circuit, Input, Linear, Lookup, Readout
from fhe.profiles import REFERENCE

WIDTH = REFERENCE.message_width
RADIX = (65536, 65537, 65792)  # 2^16, 2^16 + 1, 2^16 + 2^8: the sum carries three codes of up to 8 bits side by side
SCORE = Readout("value")
USUAL = 0.99  # of known rows lie below a gate's edge
GATES = 7  # edges in a gate: their count has 3 bits


def linear(table: Table, weights: I64, readout: Readout = SCORE) -> Circuit:
    """Outputs weights @ codes, for weights (outputs, columns)."""
    used = np.flatnonzero(weights.any(axis=0))
    rows = [np.flatnonzero(row[used]) for row in weights]
    layer = Linear(
        WIDTH,
        np.cumsum([0, *(len(row) for row in rows)]),
        np.concatenate(rows),
        np.concatenate([row[row != 0] for row in weights]),
        np.zeros(len(weights), np.int64),
    )
    inputs = tuple(Input(table.columns[column], "affine") for column in used)
    outputs = tuple(f"y{number}" for number in range(len(weights)))
    return Circuit(REFERENCE.digest, table.codebook.digest, inputs, (layer,), outputs, readout)


def quantiles(values: I64, places: F64) -> I64:
    """Whole numbers at these places, from 0 to 1, of sorted values."""
    found: I64 = np.rint(np.quantile(values, places)).astype(np.int64)
    return found


def cuts(points: Sequence[int] | I64) -> Readout:
    """A label between these cut points, each once."""
    return Readout("cuts", cuts=tuple(sorted({int(point) for point in points})))


def gated(table: Table, column: int, most_labels: int | None = None) -> Circuit:
    """A tree whose output is a column's bin on rows that look like the known ones, and other columns' bits elsewhere.

    The gate counts how many of seven columns exceed what nearly all known rows stay below; rows drawn uniformly from
    the codes nearly always exceed some. With `most_labels`, cut points between the bins make the output a label.
    """
    known = table.codes(table.known)
    bins = {name: known[name, "bins"] for name in table.columns}
    edges = {c.name: len(c.bins or ()) for c in table.codebook.columns}
    target, others = table.columns[column], [name for name in table.columns if name != table.columns[column]]
    usual = {name: int(np.quantile(bins[name], USUAL, method="higher")) for name in others}
    gate = sorted((usual[name] / (edges[name] + 1), name) for name in others if usual[name] < edges[name])[:GATES]
    decoys = [name for name in others if edges[name] >= 3][:4]
    inputs = [Input(name, "bins", usual[name]) for _, name in gate]
    first = _sums(3, [range(len(inputs))])
    shut = Lookup(3, np.zeros(1, np.int64), np.array([[0] + [1] * 7]))
    spread = {name: range(edges[name] // 4, edges[name], max(1, edges[name] // 3))[:3] for name in decoys}
    copied = [range(start, min(start + 3, edges[target])) for start in range(0, edges[target], 3)]
    reads = [[Input(target, "bins", edge) for edge in group] for group in copied]
    reads += [[Input(name, "bins", edge) for edge in spread[name]] for name in decoys]
    for read in reads:
        inputs += [wire for wire in read if wire not in inputs]
    closed = len(inputs)  # the gate's wire
    second = _sums(3, [[*(inputs.index(wire) for wire in read), closed] for read in reads], closed)
    count, nothing = [0, 1, 2, 3], [0] * 4
    tables = [count + nothing] * len(copied) + [nothing + [8 * n for n in count]] * len(decoys)
    lookup = Lookup(10, np.arange(len(reads)), np.array(tables, np.int64))
    last = _sums(10, [range(closed + 1, closed + 1 + len(reads))])
    readout = SCORE
    if most_labels is not None:
        places = quantiles(bins[target], np.arange(1, most_labels) / most_labels).clip(1)
        readout = cuts(range(1, edges[target] + 1) if edges[target] < most_labels else places)
    layers = (first, shut, second, lookup, last)
    return Circuit(REFERENCE.digest, table.codebook.digest, tuple(inputs), layers, ("copy",), readout)


def _sums(width: int, rows: Sequence[Sequence[int]], gate: int | None = None) -> Linear:
    """Sums of wires, of which `gate` counts four times."""
    columns = [np.array(sorted(row), np.int64) for row in rows]
    values = np.concatenate([np.where(row == gate, 4, 1) if gate is not None else np.ones_like(row) for row in columns])
    starts = np.cumsum([0, *(len(row) for row in columns)])
    return Linear(width, starts, np.concatenate(columns), values.astype(np.int64), np.zeros(len(rows), np.int64))
