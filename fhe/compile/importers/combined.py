"""Ensembles of other estimators: bagging, voting, AdaBoost, one-vs-rest, several targets. Their parts' forms add up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from app.protocol.errors import BadModel
from fhe.arrays import F64, I64
from fhe.compile.foreign import asked, attribute, kind
from fhe.compile.form import ScoreForm, added
from fhe.compile.importers import family
from fhe.compile.importers.additive import additive_form
from fhe.compile.importers.asking import ways
from fhe.compile.importers.core import InnerEstimator, core
from fhe.compile.importers.forests import forest_of, shares
from fhe.compile.importers.inputs import Inputs
from fhe.compile.importers.reader import Kind
from fhe.compile.space import FeatureSpace


class Combined:
    """Sums of members."""

    missing = False

    def kind(self, model: Any) -> Kind:
        """Shares where members' chances are averaged."""
        name = kind(model)
        if name in {"AdaBoostClassifier", "OneVsRestClassifier"}:
            return "margin"
        return "share" if name.endswith("Classifier") else "value"

    def scores(self, model: Any, table: Any) -> F64:
        """What the members add up to."""
        name = kind(model)
        if name == "VotingClassifier" and model.voting == "hard":
            votes = asked(model, "transform", table)
            weights = _weights(model)
            counted = [(weights * (votes == number)).sum(axis=1) for number in range(len(model.classes_))]
            return np.stack(counted, axis=1)
        if name == "OneVsRestClassifier":
            return np.concatenate([_margins(member, table) for member in model.estimators_], axis=1)
        method = {"share": "predict_proba", "margin": "decision_function", "value": "predict"}[self.kind(model)]
        found: F64 = np.asarray(asked(model, method, table), np.float64)
        return found.reshape(len(found), -1)

    def form(self, model: Any, inputs: Inputs) -> ScoreForm:
        """The weighted sum of the members' forms. Errors: BadModel."""
        name = kind(model)
        if not attribute(model, "estimators_"):
            raise BadModel(f"This {name} was not fitted.", "Call fit() first.")
        if name.startswith("Bagging"):
            members = zip(model.estimators_, model.estimators_features_)
            forms = [_member(each, _some(model, inputs, f), model, self.kind(model)) for each, f in members]
            return added((form, 1 / len(forms)) for form in forms)
        if name == "AdaBoostClassifier":
            return _boosted(model, inputs)
        if name == "VotingClassifier" and model.voting == "hard":
            return added((_votes(each, inputs, model), w) for each, w in zip(model.estimators_, _weights(model)))
        if name.startswith("Voting"):
            weights = _weights(model) / _weights(model).sum()
            own = self.kind(model)
            return added((_member(each, inputs, model, own), w) for each, w in zip(model.estimators_, weights))
        return _beside([_alone(each, inputs) for each in model.estimators_])

    def thresholds(self, model: Any) -> dict[int, F64] | None:  # noqa: ARG002 - as all readers
        """Members may read other features."""
        return None


def _weights(model: Any) -> F64:
    given = attribute(model, "_weights_not_none")
    return np.ones(len(model.estimators_)) if given is None else np.asarray(given, np.float64)


def _some(model: Any, inputs: Inputs, features: Any) -> Inputs:
    chosen = np.asarray(features)
    return inputs if np.array_equal(chosen, np.arange(model.n_features_in_)) else inputs.picked(chosen)


def _margins(member: Any, table: Any) -> F64:
    if kind(member) == "_ConstantPredictor":
        raise BadModel("One class of this OneVsRestClassifier has no rows.", "Fit it on rows of every class.")
    inner = core(member, Inputs(_NOWHERE, lambda codes: codes))
    read = family.reader(inner.model)
    if inner.model is not member:
        raise BadModel("Members of this OneVsRestClassifier are pipelines.", "Put the pipeline around it instead.")
    if read is not None and read.kind(member) == "margin":
        return read.scores(member, table)
    if read is not None:
        return read.scores(member, table)[:, 1:] - 0.5
    return next(ways(member, classifies=True))(member, table)


_NOWHERE = FeatureSpace((), "values", ())


def _member(member: Any, inputs: Inputs, model: Any, wanted: Kind) -> ScoreForm:
    """The form of one member, whose scores are of the kind that the ensemble averages."""
    inner = core(member, inputs)
    read = family.reader(inner.model)
    if read is not None:
        own = read.kind(inner.model)
        if own == wanted or (wanted == "value" and kind(inner.model).endswith("Regressor")):
            return _with_constant(inner, read, inner.inputs)
        raise BadModel(
            f"This {kind(model)} averages chances of a {kind(inner.model)}, which are no sums of its trees.",
            "Average forests or single trees, or use one boosted model with more rounds.",
        )
    if wanted == "value":
        return _asked(inner, classifies=False)
    raise BadModel(
        f"This {kind(model)} averages chances of a {kind(inner.model)}, which no single score gives.",
        "Average forests or single trees, or use the best member alone.",
    )


