"""From a network in integers to its circuit: an activation is `fhe.compile.digits.clipped`, all else is linear.

How many bits each layer's values have follows from its weights and from what its inputs can be. A layer's inputs come
out of one lookup for each part of up to three bits, so that the next sum has no more noise than it must. Bits of a
column are added up by lookups first where every unit's reading each of them would make the circuit too large.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from app.protocol.data.dataset import Codebook
from app.protocol.errors import NoiseOverflow, TooLarge
from fhe.arrays import I64
from fhe.circuit.circuit import Circuit, Input, Readout
from fhe.circuit.codec import MAX_CIRCUIT_BYTES, MAX_LAYERS
from fhe.circuit.cost import cost
from fhe.compile.digits.clipped import clip_stages, clip_width, clipped
from fhe.compile.digits.parts import ENTRIES, PART
from fhe.compile.digits.stages import Stages, WireSum, linear
from fhe.compile.digits.windows import Clipping, clipped_in_windows, gathered_in_windows, plan, window_width
from fhe.compile.networks.network import Activation, Dense, QuantizedNetwork
from fhe.noise.lookup import bootstrap_variance, layer_variances
from fhe.profile import EncryptionProfile

TERM_BYTES = 22  # of a weighted wire: two words in base64
READINGS = 8  # of a unit's value, about, while it is read in digits


@dataclass(frozen=True, eq=False)
class LoweredNetwork:
    """A circuit of a network on every row: its outputs are `fine` times the network's."""

    circuit: Circuit
    fine: int


def lowered(
    network: QuantizedNetwork, codebook: Codebook, profile: EncryptionProfile, *, selects: bool = False
) -> Iterator[LoweredNetwork]:
    """Ways to compute a network, the cheapest first; noise and ranges are for `check` to judge.

    `selects`: it runs on datasets with a packing key only, so that tables may be encrypted. Outputs are named by their
    numbers. Errors: NoiseOverflow, TooLarge.
    """
    if not selects:
        yield from _without_selections(network, codebook, profile)
        return
    made = [*_through_windows(network, codebook, profile, selects=True)]
    try:
        made += _without_selections(network, codebook, profile)
    except (NoiseOverflow, TooLarge):
        if not made:
            raise
    yield from sorted(made, key=lambda each: cost(each.circuit, profile, 1).units)


def _without_selections(
    network: QuantizedNetwork, codebook: Codebook, profile: EncryptionProfile
) -> Iterator[LoweredNetwork]:
    """Those that run on every dataset, the one with fewest bootstraps first. Errors: NoiseOverflow, TooLarge."""
    yield from _through_windows(network, codebook, profile, selects=False)
    growing = _Growing(network, codebook, profile, shared=False)
    yield LoweredNetwork(growing.circuit(_in_parts(network, growing, profile), _widths(network)[-1]), 1)


def _through_windows(
    network: QuantizedNetwork, codebook: Codebook, profile: EncryptionProfile, *, selects: bool
) -> Iterator[LoweredNetwork]:
    """With shared rotations, where there is a plan: outputs are twice the network's, or its own where it gathers."""
    width = _widths(network)[-1]
    for gathers in (False, True):
        growing = _Growing(network, codebook, profile, shared=True)
        sums = _in_windows(network, growing, profile, gathers=gathers, selects=selects)
        if sums is not None:
            yield LoweredNetwork(growing.circuit(sums, width if gathers else width + 1), 1 if gathers else 2)


class _Growing:
    """The layers so far."""

    def __init__(
        self, network: QuantizedNetwork, codebook: Codebook, profile: EncryptionProfile, *, shared: bool
    ) -> None:
        self.inputs, self.read = _read(network)
        self.stages = Stages(len(self.inputs))
        self._codebook, self._profile, self._shared = codebook, profile, shared

    def circuit(self, sums: list[WireSum], width: int) -> Circuit:
        """Everything, with these outputs."""
        layers, digests = (*self.stages.layers, linear(sums, width)), (self._profile.digest, self._codebook.digest)
        named = tuple(f"value {number}" for number in range(len(sums)))
        return Circuit(*digests, self.inputs, layers, named, Readout("value"), centred=True, shared=self._shared)

    def noise(self, sums: list[WireSum], width: int) -> float:
        """The greatest variance of some sums."""
        return float(layer_variances(self.circuit(sums, width), self._profile)[-1].max())


def _in_windows(
    network: QuantizedNetwork, growing: _Growing, profile: EncryptionProfile, *, gathers: bool, selects: bool
) -> list[WireSum] | None:
    """Twice the outputs, with shared rotations; None where there is no such plan, or it takes too many stages.

    `gathers`: the last activations are gathered, and what is found are the outputs, so that many units can be read.
    """
    widths, stages = _widths(network, window_width), growing.stages
    values = _numbers(stages, growing.read, widths[0] + 1, gathered=_large(network))
    sums = [value * 2 for value in _dense(values, network.layers[0])]
    try:
        for number, (activation, layer) in enumerate(zip(network.activations, network.layers[1:], strict=True)):
            width, after, last = widths[number] + 1, widths[number + 1] + 1, number + 1 == len(network.activations)
            gather = gathers and last
            cut = PART if gather and activation.bits > PART else 0
            if cut and not selects:
                return None
            out = activation.bits + 2 if gather else after
            asked = Clipping(width, activation.drop, activation.bits, out, selects, cut)
            by = plan(asked, growing.noise(sums, width), profile)
            if by is None:
                return None
            rounded = [value + 2 * activation.half for value in sums]
            if gather:
                sums = _dense(gathered_in_windows(stages, rounded, asked, by, after - 1), layer)
            else:
                halves = clipped_in_windows(stages, rounded, asked, by)
                sums = _dense(halves, Dense(layer.weights, 2 * layer.bias))
    except TooLarge:
        return None
    return sums


