"""How far all outputs of a circuit together can move when one row changes: what differential privacy scales noise to.

The L1 distance of the outputs of two rows, at most, over all codes that the codebook allows. Noise on the sum over rows
is scaled to it, and nothing else about the data is used. Cells that exclude one another (the bins of a histogram, the
groups of a table) move by one down and one up, whatever their number, where adding up each output's own range would
count every cell.

- One linear layer: outputs that read one code and its square are taken over all of its levels. Others
  are functions of a row's variables (`fhe.variables`), linear in each, products included.
  Variables that share no product are parts whose greatest distances add up. What shares products is run through
  together; where that is too many states, one variable is fixed in both rows, in all ways, and the others fall apart;
  where that is too much too, outputs that read the same variables are run through, and their distances added up.
- Lookups: where what the circuit reads tells few combinations apart, its outputs on all of them. In a circuit of
  digits, what later layers read after some lookup may be few combinations too: what stages of comparisons of one score
  give follows from the score, so a score that is compared with ten thresholds is in one of eleven states.
- Else: the sum of the outputs' ranges.

None of these is less than the truth, and the least of what is known is taken. What is released of the sums by a mix is
taken in place of the outputs.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence

import numpy as np

from app.protocol.data.dataset import Codebook
from app.protocol.errors import MessageOverflow
from app.protocol.policy.linear_forms import AFFINE, Form
from fhe.arrays import I64
from fhe.circuit.circuit import Circuit, Input, Linear, Lookup
from fhe.circuit.clear import evaluate_after, evaluate_clear
from fhe.compile.check import input_ranges
from fhe.compile.ranges import wire_states
from fhe.variables import Variables

MOST_CELLS = 4_096  # combinations of what is read that are run through
MOST_LEVELS = 1 << 16  # of one code
MOST_VALUES = 1 << 22  # cells times outputs
MOST_PAIRS = 1 << 26  # pairs of distinct cells times outputs: under half a second
EXACT = 1 << 52  # weights up to here are added in 64 bits


class _TooMuch(Exception):
    """There is no room for all combinations."""


def l1_sensitivity(circuit: Circuit, codebook: Codebook, ranges: int) -> int:
    """The greatest L1 distance of the outputs of two rows, or more. `ranges`: the sum of the outputs' ranges."""
    if len(circuit.layers) == 1:
        return min(ranges, _linear(circuit, codebook, ranges))
    cells = _cells(circuit, codebook)
    if cells is None:
        return ranges
    if circuit.mix is not None:
        weights = circuit.mix.matrix(len(circuit.outputs))
        if len(circuit.released) * len(cells) > MOST_VALUES or _large(weights, ranges):
            return ranges
        cells = cells @ weights.T
    return min(ranges, diameter(cells))


