"""From a form in floating point to a circuit: the fewest bits at which it still says what the model says.

One step for all outputs: score = step * (integer - zero) + shift. Each weight, table entry and leaf is rounded by
itself. Without trees the step halves until no label differs (bits cost nothing there but width); with trees the noise
of the summed lookups says how fine the step may be.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from app.protocol.data.dataset import Codebook
from app.protocol.errors import BadModel, MessageOverflow, NoiseOverflow
from app.protocol.ids import Digest
from fhe.arrays import F64, I64
from fhe.circuit.circuit import Circuit, Input, Linear, Readout
from fhe.circuit.codec import digest
from fhe.compile.check import check
from fhe.compile.compiled import Compiled
from fhe.compile.decoder import Decoder
from fhe.compile.faithful import AIMED, SCORES, Comparison
from fhe.compile.foreign import kind
from fhe.compile.form import ScoreForm
from fhe.compile.meaning import Meaning
from fhe.compile.space import FeatureSpace
from fhe.profile import EncryptionProfile

BITS = range(2, 25)  # of a weight, its sign included
PENDING = Digest("0" * 64)  # the digest of a circuit that is not there yet


@dataclass(frozen=True, eq=False)
class Whole:
    """A form in integers: tables (levels, outputs) by feature, leaves (leaves, outputs), constant (outputs,)."""

    form: ScoreForm
    step: float
    constant: I64
    tables: dict[int, I64]
    leaves: I64
    shift: float

    @classmethod
    def of(cls, form: ScoreForm, space: FeatureSpace, step: float) -> Whole:
        """The form rounded to whole steps. A single output's constant stays a float, in the shift."""
        tables = {}
        for feature, table in form.tables.items():
            if space.encodings[feature] == "affine":
                slope = (table[-1] - table[0]) / max(1, len(table) - 1)
                tables[feature] = np.arange(len(table))[:, None] * _rounded(slope / step)
            else:
                tables[feature] = _rounded(table / step)
        alone = form.outputs == 1
        constant = np.zeros(1, np.int64) if alone else _rounded(form.constant / step)
        return cls(
            form, step, constant, tables, _rounded(form.leaves / step), float(form.constant[0]) if alone else 0.0
        )

    def outputs(self, codes: I64, reached: I64) -> I64:
        """Integers (outputs, rows) on codes (rows, features), which come to these leaves (rows, trees)."""
        total = np.repeat(self.constant[None], len(codes), axis=0)
        for feature, table in self.tables.items():
            total += table[codes[:, feature]]
        if reached.shape[1]:
            total += self.leaves[reached].sum(axis=1)
        return total.T


def _rounded(values: F64) -> I64:
    if not (np.abs(values) < 2.0**53).all():
        raise MessageOverflow(
            "The model's intercept or weights are too large for whole numbers of its smallest step.",
            "Scale the target or the columns, or train with less penalty.",
        )
    return np.rint(values).astype(np.int64)


def decoder_of(model: Any, meaning: Meaning, whole: Whole, circuit: Digest = PENDING, zero: int = 0) -> Decoder:
    """What the integers mean."""
    return Decoder(
        model=kind(model),
        circuit=circuit,
        scale=whole.step,
        zero_points=(zero,) * whole.form.outputs,
        centre=(0,) * whole.form.outputs,
        link=meaning.link,
        labels=meaning.labels,
        probabilities=meaning.probabilities,
        shift=whole.shift,
        threshold=meaning.threshold,
        knots=meaning.knots,
    )


def readout_of(decoder: Decoder) -> Readout:
    """The label from the integers alone, as the decoder reads it."""
    if decoder.labels is None:
        return Readout("value")
    if len(decoder.zero_points) > 1:
        return Readout("argmax")
    zero = decoder.zero_points[0]
    at = int(np.floor((decoder.threshold - decoder.shift) / decoder.scale)) + zero

    def above(value: int) -> bool:
        return bool(decoder.scores(np.array([[value]], np.int64))[0] > decoder.threshold)

    while above(at):
        at -= 1
    while not above(at):
        at += 1
    return Readout("threshold", at)


