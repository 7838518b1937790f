"""What a circuit says about a row: its leak report, computed from its public integers and the dataset's codebook.

A circuit of one Linear is described exactly: its forms, their ranges, each column's share of an output's variance
(`app.protocol.policy.linear_forms`). A circuit with lookups is run in the clear on `SAMPLE` rows drawn uniformly from
the codes, from a seed that follows from the codebook, so that buyer and custodian see the same numbers. A column's
share is then the correlation ratio Var(E[output | its code]) / Var(output), and `rare` the part of rows that do not get
the commonest answer. The run is in blocks of rows and takes at most `MOST_WORK` multiply-adds, or the circuit is
refused. Its ranges are intervals over the last layer's wires, which is never less than the truth.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Sequence
from weakref import WeakKeyDictionary

import numpy as np

from app.protocol.data.dataset import Codebook
from app.protocol.errors import TooLarge
from app.protocol.ids import Digest
from app.protocol.policy.leakage import Leakage
from app.protocol.policy.linear_forms import AFFINE, Form, Joint, Space, Wire, form, shares_of
from app.protocol.vocabulary import CircuitClass
from fhe.arrays import F64, I64
from fhe.circuit.circuit import Circuit, Input, Linear, Lookup, Mix, rotating
from fhe.circuit.clear import block_rows, evaluate_clear
from fhe.circuit.codec import digest
from fhe.compile.check import input_ranges
from fhe.compile.ranges import value_bounds
from fhe.sensitivity import form_range, l1_sensitivity
from fhe.states import joint_sources

SAMPLE = 4096  # rows
MAX_SPACES = 8  # codebooks whose space is kept
BUCKETS = 16  # groups of affine codes when shares are sampled
DRAWN = 64  # states of a number or time that columns are derived from, when shares are sampled
MOST_WORK = 1 << 28  # multiply-adds over all sample rows: a few seconds
PER_OUTPUT = 16  # what an output takes besides its share for each column, in multiply-adds a row
EVERY = slice(None)
RELATIVE = 1e-11  # a direction smaller than this part of the largest is rounding; weights span 2^27 at most

_keeping = threading.Lock()
_spaces: dict[Digest, Space] = {}  # by the codebook's digest
_sampled_outputs: WeakKeyDictionary[Circuit, dict[str, I64]] = WeakKeyDictionary()  # by the codebook's digest


def space_of(codebook: Codebook) -> Space:
    """The published codes of a dataset's columns; those of the latest codebooks are kept, since each judgement asks."""
    if (found := _spaces.get(codebook.digest)) is None:
        found = _space(codebook)
        with _keeping:
            while len(_spaces) >= MAX_SPACES:
                _spaces.pop(next(iter(_spaces)))
            _spaces[codebook.digest] = found
    return found


def _space(codebook: Codebook) -> Space:
    return Space(
        {column.name: column.affine.levels for column in codebook.columns if column.affine},
        {column.name: len(column.bins) for column in codebook.columns if column.bins},
        {column.name: column.reads for column in codebook.columns if column.reads != column.name},
        joint_sources(codebook),
    )


def family_of(circuit: Circuit) -> CircuitClass:
    """The class of a circuit that policies allow or not."""
    encodings = {source.encoding for source in circuit.inputs}
    if len(circuit.layers) == 1:
        return "linear" if encodings == {"affine"} else "additive"
    return "trees" if encodings == {"bins"} else "lookup"


def label_only(circuit: Circuit) -> bool:
    """Whether whoever decrypts the circuit's output sees its label and nothing else: one lookup ends in it.

    Its table has no more values than there are labels, whatever the rest of the circuit is.
    """
    last, labels = circuit.layers[-1], circuit.readout.labels(len(circuit.outputs))
    assert isinstance(last, Linear)
    if len(circuit.layers) == 1 or len(last.bias) != 1 or len(last.columns) != 1 or circuit.block:
        return False
    lookup, wires = circuit.layers[-2], sum(len(each.source) for each in rotating(circuit.layers))
    if not isinstance(lookup, Lookup):
        return False  # an encrypted table has the noise of its own
    place = int(last.columns[0]) - len(circuit.inputs) - wires + len(lookup.source)
    if place < 0:
        return False
    table = lookup.tables[place]
    return len(np.unique(np.concatenate([table, -table] if lookup.negacyclic else [table]))) <= labels


