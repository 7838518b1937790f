"""The label under encryption: a classifier's circuit that ends in the label itself.

Whoever decrypts its outputs sees a label and nothing else, where other circuits give him the scores that a `label`
policy then keeps back. Two classes end in -1 and 1, read as a threshold; three or four in the label's number, read
by the cut points 1, 2, ... .
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from app.protocol.data.dataset import Codebook
from app.protocol.errors import BadModel
from fhe.circuit.circuit import Circuit, Linear, Lookup, Readout
from fhe.circuit.codec import digest
from fhe.compile.check import check, input_ranges
from fhe.compile.compiled import Compiled
from fhe.compile.digits.passes import MOST_CLASSES, argmax, groups, signs
from fhe.compile.digits.stages import Stages, WireSum, linear, sums_of
from fhe.compile.ranges import value_bounds
from fhe.noise.lookup import layer_variances
from fhe.profile import EncryptionProfile

LABEL_WIDTH = 3  # of the output: the bits of a label, and the noise of one lookup
ALTERNATIVE = "Leave the label to the custodian, whom the policy trusts with scores."


def with_label(compiled: Compiled, codebook: Codebook, profile: EncryptionProfile) -> Compiled:
    """The same classifier, which gives its label and nothing else: scores are compared under encryption, exactly.

    Its decoder tells labels only. Errors: BadModel for what has no label of two to four classes, or has it already;
    MessageOverflow, NoiseOverflow where the scores are too wide to be read exactly; TooLarge.
    """
    circuit, decoder = compiled.circuit, compiled.decoder
    classes = circuit.readout.labels(len(circuit.outputs))
    read = circuit.readout.kind in ("threshold", "argmax")
    if circuit.block or not read or not decoder.labels or _told(circuit):
        raise BadModel("This model has no label that could be taken under encryption.", "Use a classifier.")
    if classes > MOST_CLASSES:
        raise BadModel(
            f"A label is taken under encryption of at most {MOST_CLASSES} classes, and this model has {classes}.",
            ALTERNATIVE,
        )
    last = circuit.layers[-1]
    assert isinstance(last, Linear)
    values = sums_of(last)
    if classes == 2:
        compared = [values[0] - circuit.readout.at] if len(values) == 1 else [values[0] - values[1]]
    else:
        compared = [values[one] - values[other] for other in range(classes) for one in range(other)]
    width = _width(circuit, compared, codebook)
    before = _widened(circuit, width)
    compare = replace(circuit, layers=(*before, linear(compared, width)))
    sizes = groups(width, float(layer_variances(compare, profile)[-1].max()), profile)
    stages = Stages(len(circuit.inputs), before)
    if classes > 2:
        label = argmax(stages, values, width, sizes, LABEL_WIDTH)
        readout = Readout("cuts", cuts=tuple(range(1, classes)))
    else:
        label = signs(stages, compared, width, sizes, LABEL_WIDTH)[0] * (1 if len(values) > 1 else -1)
        readout = Readout("threshold", 1)
    layers = (*stages.layers, linear([label], LABEL_WIDTH))
    made = _read_inputs(replace(circuit, layers=layers, outputs=("label",), readout=readout, centred=True))
    told = decoder.model_copy(
        update={
            "circuit": digest(made),
            "scale": 1.0,
            "zero_points": (0,),
            "centre": (0,),
            "shift": 0.0,
            "threshold": 0.0,
            "knots": (),
            "link": "label" if classes > 2 else "identity",
            "probabilities": False,
        }
    )
    return replace(compiled, circuit=made, decoder=told, report=check(made, codebook, profile))


def _told(circuit: Circuit) -> bool:
    """Whether the circuit ends in the sign of a comparison already: one wire, of this width."""
    last = circuit.layers[-1]
    return circuit.centred and last.width == LABEL_WIDTH and isinstance(last, Linear) and len(last.columns) == 1


def _read_inputs(circuit: Circuit) -> Circuit:
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

    def renumbered(layer: Linear | Lookup) -> Linear | Lookup:
        if isinstance(layer, Lookup):
            return layer
        lookups = layer.columns - before + len(kept)
        return replace(
            layer, columns=np.where(layer.columns < before, new[np.minimum(layer.columns, before - 1)], lookups)
        )

    inputs = tuple(circuit.inputs[wire] for wire in kept)
    return replace(circuit, inputs=inputs, layers=tuple(renumbered(layer) for layer in circuit.layers))


def _width(circuit: Circuit, compared: Sequence[WireSum], codebook: Codebook) -> int:
    """The fewest bits whose signed range holds all values that are compared."""
    last = circuit.layers[-1]
    assert isinstance(last, Linear)
    layers = (*circuit.layers[:-1], linear(compared, last.width))
    bounds = value_bounds(replace(circuit, layers=layers), input_ranges(circuit.inputs, codebook))[-1]
    return max(1, max(max(-low - 1, high) for low, high in bounds).bit_length())


def _widened(circuit: Circuit, width: int) -> list[Linear | Lookup]:
    """The layers but the last, with lookups that it reads at `width`, which may be one bit more than before."""
    last = circuit.layers[-1]
    assert isinstance(last, Linear)
    return [
        replace(layer, width_out=max(width, layer.width_out))
        if isinstance(layer, Lookup) and layer.width_out >= last.width
        else layer
        for layer in circuit.layers[:-1]
    ]
