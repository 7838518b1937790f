"""Additive models: one number for each bin of each column, fitted from two-way tables and the label's sums by bin.

`make_pipeline(OneHotEncoder(), LinearRegression())`, or with Ridge or LogisticRegression in the end. Its second moments
are counts of rows by the bins of two columns, which exclude one another, so that a row moves two numbers a pair of
columns, however many bins there are, and two label sums a column. Bins of a column add up to all rows, so the models
are solved in contrasts: in each column the directions that are orthogonal to the sum of its bins.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from app.client.ask.cells import AskedColumn
from app.client.ask.forms import PublishedForm, codes_in, form_of, product_of
from app.client.fit.linear_sums import sums_of
from app.client.fit.moments import UNIT, Moments
from app.client.fit.solve import least_squares, logistic
from app.client.published import PublishedValues
from app.protocol.data.dataset import Affine, Codebook
from app.protocol.data.product import Factor
from app.protocol.errors import BadQuery
from fhe.arrays import F64, I64
from fhe.circuit.circuit import Circuit
from fhe.profile import EncryptionProfile

MOST_CELLS = 4096  # of all two-way tables together


@dataclass(frozen=True)
class AdditivePlan:
    """What to ask for an additive model of the bins of some columns, and how to read the answer."""

    columns: tuple[str, ...]
    circuit: Circuit
    bins: tuple[int, ...]  # of each column
    span: int  # of the label's codes
    _known: tuple[int, ...] = field(repr=False)  # what each released number gains by every row

    @property
    def contrasts(self) -> F64:
        """Orthonormal directions (contrasts, cells) of all columns' cells that leave each column's sum alone."""
        found = np.zeros((sum(self.bins) - len(self.bins), sum(self.bins)))
        row = column = 0
        for size in self.bins:
            # the rows of an orthogonal matrix whose first is constant (Helmert)
            helmert = np.tril(np.ones((size, size)), -1)[1:] - np.diag(np.arange(size))[1:]
            helmert /= np.linalg.norm(helmert, axis=1, keepdims=True)
            found[row : row + size - 1, column : column + size] = helmert
            row, column = row + size - 1, column + size
        return found

    def read(self, released: I64, rows: int, scale: float) -> Moments:
        """The moments of contrasts and label, of the released numbers of a job on `rows` rows with this noise."""
        values = released + rows * np.array(self._known, np.float64)
        starts, d = np.cumsum([0, *self.bins]), len(self.bins)
        size, deviation = int(starts[-1]), np.sqrt(2) * scale
        cells = [slice(start, stop) for start, stop in itertools.pairwise(starts.tolist())]
        products, noise, at = np.zeros((size, size)), np.zeros((size, size)), 0
        counts, spread = np.zeros(size), np.zeros(size)
        for a, b in itertools.combinations(range(d), 2):
            shape = self.bins[a], self.bins[b]
            table = values[at : at + shape[0] * shape[1]].reshape(shape) / UNIT
            at += shape[0] * shape[1]
            products[cells[a], cells[b]], products[cells[b], cells[a]] = table, table.T
            noise[cells[a], cells[b]] = noise[cells[b], cells[a]] = deviation / UNIT
            for own, others, axis in ((a, b, 1), (b, a, 0)):
                counts[cells[own]] += table.sum(axis=axis) / (d - 1)
                spread[cells[own]] += self.bins[others] * (deviation / UNIT / (d - 1)) ** 2
        if d == 1:
            counts, spread = values[:size] / UNIT, np.full(size, (deviation / UNIT) ** 2)
            at = size
        products += np.diag(counts)
        noise += np.diag(np.sqrt(spread))
        loud = 2 * self.span * _label_unit(self.span)
        with_label = values[at:] / loud
        total = with_label.sum() / d
        turn, label = self.contrasts, rows / 4
        inner = turn @ products @ turn.T
        moved, own_noise = turn @ with_label, np.sqrt(turn**2 @ noise**2 @ (turn**2).T)
        label_noise = np.full(len(turn), deviation / loud)
        return Moments(
            (*(f"contrast {n}" for n in range(len(turn))), "label"), rows, np.append(turn @ counts, total),
            np.block([[inner, moved[:, None]], [moved[None], np.array([[label]])]]),
            np.block([[own_noise, label_noise[:, None]], [label_noise[None], np.zeros((1, 1))]]),
            np.append(np.zeros(len(turn), np.int64), self.span), np.append(np.ones(len(turn), np.int64), self.span),
        )  # fmt: skip


def plan_additive(
    codebook: Codebook, profile: EncryptionProfile, columns: Sequence[str] | None, label: str
) -> AdditivePlan:
    """The sums that an additive model takes; by default of all columns with the products for it.

    Errors: BadQuery with the nearest that can be fitted.
    """
    published = PublishedValues(codebook)
    span = published.affine(label).levels - 1
    chosen = list(columns) if columns is not None else usual_columns(published, label)
    cells = {name: _cells(published, name) for name in chosen}
    sizes = tuple(len(each) for each in cells.values())
    if not chosen:
        raise BadQuery(
            f"No bins of two columns have products with {label} and with one another.",
            "Ask the owner for bins and groups under [products], or fit a regression on codes.",
        )
    if sum(a * b for a, b in itertools.combinations(sizes, 2)) > MOST_CELLS:
        raise BadQuery(f"The two-way tables have more than {MOST_CELLS} cells.", "Name fewer columns.")
    forms: dict[str, PublishedForm] = {}
    for a, b in itertools.combinations(chosen, 2):
        for (i, one), (j, other) in itertools.product(enumerate(cells[a]), enumerate(cells[b])):
            both = product_of(published, one, other)
            if both is None:
                raise _missing(published, label, f"the bins of {a} and {b}", "groups")
            forms[f"{a} {i} * {b} {j}"] = both * UNIT
    if len(chosen) == 1:
        forms |= {f"{chosen[0]} {i}": one * UNIT for i, one in enumerate(cells[chosen[0]])}
    for name, own in cells.items():
        for i, one in enumerate(own):
            codes = codes_in(published, label, one)
            if codes is None:
                raise _missing(published, label, f"{label} and the bins of {name}", "bins")
            forms[f"{label} in {name} {i}"] = (codes * 2 + one * -span) * _label_unit(span)
    released = {name: dict(form.weights) for name, form in forms.items()}
    circuit = sums_of(released, codebook, profile)
    return AdditivePlan(tuple(chosen), circuit, sizes, span, tuple(form.constant for form in forms.values()))


def usual_columns(published: PublishedValues, label: str) -> list[str]:
    """Columns whose bins have products with the label and with the bits of all others, first come first served."""
    kept: list[str] = []
    others: list[Factor] = []  # their bits
    for column in published.codebook.columns:
        bits = [Factor(column=column.name, edge=edge) for edge in range(len(column.bins or ()))]
        wanted = [Factor(column=label), *others]
        if bits and column.name != label and all(published.find(*pair) for pair in itertools.product(bits, wanted)):
            kept.append(column.name)
            others += bits
    return kept


def fit_additive(
    pipeline: Any, moments: Moments, plan: AdditivePlan, affine: Affine, classes: Any
) -> tuple[Any, float]:
    """(a fitted copy of the pipeline, the ridge that noise made needful); it reads bin codes."""
    from sklearn.base import clone

    (name, encoder), (last, model) = pipeline.steps
    encoder = clone(encoder).set_params(categories=[np.arange(size) for size in plan.bins])
    encoder.fit(np.zeros((1, len(plan.bins))))
    model, count = clone(model), len(plan.contrasts)
    if classes is None:
        alpha = float(getattr(model, "alpha", 0.0))
        line, span = least_squares(moments, np.full(count, alpha) if alpha else None), affine.step * plan.span
        weights = line.slopes @ plan.contrasts
        model.coef_ = weights * span
        model.intercept_ = float(line.intercept * span + affine.low + span / 2)
    else:
        line = logistic(moments, None if model.penalty is None else np.full(count, 1 / float(model.C)))
        model.coef_, model.intercept_ = (line.slopes @ plan.contrasts)[None, :], np.array([line.intercept])
        model.classes_ = classes
    if hasattr(model, "alpha") or classes is not None:
        model.n_iter_ = None if classes is None else np.array([1], np.int32)
    model.n_features_in_ = sum(plan.bins)
    fitted = clone(pipeline)
    fitted.steps = [(name, encoder), (last, model)]
    return fitted, line.ridge


def _label_unit(span: int) -> int:
    return max(1, UNIT // (2 * span))


def _cells(published: PublishedValues, name: str) -> list[PublishedForm]:
    column = published.column(name)
    if column.bins is None:
        binned = ", ".join(each.name for each in published.codebook.columns if each.bins)[:200] or "none"
        raise BadQuery(f"Column {name!r} is published without bins.", f"These have: {binned}.")
    asked = AskedColumn(column)
    return [form_of(asked.indicator(frozenset([cell]))) for cell in range(len(asked.cells))]


def _missing(published: PublishedValues, label: str, what: str, key: str) -> BadQuery:
    usual = ", ".join(usual_columns(published, label))[:200] or "none"
    return BadQuery(
        f"The dataset publishes no product of {what}.",
        f"Columns that have all: {usual}. Or ask the owner for {key} under [products].",
    )
