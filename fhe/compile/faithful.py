"""Whether a circuit says what the buyer's own model says: compared on codes, and refused where it does not.

The tolerance is one statement for all models. Values, scores and probabilities may be off by 1 % of their range on the
compared rows (of a probability: of 1). Labels are equal, with two exceptions: where the model itself holds two labels
for equal to the millionth part (the last bit of a float decides there), and, of forests alone, where noise leaves no
finer leaves: up to one row in 200, each within the 1 % of the model's own margin. What was found is reported.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from app.protocol.errors import BadModel
from fhe.arrays import F64, I64
from fhe.circuit.circuit import Circuit
from fhe.circuit.clear import evaluate_clear, gather_inputs
from fhe.compile.decoder import Decoder
from fhe.compile.foreign import asked, comparable, frame, kind
from fhe.compile.said import Said
from fhe.compile.sample import OwnRows, compared_codes
from fhe.compile.space import FeatureSpace

Route = Literal["concrete-ml", "direct"]

SCORES = 0.01  # of the range
AIMED, AIMED_OF_TREES = 0.001, 0.005  # what bits are chosen for: other rows have other ranges
LABELS = 0.005  # of the rows, of forests that noise limits
TIED = 1e-6  # of the margins' range
CHANGE = "Use more bits (n_bits) if you chose them, say what it was fitted on (fitted_on), or fit a simpler model."
OWN_VALUES = 0.05  # of the buyer's rows, whose values the dataset's codes round


@dataclass(frozen=True)
class Faithfulness:
    """What comparing decoder(circuit) with the given model's own predictions found."""

    rows: int  # codes compared: random ones, edges, and the buyer's own rows
    labels_differing: int  # of `rows`; 0 for a regressor
    largest_difference: float  # of any score, probability or value, as a share of the model's own range of it
    own_rows: int = 0  # how many of `rows` were the buyer's
    own_labels_differing: int = 0  # from the model on those rows as they are, before the dataset's codes round them
    accuracy: float | None = None  # of the circuit on the buyer's labelled rows; R^2 of a regressor
    float_accuracy: float | None = None  # of the given model on the same rows as they are
    route: Route = "direct"  # who quantized the model


class Comparison:
    """The given model's own words on the compared rows, asked once; circuits are held against them."""

    def __init__(
        self, model: Any, space: FeatureSpace, own: OwnRows | None, *, classifies: bool, more: I64 | None = None
    ) -> None:
        """`more` are further codes to compare on. Errors: BadModel."""
        self.model, self.space, self.own, self.classifies = model, space, own, classifies
        codes = compared_codes(space)
        if more is not None:
            codes = np.concatenate([codes, more])
        self.mine = own.codes(space) if own is not None else codes[:0]
        self.codes = np.concatenate([codes, self.mine])
        self.said = Said.by(model, space.table(self.codes), classifies=classifies)

    def fits(self, decoder: Decoder, outputs: I64, share: float) -> bool:
        """Whether outputs (outputs, rows) on the compared rows differ in no label, in no score by a larger share."""
        differing, largest, _ = compare(self.said, decoder, outputs)
        return not len(differing) and largest <= share

    def outputs(self, circuit: Circuit) -> I64:
        """A circuit's integers (outputs, rows) on the compared rows."""
        return evaluate_clear(circuit, gather_inputs(circuit, self.space.by_input(self.codes))).T

    def refuse(self, decoder: Decoder, outputs: I64, how: str, *, forest: bool = False) -> None:
        """Errors: BadModel, with what differs on the compared rows."""
        differing, largest, worst = compare(self.said, decoder, outputs)
        _judge(self.model, differing, self.said.margin(), largest, worst, forest=forest, how=f" {how}")

    def judge(self, circuit: Circuit, decoder: Decoder, *, route: Route, forest: bool) -> Faithfulness:
        """Compare the circuit itself. Errors: BadModel with the cause beyond the tolerance."""
        outputs = self.outputs(circuit)
        differing, largest, worst = compare(self.said, decoder, outputs)
        _judge(self.model, differing, self.said.margin(), largest, worst, forest=forest)
        return self.judged(circuit, decoder, differing, largest, route=route)

    def judged(
        self, circuit: Circuit, decoder: Decoder, differing: I64, largest: float = 0.0, *, route: Route = "direct"
    ) -> Faithfulness:
        """The report on a circuit that differs in these rows. Errors: BadModel for what the buyer's rows show."""
        outputs = self.outputs(circuit)
        accuracy = float_accuracy = None
        off = 0
        if self.own is None and self.space.reading == "values" and "bins" in self.space.encodings:
            self._refuse_coarse(circuit, decoder)
        if self.own is not None:
            float_said = asked(self.model, "predict", self.own.table(self.space))
            found = decoder.predict(outputs[:, len(self.codes) - len(self.mine) :])
            if self.classifies:
                off = int(np.count_nonzero(comparable(found) != comparable(float_said)))
                self._refuse_rounded(off)
            if self.own.target is not None:
                accuracy = accuracy_of(self.own.target, found, classifies=self.classifies)
                float_accuracy = accuracy_of(self.own.target, float_said, classifies=self.classifies)
        return Faithfulness(
            rows=len(self.codes),
            labels_differing=len(differing),
            largest_difference=largest,
            own_rows=len(self.mine),
            own_labels_differing=off,
            accuracy=accuracy,
            float_accuracy=float_accuracy,
            route=route,
        )

    def _refuse_coarse(self, circuit: Circuit, decoder: Decoder) -> None:
        """Errors: BadModel where values inside the bins, not only what stands for them, get other answers."""
        codes = compared_codes(self.space, seed=3)
        values = self.space.spread(codes, np.random.default_rng(4))
        said = comparable(asked(self.model, "predict", frame(values, self.space.names)))
        inputs = gather_inputs(circuit, self.space.by_input(codes))
        found = comparable(decoder.predict(evaluate_clear(circuit, inputs).T))
        if self.classifies:
            off = float(np.mean(said != found))
        else:
            off = float(np.mean(np.abs(said - found)) / (np.ptp(said) or 1.0))
        if off > OWN_VALUES:
            raise BadModel(
                f"Values inside the dataset's bins get other answers of this {kind(self.model)} than the bins:"
                f" {100 * off:.0f} % {'of labels' if self.classifies else 'of the range'}.",
                "Fit it on bin codes, dataset.encode(X, 'bins'), or show on rows of your own how much it matters"
                " (check).",
            )

    def _refuse_rounded(self, off: int) -> None:
        if self.space.reading == "values" and off > max(1, OWN_VALUES * len(self.mine)):
            raise BadModel(
                f"On {off} of your {len(self.mine)} rows the dataset's codes round this {kind(self.model)} to another"
                " label.",
                "Fit it on the dataset's codes: dataset.encode(X).",
            )


