"""Circuits that state one noise many times, in ways that look like many independent noises.

x is a value of three bits and T a table of it. Each circuit's output is a sum of lookups of T at x, or of what is T at
x on every row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import product

import numpy as np

from fhe.arrays import I64
from fhe.circuit.circuit import Circuit, Input, Linear, Lookup, Readout
from tests.support.encrypted_tables import TableWithKeys, sparse

Row = dict[int, int]  # weight by wire
WIDTH = 8  # of the outputs
TABLE = (0, 1, 0, 1, 1, 0, 1, 0)
X: Row = {0: 4, 1: 2, 2: 1}


@dataclass
class LookupStage:
    """A Linear and the lookups of its values: (row, table) each."""

    rows: list[Row]
    lookups: Sequence[tuple[int, Sequence[int]]]
    biases: list[int] = field(default_factory=list)


def circuit(world: TableWithKeys, stages: Sequence[LookupStage], weights: Sequence[int], bits: int = 3) -> Circuit:
    """The sum of the last stage's lookups with these weights, over the first `bits` bits of the table."""
    inputs = tuple(Input(f"c{bit % 3}", "bins", (2 + bit // 3) % 8) for bit in range(bits))
    layers: list[Linear | Lookup] = []
    wires = len(inputs)
    for number, stage in enumerate(stages):
        biases = np.array(stage.biases or [0] * len(stage.rows), np.int64)
        layers.append(sparse(3, _dense(stage.rows, wires), biases))
        sources, tables = zip(*stage.lookups, strict=True)
        width = WIDTH if number == len(stages) - 1 else 5
        layers.append(Lookup(width, np.array(sources, np.int64), np.array(tables, np.int64)))
        wires += len(sources)
    first = wires - len(weights)
    summed = {first + place: weight for place, weight in enumerate(weights)}
    layers.append(sparse(WIDTH, _dense([summed], wires), np.zeros(1, np.int64)))
    codebook = world.table.codebook.digest
    return Circuit(world.profile.digest, codebook, inputs, tuple(layers), ("score",), Readout("value"))


def _dense(rows: Sequence[Row], wires: int) -> I64:
    matrix = np.zeros((len(rows), wires), np.int64)
    for row, weights in enumerate(rows):
        for wire, weight in weights.items():
            matrix[row, wire] = weight
    return matrix


def one_lookup_often(world: TableWithKeys, count: int) -> Circuit:
    """The same source and table, `count` times."""
    return circuit(world, [LookupStage([X], [(0, TABLE)] * count)], [1] * count)


def equal_rows(world: TableWithKeys, count: int) -> Circuit:
    """`count` equal rows with a lookup each."""
    return circuit(world, [LookupStage([X] * count, [(row, TABLE) for row in range(count)])], [1] * count)


def _shifts(shift: int, table: Sequence[int]) -> tuple[int, ...]:
    """T as a table of x + shift: what would wrap around is negated, so that the test polynomials are equal too."""
    return tuple(-table[k - shift + 8] if k < shift else table[k - shift] for k in range(8))


HIGH: Row = {1: 2, 2: 1}  # x < 4, so that x + shift is in range for shifts up to 4


def shifted_tables(world: TableWithKeys, count: int) -> Circuit:
    """Lookups of x + 0 ... x + 4 in tables shifted by as much, each as often as the others."""
    stage = LookupStage(
        [HIGH, *[HIGH] * 4, X], [(k % 5, _shifts(k % 5, TABLE)) for k in range(count)], [0, 1, 2, 3, 4, 0]
    )
    return circuit(world, [stage], [1] * count)


def opposite_tables(world: TableWithKeys, count: int) -> Circuit:
    """T with weight 1 and -T with weight -1, at equal rows."""
    signs = [1 - 2 * (k % 2) for k in range(count)]
    lookups = [(0, tuple(sign * entry for entry in TABLE)) for sign in signs]
    return circuit(world, [LookupStage([X], lookups)], signs)


def hidden_differences(world: TableWithKeys, count: int) -> Circuit:
    """x plus differences of hidden lookups that are one ciphertext stated twice: `count` rows that are all x."""
    families = [{0: 2, 1: 1}, {1: 2, 2: 1}, {0: 2, 2: 1}]
    rows, lookups, biases = [X], [], [0]
    for family in families:
        for shift in range(5):
            lookups.append((len(rows), _shifts(shift, (0, 1, 1, 0, 0, 0, 0, 0))))
            rows, biases = [*rows, family], [*biases, shift]
    later = []
    for choice in list(product(range(5), repeat=3))[:count]:
        row = dict(X)
        for number, shift in enumerate(choice):
            if shift:
                row[3 + 5 * number + shift], row[3 + 5 * number] = 1, -1
        later.append(row)
    last = LookupStage(later, [(row, TABLE) for row in range(len(later))])
    return circuit(world, [LookupStage(rows, lookups, biases), last], [1] * len(later))


def empty_tables(world: TableWithKeys, count: int) -> Circuit:
    """x plus a hidden lookup that is nothing, another one in each row."""
    sources = [{3 + bit: 1} for bit in range(21)] + [{3 + a: 1, 3 + b: 1} for a in range(21) for b in range(a)]
    hidden = LookupStage([X, *sources[: count - 1]], [(row, (0,) * 8) for row in range(1, count)])
    later = [X, *({**X, 24 + number: 1} for number in range(count - 1))]
    last = LookupStage(later, [(row, TABLE) for row in range(count)])
    return circuit(world, [hidden, last], [1] * count, bits=24)


def independent(world: TableWithKeys, count: int) -> Circuit:
    """Honest: `count` lookups of different values."""
    rows: list[Row] = [{a: 4, b: 2, c: 1} for a in range(2, 24) for b in range(1, a) for c in range(b)]
    rows = [{0: 4, 1: 2, 2: 1}, *rows[:: len(rows) // count]][:count] + [{bit: 1} for bit in range(24)]
    return circuit(world, [LookupStage(rows, [(row, TABLE) for row in range(count)])], [1] * count, bits=24)


TRICKS: dict[str, Callable[[TableWithKeys, int], Circuit]] = {
    "one lookup stated often": one_lookup_often,
    "equal rows": equal_rows,
    "shifted tables of shifted values": shifted_tables,
    "opposite tables with opposite weights": opposite_tables,
    "hidden lookups that cancel": hidden_differences,
    "hidden lookups of nothing": empty_tables,
}
