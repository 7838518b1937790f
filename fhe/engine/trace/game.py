"""What an honest party shows in a dispute about a linear result: totals, the stretch that is false, and why it is.

Both parties compute the same; which moves are whose is in docs/trace.md, section 7. Nothing is kept but what was read
of the dataset last.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from app.protocol.data import merkle
from app.protocol.ids import Digest
from app.protocol.market.disputes import WORD, Evidence, ProvenLeaf, RowsClaim
from fhe.arrays import U64
from fhe.circuit.circuit import Linear
from fhe.engine.linear import evaluate_bodies, only_linear
from fhe.engine.trace.program import JobProgram
from fhe.engine.trace.sums import LinearTrace, running_sums

ROWS_AT_ONCE = 1 << 18  # 2 MiB of sums


@dataclass(frozen=True, eq=False)
class LinearGame:
    """A job's linear layer as a dispute sees it. `trace.first_row` is 0: rows are the dataset's.

    `shown` gives, by a file's number under the data root and its length in bytes, the leaf that has one of its words;
    `roots` are all files' roots, in manifest order.
    """

    program: JobProgram
    trace: LinearTrace
    shown: Callable[[int, int, int], ProvenLeaf]
    roots: Callable[[], Sequence[str]]

    def totals(self, claim: RowsClaim) -> tuple[int, ...]:
        """What the executor shows of this claim: over the terms of one row, or at the inner cuts of several."""
        if claim.rows == 1:
            return self._sums(claim)
        return tuple(self._at_cuts(claim)[1:-1])

    def evidence(self, claim: RowsClaim, term: int) -> Evidence:
        """What shows that total number `term` of a claim about one row is false. Errors: IndexError for none such;
        those of `shown`.
        """
        program, output = self.program, self.program.leaf(self.program.output_at(claim.output))
        if term == 0:
            return Evidence(output)
        layer = only_linear(self.trace.circuit, self.trace.profile)
        number = int(layer.indptr[claim.output]) + term - 1
        wire, shard = int(layer.columns[number]), program.shard_of(claim.low)
        place = program.input_at(shard, wire)
        file, base, length = (int(each) for each in program.words[place : place + 3])
        row = claim.low - int(program.words[program.shard_at(shard)])
        roots = self.roots()
        return Evidence(
            output=output,
            term=program.leaf(program.term_at(number)),
            input=program.leaf(place),
            shard=program.leaf(program.shard_at(shard)),
            shard_number=shard,
            file_root=Digest(roots[file]),
            file_path=tuple(Digest(each) for each in merkle.file_proof(roots, file)),
            word=self.shown(file, length, base + row),
        )

    def _sums(self, claim: RowsClaim) -> tuple[int, ...]:
        layer, trace = only_linear(self.trace.circuit, self.trace.profile), self.trace
        sums = running_sums(layer, claim.output, trace.profile.message_width, trace.words(claim.low))
        return tuple(sums.tolist())

    def _at_cuts(self, claim: RowsClaim) -> list[int]:
        """True totals at all cuts, from the claim's first one on, modulo 2^64."""
        total, found = claim.at_low, [claim.at_low]
        for low, high in pairwise(claim.cuts):
            for start in range(low, high, ROWS_AT_ONCE):
                rows = self._rows(claim.output, start, min(high, start + ROWS_AT_ONCE))
                total = (total + int(rows.sum(dtype=np.uint64))) % WORD
            found.append(total)
        return found

    def _rows(self, output: int, low: int, high: int) -> U64:
        """The body word of one output in each of the dataset's rows [low, high)."""
        trace = self.trace
        layer = only_linear(trace.circuit, trace.profile)
        terms = slice(layer.indptr[output], layer.indptr[output + 1])
        alone = Linear(
            layer.width, np.array([0, terms.stop - terms.start]), layer.columns[terms], layer.values[terms],
            layer.bias[output : output + 1],
        )  # fmt: skip
        circuit = replace(trace.circuit, layers=(alone,), outputs=trace.circuit.outputs[output : output + 1])
        bodies: U64 = evaluate_bodies(circuit, trace.profile, trace.table, trace.source, low, high - low)[0]
        return bodies