def compare(predictions: Said, decoder: Decoder, outputs: I64) -> tuple[I64, float, str]:
    """(rows whose label differs, ties left out; the largest difference as a share of its range; of what it is)."""
    predicted = decoder.predict(outputs)
    if predicted.size != predictions.predicted.size:
        return (
            np.arange(len(predictions.predicted)),
            1.0,
            f"shape {predictions.predicted.shape} became {predicted.shape}",
        )
    if decoder.labels is None:
        return np.array([], np.int64), _off(predictions.predicted, predicted), "value"
    wrong = np.flatnonzero(comparable(predictions.predicted) != comparable(predicted))
    margin = predictions.margin()
    if margin is not None:
        wrong = wrong[margin[wrong] > TIED]
    found = [(0.0, "score")]
    if predictions.scores is not None:
        found.append((_off(predictions.scores, decoder.decision_function(outputs)), "score"))
    if predictions.chances is not None and decoder.probabilities:
        found.append((_off(predictions.chances, decoder.predict_proba(outputs), 1.0), "probability"))
    largest, what = max(found)
    return wrong, largest, what


def accuracy_of(truth: npt.NDArray[Any], predicted: npt.NDArray[Any], *, classifies: bool) -> float:
    """Share of right labels, or R^2."""
    if classifies:
        return float(np.mean(comparable(truth) == comparable(predicted)))
    truth, predicted = np.asarray(truth, np.float64).ravel(), np.asarray(predicted, np.float64).ravel()
    spread = float(np.sum((truth - truth.mean()) ** 2))
    return 1.0 - float(np.sum((truth - predicted) ** 2)) / spread if spread else 0.0


def _judge(
    model: Any, differing: I64, margin: F64 | None, largest: float, worst: str, *, forest: bool, how: str = ""
) -> None:
    rows = len(differing)
    limit = 0
    if forest and margin is not None:
        limit = int(LABELS * len(margin)) if not rows or float(margin[differing].max()) <= SCORES else 0
    if rows > limit:
        raise BadModel(
            f"The circuit{how} gives other labels than this {kind(model)} on {rows} of the compared rows.",
            CHANGE,
        )
    if not largest <= SCORES:
        raise BadModel(
            f"The circuit's {worst}{how} differs from this {kind(model)}'s by {100 * largest:.2g} % of its range; "
            f"{100 * SCORES:g} % is allowed.",
            CHANGE,
        )


def _off(wanted: npt.NDArray[Any], found: npt.NDArray[Any], spread: float | None = None) -> float:
    """The largest difference as a share of the range; infinite for other shapes and values that are not finite."""
    wanted, found = np.asarray(wanted, np.float64), np.asarray(found, np.float64)
    if wanted.size != found.size:
        return float("inf")
    if not wanted.size:
        return 0.0
    found = found.reshape(wanted.shape)
    known = np.isfinite(wanted)  # one-vs-rest chances that are all zero divide by it: the model says nothing there
    if not known.all():
        wanted, found = wanted[known], found[known]
    if not wanted.size:
        return 0.0
    span = spread if spread is not None else float(np.ptp(wanted))
    difference = float(np.abs(wanted - found).max())
    if not np.isfinite(difference):
        return float("inf")
    return difference / span if span else (0.0 if difference == 0 else float("inf"))
