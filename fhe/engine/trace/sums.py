"""The states of a linear layer's values: running totals over the terms, word by word."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from app.protocol.data.dataset import EncryptedTable
from fhe.arrays import U64
from fhe.circuit.circuit import Circuit, Linear
from fhe.engine.linear import only_linear
from fhe.engine.source import ChunkSource, spans
from fhe.profile import EncryptionProfile


def running_sums(layer: Linear, output: int, message_width: int, words: U64) -> U64:
    """Totals of the body word of one value after each of its terms, u64 (terms + 1,); the first is the bias alone.

    `words`: the body word of every wire that the layer can read, of width `message_width`.
    """
    terms = slice(layer.indptr[output], layer.indptr[output + 1])
    weights = layer.values[terms].view(np.uint64) << np.uint64(message_width - layer.width)
    bias = layer.bias[output : output + 1].view(np.uint64) << np.uint64(63 - layer.width)
    totals: U64 = np.cumsum(np.concatenate([bias, weights * words[layer.columns[terms]]]), dtype=np.uint64)
    return totals


@dataclass(frozen=True)
class LinearTrace:
    """A job that is one linear layer, whose result is bodies: docs/canonical-evaluator.md, sections 6 and 8."""

    circuit: Circuit
    profile: EncryptionProfile
    table: EncryptedTable
    source: ChunkSource
    first_row: int

    def words(self, row: int) -> U64:
        """The body word of every input in a row, counted from the job's first one. Errors: RowsOutsideDataset."""
        (span,) = spans(self.table, self.profile.polynomial_size, self.first_row + row, 1)
        chunks = range(span.chunk, span.chunk + 1)
        found = [self.source.bodies(wire, span.shard, chunks)[0, span.start] for wire in self.circuit.inputs]
        return np.array(found, np.uint64)

    def sums(self, value: int) -> U64:
        """The running totals of value number `value`, row by row and in a row output by output."""
        layer = only_linear(self.circuit, self.profile)
        row, output = divmod(value, len(layer.bias))
        return running_sums(layer, output, self.profile.message_width, self.words(row))
