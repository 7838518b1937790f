"""XGBoost: estimators and raw Boosters, from the Booster's own JSON."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import numpy.typing as npt

from app.protocol.errors import BadModel
from fhe.arrays import F64
from fhe.compile.foreign import asked, attribute, guarded, kind
from fhe.compile.form import ScoreForm
from fhe.compile.importers.inputs import Inputs
from fhe.compile.importers.reader import Kind
from fhe.compile.trees.graph import Leaf, Node


class XGBoost:
    """Trees of the boosters "gbtree" and "dart"; "gblinear" is asked (`is_linear`)."""

    missing = True

    def kind(self, model: Any) -> Kind:  # noqa: ARG002 - as all readers
        """Margins."""
        return "margin"

    def scores(self, model: Any, table: Any) -> F64:
        """Margins (rows, outputs)."""
        found = np.asarray(asked(model, "predict", table, output_margin=True), np.float64)
        return found.reshape(len(found), -1)

    def form(self, model: Any, inputs: Inputs) -> ScoreForm:
        """The trees that `predict` uses, DART's weights included."""
        learner = _learner(model)
        booster, weights = learner["gradient_booster"], None
        if booster["name"] == "dart":
            weights, booster = booster["weight_drop"], booster["gbtree"]
        trees, outputs_of = booster["model"]["trees"], booster["model"]["tree_info"]
        kept = _kept(model, booster, len(trees))
        outputs = max(outputs_of, default=0) + 1
        nodes, leaves, count = [], [], 0
        for number in range(kept):
            tree = trees[number]
            values = np.array(tree["split_conditions"], np.float64)
            vectors = np.zeros((len(values), outputs))
            vectors[:, outputs_of[number]] = values * (weights[number] if weights else 1.0)
            nodes.append(_node(tree, inputs, count))
            leaves.append(vectors)
            count += len(values)
        if not nodes:
            raise BadModel(f"This {kind(model)} has no tree.", "Fit it with at least one estimator.")
        return ScoreForm(np.zeros(outputs), {}, tuple(nodes), np.concatenate(leaves))

    def thresholds(self, model: Any) -> dict[int, F64] | None:
        """Of all trees."""
        booster = _learner(model)["gradient_booster"]
        booster = booster.get("gbtree", booster)
        if "trees" not in booster.get("model", {}):
            return None
        found: dict[int, list[float]] = {}
        for tree in booster["model"]["trees"]:
            for left, feature, cut in zip(tree["left_children"], tree["split_indices"], tree["split_conditions"]):
                if left >= 0:
                    found.setdefault(int(feature), []).append(float(cut))
        # a hist split of whole numbers is at the number itself, an exact one midway
        return {feature: np.unique(own) for feature, own in found.items()}


def _learner(model: Any) -> dict[str, Any]:
    with guarded(model, "Reading the booster of", "Fit it again, or use another booster."):
        booster = model.get_booster() if hasattr(model, "get_booster") else model
        found: dict[str, Any] = json.loads(bytes(booster.save_raw("json")))["learner"]
        return found


def _kept(model: Any, booster: dict[str, Any], trees: int) -> int:
    """How many trees `predict` uses: those up to the best round, where training was stopped early."""
    best = attribute(model, "best_iteration") if hasattr(model, "get_booster") else None
    if best is None:
        return trees
    groups = max(booster["model"]["tree_info"], default=0) + 1
    parallel = int(booster["model"]["gbtree_model_param"].get("num_parallel_tree", 1) or 1)
    return min(trees, (int(best) + 1) * groups * parallel)


def _node(tree: dict[str, Any], inputs: Inputs, first: int) -> Node:
    if any(tree.get("split_type", ())):
        raise BadModel("This XGBoost model splits on categories.", "Fit it with enable_categorical=False.")

    def grow(node: int) -> Node:
        left = tree["left_children"][node]
        if left < 0:
            return Leaf((first + node,))
        cut = np.float32(tree["split_conditions"][node])

        def below(values: F64) -> npt.NDArray[np.bool_]:
            return values.astype(np.float32) < cut

        return inputs.split(
            int(tree["split_indices"][node]),
            below,
            grow(int(left)),
            grow(int(tree["right_children"][node])),
            missing=bool(tree["default_left"][node]),
        )

    return grow(0)


def is_linear(model: Any) -> bool:
    """Whether its booster is "gblinear", a sum over columns without trees."""
    return bool(_learner(model)["gradient_booster"]["name"] == "gblinear")


READER = XGBoost()