def _in_parts(network: QuantizedNetwork, growing: _Growing, profile: EncryptionProfile) -> list[WireSum]:
    """With a rotation for each table."""
    widths, stages = _widths(network), growing.stages
    values = _numbers(stages, growing.read, widths[0] + 1, gathered=_large(network))
    sums = _dense(values, network.layers[0])
    for number, (activation, layer) in enumerate(zip(network.activations, network.layers[1:], strict=True)):
        width = widths[number]
        noise = growing.noise(sums, width)
        rounded = [value + activation.half for value in sums]
        last = number + 1 == len(network.activations)
        after = widths[number + 1] + (0 if last else 1)  # values that are read in digits are doubled
        values = clipped(stages, rounded, width, activation.drop, activation.bits, after, noise, profile)
        sums = _dense(values, layer)
    return sums


def stages_of(network: QuantizedNetwork, profile: EncryptionProfile) -> int:
    """How many stages of lookups the circuit has, about; more than any circuit where its noise is too much."""
    gathered, widths = _large(network), _widths(network)
    found, parts = int(gathered), np.array([_runs(network, each) if gathered else 0 for each in network.inputs])
    for layer, activation, width in zip(network.layers, network.activations, widths):
        noise = float((layer.weights.astype(np.float64) ** 2 @ parts).max()) * bootstrap_variance(profile)
        try:
            found += clip_stages(width, activation.drop, activation.bits, noise, profile)
        except NoiseOverflow:
            return MAX_LAYERS
        parts = np.full(len(layer.bias), -(-activation.bits // PART))
    return found


def _runs(network: QuantizedNetwork, read: tuple[int, I64]) -> int:
    """Lookups that count the bits of a column."""
    column, table = read
    bits = 0 if network.space.encodings[column] == "affine" else int(np.count_nonzero(np.diff(table)))
    return -(-bits // (ENTRIES - 1)) if bits > 1 else 0


def _widths(network: QuantizedNetwork, clips: Callable[[int, int, int, int], int] = clip_width) -> list[int]:
    """Bits of each layer's values, besides their sign."""
    activations = (*network.activations, None)
    return [width_of(low, high, each, clips) for (low, high), each in zip(network.bounds(), activations, strict=True)]


def width_of(
    low: I64, high: I64, activation: Activation | None, clips: Callable[[int, int, int, int], int] = clip_width
) -> int:
    """Bits of values between these (units,), besides their sign, and so that they can be clipped."""
    least, most = int(low.min()), int(high.max())
    if activation is None:
        return max(1, max(-least - 1, most).bit_length())
    return clips(least + activation.half, most + activation.half, activation.drop, activation.bits)


Steps = tuple[int, list[tuple[int, int]]]  # a column's least number, and what each of its wires adds to it


def _read(network: QuantizedNetwork) -> tuple[tuple[Input, ...], list[Steps]]:
    """What is read of the dataset, and each column's number as a sum over that."""
    space, inputs, found = network.space, list[Input](), list[Steps]()
    for column, table in network.inputs:
        name, steps = space.columns[column].name, list[tuple[int, int]]()
        changes = [int(after - before) for before, after in pairwise(table.tolist())]
        if space.encodings[column] == "affine":
            inputs.append(Input(name, "affine"))
            steps.append((len(inputs) - 1, changes[0]))
        else:
            for edge, change in enumerate(changes):
                if change:
                    inputs.append(Input(name, "bins", edge))
                    steps.append((len(inputs) - 1, change))
        found.append((int(table[0]), steps))
    return tuple(inputs), found


def _large(network: QuantizedNetwork) -> bool:
    """Whether the circuit is too large where every unit reads every bit."""
    bits = sum(
        1 if network.space.encodings[column] == "affine" else np.count_nonzero(np.diff(table))
        for column, table in network.inputs
    )
    return bits * len(network.layers[0].bias) * TERM_BYTES * READINGS > MAX_CIRCUIT_BYTES // 2


def _numbers(stages: Stages, read: list[Steps], width_out: int, *, gathered: bool) -> list[WireSum]:
    """Each column's number, as a sum over published values, or over one lookup for up to seven bits."""
    if not gathered:
        return [WireSum(tuple(steps), least) for least, steps in read]
    runs: list[tuple[int, list[tuple[int, int]]]] = []  # (column, bits that are counted together)
    found = [WireSum((), least) for least, _ in read]
    for column, (_, steps) in enumerate(read):
        if len(steps) == 1:
            found[column] += WireSum(tuple(steps))
            continue
        runs += [(column, steps[first : first + ENTRIES - 1]) for first in range(0, len(steps), ENTRIES - 1)]
    if not runs:
        return found
    counts = [WireSum(tuple((wire, 1) for wire, _ in run)) for _, run in runs]
    tables = [[sum(change for _, change in run[:count]) for count in range(ENTRIES)] for _, run in runs]
    for (column, _), wire in zip(runs, stages.look_up(counts, PART, tables, width_out), strict=True):
        found[column] += wire
    return found


def _dense(values: list[WireSum], layer: Dense) -> list[WireSum]:
    return [_weighted(values, row, bias) for row, bias in zip(layer.weights, layer.bias.tolist(), strict=True)]


def _weighted(values: list[WireSum], weights: I64, bias: int) -> WireSum:
    """One unit's value."""
    terms: dict[int, int] = {}
    for value, weight in zip(values, weights.tolist(), strict=True):
        bias += value.constant * weight
        for wire, own in value.terms:
            terms[wire] = terms.get(wire, 0) + own * weight
    return WireSum(tuple(sorted((wire, weight) for wire, weight in terms.items() if weight)), bias)