def leakage_of(circuit: Circuit, codebook: Codebook) -> Leakage:
    """The leak report of a circuit that `fhe.compile.check` accepts for this codebook.

    Errors: TooLarge for a circuit with lookups that takes too much work to judge; MessageOverflow.
    """
    check_sampling(circuit, codebook)
    last = circuit.layers[-1]
    assert isinstance(last, Linear)
    space = space_of(codebook)
    if len(circuit.layers) == 1:
        forms, biases = tuple(_forms(circuit, last)), last.bias.tolist()
        if circuit.mix is not None:
            forms = tuple(_mixed(forms, circuit.mix))
            biases = circuit.mix.apply(last.bias).tolist()
        bounds = [_bounds_of(one, space, codebook) for one in forms]
        lows = tuple(b + low for b, (low, _) in zip(biases, bounds, strict=True))
        highs = tuple(b + high for b, (_, high) in zip(biases, bounds, strict=True))
        shares, rare = tuple(_share(one, space) for one in forms), 1.0
    else:
        forms = ()
        reach = value_bounds(circuit, input_ranges(circuit.inputs, codebook))[-1]
        if circuit.mix is not None:
            reach = _mixed_bounds(reach, circuit.mix)
        lows, highs = tuple(low for low, _ in reach), tuple(high for _, high in reach)
        shares, rare = _sampled(circuit, codebook)
    return Leakage(
        circuit=digest(circuit),
        profile=circuit.profile,
        codebook=circuit.codebook,
        family=family_of(circuit),
        labels=circuit.readout.labels(len(circuit.outputs)),
        outputs=circuit.released,
        forms=forms,
        lows=lows,
        highs=highs,
        shares=shares,
        rare=rare,
        block=circuit.block,
        label_only=label_only(circuit),
        moves=l1_sensitivity(circuit, codebook, sum(high - low for low, high in zip(lows, highs, strict=True)))
        if circuit.block
        else None,
    )


def _forms(circuit: Circuit, layer: Linear) -> list[Form]:
    wires = [_wire(source) for source in circuit.inputs]
    out = []
    for start, stop in zip(layer.indptr[:-1], layer.indptr[1:], strict=True):
        out.append(
            form({wires[c]: int(v) for c, v in zip(layer.columns[start:stop], layer.values[start:stop], strict=True)})
        )
    return out


def _mixed(forms: Sequence[Form], mix: Mix) -> list[Form]:
    """The forms of a mix of sums of forms."""
    out = []
    for start, stop in itertools.pairwise(mix.indptr.tolist()):
        weights: dict[Wire, int] = {}
        for column, weight in zip(mix.columns[start:stop].tolist(), mix.weights[start:stop].tolist(), strict=True):
            for wire, value in forms[column]:
                weights[wire] = weights.get(wire, 0) + weight * value
        out.append(form(weights))
    return out


def _mixed_bounds(bounds: Sequence[tuple[int, int]], mix: Mix) -> list[tuple[int, int]]:
    out = []
    for start, stop in itertools.pairwise(mix.indptr.tolist()):
        ends = [
            sorted(weight * end for end in bounds[column])
            for column, weight in zip(mix.columns[start:stop].tolist(), mix.weights[start:stop].tolist(), strict=True)
        ]
        out.append((sum(low for low, _ in ends), sum(high for _, high in ends)))
    return out


def _bounds_of(one: Form, space: Space, codebook: Codebook) -> tuple[int, int]:
    """Least and greatest value of a form over all codes; products take the states of their factors together."""
    if all(wire in space for wire, _ in one):
        return _form_bounds(one, space)
    return form_range(one, codebook)


def _share(one: Form, space: Space) -> tuple[str, float]:
    """The column that explains most of a form, and how much; of one with products, which sums alone may have, none."""
    return _largest_share(one, space) if all(wire in space for wire, _ in one) else ("", 0.0)


def _wire(input: Input) -> Wire:
    return input.column, AFFINE if input.encoding == "affine" else input.index


