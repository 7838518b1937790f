"""From a circuit's integers to what the buyer's model predicts, as a document: no pickle, no model needed.

A score is scale * (integer - zero point) + shift, which is Concrete ML's dequantization in the same floating-point
steps; the link makes it a prediction or a probability. Concrete ML's own raw integers are the circuit's plus `centre`.

Links of one score s: "share" is the probability s + 1/2; "table" interpolates `knots`, increasing pairs of a score and
what it stands for (a calibrated probability, a target before its transformation), flat beyond their ends. "label": the
one output is the label's own number.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from app.protocol.documents import Document, Sha256
from app.protocol.errors import BadModel, UsageError
from fhe.arrays import F64, I64
from fhe.circuit.circuit import Readout

Link = Literal[
    "identity", "exp", "expm1", "sigmoid", "softmax", "one-vs-rest", "modified-huber", "share", "table", "label"
]  # fmt: skip

TWO_CLASSES = 2
LARGEST_EXPONENT = 700.0  # exp stays finite and above zero


class Labels(Document):
    """The classes of a classifier, as text with the type to read it by."""

    type: Literal["int", "float", "bool", "str"]
    values: tuple[str, ...]

    @classmethod
    def of(cls, classes: npt.NDArray[Any]) -> Labels:
        """The labels of a fitted model's `classes_`. Errors: BadModel for labels that are not scalars."""
        kinds = {"i": "int", "u": "int", "f": "float", "b": "bool", "U": "str", "O": "str"}
        kind = kinds.get(classes.dtype.kind)
        if kind is None or (classes.dtype.kind == "O" and not all(isinstance(label, str) for label in classes)):
            raise BadModel("The model's classes are neither numbers nor text.", "Train it on plain labels.")
        values = tuple(str(label) if kind == "str" else repr(label) for label in classes.tolist())
        return cls.model_validate({"type": kind, "values": values})

    def array(self) -> npt.NDArray[Any]:
        """The classes as an array of their own type."""
        match self.type:
            case "int":
                return np.array([int(value) for value in self.values])
            case "float":
                return np.array([float(value) for value in self.values])
            case "bool":
                return np.array([value == "True" for value in self.values])
            case "str":
                return np.array(self.values)


class Decoder(Document):
    """What the outputs of one circuit mean. All methods take integers (outputs, rows), as a job releases them."""

    kind: Literal["darkroom/decoder"] = "darkroom/decoder"
    model: str  # the class of the model, for people
    circuit: Sha256
    scale: float
    zero_points: tuple[int, ...]  # one for each output
    centre: tuple[int, ...]  # Concrete ML's raw integers minus the circuit's, one for each output
    link: Link  # of probabilities in a classifier ("identity": scores are probabilities), of predictions in a regressor
    labels: Labels | None  # None: a regressor
    probabilities: bool = True  # whether the model's kind gives any
    shift: float = 0.0  # added to every score; Concrete ML's boosted regressors have one half
    threshold: float = 0.0  # of two classes, the second where the one score is above it
    knots: tuple[tuple[float, float], ...] = ()  # of the link "table"

    def tells_levels(self, readout: Readout) -> bool:
        """Whether cut points are levels of a score: where a circuit ends in its label, they only number the classes."""
        return readout.kind == "cuts" and self.link != "label"

    def raw(self, outputs: I64) -> I64:
        """Concrete ML's own quantized outputs (rows, outputs)."""
        return self._columns(outputs) + np.array(self.centre, np.int64)

    def scores(self, outputs: I64) -> F64:
        """Scores before any link: (rows,) for one output, else (rows, outputs)."""
        values = self.scale * (self._columns(outputs) - np.array(self.zero_points, np.float64)) + self.shift
        return values.ravel() if values.shape[1] == 1 else values

    def predict(self, outputs: I64) -> npt.NDArray[Any]:
        """What the model's `predict` gives: labels or values."""
        scores = self.scores(outputs)
        if self.labels is None:
            return predictions(scores, self.link, self.knots)
        if self.link == "label":
            chosen = outputs[0]
        else:
            chosen = (scores > self.threshold).astype(np.int64) if scores.ndim == 1 else scores.argmax(axis=1)
        chosen_labels: npt.NDArray[Any] = self.labels.array()[chosen]
        return chosen_labels

    def decision_function(self, outputs: I64) -> F64:
        """What the classifier's `decision_function` gives. Errors: UsageError for a regressor."""
        if self.labels is None:
            raise UsageError("A regressor has no decision function.", "Ask for its predictions.")
        scores = self.scores(outputs)
        return scores if self.probabilities else predictions(scores, self.link, self.knots)

    def margin(self, outputs: I64) -> F64:
        """How far (rows,) the score is from the next label: above the threshold, or the best class above the second."""
        scores = self.scores(outputs)
        if scores.ndim == 1:
            return scores - self.threshold
        best = np.partition(scores, -2, axis=1)
        margin: F64 = best[:, -1] - best[:, -2]
        return margin

    def predict_proba(self, outputs: I64) -> F64:
        """What the classifier's `predict_proba` gives, (rows, classes). Errors: UsageError where there is none."""
        if self.labels is None or not self.probabilities:
            raise UsageError(f"A {self.model} gives no probabilities.", "Ask for its predictions or scores.")
        return chances(self.scores(outputs), self.link, self.knots)

    def _columns(self, outputs: I64) -> I64:
        if outputs.ndim != TWO_CLASSES or len(outputs) != len(self.zero_points):
            raise UsageError(
                f"This decoder reads {len(self.zero_points)} outputs, not an array of shape {outputs.shape}."
            )
        return outputs.T


