"""A circuit: alternating integer linear maps and lookup tables over the wires of a dataset.

Wires are numbered: first the circuit's inputs (one published value each), then the outputs of each `Lookup` in order.
A wire carries an integer m as the word m * 2^(63 - width), `width` bits under one padding bit: inputs at the profile's
`message_width`, a lookup's outputs at its `width_out`.

- `Linear` reads any earlier wires, shifts each from its width to the layer's own (never up in width: a shift left),
  and gives W m + bias. The last layer is a `Linear`; its values are the circuit's outputs.
- `Lookup` reads the values of the `Linear` right before it: output i is table i at the value number `source[i]`.
  The values must lie in [0, 2^width) of that Linear.

A **circuit of digits** (`centred`) reads wide values a few bits at a time (`docs/canonical-evaluator.md`, section 12):

- a value that a lookup reads counts modulo 2^(width + 1), so that a narrow Linear sees the lowest bits of a wide value;
- a table may have 2^u entries, u <= width: the value is then a multiple of 2^(width - u), and read by its top bits;
- a `negacyclic` layer takes all of [0, 2^(width + 1)): f(x + 2^width) = -f(x), so that the padding bit is one to read;
- a Linear also reads wires that are narrower than itself, with weights that are multiples of what they lack;
- every lookup has the centred modulus switch, which halves the noise of that step.

A circuit of digits may read **bins under the small key** (`lwe_bins`, section 13): its inputs are bins, published once
more as LWE ciphertexts of `BIN_WIDTH` bits under the LWE key. What a lookup reads of them needs no keyswitch and leaves
room for tables of 16 entries; they are read by lookups only, never by the last Linear.

A circuit of digits may **share rotations** (`shared`, section 14): lookups of one layer that read the same value are
computed by one blind rotation, whose result is multiplied by a small polynomial for each table. Whoever wants a
rotation for each states the value twice. And a value need not be a multiple of 2^(width - u): a table reads it as the
nearest one, so that low bits may stay where they leave room enough for noise.

Such a circuit may also have tables that are not known until it runs (`Selection`, section 15): output i is one of some
values of the `Linear` right before it, by the value number `source[i]`. They are packed into one ciphertext, which is
the test polynomial that the source rotates, so that a function of two digits takes a rotation for each of them.

A circuit may end with a **sum over rows**: the job's rows are taken in consecutive blocks of `block` rows (the last may
be shorter), and each block and output is one value, the sum of the last layer's values over the block's rows. Then a
**mix** may follow: integer weights on the sums of all blocks, which whoever decrypts applies before noise is added. No
provider sees it; it says which combinations of the sums are released, each as loud as the others, so that one scale of
noise fits them all.

Everything is public and static: cost, bounds, noise and the circuit's class follow from these numbers alone. The form
says nothing of floating point; what an output means to its buyer is `Readout` plus the buyer's own scale.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from app.protocol.ids import Digest
from app.protocol.vocabulary import Encoding, FileEncoding, ReadoutKind
from fhe.arrays import I64, Bools

BIN_WIDTH = 4  # bits under the padding bit of a bin under the small key: tables of 16 entries


@dataclass(frozen=True)
class Input:
    """One published value of a row: a column's affine code, or its bit "value >= edges[index]"."""

    column: str
    encoding: Encoding
    index: int = 0


@dataclass(frozen=True, eq=False)
class Linear:
    """Integer map over wires in compressed sparse rows: y[r] = sum values[k] * wire[columns[k]] + bias[r]."""

    width: int
    indptr: I64  # (rows + 1,)
    columns: I64  # (nonzeros,) wire numbers, increasing in a row
    values: I64  # (nonzeros,) no zeros
    bias: I64  # (rows,)


@dataclass(frozen=True, eq=False)
class Lookup:
    """Tables over the preceding Linear's values, one bootstrap each."""

    width_out: int
    source: I64  # (lookups,) which value of the preceding Linear
    tables: I64  # (lookups, 2^width_in), each entry in [-2^width_out, 2^width_out)
    negacyclic: bool = False  # whether values may use the padding bit: f(x + 2^width_in) = -f(x)

    def bits(self) -> int:
        """How many bits of its value a table reads under the padding bit."""
        return int(self.tables.shape[1]).bit_length() - 1


@dataclass(frozen=True, eq=False)
class Selection:
    """Encrypted tables over the preceding Linear's values: a packing keyswitch and a bootstrap each."""

    width_out: int  # that of the preceding Linear
    source: I64  # (lookups,) which value of the preceding Linear tells
    entries: I64  # (lookups, 2^bits) among which values of the preceding Linear, in [-2^width, 2^width)
    negacyclic: bool = False  # whether the source may use the padding bit, which negates

    def bits(self) -> int:
        """How many bits of its value a selection reads under the padding bit."""
        return int(self.entries.shape[1]).bit_length() - 1


Layer = Linear | Lookup | Selection


def rotating(layers: Iterable[Layer]) -> list[Lookup | Selection]:
    """The layers that rotate, in order."""
    return [layer for layer in layers if not isinstance(layer, Linear)]


def selects(circuit: Circuit) -> bool:
    """Whether a circuit needs its dataset's packing key before it ends."""
    return any(isinstance(layer, Selection) for layer in circuit.layers)


