"""LightGBM: estimators and raw Boosters, from the Booster's own dump."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from app.protocol.errors import BadModel
from fhe.arrays import F64
from fhe.compile.foreign import asked, attribute, guarded, has, kind
from fhe.compile.form import ScoreForm
from fhe.compile.importers.inputs import Inputs
from fhe.compile.importers.reader import Kind
from fhe.compile.trees.graph import Leaf, Node

ZERO = 1e-35  # LightGBM takes what is at most this far from zero for zero


class LightGBM:
    """Trees with numerical and categorical splits; leaves that are linear models are refused."""

    missing = True

    def kind(self, model: Any) -> Kind:  # noqa: ARG002 - as all readers
        """Raw scores."""
        return "margin"

    def scores(self, model: Any, table: Any) -> F64:
        """Raw scores (rows, outputs), averaged where `predict` averages them."""
        found = np.asarray(asked(model, "predict", table, raw_score=True), np.float64)
        return found.reshape(len(found), -1) / _averaged(_used(model, _dump(model)))

    def form(self, model: Any, inputs: Inputs) -> ScoreForm:
        """The trees that `predict` uses."""
        dump = _used(model, _dump(model))
        outputs, trees, average = int(dump["num_tree_per_iteration"]), dump["tree_info"], _averaged(dump)
        if average > 1 and has(model, "decision_function"):
            raise BadModel(
                f"This {kind(model)} averages its trees' log-odds (boosting_type='rf').",
                "Use boosting_type='gbdt', or scikit-learn's RandomForestClassifier.",
            )
        nodes: list[Node] = []
        leaves: list[F64] = []
        for number, tree in enumerate(trees):
            grown = _Tree(inputs, len(leaves), number % outputs, outputs, 1 / average)
            nodes.append(grown.grow(tree["tree_structure"]))
            leaves += grown.leaves
        if not nodes:
            raise BadModel(f"This {kind(model)} has no tree.", "Fit it with at least one estimator.")
        return ScoreForm(np.zeros(outputs), {}, tuple(nodes), np.array(leaves))

    def thresholds(self, model: Any) -> dict[int, F64] | None:
        """Of all numerical splits."""
        found: dict[int, list[float]] = {}
        waiting = [tree["tree_structure"] for tree in _dump(model)["tree_info"]]
        while waiting:
            node = waiting.pop()
            if "split_feature" in node:
                if node["decision_type"] == "<=":
                    found.setdefault(int(node["split_feature"]), []).append(float(node["threshold"]))
                waiting += [node["left_child"], node["right_child"]]
        return {feature: np.unique(own) for feature, own in found.items()}


def _dump(model: Any) -> dict[str, Any]:
    with guarded(model, "Reading the booster of", "Fit it again."):
        booster = model.booster_ if hasattr(model, "booster_") else model
        found: dict[str, Any] = booster.dump_model()
        return found


def _used(model: Any, dump: dict[str, Any]) -> dict[str, Any]:
    """The dump with the trees that `predict` uses: those up to the best round, where training was stopped early."""
    best = attribute(model, "best_iteration_") or attribute(attribute(model, "booster_"), "best_iteration")
    if isinstance(best, int) and best > 0:
        return {**dump, "tree_info": dump["tree_info"][: best * int(dump["num_tree_per_iteration"])]}
    return dump


def _averaged(dump: dict[str, Any]) -> int:
    """How many rounds `predict` averages over; 1 where it adds them up."""
    rounds = len(dump["tree_info"]) // int(dump["num_tree_per_iteration"])
    return max(1, rounds) if dump.get("average_output") else 1


class _Tree:
    """One tree's nodes, and its leaves' vectors."""

    def __init__(self, inputs: Inputs, first: int, output: int, outputs: int, weight: float) -> None:
        self._inputs, self._first, self._output, self._outputs, self._weight = inputs, first, output, outputs, weight
        self.leaves: list[F64] = []

    def grow(self, node: dict[str, Any]) -> Node:
        if "split_feature" not in node:
            if "leaf_coeff" in node or "leaf_features" in node:
                raise BadModel("This LightGBM model has linear models in its leaves.", "Fit it with linear_tree=False.")
            vector = np.zeros(self._outputs)
            vector[self._output] = float(node["leaf_value"]) * self._weight
            self.leaves.append(vector)
            return Leaf((self._first + len(self.leaves) - 1,))
        below, above = self.grow(node["left_child"]), self.grow(node["right_child"])
        return self._inputs.split(
            int(node["split_feature"]), _goes_left(node), below, above, missing=_missing_left(node)
        )


def _missing_left(node: dict[str, Any]) -> bool:
    """Where a missing value goes: as it was learnt, or as zero, for which it is taken where none was missing."""
    if node["decision_type"] == "==":
        return False
    if node.get("missing_type") in ("NaN", "Zero"):
        return bool(node.get("default_left"))
    return bool(float(node["threshold"]) >= 0.0)


def _goes_left(node: dict[str, Any]) -> Any:
    if node["decision_type"] == "==":
        chosen = np.array([int(part) for part in str(node["threshold"]).split("||")])

        def member(values: F64) -> npt.NDArray[np.bool_]:
            found: npt.NDArray[np.bool_] = np.isin(np.trunc(values), chosen)
            return found

        return member
    cut, missing, left = float(node["threshold"]), node.get("missing_type"), bool(node.get("default_left"))

    def below(values: F64) -> npt.NDArray[np.bool_]:
        side = values <= cut
        if missing == "Zero":  # zeros are missing values there
            side = np.where(np.abs(values) <= ZERO, left, side)
        return np.asarray(side, np.bool_)

    return below


READER = LightGBM()