def _alone(member: Any, inputs: Inputs) -> ScoreForm:
    """One member's own score: of one class, or of one target."""
    inner = core(member, inputs)
    read = family.reader(inner.model)
    if read is None:
        return _asked(inner, classifies=attribute(inner.model, "classes_") is not None)
    form = _with_constant(inner, read, inner.inputs)
    if read.kind(inner.model) == "share":
        return ScoreForm((form.constant[1:] - form.constant[:1]) / 2, {}, form.trees,
                    (form.leaves[:, 1:] - form.leaves[:, :1]) / 2)  # fmt: skip
    return form


def _with_constant(inner: InnerEstimator, read: Any, inputs: Inputs) -> ScoreForm:
    form: ScoreForm = read.form(inner.model, inner.inputs)
    codes = np.repeat(inputs.space.middle()[None], 1, axis=0)
    gap = read.scores(inner.model, inner.inputs.evaluate(codes)) - form.scores(codes)
    return ScoreForm(form.constant + gap[0], form.tables, form.trees, form.leaves)


def _asked(inner: InnerEstimator, *, classifies: bool) -> ScoreForm:
    """An additive member, read through the codes that the space has."""
    way = next(ways(inner.model, classifies=classifies))
    space = inner.inputs.space

    def scores(of: FeatureSpace, codes: I64) -> F64:
        if of.encodings != space.encodings:
            raise BadModel(
                "A linear member is added to trees, and some of its columns have no bins.", "Fit it on binned columns."
            )
        return way(inner.model, inner.inputs.evaluate(codes))

    made = additive_form(scores, space, as_it_is=True)
    if made is None:
        raise BadModel(
            f"A member of this ensemble, {kind(inner.model)}, is neither a sum over columns nor a forest.",
            "Leave it out of the ensemble.",
        )
    return made[1]


def _beside(forms: list[ScoreForm]) -> ScoreForm:
    """Forms of one output each as one form of several."""
    outputs = len(forms)
    wide = []
    for number, form in enumerate(forms):
        if form.outputs != 1:
            raise BadModel("A member of this ensemble has several scores.", "Use members with one score each.")

        def spread(values: F64, at: int = number) -> F64:
            placed = np.zeros((len(values), outputs))
            placed[:, at] = values[:, 0]
            return placed

        tables = {feature: spread(table) for feature, table in form.tables.items()}
        wide.append((ScoreForm(spread(form.constant[None])[0], tables, form.trees, spread(form.leaves)), 1.0))
    return added(wide)


def _boosted(model: Any, inputs: Inputs) -> ScoreForm:
    """AdaBoost of trees: weighted votes (SAMME), or log-chances around their mean (SAMME.R); Zhu et al., 2009."""
    if not all(attribute(each, "tree_") is not None for each in model.estimators_):
        raise BadModel(f"This AdaBoostClassifier boosts {kind(model.estimators_[0])} members.", "Boost decision trees.")
    classes = len(model.classes_)
    total = float(np.sum(model.estimator_weights_[: len(model.estimators_)]))
    parts = []
    for each, weight in zip(model.estimators_, model.estimator_weights_):
        own = shares(each)
        place = np.searchsorted(model.classes_, each.classes_)
        if attribute(model, "algorithm") == "SAMME.R":
            logs = np.log(np.clip(own, np.finfo(np.float64).eps, None))
            vectors = (classes - 1) * (logs - logs.mean(axis=1, keepdims=True))
            factor = 1.0 / len(model.estimators_) if not total else 1.0 / total
        else:
            chosen = place[own.argmax(axis=1)]
            vectors = np.full((len(own), classes), -1.0 / (classes - 1))
            vectors[np.arange(len(own)), chosen] = 1.0
            factor = float(weight) / total
        if classes == 2:
            vectors = vectors[:, 1:] - vectors[:, :1]
        parts.append((forest_of([(each, inputs)], _always(vectors), 1.0), factor))
    return added(parts)


def _always(vectors: F64) -> Callable[[Any], F64]:
    return lambda _: vectors


def _votes(member: Any, inputs: Inputs, model: Any) -> ScoreForm:
    """One tree's label as a vote."""
    inner = core(member, inputs)
    if attribute(inner.model, "tree_") is None:
        raise BadModel(
            f"This {kind(model)} counts labels of a {kind(inner.model)}.", "Average chances of forests: voting='soft'."
        )
    own = shares(inner.model)
    vectors = np.zeros_like(own)
    vectors[np.arange(len(own)), own.argmax(axis=1)] = 1.0
    return forest_of([(inner.model, inner.inputs)], _always(vectors), 1.0)


READER = Combined()
