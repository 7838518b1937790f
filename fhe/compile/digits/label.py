"""The label under encryption: a classifier's circuit that ends in the label itself.

Whoever decrypts its outputs sees a label and nothing else, where other circuits give him the scores that a `label`
policy then keeps back. Two classes end in -1 and 1, read as a threshold; three or four in the label's number, read
by the cut points 1, 2, ... .
"""

from __future__ import annotations

from dataclasses import replace

from app.protocol.data.dataset import Codebook
from app.protocol.errors import BadModel
from fhe.circuit.circuit import Readout
from fhe.circuit.codec import digest
from fhe.compile.check import check
from fhe.compile.compiled import Compiled
from fhe.compile.digits.passes import MOST_CLASSES, argmax, signs
from fhe.compile.digits.scores import (
    LABEL_WIDTH,
    compared_exactly,
    differences,
    ends_in_label,
    scores_of,
    without_unread,
)
from fhe.compile.digits.stages import linear
from fhe.compile.digits.windows import WindowPlan
from fhe.profile import EncryptionProfile

ALTERNATIVE = "Leave the label to the custodian, whom the policy trusts with scores."


def with_label(compiled: Compiled, codebook: Codebook, profile: EncryptionProfile) -> Compiled:
    """The same classifier, which gives its label and nothing else: scores are compared under encryption, exactly.

    Its decoder tells labels only. Errors: BadModel for what has no label of two to four classes, or has it already;
    MessageOverflow, NoiseOverflow where the scores are too wide to be read exactly; TooLarge.
    """
    circuit, decoder = compiled.circuit, compiled.decoder
    classes = circuit.readout.labels(len(circuit.outputs))
    read = circuit.readout.kind in ("threshold", "argmax")
    if circuit.block or not read or not decoder.labels or ends_in_label(circuit):
        raise BadModel("This model has no label that could be taken under encryption.", "Use a classifier.")
    if classes > MOST_CLASSES:
        raise BadModel(
            f"A label is taken under encryption of at most {MOST_CLASSES} classes, and this model has {classes}.",
            ALTERNATIVE,
        )
    values = scores_of(circuit)
    if classes == 2:
        compared = [values[0] - circuit.readout.at] if len(values) == 1 else [values[0] - values[1]]
    else:
        compared = differences(values)
    stages, width, sizes = compared_exactly(circuit, compared, codebook, profile, shares=True)
    if classes > 2:
        label = argmax(stages, values, width, sizes, LABEL_WIDTH)
        readout = Readout("cuts", cuts=tuple(range(1, classes)))
    else:
        label = signs(stages, compared, width, sizes, LABEL_WIDTH)[0] * (1 if len(values) > 1 else -1)
        readout = Readout("threshold", 1)
    layers = (*stages.layers, linear([label], LABEL_WIDTH))
    shared = circuit.shared or isinstance(sizes, WindowPlan)
    made = without_unread(
        replace(circuit, layers=layers, outputs=("label",), readout=readout, centred=True, shared=shared)
    )
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
