"""Nearest neighbours of few prototypes: distances are linear, and everything after them is compared under encryption.

Of -|x - p|^2 the square of x is the same for all prototypes p, so that 2 x p - |p|^2 says which one is closer: a linear
form each, which is quantized like any other model. The circuit gives the label of the integers' nearest prototypes, and
nothing else leaves it. A row costs a comparison for each two prototypes, so that some hundred of them are out of reach.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from app.protocol.data.dataset import Codebook
from app.protocol.errors import BadModel
from fhe.arrays import F64, I64
from fhe.circuit.circuit import Circuit, Readout
from fhe.circuit.codec import digest
from fhe.compile.check import check
from fhe.compile.compiled import Compiled
from fhe.compile.decoder import Decoder, Labels
from fhe.compile.digits.passes import MOST_CLASSES
from fhe.compile.digits.scores import LABEL_WIDTH, compared_exactly, differences, scores_of, without_unread
from fhe.compile.digits.stages import linear
from fhe.compile.digits.votes import MOST_NEIGHBOURS, most_prototypes, nearest_label
from fhe.compile.digits.windows import WindowPlan
from fhe.compile.faithful import Comparison, compare
from fhe.compile.foreign import attribute, comparable, kind, origin
from fhe.compile.form import ScoreForm
from fhe.compile.importers.additive import additive_form
from fhe.compile.importers.core import core
from fhe.compile.importers.inputs import Inputs, dense
from fhe.compile.quantized import BITS, Whole, linear_circuit
from fhe.compile.sample import OwnRows
from fhe.compile.space import FeatureSpace
from fhe.profile import EncryptionProfile

FEWER = (
    "Fit it on few prototypes, as KMeans finds for each class; or use NearestCentroid, a forest, or a small network,"
    " taught what it predicts."
)
LOOKUPS = 5  # of a comparison, about
DIFFERING = 0.005  # of the compared rows, between prototypes that are as close


def is_neighbours(model: Any) -> bool:
    """Whether a model is scikit-learn's KNeighborsClassifier."""
    return origin(model) == "sklearn" and kind(model) == "KNeighborsClassifier"


@dataclass(frozen=True, eq=False)
class QuantizedNeighbours:
    """Prototypes in integers: how close a row is to each, and the classes of the nearest."""

    space: FeatureSpace  # whose codes are read
    closeness: Whole
    classes: I64  # of each prototype, its number among the labels
    neighbours: int

    def numbers(self, codes: I64) -> I64:
        """The label's number (rows,) of codes (rows, columns): of what is as close, and of equal votes, the first."""
        closeness = self.closeness.outputs(codes, np.zeros((len(codes), 0), np.int64))
        nearest = self.classes[np.argsort(-closeness, axis=0, kind="stable")[: self.neighbours]]
        votes = np.stack([(nearest == number).sum(axis=0) for number in range(int(self.classes.max()) + 1)])
        found: I64 = votes.argmax(axis=0)
        return found


def quantized_neighbours(
    model: Any, space: FeatureSpace, own: OwnRows | None, n_bits: int | None
) -> tuple[QuantizedNeighbours, Comparison]:
    """The coarsest integers that say what the model says, and its own words. Errors: BadModel."""
    inner = core(model, Inputs.of(space)).model
    prototypes, classes, labels, neighbours = _prototypes(inner)

    def closeness(of: FeatureSpace, codes: I64) -> F64:
        features = dense(core(model, Inputs.of(of)).inputs.evaluate(codes))
        found: F64 = 2 * features @ prototypes.T - (prototypes**2).sum(axis=1)
        found -= found.mean(axis=1, keepdims=True)
        return found

    made = additive_form(closeness, space)
    if made is None:
        raise BadModel(
            f"What comes before this {kind(inner)} mixes columns by more than sums.",
            "Scale each column by itself before it: StandardScaler, or nothing.",
        )
    space, form = made
    comparison = Comparison(model, space, own, classifies=True)
    choices = BITS if n_bits is None else (n_bits,)
    found = _coarsest(form, comparison, classes, labels, neighbours, choices)
    if found is None:
        raise BadModel(
            f"No number of bits gives the labels of this {kind(inner)}.",
            "Scale its columns alike, or fit fewer prototypes.",
        )
    return found, comparison


