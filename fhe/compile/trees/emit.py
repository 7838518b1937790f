"""From symbolic outputs to a Circuit: wires numbered, layers laid out, widths chosen."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from app.protocol.errors import BadModel
from app.protocol.ids import Digest
from fhe.circuit.circuit import BIN_WIDTH, Circuit, Input, Linear, Lookup, Readout
from fhe.compile.ir import AffineExpr, Bit, TableExpr, Wire, tables
from fhe.profile import EncryptionProfile


def emit(
    outputs: Sequence[AffineExpr],
    bounds: Sequence[tuple[int, int]],
    *,
    columns: Sequence[str],
    names: Sequence[str],
    readout: Readout,
    codebook: Digest,
    profile: EncryptionProfile,
    lwe_bins: bool = False,
) -> Circuit:
    """The circuit of some outputs whose values lie in `bounds` (each both inclusive) on every row.

    `columns` are the names of the columns that bits count. With lookups the outputs are as narrow as they can be, since
    every bit less halves the noise that matters; the caller answers for the bounds, which a circuit's reader can only
    estimate. With `lwe_bins` tables on bits alone are read at `BIN_WIDTH`, in a stage before those that read others.
    Errors: `BadModel` when no output depends on the data.
    """
    last = list(dict.fromkeys(table for output in outputs for table in tables(output)))
    hidden = list(dict.fromkeys(table for above in last for table in tables(above.of)))
    bits = _bits([*outputs, *(table.of for table in [*last, *hidden])])
    if not bits:
        raise BadModel("This model gives the same result for every row.", "Fit it on more rows or deeper trees.")
    number: dict[Wire, int] = {bit: index for index, bit in enumerate(bits)}
    inputs = tuple(Input(columns[bit.column], "bins", bit.cut - 1) for bit in bits)
    layers: list[Linear | Lookup] = []
    width = output_width(bounds, last) if last else profile.message_width
    narrow = profile.lookup_width
    stages = [(hidden, narrow, narrow), (last, narrow, width)]
    if lwe_bins:
        first, second = [table for table in last if not tables(table.of)], [table for table in last if tables(table.of)]
        stages = [(hidden, BIN_WIDTH, narrow), (first, BIN_WIDTH, width), (second, narrow, width)]
    for stage, reads, width_out in stages:
        if stage:
            forms = list(dict.fromkeys(table.of for table in stage))
            layers += [_linear(forms, number, reads), _lookup(stage, forms, width_out)]
            number.update({table: len(number) + index for index, table in enumerate(stage)})
    layers.append(_linear(outputs, number, width))
    return Circuit(
        profile.digest, codebook, inputs, tuple(layers), tuple(names), readout, centred=lwe_bins, lwe_bins=lwe_bins
    )


def output_width(bounds: Sequence[tuple[int, int]], last: Sequence[TableExpr]) -> int:
    """The smallest width whose signed range [-2^width, 2^width) holds the outputs and every table's entries."""
    held = [*(value for pair in bounds for value in pair), *(entry for table in last for entry in table.entries)]
    return max(1, max(-min(held) - 1, *held).bit_length())


def _bits(reads: Sequence[AffineExpr]) -> list[Bit]:
    """All published bits that are read, by column and edge."""
    found = {which for of in reads for which, _ in of.terms if isinstance(which, Bit)}
    return sorted(found, key=lambda bit: (bit.column, bit.cut))


def _linear(rows: Sequence[AffineExpr], number: dict[Wire, int], width: int) -> Linear:
    terms = [sorted((number[which], weight) for which, weight in row.terms) for row in rows]
    flat = [term for row in terms for term in row]
    return Linear(
        width,
        np.cumsum([0, *(len(row) for row in terms)], dtype=np.int64),
        np.array([column for column, _ in flat], np.int64),
        np.array([weight for _, weight in flat], np.int64),
        np.array([row.constant for row in rows], np.int64),
    )


def _lookup(stage: Sequence[TableExpr], forms: Sequence[AffineExpr], width_out: int) -> Lookup:
    row = {form: index for index, form in enumerate(forms)}
    source = np.array([row[table.of] for table in stage], np.int64)
    return Lookup(width_out, source, np.array([table.entries for table in stage], np.int64))
