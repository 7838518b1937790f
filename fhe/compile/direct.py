"""Any model as a form, a meaning and a circuit of our own quantization."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from app.protocol.data.dataset import Codebook
from app.protocol.errors import BadModel
from fhe.arrays import F64, I64
from fhe.compile.compiled import Compiled
from fhe.compile.faithful import Comparison
from fhe.compile.foreign import kind
from fhe.compile.form import ScoreForm, scaled, stretched
from fhe.compile.importers.additive import additive_form, read_by_bins
from fhe.compile.importers.asking import ways
from fhe.compile.importers.core import InnerEstimator, core
from fhe.compile.importers.family import combines, reader
from fhe.compile.importers.inputs import Inputs
from fhe.compile.importers.reader import Reader
from fhe.compile.meaning import Meaning, classes_of, meaning
from fhe.compile.quantized import compile_additive
from fhe.compile.quantized_forest import compile_forest
from fhe.compile.sample import OwnRows, compared_codes
from fhe.compile.space import FeatureSpace
from fhe.profile import EncryptionProfile

OTHERS = "Use a linear model, naive Bayes, a tree or a forest, or teach one of them what this model predicts."
ALTERNATIVES = {
    "SVC": "Use kernel='linear' with two classes, or LinearSVC or OneVsRestClassifier with more.",
    "NuSVC": "Use kernel='linear' with two classes, or LinearSVC with more.",
    "QuadraticDiscriminantAnalysis": "Use LinearDiscriminantAnalysis or GaussianNB, or a forest.",
    "AdaBoostRegressor": "Use GradientBoostingRegressor: a weighted median is no sum of trees.",
    "StackingClassifier": "Use VotingClassifier of forests, or one of its members.",
}

SAME = 2e-5  # of the scores' range, between a forest read and its own words: libraries add 32-bit floats


@dataclass(frozen=True, eq=False)
class DirectForm:
    """A model's scores before they are quantized, what they mean, and its own words to hold a circuit against."""

    space: FeatureSpace  # whose codes the form reads
    form: ScoreForm
    meaning: Meaning
    comparison: Comparison


def direct_form(model: Any, space: FeatureSpace, own: OwnRows | None) -> DirectForm:
    """The form of any model that has one. Errors: BadModel."""
    inner = core(model, Inputs.of(space))
    classes = classes_of(model, inner.model)
    read = reader(inner.model)
    made = None
    if read is None or combines(inner.model):  # of linear members, an ensemble is a sum over columns as a whole
        made = _asked(model, space, classes is not None)
    if made is None and read is None:
        raise BadModel(
            f"The score of this {kind(inner.model)} is no sum over its columns, and it is no forest that Darkroom"
            " reads.",
            ALTERNATIVES.get(kind(inner.model), OTHERS),
        )
    if made is None:
        assert read is not None
        made = _read(model, space, read)
    space, form = made
    ends = stretched(form, space.middle(), np.array(space.levels)) if form.outputs == 1 else None
    comparison = Comparison(model, space, own, classifies=classes is not None, more=ends)
    means = meaning(model, classes, form.scores(comparison.codes), comparison.said)
    return DirectForm(space, scaled(form, means.factor, means.offset), means, comparison)


def compile_directly(
    model: Any,
    space: FeatureSpace,
    own: OwnRows | None,
    codebook: Codebook,
    profile: EncryptionProfile,
    n_bits: int | None,
    lwe_bins: bool = False,
) -> Compiled:
    """Errors: BadModel, TooLarge, MessageOverflow, NoiseOverflow."""
    found = direct_form(model, space, own)
    form, means, comparison = found.form, found.meaning, found.comparison
    if form.trees:
        return compile_forest(model, form, means, comparison, codebook, profile, n_bits, lwe_bins=lwe_bins)
    return compile_additive(model, form, means, comparison, codebook, profile, n_bits)


def reads_missing(model: Any, space: FeatureSpace) -> bool:
    """Whether the trees of a model say where a missing value goes."""
    read = reader(core(model, Inputs.of(space)).model)
    return read is not None and read.missing


def _read(model: Any, space: FeatureSpace, read: Reader) -> tuple[FeatureSpace, ScoreForm]:
    space = read_by_bins(space)
    inner = core(model, Inputs.of(space))
    form = read.form(inner.model, inner.inputs)
    form = _measured(inner, read, form, space)
    if read.kind(inner.model) == "share" and form.outputs == 2:
        form = ScoreForm(
            (form.constant[1:] - form.constant[:1]) / 2,
            {feature: (table[:, 1:] - table[:, :1]) / 2 for feature, table in form.tables.items()},
            form.trees,
            (form.leaves[:, 1:] - form.leaves[:, :1]) / 2,
        )
    return space, form


def _measured(inner: InnerEstimator, read: Reader, form: ScoreForm, space: FeatureSpace) -> ScoreForm:
    """With the constant that the estimator's own scores have. Errors: BadModel where the trees are not all of them."""
    codes = compared_codes(space, seed=7)
    truth = read.scores(inner.model, inner.inputs.evaluate(codes))
    found = form.scores(codes)
    if truth.shape != found.shape:
        raise BadModel(
            f"This {kind(inner.model)} has {truth.shape[1]} scores, and its trees give {found.shape[1]}.",
            "Fit it on one target, one tree a class and round.",
        )
    gap = truth - found
    constant = (gap.max(axis=0) + gap.min(axis=0)) / 2
    spread = float(np.ptp(truth))
    if not np.abs(gap - constant).max() <= SAME * max(spread, float(np.abs(truth).max()) * 1e-2):
        raise BadModel(
            f"The trees of this {kind(inner.model)} do not add up to what it says.",
            "Use the library's plain settings (no linear leaves, no monotone or custom objective), and report it.",
        )
    return ScoreForm(form.constant + constant, form.tables, form.trees, form.leaves)


def _asked(model: Any, space: FeatureSpace, classifies: bool) -> tuple[FeatureSpace, ScoreForm] | None:
    cores: dict[int, InnerEstimator] = {}

    def inner(of: FeatureSpace) -> InnerEstimator:
        return cores.setdefault(hash(of), core(model, Inputs.of(of)))

    estimator = inner(space).model
    refused: BadModel | None = None
    for way in ways(estimator, classifies=classifies):

        def scores(of: FeatureSpace, codes: I64) -> F64:
            found = inner(of)
            return way(found.model, found.inputs.evaluate(codes))  # noqa: B023 - used before the next way

        try:
            made = additive_form(scores, space)
        except BadModel as error:  # not straight in this form of its score; another may be
            refused = error
            continue
        if made is not None:
            return made
    if refused is not None and reader(estimator) is None:
        raise refused
    return None