def compile_additive(
    model: Any,
    form: ScoreForm,
    meaning: Meaning,
    comparison: Comparison,
    codebook: Codebook,
    profile: EncryptionProfile,
    n_bits: int | None,
) -> Compiled:
    """A form without trees as one Linear. Errors: BadModel, MessageOverflow, NoiseOverflow."""
    space = comparison.space
    largest = max((_largest(table, space.encodings[f]) for f, table in form.tables.items()), default=0.0)
    if not largest:
        raise BadModel(
            f"Every weight of this {kind(model)} is zero: it gives the same result for every row.",
            "Fit it with less penalty, or on more rows.",
        )
    choices = BITS if n_bits is None else (n_bits,)
    steps = [largest / ((1 << (bits - 1)) - 1) for bits in choices]
    refused: MessageOverflow | NoiseOverflow | None = None
    for share in (AIMED, SCORES):
        whole = _first(model, form, meaning, comparison, steps, share)
        if whole is None:
            continue
        circuit = linear_circuit(whole, space, readout_of(decoder_of(model, meaning, whole)), codebook, profile)
        try:
            report = check(circuit, codebook, profile)
        except (MessageOverflow, NoiseOverflow) as error:
            refused = error  # finer than the noise: the tolerance may allow what was not aimed at
            continue
        decoder = decoder_of(model, meaning, whole, digest(circuit))
        found = comparison.judge(circuit, decoder, route="direct", forest=False)
        return Compiled(circuit, decoder, report, model, found)
    if refused is not None:
        raise refused
    last = Whole.of(form, space, steps[-1])
    outputs = last.outputs(comparison.codes, np.zeros((len(comparison.codes), 0), np.int64))
    comparison.refuse(decoder_of(model, meaning, last), outputs, f"with weights of {choices[-1]} bits")
    raise AssertionError("what fits nowhere is refused")


def _first(
    model: Any, form: ScoreForm, meaning: Meaning, comparison: Comparison, steps: Sequence[float], share: float
) -> Whole | None:
    """The coarsest that differs in no label, and in no score by more than a share of the range."""
    reached = np.zeros((len(comparison.codes), 0), np.int64)
    for step in steps:
        whole = Whole.of(form, comparison.space, step)
        if comparison.fits(decoder_of(model, meaning, whole), whole.outputs(comparison.codes, reached), share):
            return whole
    return None


def _largest(table: F64, encoding: str) -> float:
    if encoding == "affine":
        return float(np.abs(table[-1] - table[0]).max()) / max(1, len(table) - 1)
    return float(np.abs(table).max())


def linear_circuit(
    whole: Whole, space: FeatureSpace, readout: Readout, codebook: Codebook, profile: EncryptionProfile
) -> Circuit:
    """The forms as one Linear. Errors: BadModel where nothing is read."""
    inputs: list[Input] = []
    weights: list[I64] = []
    constant = whole.constant.copy()
    for feature, table in sorted(whole.tables.items()):
        column = space.columns[feature].name
        if space.encodings[feature] == "affine":
            steps = [(Input(column, "affine"), table[1] - table[0] if len(table) > 1 else table[0] * 0)]
        else:
            constant = constant + table[0]
            steps = [(Input(column, "bins", edge), table[edge + 1] - table[edge]) for edge in range(len(table) - 1)]
        for wire, weight in steps:
            if weight.any():
                inputs.append(wire)
                weights.append(weight)
    if not inputs:
        raise BadModel("With so few bits every weight of this model is zero.", "Use more (n_bits).")
    matrix = np.stack(weights, axis=1)  # (outputs, inputs)
    rows, columns = np.nonzero(matrix)
    indptr = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=len(matrix)))]).astype(np.int64)
    layer = Linear(profile.message_width, indptr, columns.astype(np.int64), matrix[rows, columns], constant)
    names = output_names(whole.form.outputs, readout)
    return Circuit(profile.digest, codebook.digest, tuple(inputs), (layer,), names, readout)


def output_names(outputs: int, readout: Readout) -> tuple[str, ...]:
    """What a circuit's outputs are called."""
    if outputs == 1:
        return ("score",)
    what = "value" if readout.kind == "value" else "class"
    return tuple(f"{what} {number}" for number in range(outputs))