def _form_bounds(one: Form, space: Space) -> tuple[int, int]:
    """Least and greatest value over all codes: a code reaches every level, bits are ones up to some edge, and of what
    is derived from a source with few places one place is taken at a time.
    """
    low = high = 0
    bits: dict[str, dict[int, int]] = {}
    placed: dict[str, dict[Wire, int]] = {}
    for (column, index), weight in one:
        source = space.source(column)
        if source in space.joint and space.joint[source].whole:
            placed.setdefault(source, {})[column, index] = weight
        elif index == AFFINE:
            reach = weight * (space.levels[column] - 1)
            low, high = low + min(0, reach), high + max(0, reach)
        else:
            bits.setdefault(column, {})[index] = weight
    for column, weights in bits.items():
        steps = np.cumsum([0, *(weights.get(edge, 0) for edge in range(space.edges[column]))], dtype=object)
        low, high = low + int(min(steps)), high + int(max(steps))
    for source, own in placed.items():
        values = space.joint[source].values(own)
        low, high = low + min(values), high + max(values)
    return low, high


def _largest_share(one: Form, space: Space) -> tuple[str, float]:
    shares = shares_of(one, space)
    column = max(sorted(shares), key=shares.__getitem__, default="")
    return column, float(shares.get(column, 0))


def _sampled(circuit: Circuit, codebook: Codebook) -> tuple[tuple[tuple[str, float], ...], float]:
    """(the column that explains most of each output and how much, part of rows without the commonest answer)."""
    outputs = sample_outputs(circuit, codebook)
    if circuit.mix is not None:
        outputs = circuit.mix.matrix(len(outputs)) @ outputs
    groups = Sample(codebook).groups()
    shares = []
    for values in outputs:
        ratio, column = max((_ratio(values, group), column) for column, group in groups)
        shares.append((column, ratio))
    _, counts = np.unique(outputs, axis=1, return_counts=True)
    return tuple(shares), 1.0 - float(counts.max()) / SAMPLE