def predictions(scores: F64, link: Link, knots: tuple[tuple[float, float], ...] = ()) -> F64:
    """What scores stand for without classes."""
    match link:
        case "exp":
            values: F64 = np.exp(scores)
            return values
        case "expm1":
            grown: F64 = np.expm1(scores)
            return grown
        case "sigmoid":
            chance: F64 = np.exp(-np.logaddexp(0, -scores))
            return chance
        case "table":
            return _interpolated(scores, knots)
        case _:
            return scores


def chances(scores: F64, link: Link, knots: tuple[tuple[float, float], ...] = ()) -> F64:
    """Probabilities (rows, classes) of scores (rows,) or (rows, classes)."""
    match link:
        case "softmax":
            # Concrete ML's steps; where their exponentials would leave the range, the same shares kept inside it
            within = np.abs(scores).max(initial=0.0) < LARGEST_EXPONENT
            return _shares(np.exp(scores if within else scores - scores.max(axis=1, keepdims=True)))
        case "modified-huber":
            return _modified_huber(scores)
        case "sigmoid" | "one-vs-rest":
            chance = np.exp(-np.logaddexp(0, -scores))
            return _both(chance) if chance.ndim == 1 else _shares(chance)
        case "share":
            return _both((scores + 0.5).clip(0, 1))
        case "table":
            return _both(_interpolated(scores, knots))
        case _:
            return scores


def _both(chance: F64) -> F64:
    return np.stack([1 - chance, chance], axis=1)


def _interpolated(scores: F64, knots: tuple[tuple[float, float], ...]) -> F64:
    points = np.array(knots, np.float64)
    return np.interp(scores, points[:, 0], points[:, 1])


def _modified_huber(scores: F64) -> F64:
    """Probabilities of the modified Huber loss (Zhang, 2002): (clip(score, -1, 1) + 1) / 2, then normalized."""
    chance = (np.clip(scores, -1, 1) + 1) / 2
    return _both(chance) if chance.ndim == 1 else _shares(chance)


def _shares(values: F64) -> F64:
    """Each row divided by its sum; equal shares where that is zero (Concrete ML's one-vs-rest gives NaN there)."""
    total = values.sum(axis=1, keepdims=True)
    shares: F64 = np.where(total == 0, 1.0, values) / np.where(total == 0, float(values.shape[1]), total)
    return shares
