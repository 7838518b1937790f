"""The lookup layers of a circuit: which blind rotations they are, and what each gives (section 7, and 14)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from fhe.arrays import I64, U64
from fhe.circuit.circuit import Circuit, Linear, Lookup, Selection, rotations
from fhe.engine.core import Core
from fhe.engine.factors import combine, factored
from fhe.engine.gadget import table_polynomials
from fhe.profile import EncryptionProfile

ENTRIES = 2048  # of a selection that are packed at once: 32 MB at N = 2048


class _Reads(Protocol):
    """What reads a circuit's wires: `layer_values.Wires`, `lwe_values.LweWires`."""

    def values(self, layer: Linear, which: I64, rows: range, looked_up: list[U64]) -> U64:
        """Values `which` of a layer under the GLWE key."""

    def small(self, layer: Linear, which: I64, rows: range, looked_up: list[U64], core: Core) -> U64:
        """Values `which` of a layer under the LWE key."""


@dataclass(frozen=True, eq=False)
class Rotations:
    """How a layer's lookups are computed: test polynomials, and of each rotation what it reads and gives."""

    polynomials: U64
    which: I64  # (rotations,) the test polynomial
    source: I64  # (rotations,) the value
    lookups: list[I64]  # (rotations,) which lookups each gives
    factors: list[I64 | None]  # (rotations,) of its lookups (lookups, E); None: its one lookup as it comes
    bodies: int


def rotations_of(circuit: Circuit, layer: Lookup, profile: EncryptionProfile) -> Rotations:
    """The distinct test polynomials of a layer, and which of them each rotation uses."""
    own, size = rotations(circuit, layer), profile.polynomial_size
    lookups = [np.flatnonzero(own == number) for number in range(int(own.max()) + 1)]
    source = np.array([layer.source[members[0]] for members in lookups], np.int64)
    if all(len(members) == 1 for members in lookups):
        order = np.concatenate(lookups)
        distinct, which = np.unique(layer.tables[order], axis=0, return_inverse=True)
        polynomials = table_polynomials(distinct, layer.width_out, size)
        return Rotations(polynomials, which.reshape(-1), source, lookups, [None] * len(lookups), 1)
    rows, factors = list[U64](), list[I64 | None]()
    for members in lookups:
        if len(members) == 1:
            rows.append(table_polynomials(layer.tables[members], layer.width_out, size)[0])
            factors.append(None)
        else:
            found = factored(layer.tables[members])
            rows.append(found.polynomial(layer.width_out, size))
            factors.append(found.factors)
    polynomials, which = np.unique(np.stack(rows), axis=0, return_inverse=True)
    return Rotations(polynomials, which.reshape(-1), source, lookups, factors, layer.tables.shape[1])


def look_up(circuit: Circuit, wires: _Reads, core: Core, tables: list[Rotations | None], part: range) -> list[U64]:
    """Ciphertexts (lookups, rows, N + 1) of every Lookup layer, for rows `part` of a chunk."""
    looked_up: list[U64] = []
    for number, layer in enumerate(circuit.layers):
        if isinstance(layer, Linear):
            continue
        before = circuit.layers[number - 1]
        assert isinstance(before, Linear)
        if isinstance(layer, Selection):
            looked_up.append(_selected(layer, before, wires, core, part, looked_up))
            continue
        own = tables[number]
        assert own is not None
        distinct, place = np.unique(own.source, return_inverse=True)  # equal sources share a keyswitch
        small = wires.small(before, distinct, part, looked_up, core)[place.reshape(-1)]
        which = np.repeat(own.which, len(part))
        rotated = core.bootstrap(
            small.reshape(-1, small.shape[-1]), own.polynomials, which, centred=circuit.centred, bodies=own.bodies
        ).reshape(len(own.source), len(part), -1)
        alone = all(factors is None for factors in own.factors)
        looked_up.append(rotated if alone else _multiplied(layer, own, rotated))
    return looked_up


def _selected(layer: Selection, before: Linear, wires: _Reads, core: Core, part: range, looked_up: list[U64]) -> U64:
    """Ciphertexts (lookups, rows, N + 1) of a selection: its entries packed, and rotated by what tells them apart."""
    distinct, place = np.unique(layer.source, return_inverse=True)
    small = wires.small(before, distinct, part, looked_up, core)[place.reshape(-1)]
    polynomials, width = list[U64](), layer.entries.shape[1]
    step = min(len(part), max(1, ENTRIES // width))  # rows at once; all of them, of several lookups, where they are few
    many = max(1, ENTRIES // (width * step))
    for first in range(0, len(layer.source), many):
        among, entry = np.unique(layer.entries[first : first + many], return_inverse=True)
        for start in range(0, len(part), step):
            read = [words[:, start : start + step] for words in looked_up]
            values = wires.values(before, among, part[start : start + step], read)[entry.reshape(-1)]
            tables = values.reshape(-1, width, *values.shape[1:]).transpose(0, 2, 1, 3)
            polynomials.append(core.pack_tables(tables.reshape(-1, width, values.shape[2])))
    count = len(layer.source) * len(part)
    rotated = core.bootstrap(small.reshape(count, -1), np.concatenate(polynomials), np.arange(count), centred=True)
    return rotated.reshape(len(layer.source), len(part), -1)


def _multiplied(layer: Lookup, own: Rotations, rotated: U64) -> U64:
    """Lookups (lookups, rows, N + 1) of rotations (rotations, rows, N + bodies)."""
    size = rotated.shape[2] - own.bodies
    out = np.empty((len(layer.source), rotated.shape[1], size + 1), np.uint64)
    for words, lookups, factors in zip(rotated, own.lookups, own.factors, strict=True):
        out[lookups] = words[None, :, : size + 1] if factors is None else combine(words, factors)
    return out
