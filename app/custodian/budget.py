"""The policy's rules over the ledger: what was released on the rows before, forms exactly and lookups on the sample."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np

from app.protocol.dataset import Codebook
from app.protocol.forms import Form
from app.protocol.leak import Released
from app.protocol.reasons import Reason
from app.protocol.release import Facts, Grant, Joint, check_policy
from fhe.circuit import Circuit
from fhe.circuit_form import digest
from fhe.leak import SAMPLE, dominated_on_sample, sample_outputs, space_of

Kept = Callable[[str], bytes | None]


def samples_of(circuit: Circuit, codebook: Codebook) -> dict[str, bytes]:
    """The outputs of a circuit with lookups on the public sample, by name as `Leak.opaque` has them; 64-bit words."""
    if len(circuit.layers) == 1:
        return {}
    outputs, name = sample_outputs(circuit, codebook), digest(circuit)
    names = (f"{name}:{output}" for output in circuit.outputs)
    return {name: values.astype("<i8").tobytes() for name, values in zip(names, outputs, strict=True)}


def joint_on_sample(own: Mapping[str, bytes], kept: Kept, codebook: Codebook) -> Joint:
    """The judge of combinations in which lookups take part; `own` and `kept` give sampled outputs by name."""

    def joint(forms: Sequence[Form], opaque: Collection[str], share: float) -> str | None:
        found = [own.get(name) or kept(name) for name in sorted(opaque)]
        outputs = [np.frombuffer(words, "<i8") for words in found if words is not None and len(words) == 8 * SAMPLE]
        if len(outputs) < len(found):
            return "a column"  # what was released cannot be judged any more, so nothing may be added to it
        return dominated_on_sample(outputs, forms, codebook, share)

    return joint


def decide(facts: Facts, own: Mapping[str, bytes], history: list[Released], kept: Kept) -> Reason | Grant:
    """What the policy says to a job after this history."""
    codebook = facts.table.codebook
    return check_policy(facts, space_of(codebook), history, joint_on_sample(own, kept, codebook))
