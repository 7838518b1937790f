"""scikit-learn's trees and forests: trees of `tree_`, whose leaves hold class shares, values or path lengths."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from app.protocol.errors import BadModel
from fhe.arrays import F64
from fhe.compile.foreign import asked, attribute, kind
from fhe.compile.form import ScoreForm
from fhe.compile.importers.inputs import Inputs
from fhe.compile.importers.reader import Kind
from fhe.compile.trees.graph import Leaf, Node

LEAF = -1  # scikit-learn's mark for no child


def tree_node(tree: Any, inputs: Inputs, first: int) -> Node:
    """A `tree_` whose node n is leaf number first + n. Comparisons are of 32-bit values with 64-bit thresholds."""

    def grow(node: int) -> Node:
        if tree.children_left[node] == LEAF:
            return Leaf((first + node,))
        cut = tree.threshold[node]

        def below(values: F64) -> npt.NDArray[np.bool_]:
            side: npt.NDArray[np.bool_] = values.astype(np.float32).astype(np.float64) <= cut
            return side

        return inputs.split(
            int(tree.feature[node]), below, grow(int(tree.children_left[node])), grow(int(tree.children_right[node]))
        )

    return grow(0)


def forest_of(estimators: list[tuple[Any, Inputs]], vectors: Callable[[Any], F64], weight: float) -> ScoreForm:
    """The weighted sum of single trees' leaves; `vectors` gives a tree's (nodes, outputs)."""
    nodes, leaves, count = [], [], 0
    for estimator, inputs in estimators:
        own = vectors(estimator)
        nodes.append(tree_node(estimator.tree_, inputs, count))
        leaves.append(own * weight)
        count += len(own)
    stacked = np.concatenate(leaves)
    return ScoreForm(np.zeros(stacked.shape[1]), {}, tuple(nodes), stacked)


def shares(estimator: Any) -> F64:
    """A classification tree's class shares (nodes, classes)."""
    values = estimator.tree_.value
    if values.shape[1] != 1:
        raise BadModel(
            f"This {kind(estimator)} predicts {values.shape[1]} targets at once.", "Fit one model for each target."
        )
    found: F64 = values[:, 0, :] / values[:, 0, :].sum(axis=1, keepdims=True)
    return found


def values_of(estimator: Any) -> F64:
    """A regression tree's values (nodes, targets)."""
    found: F64 = estimator.tree_.value[:, :, 0]
    return found


class Forests:
    """Single trees, forests of them, gradient boosting and isolation forests."""

    missing = False

    def kind(self, model: Any) -> Kind:
        """Shares of classifiers, log-odds of boosted ones."""
        name = kind(model)
        if name in {"GradientBoostingClassifier", "IsolationForest"}:
            return "margin"
        return "share" if name.endswith("Classifier") else "value"

    def scores(self, model: Any, table: Any) -> F64:
        """Class shares, values or log-odds."""
        name = kind(model)
        if name == "IsolationForest":
            # score_samples is -2^-(mean depth / normal depth), so its logarithm adds up over the trees
            depth: F64 = -np.log2(-asked(model, "score_samples", table))
            return depth.reshape(-1, 1)
        method = {"share": "predict_proba", "margin": "decision_function", "value": "predict"}[self.kind(model)]
        found = asked(model, method, table)
        return np.asarray(found, np.float64).reshape(len(found), -1)

    def form(self, model: Any, inputs: Inputs) -> ScoreForm:
        """Its trees."""
        name = kind(model)
        if hasattr(model, "tree_"):
            return forest_of([(model, inputs)], shares if name.endswith("Classifier") else values_of, 1.0)
        estimators = attribute(model, "estimators_")
        if estimators is None or not len(estimators):
            raise BadModel(f"This {name} was not fitted.", "Call fit() first.")
        if name == "IsolationForest":
            return self._isolation(model, inputs)
        if name.startswith("GradientBoosting"):
            return self._boosted(model, inputs)
        own = shares if name.endswith("Classifier") else values_of
        return forest_of([(estimator, inputs) for estimator in estimators], own, 1 / len(estimators))

    def _boosted(self, model: Any, inputs: Inputs) -> ScoreForm:
        rounds, outputs = model.estimators_.shape
        if attribute(model, "init") not in (None, "zero") and not kind(model.init_).startswith("Dummy"):
            raise BadModel(
                f"This {kind(model)} starts from another model ({kind(model.init_)}).", "Leave out init, or use 'zero'."
            )
        nodes, leaves, count = [], [], 0
        for number in range(rounds):
            for output in range(outputs):
                tree = model.estimators_[number, output].tree_
                vectors = np.zeros((tree.node_count, outputs))
                vectors[:, output] = model.learning_rate * tree.value[:, 0, 0]
                nodes.append(tree_node(tree, inputs, count))
                leaves.append(vectors)
                count += tree.node_count
        return ScoreForm(np.zeros(outputs), {}, tuple(nodes), np.concatenate(leaves))

    def _isolation(self, model: Any, inputs: Inputs) -> ScoreForm:
        """Path lengths (Liu, Ting and Zhou, 2008): a leaf's depth and what its rows would still take."""
        normal = float(_path_length(np.array([model.max_samples_]))[0])
        weight = 1 / (len(model.estimators_) * normal)
        members = [
            (estimator, inputs.picked(np.asarray(features)) if model._max_features < model.n_features_in_ else inputs)
            for estimator, features in zip(model.estimators_, model.estimators_features_)
        ]

        def vectors(estimator: Any) -> F64:
            tree = estimator.tree_
            return (_depths(tree) + _path_length(tree.n_node_samples)).reshape(-1, 1)

        return forest_of(members, vectors, weight)

    def thresholds(self, model: Any) -> dict[int, F64] | None:
        """Of all trees that read all features."""
        trees = [model] if hasattr(model, "tree_") else np.ravel(np.array(attribute(model, "estimators_"), object))
        found: dict[int, list[F64]] = {}
        for estimator in trees:
            tree = attribute(estimator, "tree_")
            if tree is None:
                return None
            for feature in np.unique(tree.feature[tree.feature >= 0]):
                found.setdefault(int(feature), []).append(tree.threshold[tree.feature == feature])
        if kind(model) == "IsolationForest":
            # split anywhere between the least and the greatest row: never midway
            return {feature: np.array([min(map(np.min, own)), max(map(np.max, own))]) + 1e-3
                    for feature, own in found.items()}  # fmt: skip
        return {feature: np.unique(np.concatenate(own)) for feature, own in found.items()}


def _depths(tree: Any) -> F64:
    depths = np.zeros(tree.node_count)
    for node in range(tree.node_count):  # parents come before their children
        for child in (tree.children_left[node], tree.children_right[node]):
            if child != LEAF:
                depths[child] = depths[node] + 1
    return depths


def _path_length(rows: npt.NDArray[Any]) -> F64:
    """c(n), the mean path length of an unsuccessful search among n rows."""
    rows = np.asarray(rows, np.float64)
    many = np.maximum(rows, 3)
    found = 2 * (np.log(many - 1) + np.euler_gamma) - 2 * (many - 1) / many
    return np.where(rows <= 1, 0.0, np.where(rows == 2, 1.0, found))


READER = Forests()
