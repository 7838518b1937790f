"""Testing a linear regression on codes: its squared error is a quadratic form, and so a sum of published products.

With v the circuit's integer score, c the label's code, v0 and c0 the middles of their ranges, five sums over rows say
it all: of (v - v0)^2, (v - v0)(c - c0), (c - c0)^2, v and c. The job's mix makes them about equally loud.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from app.client.evaluate.figures import drawn
from app.client.evaluate.found import TestFigures
from app.client.fit.linear_sums import sums_of
from app.client.published import PublishedValues, factor_of, wire_of
from app.protocol.data.dataset import Affine, Codebook
from app.protocol.data.product import Factor
from app.protocol.errors import BadQuery
from fhe.arrays import F64, I64
from fhe.circuit.circuit import Circuit, Input, Linear
from fhe.circuit.well_formed import MAX_MIX
from fhe.compile.decoder import Decoder
from fhe.profile import EncryptionProfile

NAMES = ("vv", "vc", "cc", "v", "c")


@dataclass(frozen=True)
class ErrorTest:
    """What to ask for the error of a linear regression, and how to read the answer."""

    circuit: Circuit
    decoder: Decoder
    affine: Affine  # of the label
    middles: tuple[int, int]  # v0, c0
    factors: tuple[int, ...]  # how much louder each sum is
    known: tuple[int, ...]  # what each sum gains by every row, whatever is in it: no part of the circuit

    def read(self, released: I64, rows: int, scale: float) -> TestFigures:
        """Mean squared error and R^2 in the label's units, of the released numbers (5,) of a job on `rows` rows."""
        sums = released / np.array(self.factors, np.float64) + rows * np.array(self.known, np.float64)
        noise = scale / np.array(self.factors, np.float64)
        seed = int(released.sum()) & 0xFFFFFFFF
        steps: F64 = noise / noise.max() if scale else np.ones(len(sums))
        scaled, widest = sums / steps, float(noise.max()) if scale else 0.0
        figures = {
            "mse": drawn(scaled, widest, lambda each: self._error(each * steps, rows)[0], seed),
            "r2": drawn(scaled, widest, lambda each: self._error(each * steps, rows)[1], seed),
        }
        return TestFigures((), np.zeros((0, 0)), scale, figures)

    def _error(self, sums: F64, rows: int) -> tuple[float, float | None]:
        """(mean squared error, R^2)."""
        a, b = self.decoder.scale, self.affine.step
        v0, c0 = self.middles
        vv, vc, cc, v, c = sums
        # residual r = a (v - v0) - b (c - c0) + k
        k = a * (v0 - self.decoder.zero_points[0]) + self.decoder.shift - (self.affine.low + b * c0)
        dv, dc = v - rows * v0, c - rows * c0
        squares = a * a * vv - 2 * a * b * vc + b * b * cc + 2 * k * (a * dv - b * dc) + rows * k * k
        spread = b * b * (cc - dc * dc / rows)
        return float(squares / rows), float(1 - squares / spread) if spread > 0 else None


def plan_error(
    circuit: Circuit, decoder: Decoder, codebook: Codebook, profile: EncryptionProfile, label: str
) -> ErrorTest:
    """The sums that the error of a linear regression takes. Errors: BadQuery with what is missing."""
    layer = circuit.layers[0]
    if len(circuit.layers) > 1 or len(circuit.outputs) > 1 or decoder.link != "identity":
        raise BadQuery(
            "The error of a regression can be tested for linear ones that predict the label itself.",
            "Test a linear regression on codes, or a classifier on bins.",
        )
    assert isinstance(layer, Linear)
    published = PublishedValues(codebook)
    weights = {circuit.inputs[c]: int(w) for c, w in zip(layer.columns, layer.values, strict=True)}
    parts = {factor_of(wire): weight for wire, weight in weights.items()}
    affine, bias = published.affine(label), int(layer.bias[0])
    if any(part.column == label for part in parts):
        raise BadQuery(f"The model reads {label!r}, which it is tested against.", "Test it against another label.")
    ends = [sorted((0, weight * _most(published, part))) for part, weight in parts.items()]
    low, high = bias + sum(end[0] for end in ends), bias + sum(end[1] for end in ends)
    v0, c0, target = (low + high) // 2, affine.levels // 2, Factor(column=label)
    shift = bias - v0  # v - v0 is the weights' sum plus this
    forms: dict[str, dict[Input, int]] = {name: {} for name in NAMES}

    def add(name: str, wire: Input, weight: int) -> None:
        forms[name][wire] = forms[name].get(wire, 0) + weight

    def product(one: Factor, other: Factor) -> Input | None:
        found = published.find(one, other)
        if found is None and not published.apart(one.column, other.column):
            raise BadQuery(
                f"The dataset publishes no product of {one.name} and {other.name}, which the error takes.",
                f"Every two of these have one: {', '.join(published.paired([p.column for p in parts]))[:200]}.",
            )
        return found

    for part, weight in parts.items():
        for other, second in parts.items():
            if (wire := product(part, other)) is not None:
                add("vv", wire, weight * second)
        add("vv", wire_of(part), 2 * shift * weight)
        if (wire := product(part, target)) is not None:
            add("vc", wire, weight)
        add("vc", wire_of(part), -c0 * weight)
        add("v", wire_of(part), weight)
    add("vc", Input(label, "affine"), shift)
    square = product(target, target)
    assert square is not None
    add("cc", square, 1)
    add("cc", Input(label, "affine"), -2 * c0)
    add("c", Input(label, "affine"), 1)
    half, most = max(1, (high - low) // 2), max(1, affine.levels - 1)
    loud = (half * half, half * most, most * most, 2 * half, most)
    factors = tuple(
        max(1, min(loud[0] // each, MAX_MIX // max(1, *(abs(w) for w in forms[name].values()))))
        for name, each in zip(NAMES, loud, strict=True)
    )
    if any(abs(weight) > MAX_MIX for form in forms.values() for weight in form.values()):
        raise BadQuery("The model's weights are too wide for a test.", "Compile it with fewer bits (n_bits).")
    released = {
        name: {wire: weight * factor for wire, weight in forms[name].items() if weight}
        for name, factor in zip(NAMES, factors, strict=True)
    }
    made = sums_of(released, codebook, profile)
    known = shift * shift, -shift * c0, c0 * c0, bias, 0
    return ErrorTest(made, decoder, affine, (v0, c0), factors, known)


def _most(published: PublishedValues, part: Factor) -> int:
    return 1 if part.edge is not None else published.affine(part.column).levels - 1
