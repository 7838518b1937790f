"""Additive models and scorecards on published bins: one Linear over bits, no lookup.

A term gives one weight to each interval of one column (explainable boosting machines, scorecards, piecewise-constant
GAMs): the score is intercept + sum over terms of weights[bin of the value]. With bits "value >= edge" that is

    intercept + sum weights[0] + sum over edges of (weights[i + 1] - weights[i]) * bit[i],

so a scorecard costs as much as a linear model. Weights become integers in units of `step`, each rounded to the nearest,
so a score is off by at most (terms + 1) * step / 2, intercept included.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from app.protocol.data.dataset import Codebook, Name
from app.protocol.documents import Document
from app.protocol.errors import BadModel
from fhe.arrays import F64
from fhe.circuit.circuit import Readout
from fhe.circuit.codec import digest
from fhe.compile.check import check
from fhe.compile.compiled import Compiled
from fhe.compile.decoder import Decoder, Labels
from fhe.compile.ir import AffineExpr, Bit, constant, total, wire
from fhe.compile.trees.edges import nearest
from fhe.compile.trees.emit import emit
from fhe.profile import EncryptionProfile
from fhe.profiles import REFERENCE

WEIGHT_BITS = 12  # of the largest weight, sign included: 1,000 edges of such weights stay within the noise
MOST_BITS = 24


class Term(Document):
    """weights[i] for edges[i - 1] <= value < edges[i]; one weight more than edges."""

    column: Name
    edges: tuple[float, ...]
    weights: tuple[float, ...]


class AdditiveModel(Document):
    """intercept + the terms' weights; with the link "logit" that is the log-odds of the second class."""

    kind: Literal["darkroom/additive-model"] = "darkroom/additive-model"
    terms: tuple[Term, ...]
    intercept: float = 0.0
    link: Literal["identity", "logit"] = "identity"
    classes: tuple[int, int] | tuple[str, str] = (0, 1)  # of the link "logit"

    def scores(self, values: npt.ArrayLike) -> F64:
        """Scores (rows,) before any link, of raw values (rows, terms)."""
        table = np.asarray(values, np.float64)
        found = np.full(len(table), self.intercept)
        for place, term in enumerate(self.terms):
            found += np.array(term.weights)[np.searchsorted(term.edges, table[:, place], side="right")]
        return found

    def step(self, n_bits: int = WEIGHT_BITS) -> float:
        """The unit of the integer weights: the largest weight takes `n_bits` bits with its sign."""
        largest = max(abs(weight) for term in self.terms for weight in term.weights)
        return largest / ((1 << (n_bits - 1)) - 1)

    def error_bound(self, n_bits: int = WEIGHT_BITS) -> float:
        """How far a decoded score can be from `scores`, apart from floating-point rounding."""
        return (len(self.terms) + 1) * self.step(n_bits) / 2


def additive_model(
    model: AdditiveModel, codebook: Codebook, *, profile: EncryptionProfile = REFERENCE, n_bits: int = WEIGHT_BITS
) -> Compiled:
    """The circuit of an additive model on a dataset that publishes its edges.

    Errors: `BadModel` for a term that is malformed or on a column or edge that is not published (nearest edges named),
    `MessageOverflow`, `NoiseOverflow`.
    """
    places = _check(model, codebook, n_bits)
    step = model.step(n_bits)
    circuit = emit(
        [_lower(model, places, step)],
        [],
        columns=[column.name for column in codebook.columns],
        names=["score"],
        readout=Readout("threshold", 1) if model.link == "logit" else Readout("value"),
        codebook=codebook.digest,
        profile=profile,
    )
    decoder = Decoder(
        model="AdditiveModel",
        circuit=digest(circuit),
        scale=step,
        zero_points=(0,),
        centre=(0,),
        link="sigmoid" if model.link == "logit" else "identity",
        labels=Labels.of(np.array(model.classes)) if model.link == "logit" else None,
        probabilities=model.link == "logit",
    )
    return Compiled(circuit, decoder, check(circuit, codebook, profile), model)


def _check(model: AdditiveModel, codebook: Codebook, n_bits: int) -> list[tuple[int, tuple[int, ...]]]:
    """(column number, the bin number of each edge) of each term."""
    if not 2 <= n_bits <= MOST_BITS:
        raise BadModel(f"Weights of {n_bits} bits are not possible.", f"Use 2 to {MOST_BITS}.")
    if not model.terms or not any(weight for term in model.terms for weight in term.weights):
        raise BadModel("This additive model has no weights.", "Give it at least one term.")
    if not np.isfinite([model.intercept, *(weight for term in model.terms for weight in term.weights)]).all():
        raise BadModel("This additive model has a weight that is not finite.", "Fit it again.")
    if len({term.column for term in model.terms}) != len(model.terms):
        raise BadModel("This additive model has two terms on one column.", "Add them up into one.")
    numbers = {column.name: number for number, column in enumerate(codebook.columns)}
    places = []
    for term in model.terms:
        bins = codebook.columns[numbers[term.column]].bins if term.column in numbers else None
        if not bins:
            raise BadModel(
                f"The dataset publishes no bins of column {term.column!r}.",
                "See what it publishes: darkroom dataset show.",
            )
        if len(term.weights) != len(term.edges) + 1 or list(term.edges) != sorted(set(term.edges)):
            raise BadModel(
                f"The term on column {term.column!r} needs increasing edges and one weight more than edges.",
                "Give weights[i] for edges[i - 1] <= value < edges[i].",
            )
        places.append((numbers[term.column], tuple(_bin(term.column, bins, edge) for edge in term.edges)))
    return places


def _bin(column: str, bins: Sequence[float], edge: float) -> int:
    if edge not in bins:
        raise BadModel(
            f"The dataset does not publish the edge {edge:g} of column {column!r}; "
            f"the nearest are {nearest(bins, edge)}.",
            "Fit the model on the published edges.",
        )
    return bins.index(edge)


def _lower(model: AdditiveModel, places: list[tuple[int, tuple[int, ...]]], step: float) -> AffineExpr:
    """The score in units of step."""
    parts = [(constant(round(model.intercept / step)), 1)]
    for term, (column, bins) in zip(model.terms, places):
        weights = [round(weight / step) for weight in term.weights]
        parts.append((constant(weights[0]), 1))
        changes = zip(bins, weights, weights[1:])
        parts += [(wire(Bit(column, number + 1)), after - before) for number, before, after in changes]
    return total(parts)