class Sample:
    """Rows drawn uniformly from the codes, from a seed that follows from the codebook: the same for everyone.

    Codes and bins are uniform. What is derived from a source, and a column in both encodings, is drawn
    together, as one of the source's states: of all where they are its places, else of `DRAWN`.
    """

    def __init__(self, codebook: Codebook) -> None:
        self._space = space_of(codebook)
        self._products = {product.name: product for product in codebook.products}
        rng = np.random.default_rng(int(codebook.digest[:16], 16))
        draw = [("affine", self._space.levels, 0), ("bins", self._space.edges, 1)]
        self._codes: dict[tuple[str, str], I64] = {
            (name, encoding): rng.integers(0, count + extra, SAMPLE)
            for encoding, counts, extra in draw
            for name, count in sorted(counts.items())
            if self._space.source(name) not in self._space.joint
        }
        self._groups = [
            (column, codes if encoding == "bins" else codes * BUCKETS // self._space.levels[column])
            for (column, encoding), codes in sorted(self._codes.items(), key=lambda item: item[0])
        ]
        for source, joint in sorted(self._space.joint.items()):
            states = self._states(joint, rng)
            self._groups.append((source, np.unique(states, return_inverse=True)[1]))
            for encoding, codes in (("affine", joint.codes), ("bins", joint.bins)):
                self._codes |= {(name, encoding): np.array(own)[states] for name, own in codes.items()}

    def wire(self, column: str, index: int, rows: slice = EVERY) -> I64:
        """A column's affine code (index AFFINE), or its bit "value >= edge index", on some rows of the sample."""
        if index == AFFINE and column in self._products:
            one, other = (
                self.wire(factor.column, AFFINE if factor.edge is None else factor.edge, rows)
                for factor in self._products[column].factors
            )
            return one * other
        if index == AFFINE:
            return self._codes[column, "affine"][rows]
        return (self._codes[column, "bins"][rows] > index).astype(np.int64)

    def groups(self) -> list[tuple[str, I64]]:
        """(column, group of each row): bins as they are, affine codes in `BUCKETS`, a source by its drawn states."""
        return self._groups

    @staticmethod
    def _states(joint: Joint, rng: np.random.Generator) -> I64:
        """The state of a source on each row (SAMPLE,)."""
        every = np.repeat(np.arange(len(joint.counts)), joint.counts)
        if joint.whole:
            whole: I64 = every[rng.integers(0, len(every), SAMPLE)]
            return whole
        drawn: I64 = every[(np.arange(DRAWN) * len(every) + rng.integers(0, len(every), DRAWN)) // DRAWN]
        found: I64 = drawn[rng.integers(0, DRAWN, SAMPLE)]
        return found

    def of_form(self, one: Form) -> F64:
        """A linear form on the rows, in floating point."""
        total: F64 = sum((float(w) * self.wire(*wire) for wire, w in one), np.zeros(SAMPLE))
        return total


def check_sampling(circuit: Circuit, codebook: Codebook) -> None:
    """Refuse a circuit with lookups that would take more than `MOST_WORK` to judge on the sample. Errors: TooLarge."""
    if len(circuit.layers) == 1:
        return
    terms = sum(len(layer.columns) if isinstance(layer, Linear) else len(layer.source) for layer in circuit.layers)
    space = space_of(codebook)
    work = SAMPLE * (terms + len(circuit.outputs) * (len(space.levels) + len(space.edges) + PER_OUTPUT))
    if work > MOST_WORK:
        raise TooLarge(
            f"Judging this circuit on {SAMPLE:,} sample rows takes {work:,} multiply-adds, over the limit of"
            f" {MOST_WORK:,}.",
            "Use a smaller model: fewer or shallower trees, and above all fewer outputs.",
        )


def sample_outputs(circuit: Circuit, codebook: Codebook) -> I64:
    """The circuit's outputs (outputs, SAMPLE) on the public sample, read-only: kept as long as the circuit is, since
    the report and the rule on combinations both read them. Errors: TooLarge, MessageOverflow.
    """
    known = _sampled_outputs.setdefault(circuit, {})
    if codebook.digest in known:
        return known[codebook.digest]
    check_sampling(circuit, codebook)
    sample, step = Sample(codebook), block_rows(circuit)
    outputs = np.empty((len(circuit.outputs), SAMPLE), np.int64)
    for start in range(0, SAMPLE, step):
        rows = slice(start, start + step)
        inputs = np.stack([sample.wire(*_wire(source), rows) for source in circuit.inputs], axis=1)
        outputs[:, rows] = evaluate_clear(circuit, inputs).T
    outputs.flags.writeable = False
    known[codebook.digest] = outputs
    return outputs


def dominated_on_sample(outputs: Sequence[I64], forms: Sequence[Form], codebook: Codebook, share: float) -> str | None:
    """A column that explains more than `share` of some combination of sampled outputs and forms, or None.

    The greatest share over all combinations is the greatest squared canonical correlation between their span and the
    functions of the column: the largest singular value, squared, of an orthonormal basis of the span after averaging
    over the column's groups.
    """
    sample = Sample(codebook)
    rows = np.array([*(values.astype(np.float64) for values in outputs), *(sample.of_form(one) for one in forms)])
    rows = rows - rows.mean(axis=1, keepdims=True)
    rows = rows[(lengths := np.linalg.norm(rows, axis=1)) > 0] / lengths[lengths > 0, None]
    if not len(rows):
        return None
    _, sizes, basis = np.linalg.svd(rows, full_matrices=False)
    basis = basis[sizes > RELATIVE * sizes[0]]
    for column, group in sample.groups():
        counts = np.maximum(np.bincount(group), 1)
        means = np.stack([np.bincount(group, weights=row, minlength=len(counts)) / np.sqrt(counts) for row in basis])
        if float(np.linalg.norm(means, 2)) ** 2 > share:
            return column
    return None


def _ratio(values: I64, group: I64) -> float:
    """Var(E[values | group]) / Var(values); 0 for a constant."""
    total = float(values.var())
    sizes = np.bincount(group)
    means = np.bincount(group, weights=values) / np.maximum(sizes, 1)
    return float(((means[group] - values.mean()) ** 2).mean()) / total if total else 0.0