def compile_neighbours(
    model: Any,
    space: FeatureSpace,
    own: OwnRows | None,
    codebook: Codebook,
    profile: EncryptionProfile,
    n_bits: int | None,
) -> Compiled:
    """The circuit that ends in the label. Errors: BadModel, TooLarge, MessageOverflow, NoiseOverflow."""
    quantized, comparison = quantized_neighbours(model, space, own, n_bits)
    labels = np.asarray(core(model, Inputs.of(quantized.space)).model.classes_)
    scores = linear_circuit(quantized.closeness, quantized.space, Readout("argmax"), codebook, profile)
    circuit = _voting(scores, quantized.classes, quantized.neighbours, codebook, profile)
    report = check(circuit, codebook, profile)
    decoder = Decoder(
        model=kind(model),
        circuit=digest(circuit),
        scale=1.0,
        zero_points=(0,),
        centre=(0,),
        link="label" if len(labels) > 2 else "identity",
        labels=Labels.of(labels),
    )
    outputs = comparison.outputs(circuit)
    if not np.array_equal(circuit.readout.label(outputs)[0], quantized.numbers(comparison.codes)):
        raise BadModel("The circuit is not the neighbours of its own integers.", "Report this model.")
    off, _, _ = compare(comparison.said, decoder, outputs)
    return Compiled(circuit, decoder, report, model, comparison.judged(circuit, decoder, off))


def _coarsest(
    form: ScoreForm, comparison: Comparison, classes: I64, labels: Any, neighbours: int, choices: Sequence[int]
) -> QuantizedNeighbours | None:
    """The coarsest integers whose neighbours give the model's labels, but where prototypes are nearly as close."""
    largest = max(float(np.abs(np.diff(table, axis=0)).max(initial=0)) for table in form.tables.values())
    said = comparable(comparison.said.predicted)
    for bits in choices:
        whole = Whole.of(form, comparison.space, (largest or 1.0) / ((1 << (bits - 1)) - 1))
        if any(np.ptp(table, axis=0).any() for table in whole.tables.values()):
            made = QuantizedNeighbours(comparison.space, whole, classes, neighbours)
            found = comparable(labels[made.numbers(comparison.codes)])
            if len(choices) == 1 or np.count_nonzero(found != said) <= DIFFERING * len(said):
                return made
    return None


def _prototypes(model: Any) -> tuple[F64, I64, Any, int]:
    """Prototypes (prototypes, features), their classes' numbers, the labels and k. Errors: BadModel."""
    rows, numbers = attribute(model, "_fit_X"), attribute(model, "_y")
    if rows is None or numbers is None:
        raise BadModel(f"This {kind(model)} was not fitted.", "Call fit() first.")
    prototypes, classes = dense(rows).astype(np.float64), np.asarray(numbers).reshape(-1).astype(np.int64)
    labels, neighbours = np.asarray(model.classes_), int(model.n_neighbors)
    euclidean = model.effective_metric_ in ("euclidean", "sqeuclidean")
    if not euclidean or model.weights != "uniform":
        raise BadModel(
            f"This {kind(model)} weighs its neighbours, or measures distances that are not Euclidean.",
            "Use weights='uniform' and metric='euclidean'.",
        )
    count, most = len(prototypes), most_prototypes(neighbours)
    if neighbours > count:
        raise BadModel(
            f"This {kind(model)} asks {neighbours} neighbours of {count} rows, and says nothing.",
            "Fit it with fewer neighbours, n_neighbors=1.",
        )
    if neighbours > MOST_NEIGHBOURS or count > most or not 2 <= len(labels) <= MOST_CLASSES:
        pairs = count * (count - 1) // 2
        raise BadModel(
            f"This {kind(model)} compares {count} rows of {len(labels)} classes by {neighbours} neighbours: {pairs:,}"
            f" comparisons, or about {LOOKUPS * pairs:,} bootstraps a row. {most_prototypes(3)} prototypes of 2 to"
            f" {MOST_CLASSES} classes, and 3 neighbours, take about {LOOKUPS * 55:,}.",
            FEWER,
        )
    return prototypes, classes, labels, neighbours


def _voting(scores: Circuit, classes: I64, neighbours: int, codebook: Codebook, profile: EncryptionProfile) -> Circuit:
    """The circuit of the prototypes' closeness, followed by ranks and votes."""
    values = scores_of(scores)
    stages, width, by = compared_exactly(scores, differences(values), codebook, profile, shares=True)
    label = nearest_label(stages, values, width, by, classes, neighbours, LABEL_WIDTH)
    count = int(classes.max()) + 1
    readout = Readout("threshold", 1) if count == 2 else Readout("cuts", cuts=tuple(range(1, count)))
    layers = (*stages.layers, linear([label], LABEL_WIDTH))
    shared = isinstance(by, WindowPlan)
    return without_unread(
        replace(scores, layers=layers, outputs=("label",), readout=readout, centred=True, shared=shared)
    )
