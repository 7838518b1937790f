"""The policy's rules over the ledger: what was released on the rows before, forms exactly and lookups on the sample."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction

import numpy as np

from app.protocol.data.dataset import Codebook
from app.protocol.policy.groups import Group, union
from app.protocol.policy.leakage import Released
from app.protocol.policy.linear_forms import basis, dominated_column
from app.protocol.policy.mandates import check_answer
from app.protocol.policy.reasons import Reason
from app.protocol.policy.rules import MAX_RANK, Grant, Judge, ReleaseCase, check_policy
from fhe.circuit.circuit import Circuit
from fhe.circuit.codec import digest
from fhe.dominance import cleared
from fhe.leakage import SAMPLE, dominated_on_sample, sample_outputs, space_of

MAX_EXACT = 16  # groups that one decision judges exactly: some milliseconds each
Kept = Callable[[str], bytes | None]


def samples_of(circuit: Circuit, codebook: Codebook) -> dict[str, bytes]:
    """The outputs of a circuit with lookups on the public sample, by name as `Leak.opaque` has them; 64-bit words."""
    if len(circuit.layers) == 1:
        return {}
    outputs, name = sample_outputs(circuit, codebook), digest(circuit)
    names = (f"{name}:{output}" for output in circuit.outputs)
    return {name: values.astype("<i8").tobytes() for name, values in zip(names, outputs, strict=True)}


def judge_of(codebook: Codebook, own: Mapping[str, bytes], kept: Kept) -> Judge:
    """The judge of concentration for a table with these codes.

    `own` and `kept` give the sampled outputs of circuits with lookups by name. What a single union of all groups
    clears is clear; else the groups are looked at one by one, and no more than `MAX_EXACT` of them exactly.
    """
    space = space_of(codebook)

    def dominated(group: Group, share: float) -> bool:
        forms = basis(group.forms, most=MAX_RANK)
        if dominated_column(forms, space, Fraction(str(share))):
            return True
        names = group.opaque
        if not names:
            return False
        found = [own.get(name) or kept(name) for name in names]
        outputs = [np.frombuffer(words, "<i8") for words in found if words is not None and len(words) == 8 * SAMPLE]
        # what was released and cannot be judged any more is not added to
        return len(outputs) < len(found) or dominated_on_sample(outputs, forms, codebook, share) is not None

    def judge(several: Sequence[Group], share: float) -> Reason | None:
        if share >= 1:
            return None
        whole = union(several)
        if whole.count <= MAX_RANK and not (suspects([whole], share) and dominated(whole, share)):
            return None
        doubtful = suspects(several, share)
        if len(doubtful) > MAX_EXACT:
            return Reason.ENTANGLED
        return Reason.CONCENTRATION if any(dominated(each, share) for each in doubtful) else None

    def suspects(several: Sequence[Group], share: float) -> list[Group]:
        well = cleared([each.forms for each in several], space, share)
        return [each for each, clear in zip(several, well, strict=True) if each.opaque or not clear]

    return judge


def decide(case: ReleaseCase, own: Mapping[str, bytes], history: Sequence[Released], kept: Kept) -> Reason | Grant:
    """What the policy says to a job after this history."""
    codebook = case.table.codebook
    found = check_policy(case, space_of(codebook), history, judge_of(codebook, own, kept))
    if case.mandate is None or isinstance(found, Reason):
        return found
    return check_answer(case.mandate, case.table, found.entry, history) or found
