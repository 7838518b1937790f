"""Chunks that were read before, so that what is computed of them later needs no store."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from fhe.arrays import U64
from fhe.circuit.circuit import Circuit, Input
from fhe.engine.source import ChunkSource, Span


@dataclass(frozen=True, eq=False)
class HeldChunks:
    """A `ChunkSource` that has the bodies of some chunks: 8 N bytes for each of these and each input."""

    source: ChunkSource
    held: dict[tuple[Input, int, range], U64]

    @classmethod
    def of(cls, source: ChunkSource, circuit: Circuit, spans: Iterable[Span]) -> HeldChunks:
        """Of all inputs of a circuit. Errors: those of the source."""
        places = {(span.shard, range(span.chunk, span.chunk + 1)) for span in spans}
        found = {
            (wire, shard, chunks): source.bodies(wire, shard, chunks)
            for wire in dict.fromkeys(circuit.inputs)
            for shard, chunks in places
        }
        return cls(source, found)

    def bodies(self, input: Input, shard: int, chunks: range) -> U64:
        """As `ChunkSource.bodies`."""
        found = self.held.get((input, shard, chunks))
        return self.source.bodies(input, shard, chunks) if found is None else found

    def mask(self, input: Input, shard: int, chunks: range) -> U64:
        """As `ChunkSource.mask`."""
        return self.source.mask(input, shard, chunks)
