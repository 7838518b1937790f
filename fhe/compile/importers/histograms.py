"""scikit-learn's histogram gradient boosting: nodes of `_predictors`, compared as 64-bit numbers."""

from __future__ import annotations

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


class Histograms:
    """One tree a round and class."""

    missing = True

    def kind(self, model: Any) -> Kind:
        """Log-odds of classifiers; a regressor's values before its loss's link."""
        return "margin" if kind(model).endswith("Classifier") else "value"

    def scores(self, model: Any, table: Any) -> F64:
        """The scores before the link (rows, outputs)."""
        if kind(model).endswith("Classifier"):
            found = np.asarray(asked(model, "decision_function", table), np.float64)
        else:
            found = np.asarray(asked(model, "predict", table), np.float64)
            loss = attribute(model, "_loss")
            if loss is not None:
                found = np.asarray(loss.link.link(found), np.float64)
        return found.reshape(len(found), -1)

    def form(self, model: Any, inputs: Inputs) -> ScoreForm:
        """All rounds' trees."""
        rounds = attribute(model, "_predictors")
        if not rounds:
            raise BadModel(f"This {kind(model)} was not fitted.", "Call fit() first.")
        if attribute(model, "is_categorical_") is not None:
            raise BadModel(
                f"This {kind(model)} splits on categories.", "Fit it without categorical_features: codes have an order."
            )
        outputs = len(rounds[0])
        nodes, leaves, count = [], [], 0
        for trees in rounds:
            for output, tree in enumerate(trees):
                vectors = np.zeros((len(tree.nodes), outputs))
                vectors[:, output] = tree.nodes["value"]
                nodes.append(_node(tree.nodes, inputs, count))
                leaves.append(vectors)
                count += len(tree.nodes)
        return ScoreForm(np.zeros(outputs), {}, tuple(nodes), np.concatenate(leaves))

    def thresholds(self, model: Any) -> dict[int, F64] | None:
        """Of all trees."""
        found: dict[int, list[float]] = {}
        for trees in attribute(model, "_predictors") or []:
            for tree in trees:
                for node in tree.nodes:
                    if not node["is_leaf"]:
                        found.setdefault(int(node["feature_idx"]), []).append(float(node["num_threshold"]))
        return {feature: np.unique(own) for feature, own in found.items()}


def _node(nodes: Any, inputs: Inputs, first: int) -> Node:
    def grow(number: int) -> Node:
        node = nodes[number]
        if node["is_leaf"]:
            return Leaf((first + number,))
        cut = float(node["num_threshold"])

        def below(values: F64) -> npt.NDArray[np.bool_]:
            return values <= cut

        left, right = grow(int(node["left"])), grow(int(node["right"]))
        return inputs.split(int(node["feature_idx"]), below, left, right, missing=bool(node["missing_go_to_left"]))

    return grow(0)


READER = Histograms()
