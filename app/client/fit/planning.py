"""Which sums a model is fitted from: planned by the name of its kind, so that whoever prices one needs no estimator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from app.client.fit.additive import AdditivePlan, plan_additive
from app.client.fit.count_models import middles_of
from app.client.fit.histograms import HistogramPlan, binned_with, plan_histograms
from app.client.fit.label import LabelClasses
from app.client.fit.moments import MomentPlan, plan_moments
from app.client.fit.names import ADDITIVE, FROM_HISTOGRAMS
from app.client.published import PublishedValues
from app.protocol.data.dataset import Codebook
from app.protocol.errors import BadQuery
from app.protocol.vocabulary import Encoding
from fhe.profile import EncryptionProfile


@dataclass(frozen=True)
class FitSums:
    """What a model is fitted from on one codebook."""

    plan: MomentPlan | HistogramPlan | AdditivePlan
    columns: tuple[str, ...]  # that the fitted model reads, in order
    label: str | None
    classes: LabelClasses | None  # of a classifier
    codebook: Codebook
    encoding: Encoding  # of the codes that the fitted model reads


def plan_sums(
    codebook: Codebook,
    profile: EncryptionProfile,
    name: str,
    *,
    classifies: bool,
    label: str | None = None,
    columns: Sequence[str] | None = None,
) -> FitSums:
    """What to ask for an estimator of this class (`app.client.fit.names`); by default of all columns that the products
    allow. Errors: BadQuery with the nearest that can be fitted.
    """
    published = PublishedValues(codebook)
    if (name == "PCA") != (label is None):
        raise BadQuery(
            "Components have no label." if name == "PCA" else f"A {name} predicts a label, and none is named.",
            "Leave the label out." if name == "PCA" else f"Name one: {_labels(codebook)}.",
        )
    if label is None:
        moments = plan_moments(codebook, profile, columns or _usual(published))
        return FitSums(moments, moments.columns, None, None, codebook, "affine")
    classes = LabelClasses.of(codebook, label) if classifies else None
    own = (label,) if classes is None else classes.own
    if columns is not None and {label, *own} & set(columns):
        raise BadQuery(f"The label {label!r} is among the columns.", "Leave it out of the columns.")
    if name in FROM_HISTOGRAMS:
        assert classes is not None
        chosen = tuple(columns) if columns is not None else tuple(binned_with(published, classes))
        if name == "GaussianNB":
            for each in chosen:
                middles_of(published.column(each))
        encoding: Encoding = "affine" if name == "GaussianNB" else "bins"
        histograms = plan_histograms(codebook, profile, chosen, classes)
        return FitSums(histograms, chosen, label, classes, codebook, encoding)
    several = classes is not None and classes.own != (label,)
    if classes is not None and several and (name == ADDITIVE or (name == "LogisticRegression" and classes.count > 2)):
        raise BadQuery(
            f"The label {label!r} is a category of {classes.count} classes, and this tells two codes apart.",
            "Fit OneVsRestClassifier(LogisticRegression()), LinearDiscriminantAnalysis(), GaussianNB() or"
            " CategoricalNB().",
        )
    if name == ADDITIVE:
        additive = plan_additive(codebook, profile, columns, label)
        return FitSums(additive, additive.columns, label, classes, codebook, "bins")
    features = tuple(columns or _usual(published, own))
    if own == (label,):
        plan = plan_moments(codebook, profile, features, label)
    else:
        plan = plan_moments(codebook, profile, [*features, *own])
    return FitSums(plan, features, label, classes, codebook, "affine")


def _usual(published: PublishedValues, own: Sequence[str] = ()) -> list[str]:
    """Features that all have products with one another and with the label's own columns."""
    columns = published.codebook.columns
    features = [each.name for each in columns if each.affine and each.name not in own and not each.label]
    return [each for each in published.paired([*own, *features]) if each not in own]


def _labels(codebook: Codebook) -> str:
    return ", ".join(column.name for column in codebook.columns if column.label)[:200] or "any column with products"