def word_weight(weight: int, width: int, reads: int) -> int:
    """What the words of a wire of `width` are multiplied by, to count `weight` times in a layer of width `reads`.

    Well-formed layers read a wire that is narrower than themselves with multiples of 2^(reads - width) only.
    """
    return weight << (width - reads) if width >= reads else weight >> (reads - width)


@dataclass(frozen=True)
class Readout:
    """How a row's integers become a label, one of the whole numbers below `labels`.

    `value`: there is none. `threshold`: 1 where the one output is at least `at`. `argmax`: the first greatest output.
    `cuts`: how many of the increasing cut points the one output reaches, so that L - 1 cuts make L levels of a score
    where its buyer wants them.
    """

    kind: ReadoutKind
    at: int = 0
    cuts: tuple[int, ...] = ()

    def labels(self, outputs: int) -> int:
        """How many labels a circuit of `outputs` outputs has; 0 without any."""
        return {"value": 0, "threshold": 2, "argmax": outputs, "cuts": len(self.cuts) + 1}[self.kind]

    def label(self, values: I64) -> I64:
        """The label (1, rows) of each row of outputs (outputs, rows); not for `value`."""
        match self.kind:
            case "threshold":
                return np.where(values >= self.at, np.int64(1), np.int64(0))
            case "cuts":
                return np.searchsorted(np.array(self.cuts, np.int64), values, side="right").astype(np.int64)
            case "argmax":
                best: I64 = np.argmax(values, axis=0, keepdims=True)
                return best
            case "value":
                raise AssertionError("a circuit without a label has none to read")


@dataclass(frozen=True, eq=False)
class Mix:
    """What is released of the sums, in compressed sparse rows: z[r] = sum weights[k] * sums[columns[k]]."""

    outputs: tuple[str, ...]  # a name for each released number
    indptr: I64  # (outputs + 1,)
    columns: I64  # (nonzeros,) numbers of the circuit's outputs, increasing in a row
    weights: I64  # (nonzeros,) no zeros

    @classmethod
    def of(cls, rows: Mapping[str, Mapping[int, int]]) -> Mix:
        """By the name of each released number, the weights on the circuit's outputs."""
        kept = {name: sorted((c, w) for c, w in row.items() if w) for name, row in rows.items()}
        flat = [pair for row in kept.values() for pair in row]
        ends = np.cumsum([0, *(len(row) for row in kept.values())])
        columns, weights = (np.array([pair[at] for pair in flat], np.int64) for at in (0, 1))
        return cls(tuple(kept), ends.astype(np.int64), columns, weights)

    def matrix(self, outputs: int) -> I64:
        """Dense weights (released, outputs)."""
        found = np.zeros((len(self.outputs), outputs), np.int64)
        found[np.repeat(np.arange(len(self.outputs)), np.diff(self.indptr)), self.columns] = self.weights
        return found

    def apply(self, sums: I64) -> I64:
        """The released numbers (released,) of the sums (outputs,), exact; what leaves 64 bits saturates."""
        wide = self.matrix(len(sums)).astype(object) @ sums.astype(object)
        ends = np.iinfo(np.int64)
        return np.array([min(max(int(value), ends.min), ends.max) for value in wide], np.int64)


@dataclass(frozen=True, eq=False)
class Circuit:
    """What a provider evaluates. `profile` is a profile's digest; `codebook` that of the dataset's codes."""

    profile: Digest
    codebook: Digest
    inputs: tuple[Input, ...]
    layers: tuple[Layer, ...]
    outputs: tuple[str, ...]  # a name for each value of the last Linear
    readout: Readout
    block: int = 0  # rows that one value sums over; 0: a value for each row
    mix: Mix | None = None  # None: the sums themselves
    centred: bool = False  # a circuit of digits
    lwe_bins: bool = False  # whether its inputs are bins under the small key; such a circuit is one of digits
    shared: bool = False  # whether tables of one value share a rotation; such a circuit is one of digits

    @property
    def files(self) -> tuple[tuple[str, FileEncoding], ...]:
        """Column and encoding of the published file that each input is read from."""
        return tuple((wire.column, "lwe-bins" if self.lwe_bins else wire.encoding) for wire in self.inputs)

    def input_width(self, message_width: int) -> int:
        """Bits of an input under its padding bit; packed values have the profile's `message_width`."""
        return BIN_WIDTH if self.lwe_bins else message_width

    @property
    def released(self) -> tuple[str, ...]:
        """Names of the numbers that a job releases."""
        return self.outputs if self.mix is None else self.mix.outputs

    def result_rows(self, rows: int) -> int:
        """How many values each output has in a job on so many rows: its blocks, or the rows themselves."""
        return -(-rows // self.block) if self.block else rows


def rotations(circuit: Circuit, layer: Lookup | Selection) -> I64:
    """Which rotation (lookups,) each lookup of a layer is computed by: one for each, or one for all of one value."""
    if not circuit.shared or isinstance(layer, Selection):
        return np.arange(len(layer.source))
    found: I64 = np.unique(layer.source, return_inverse=True)[1].reshape(-1)
    return found


def keyswitched(circuit: Circuit, layer: Linear) -> Bools:
    """Which values (rows,) of a layer before a lookup take a keyswitch: all that read more than small-key bins."""
    if not circuit.lwe_bins:
        return np.ones(len(layer.bias), bool)
    row_of = np.repeat(np.arange(len(layer.bias)), np.diff(layer.indptr))
    return np.bincount(row_of, layer.columns >= len(circuit.inputs), len(layer.bias)) > 0