def _cells(circuit: Circuit, codebook: Codebook) -> I64 | None:
    """The outputs (cells, outputs) of a circuit with lookups on all that it tells apart, or more; None for too much."""
    variables = Variables(circuit.inputs, codebook, ends=False)
    most = min(MOST_CELLS, MOST_VALUES // len(circuit.outputs))
    if variables.combinations <= most:
        return evaluate_clear(circuit, variables.inputs(list(range(len(variables.counts)))))
    if not circuit.centred:
        return None
    for states in wire_states(circuit, input_ranges(circuit.inputs, codebook)):
        read = Variables([circuit.inputs[wire] for wire in states.inputs], codebook, ends=False)
        if states.combinations * read.combinations > most:
            continue
        wires = sum(len(each.source) for each in circuit.layers[: states.after + 1] if isinstance(each, Lookup))
        parts = [(list(states.inputs), read.inputs(list(range(len(read.counts))))), *states.groups]
        places = np.meshgrid(*(np.arange(len(values)) for _, values in parts), indexing="ij")
        found = np.zeros((places[0].size, len(circuit.inputs) + wires), np.int64)
        for (own, values), place in zip(parts, places, strict=True):
            found[:, own] = values[place.ravel()]
        try:
            return evaluate_after(circuit, states.after, found)
        except MessageOverflow:
            continue  # states that no row has are among them, and leave a range: a later layer tells less apart
    return None


def form_range(one: Form, codebook: Codebook) -> tuple[int, int]:
    """The least and greatest value of a form over all codes: exact where few variables share products, else beyond."""
    inputs = [Input(column, "affine" if index == AFFINE else "bins", max(0, index)) for (column, index), _ in one]
    weights: I64 = np.array([weight for _, weight in one], np.int64)
    squared = {(product.name, AFFINE) for product in codebook.products if product.first == product.second}
    read = _columns_of(one, codebook)
    if len(read) == 1 and any(wire in squared for wire, _ in one):
        levels = Variables(inputs, codebook, ends=False)
        if levels.combinations <= MOST_LEVELS:
            found = levels.inputs(list(range(len(levels.counts)))) @ weights
            return int(found.min()), int(found.max())
    variables = Variables(inputs, codebook, ends=True)
    low = high = 0
    for part in variables.parts():
        wires = variables.wires_of(part)
        if math.prod(variables.counts[each] for each in part) <= MOST_CELLS:
            values = variables.inputs(part)[:, wires] @ weights[wires]
            low, high = low + int(values.min()), high + int(values.max())
        else:
            for wire in wires:
                end = int(weights[wire]) * variables.greatest(wire)
                low, high = low + min(0, end), high + max(0, end)
    return low, high


def _columns_of(one: Form, codebook: Codebook) -> set[str]:
    """The columns that a form reads, through products too."""
    products = {product.name: product for product in codebook.products}
    found: set[str] = set()
    for (column, _), _ in one:
        found |= {f.column for f in products[column].factors} if column in products else {column}
    return found


def diameter(points: I64) -> int:
    """The greatest L1 distance of two of these points (points, dimensions), or up to twice that where there are many.

    For many, twice the greatest distance from one of them: no two are farther apart.
    """
    distinct = np.unique(points, axis=0)
    if len(distinct) ** 2 * distinct.shape[1] > MOST_PAIRS:
        return 2 * int(np.abs(distinct - distinct[len(distinct) // 2]).sum(axis=1).max())
    return _apart(distinct, distinct)


def _apart(ones: I64, others: I64) -> int:
    """The greatest L1 distance of one of the first points (points, dimensions) and one of the others."""
    return max(int(np.abs(others - one).sum(axis=1).max()) for one in ones)


def _large(weights: I64, ranges: int) -> bool:
    return bool(ranges >= EXACT or (weights.size and int(np.abs(weights).max()) >= EXACT))


def _linear(circuit: Circuit, codebook: Codebook, ranges: int) -> int:
    layer = circuit.layers[0]
    assert isinstance(layer, Linear)
    if max(len(circuit.inputs), len(circuit.released)) * len(layer.bias) > MOST_PAIRS:
        return ranges
    weights = np.zeros((len(circuit.inputs), len(layer.bias)), np.int64)
    weights[layer.columns, np.repeat(np.arange(len(layer.bias)), np.diff(layer.indptr))] = layer.values
    if circuit.mix is not None:
        mix = circuit.mix.matrix(len(layer.bias))
        if float(np.abs(weights).max()) * float(np.abs(mix).sum(axis=1).max()) >= EXACT:
            return ranges
        weights = weights @ mix.T
    if _large(weights, ranges):
        return ranges
    found = _of_one_code(circuit.inputs, codebook, weights)
    # what is linear in each variable is farthest from itself at the ends of codes
    variables = Variables(circuit.inputs, codebook, ends=True)
    for part in variables.parts():
        try:
            found += _Farthest(variables, weights).of(part)
        except _TooMuch:
            found += _by_what_is_read(variables, weights, variables.wires_of(part))
    return found


def _by_what_is_read(variables: Variables, weights: I64, wires: Sequence[int]) -> int:
    """The greatest distances of outputs that read the same variables, added up: no less than that of all together."""
    groups: dict[frozenset[int], list[int]] = {}
    for output in np.flatnonzero(weights[list(wires)].any(axis=0)).tolist():
        read = (variables.reads[wire] for wire in wires if weights[wire, output])
        groups.setdefault(frozenset(itertools.chain.from_iterable(read)), []).append(output)
    found = 0
    for read_by, outputs in groups.items():
        part = sorted(read_by)
        own = [wire for wire in wires if set(variables.reads[wire]) <= read_by]
        states = math.prod(variables.counts[each] for each in part)
        if states <= MOST_CELLS and states**2 * len(outputs) <= MOST_PAIRS:
            found += diameter(variables.inputs(part)[:, own] @ weights[np.ix_(own, outputs)])
        else:
            found += sum(variables.greatest(wire) * int(np.abs(weights[wire, outputs]).sum()) for wire in own)
    return found


def _of_one_code(inputs: Sequence[Input], codebook: Codebook, weights: I64) -> int:
    """How far outputs move that read one code and its square alone; they are then taken out of `weights`."""
    levels = {column.name: column.affine.levels for column in codebook.columns if column.affine is not None}
    places = {wire: place for place, wire in enumerate(inputs)}
    found = 0
    for product in codebook.products:
        square = places.get(Input(product.name, "affine"))
        name = product.first.column
        if square is None or product.first != product.second or product.first.edge is not None:
            continue
        own = [square, *([places[one]] if (one := Input(name, "affine")) in places else [])]
        others = np.delete(weights, own, axis=0)
        outputs = np.flatnonzero((weights[square] != 0) & ~others.any(axis=0))
        if not len(outputs):
            continue
        codes = np.arange(levels[name])
        values = np.stack([codes**2, codes][: len(own)], axis=1) @ weights[own][:, outputs]
        found += diameter(values)
        weights[:, outputs] = 0
    return found


class _Farthest:
    """The greatest distance of what variables give in two rows."""

    def __init__(self, variables: Variables, weights: I64) -> None:
        """`weights` (inputs, outputs)."""
        self._variables, self._weights, self._left = variables, weights, MOST_PAIRS

    def of(self, part: Sequence[int]) -> int:
        """Of one part, whatever the others are. Errors: _TooMuch."""
        wires = self._variables.wires_of(part)
        if len(part) == 1:
            return diameter(self._variables.inputs(part)[:, wires] @ self._weights[wires])
        return self._far(list(part), wires, self._weights[wires], {}, {})

    def _far(
        self, part: list[int], wires: list[int], weights: I64, one: Mapping[int, int], other: Mapping[int, int]
    ) -> int:
        """With some variables in fixed states in either row: of `wires`, which read `part` and what is fixed alone.

        `weights` (wires, outputs).
        """
        variables = self._variables
        weights = weights[:, weights.any(axis=0)]
        states = math.prod(variables.counts[each] for each in part)
        work = states**2 * weights.shape[1]
        if work <= self._left and states <= MOST_CELLS:
            self._left -= work + 1
            return _apart(
                np.unique(variables.inputs(part, one)[:, wires] @ weights, axis=0),
                np.unique(variables.inputs(part, other)[:, wires] @ weights, axis=0),
            )
        hub = max(part, key=lambda each: sum(each in variables.reads[wire] for wire in wires))
        count = variables.counts[hub]
        if len(part) == 1 or count**2 > self._left:
            raise _TooMuch
        rest, found = [each for each in part if each != hub], 0
        groups = [set(group) for group in variables.parts(rest, wires)]
        places = [[at for at, wire in enumerate(wires) if group & set(variables.reads[wire])] for group in groups]
        fixed = [at for at, wire in enumerate(wires) if not set(rest) & set(variables.reads[wire])]
        for first, second in itertools.product(range(count), repeat=2):
            known = dict(one) | {hub: first}, dict(other) | {hub: second}
            left, far = weights[fixed].copy(), 0  # what is fixed moves each output once, with the first group in it
            for group, at in zip(groups, places, strict=True):
                own = weights[at]
                touched = own.any(axis=0)
                mine = np.where(touched, left, 0)
                left[:, touched] = 0
                read = [wires[place] for place in (*at, *fixed)]
                far += self._far(sorted(group), read, np.concatenate([own, mine]), *known)
            if left.any():
                far += self._far([], [wires[place] for place in fixed], left, *known)
            found = max(found, far)
        return found
