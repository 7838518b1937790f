"""What lookups read of bins under the small key, for some rows of one chunk of a table (section 13).

A value has two parts: what it reads of inputs is summed under the LWE key, where they are published; what it reads of
earlier lookups is summed under the GLWE key and keyswitched, once for each value that reads any. Both are added.
"""

from __future__ import annotations

import numpy as np

from fhe.arrays import I64, U16, U64
from fhe.circuit.circuit import BIN_WIDTH, Circuit, Linear, keyswitched, rotating
from fhe.engine.core import Core
from fhe.engine.layer_values import add_looked_up, terms_of
from fhe.engine.source import BinSource, Span
from fhe.profile import EncryptionProfile

BODY_BITS = 16


class LweWires:
    """Reads the wires of a circuit of small-key bins for rows of the chunk of one span; as `layer_values.Wires`."""

    def __init__(self, circuit: Circuit, profile: EncryptionProfile, source: BinSource, span: Span) -> None:
        self.size = profile.polynomial_size
        self._circuit, self._dimension, self._source, self._span = circuit, profile.lwe_dimension, source, span
        self._bodies: dict[int, U16] = {}
        self._rows, self._inputs = range(0), dict[int, U64]()
        lookups = rotating(circuit.layers)
        self._firsts = np.cumsum([0, len(circuit.inputs), *(len(layer.source) for layer in lookups)])
        self._widths = [BIN_WIDTH] + [layer.width_out for layer in lookups]

    def values(self, layer: Linear, which: I64, rows: range, looked_up: list[U64]) -> U64:
        """Ciphertexts (len(which), len(rows), N + 1) under the GLWE key of values that read no input."""
        out = np.zeros((len(which), len(rows), self.size + 1), np.uint64)
        out[:, :, -1] = (layer.bias[which].view(np.uint64) << np.uint64(63 - layer.width))[:, None]
        add_looked_up(out, layer, which, looked_up, self._firsts, self._widths)
        return out

    def small(self, layer: Linear, which: I64, rows: range, looked_up: list[U64], core: Core) -> U64:
        """Ciphertexts (len(which), len(rows), n + 1) under the LWE key of values of a layer."""
        out = np.zeros((len(which), len(rows), self._dimension + 1), np.uint64)
        switched = np.flatnonzero(keyswitched(self._circuit, layer)[which])
        if len(switched):
            big = np.zeros((len(switched), len(rows), self.size + 1), np.uint64)
            add_looked_up(big, layer, which[switched], looked_up, self._firsts, self._widths)
            out[switched] = core.keyswitch(big.reshape(-1, self.size + 1)).reshape(len(switched), len(rows), -1)
        out[:, :, -1] += (layer.bias[which].view(np.uint64) << np.uint64(63 - layer.width))[:, None]
        product = np.empty(out.shape[1:], np.uint64)
        for index, value in enumerate(which):
            for wire, weight in terms_of(layer, int(value), self._firsts, self._widths, inputs=True):
                np.multiply(self._input(wire, rows), weight, out=product)
                out[index] += product
        return out

    def _input(self, wire: int, rows: range) -> U64:
        """Ciphertexts (len(rows), n + 1) of one input; those of the rows asked for last are kept."""
        if rows != self._rows:
            self._rows, self._inputs = rows, {}
        found = self._inputs.get(wire)
        if found is None:
            value, place = self._circuit.inputs[wire], (self._span.shard, self._span.chunk)
            if wire not in self._bodies:
                self._bodies[wire] = self._source.lwe_bodies(value, *place)
            found = np.empty((len(rows), self._dimension + 1), np.uint64)
            found[:, :-1] = self._source.lwe_masks(value, *place, rows)
            found[:, -1] = self._bodies[wire][rows.start : rows.stop].astype(np.uint64) << np.uint64(64 - BODY_BITS)
            self._inputs[wire] = found
        return found
