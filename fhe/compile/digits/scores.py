"""What comes before a comparison under encryption: a circuit's scores, at a width that holds all that is compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from app.protocol.data.dataset import Codebook
from app.protocol.errors import BadModel
from fhe.arrays import I64
from fhe.circuit.circuit import Circuit, Input, Layer, Linear, Selection
from fhe.compile.check import input_ranges
from fhe.compile.digits.passes import Reading, groups
from fhe.compile.digits.stages import Stages, WireSum, linear, sums_of
from fhe.compile.digits.windows import sign_plan
from fhe.compile.ranges import value_bounds
from fhe.noise.lookup import layer_variances
from fhe.profile import EncryptionProfile

LABEL_WIDTH = 3  # of a label under encryption: its bits, and the noise of one lookup


def ends_in_label(circuit: Circuit) -> bool:
    """Whether the circuit ends in the sign of a comparison already: one wire, of this width."""
    last = circuit.layers[-1]
    return circuit.centred and isinstance(last, Linear) and last.width == LABEL_WIDTH and len(last.columns) == 1


def scores_of(circuit: Circuit) -> list[WireSum]:
    """The values of a circuit's last layer."""
    last = circuit.layers[-1]
    assert isinstance(last, Linear)
    return sums_of(last)


def differences(values: Sequence[WireSum]) -> list[WireSum]:
    """Each value less each later one: what an argmax compares."""
    return [values[one] - values[other] for other in range(len(values)) for one in range(other)]


def compared_exactly(
    circuit: Circuit,
    compared: Sequence[WireSum],
    codebook: Codebook,
    profile: EncryptionProfile,
    *,
    shares: bool = False,
) -> tuple[Stages, int, Reading]:
    """(the circuit's stages up to its scores, the width of what is compared, how its bits are read).

    `shares`: the circuit may share rotations. Errors: NoiseOverflow where the values are too wide to be read exactly.
    """
    width = _width(circuit, compared, codebook)
    before = widened(circuit, width)
    compare = replace(circuit, layers=(*before, linear(compared, width)))
    noise = float(layer_variances(compare, profile)[-1].max())
    by = sign_plan(width, noise, profile) if shares and not circuit.lwe_bins else None
    return Stages(len(circuit.inputs), before), width, by or groups(width, noise, profile)


def without_unread(circuit: Circuit) -> Circuit:
    """The circuit without inputs that nothing reads: what two scores have in common does not matter to the greater one.

    Errors: BadModel where nothing is left.
    """
    before = len(circuit.inputs)
    read = {int(wire) for layer in circuit.layers if isinstance(layer, Linear) for wire in layer.columns}
    kept = [wire for wire in range(before) if wire in read]
    if not kept:
        raise BadModel("This model gives the same label for every row.", "Fit it on more rows.")
    new = np.zeros(before, np.int64)
    new[kept] = np.arange(len(kept))
    return _renumbered(circuit, tuple(circuit.inputs[wire] for wire in kept), new)


def with_inputs(circuit: Circuit, more: Sequence[Input]) -> Circuit:
    """The circuit with further inputs, which it does not read yet; those that it has already are not added."""
    inputs = tuple(dict.fromkeys([*circuit.inputs, *more]))
    return _renumbered(circuit, inputs, np.arange(len(circuit.inputs)))


def _renumbered(circuit: Circuit, inputs: tuple[Input, ...], new: I64) -> Circuit:
    """The circuit with other inputs; `new`: the number of each of its own among them."""
    before = len(circuit.inputs)

    def renumbered(layer: Layer) -> Layer:
        if not isinstance(layer, Linear):
            return layer
        lookups = layer.columns - before + len(inputs)
        return replace(
            layer, columns=np.where(layer.columns < before, new[np.minimum(layer.columns, before - 1)], lookups)
        )

    return replace(circuit, inputs=inputs, layers=tuple(renumbered(layer) for layer in circuit.layers))


def _width(circuit: Circuit, compared: Sequence[WireSum], codebook: Codebook) -> int:
    """The fewest bits whose signed range holds all values that are compared."""
    last = circuit.layers[-1]
    assert isinstance(last, Linear)
    layers = (*circuit.layers[:-1], linear(compared, last.width))
    bounds = value_bounds(replace(circuit, layers=layers), input_ranges(circuit.inputs, codebook))[-1]
    return max(1, max(max(-low - 1, high) for low, high in bounds).bit_length())


def widened(circuit: Circuit, width: int) -> list[Layer]:
    """The layers but the last, with lookups that it reads at `width`, which may be one bit more than before."""
    last = circuit.layers[-1]
    assert isinstance(last, Linear)
    found = list(circuit.layers[:-1])
    for number, layer in enumerate(found):
        if isinstance(layer, Linear) or not last.width <= layer.width_out < width:
            continue
        if isinstance(layer, Selection):  # entries come from lookups that are widened too, and need nothing
            before = found[number - 1]
            assert isinstance(before, Linear)
            up, read = 1 << (width - before.width), set(layer.source.tolist())
            sums = [each * up if row in read else each for row, each in enumerate(sums_of(before))]
            found[number - 1] = linear(sums, width)
        found[number] = replace(layer, width_out=width)
    return found
