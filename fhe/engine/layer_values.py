"""The values of linear layers as LWE ciphertexts, for some rows of one chunk of a table.

What a layer reads of published inputs is summed while packed, N rows at once, and only then extracted row by row; what
it reads of lookups is summed as LWE ciphertexts. Sums modulo 2^64 do not depend on their order.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import numpy as np

from fhe.arrays import I64, U64
from fhe.circuit.circuit import Circuit, Linear, rotating, word_weight
from fhe.engine.core import Core
from fhe.engine.gadget import extract
from fhe.engine.source import ChunkSource, Span
from fhe.profile import EncryptionProfile

CACHED_INPUTS = 4096  # 128 MB of packed words at N = 2048
BLOCK = 256  # values that are summed while packed at once: 8 MB


class Wires:
    """Reads the wires of a circuit for rows of the chunk of one span."""

    def __init__(self, circuit: Circuit, profile: EncryptionProfile, source: ChunkSource, span: Span) -> None:
        self.size = profile.polynomial_size
        self._circuit, self._profile, self._source, self._span = circuit, profile, source, span
        self._packed: OrderedDict[int, tuple[U64, U64]] = OrderedDict()
        lookups = rotating(circuit.layers)
        sizes = [len(circuit.inputs)] + [len(layer.source) for layer in lookups]
        self._firsts = np.cumsum([0, *sizes])  # wire numbers at which inputs, then each Lookup's outputs begin
        self._widths = [profile.message_width] + [layer.width_out for layer in lookups]

    def values(self, layer: Linear, which: I64, rows: range, looked_up: list[U64]) -> U64:
        """Ciphertexts (len(which), len(rows), N + 1) of values `which` of a layer; `looked_up` as in `evaluate`."""
        out = np.zeros((len(which), len(rows), self.size + 1), np.uint64)
        for start in range(0, len(which), BLOCK):
            block = which[start : start + BLOCK]
            masks, bodies = self._packed_sums(layer, block)
            for index, row in enumerate(rows):
                out[start : start + BLOCK, index] = extract(masks, bodies, row)
        add_looked_up(out, layer, which, looked_up, self._firsts, self._widths)
        return out

    def small(self, layer: Linear, which: I64, rows: range, looked_up: list[U64], core: Core) -> U64:
        """The same under the LWE key, (len(which), len(rows), n + 1)."""
        words = core.keyswitch(self.values(layer, which, rows, looked_up).reshape(-1, self.size + 1))
        return words.reshape(len(which), len(rows), -1)

    def _packed_sums(self, layer: Linear, which: I64) -> tuple[U64, U64]:
        """Masks and bodies (len(which), N) of what values read of inputs, with their bias."""
        masks = np.zeros((len(which), self.size), np.uint64)
        bodies = np.zeros_like(masks)
        bodies += (layer.bias[which].view(np.uint64) << np.uint64(63 - layer.width))[:, None]
        by_input: dict[int, list[tuple[int, np.uint64]]] = {}
        for index, value in enumerate(which):
            for wire, weight in terms_of(layer, int(value), self._firsts, self._widths, inputs=True):
                by_input.setdefault(wire, []).append((index, weight))
        for wire in sorted(by_input):
            mask, body = self._words(wire)
            for index, weight in by_input[wire]:
                masks[index] += mask * weight
                bodies[index] += body * weight
        return masks, bodies

    def _words(self, wire: int) -> tuple[U64, U64]:
        """Mask and body (N,) of one input's chunk."""
        if wire not in self._packed:
            if len(self._packed) >= CACHED_INPUTS:
                self._packed.popitem(last=False)
            value, chunks = self._circuit.inputs[wire], range(self._span.chunk, self._span.chunk + 1)
            mask = self._source.mask(value, self._span.shard, chunks)[0]
            self._packed[wire] = mask, self._source.bodies(value, self._span.shard, chunks)[0]
        self._packed.move_to_end(wire)
        return self._packed[wire]


def add_looked_up(
    out: U64, layer: Linear, which: I64, looked_up: list[U64], firsts: I64, widths: Sequence[int]
) -> None:
    """Add to `out` (len(which), rows, N + 1) what values of a layer read of lookups.

    `looked_up`: each stage's ciphertexts (lookups, rows, N + 1). `firsts`: wire numbers at which inputs, then each
    stage's outputs begin, and end; `widths`: of those wires.
    """
    product = np.empty(out.shape[1:], np.uint64)
    for index, value in enumerate(which):
        for wire, weight in terms_of(layer, int(value), firsts, widths, inputs=False):
            stage = int(np.searchsorted(firsts, wire, "right")) - 1
            np.multiply(looked_up[stage - 1][wire - firsts[stage]], weight, out=product)
            out[index] += product


def terms_of(
    layer: Linear, value: int, firsts: I64, widths: Sequence[int], *, inputs: bool
) -> list[tuple[int, np.uint64]]:
    """(wire, weight) of what one value reads of inputs, or of lookups: weights times the shift to the layer's width."""
    row = slice(layer.indptr[value], layer.indptr[value + 1])
    found = []
    for wire, weight in zip(layer.columns[row].tolist(), layer.values[row].tolist(), strict=True):
        if (wire < firsts[1]) == inputs:
            stage = int(np.searchsorted(firsts, wire, "right")) - 1
            found.append((wire, np.uint64(word_weight(weight, widths[stage], layer.width) % (1 << 64))))
    return found
