"""ONNX: graphs that hold one tree ensemble or one linear model, with onnxruntime's words for them."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from app.protocol.errors import BadModel
from fhe.arrays import F64
from fhe.compile.foreign import asked, guarded, kind
from fhe.compile.form import ScoreForm
from fhe.compile.importers.inputs import Inputs
from fhe.compile.importers.reader import Kind
from fhe.compile.trees.graph import Leaf, Node

TREES = ("TreeEnsembleClassifier", "TreeEnsembleRegressor")
LINEAR = ("LinearClassifier", "LinearRegressor")
AROUND = ("Cast", "ZipMap", "Normalizer", "Identity", "Reshape", "Scaler", "Imputer")  # that keep one score a class
COMPARISONS: dict[bytes, Callable[[Any, Any], Any]] = {
    b"BRANCH_LEQ": np.less_equal,
    b"BRANCH_LT": np.less,
    b"BRANCH_GT": np.greater,
    b"BRANCH_GTE": np.greater_equal,
}


class OnnxModel:
    """An ONNX model with an estimator's methods."""

    stands_for: ClassVar[str] = "onnx"

    def __init__(self, data: bytes) -> None:
        """Errors: BadModel for what is no such graph."""
        with guarded(self, "Reading", "Convert it again: an older target_opset, zipmap=False."):
            onnx = importlib.import_module("onnx")
            graph = onnx.load_model_from_string(data).graph
            runtime = importlib.import_module("onnxruntime")
            self._session = runtime.InferenceSession(data, providers=["CPUExecutionProvider"])
        known = [node for node in graph.node if node.op_type in (*TREES, *LINEAR)]
        others = {node.op_type for node in graph.node} - {*TREES, *LINEAR, *AROUND}
        if len(known) != 1 or others:
            raise BadModel(
                f"This ONNX graph is no single tree ensemble or linear model ({', '.join(sorted(others)) or 'none'}).",
                "Convert the estimator alone, or hand in the fitted model.",
            )
        self.node = known[0]
        self.trees = self.node.op_type in TREES
        self.exact = {node.op_type for node in graph.node} <= {*TREES, *LINEAR, "Cast", "ZipMap", "Identity"}
        self.values = {item.name: onnx.helper.get_attribute_value(item) for item in self.node.attribute}
        self._input = self._session.get_inputs()[0]
        if len(self._session.get_inputs()) != 1 or len(self._input.shape) != 2:
            raise BadModel("This ONNX model reads several inputs.", "Convert it with one input of all features.")
        width = self._input.shape[1]
        self.n_features_in_ = int(width) if isinstance(width, int) else _features(self.values)
        if self.node.op_type.endswith("Classifier"):
            texts, numbers = self.values.get("classlabels_strings"), self.values.get("classlabels_int64s")
            texts = texts or self.values.get("classlabels_strings")
            numbers = numbers or self.values.get("classlabels_ints")
            self.classes_ = np.array([text.decode() for text in texts]) if texts else np.array(numbers)
            self.predict_proba = self._chances
            if not self.trees and not {"Scaler", "Imputer"} & {node.op_type for node in graph.node}:
                self.decision_function = self._linear

    def predict(self, table: Any) -> npt.NDArray[Any]:
        """The first output: labels or values."""
        found = np.asarray(self._run(table)[0])
        return found.ravel() if found.ndim == 2 and found.shape[1] == 1 else found

    def _linear(self, table: Any) -> F64:
        """Scores before the post-transform, in 64 bits; of two classes half the difference, as both are written."""
        weights = np.array(self.values["coefficients"], np.float64).reshape(-1, self.n_features_in_)
        scores: F64 = np.matmul(np.asarray(table, np.float64), weights.T)
        scores = scores + np.array(self.values["intercepts"], np.float64)
        return (scores[:, 1] - scores[:, 0]) / 2 if scores.shape[1] == 2 else scores

    def _chances(self, table: Any) -> F64:
        found = self._run(table)[1]
        if isinstance(found, list):  # of a ZipMap: one mapping a row
            found = [[row[label] for label in self.classes_.tolist()] for row in found]
        return np.asarray(found, np.float64)

    def _run(self, table: Any) -> list[Any]:
        kind = np.float64 if "double" in self._input.type else np.float32
        found: list[Any] = self._session.run(None, {self._input.name: np.asarray(table, kind)})
        return found


def _features(values: dict[str, Any]) -> int:
    if "nodes_featureids" in values:
        raise BadModel("This ONNX model does not say how many features it reads.", "Convert it with a fixed width.")
    rows = max(1, len(values.get("intercepts", [0])))
    return len(values["coefficients"]) // rows


class OnnxTrees:
    """The one tree ensemble of a graph."""

    missing = False

    def kind(self, model: Any) -> Kind:
        """Shares, if its chances are the trees' sums; else log-odds."""
        if model.node.op_type == "TreeEnsembleRegressor":
            return "value"
        return "share" if model.values.get("post_transform", b"NONE") == b"NONE" else "margin"

    def scores(self, model: Any, table: Any) -> F64:
        """Sums of the trees, from the outputs by the inverse of the post-transform."""
        if self.kind(model) == "value":
            found = np.asarray(asked(model, "predict", table), np.float64)
            return found.reshape(len(found), -1)
        chances = np.asarray(asked(model, "predict_proba", table), np.float64)
        if self.kind(model) == "share":
            return chances
        logs: F64 = np.log(chances.clip(1e-12))
        odds: F64 = logs[:, 1:] - logs[:, :1] if logs.shape[1] == 2 else logs - logs.mean(axis=1, keepdims=True)
        return odds

    def form(self, model: Any, inputs: Inputs) -> ScoreForm:
        """Its trees. Errors: BadModel for aggregates and comparisons that are no sums of intervals."""
        values = model.values
        if values.get("aggregate_function", b"SUM") not in (b"SUM", b"AVERAGE") or not model.exact:
            raise BadModel(f"This {kind(model)} changes its trees' sums.", "Convert the estimator alone.")
        which = "class" if model.node.op_type == "TreeEnsembleClassifier" else "target"
        outputs = max(values[f"{which}_ids"]) + 1
        reported = len(getattr(model, "classes_", [0] * outputs))
        share = self.kind(model) == "share"
        trees = list(dict.fromkeys(values["nodes_treeids"]))
        scale = 1 / len(trees) if values.get("aggregate_function") == b"AVERAGE" else 1.0
        number = {place: n for n, place in enumerate(zip(values["nodes_treeids"], values["nodes_nodeids"]))}
        leaves = np.zeros((len(number), max(outputs, reported) if share and reported == 2 else max(outputs, 1)))
        for tree, node, output, weight in zip(
            values[f"{which}_treeids"], values[f"{which}_nodeids"], values[f"{which}_ids"], values[f"{which}_weights"]
        ):
            leaves[number[tree, node], output] += weight * scale
        if share and reported == 2 and outputs <= 2 and len(set(values[f"{which}_ids"])) == 1:
            only = values[f"{which}_ids"][0]  # one share stands for both classes
            leaves = np.stack([-leaves[:, only], leaves[:, only]], axis=1)
        if not share and leaves.shape[1] > 1 and self.kind(model) == "margin":
            leaves = leaves - leaves.mean(axis=1, keepdims=True)
        roots = [next(n for t, n in number if t == tree) for tree in trees]
        nodes = tuple(_grow(values, number, tree, root, inputs) for tree, root in zip(trees, roots))
        return ScoreForm(np.zeros(leaves.shape[1]), {}, nodes, leaves)

    def thresholds(self, model: Any) -> dict[int, F64] | None:
        """Of all nodes with a comparison."""
        if not model.trees:
            return None
        found: dict[int, list[float]] = {}
        modes, features = model.values["nodes_modes"], model.values["nodes_featureids"]
        for mode, feature, value in zip(modes, features, model.values["nodes_values"]):
            if mode != b"LEAF":
                found.setdefault(int(feature), []).append(float(value))
        return {feature: np.unique(own) for feature, own in found.items()}


def _grow(values: dict[str, Any], number: dict[tuple[int, int], int], tree: int, node: int, inputs: Inputs) -> Node:
    place = number[tree, node]
    mode = values["nodes_modes"][place]
    if mode == b"LEAF":
        return Leaf((place,))
    compare = COMPARISONS.get(mode)
    if compare is None:
        raise BadModel(f"A tree of this ONNX model compares by {mode.decode()}.", "Use thresholds.")
    cut = np.float32(values["nodes_values"][place])

    def holds(read: F64) -> npt.NDArray[np.bool_]:
        return np.asarray(compare(read.astype(np.float32), cut), np.bool_)

    yes = _grow(values, number, tree, values["nodes_truenodeids"][place], inputs)
    no = _grow(values, number, tree, values["nodes_falsenodeids"][place], inputs)
    return inputs.split(int(values["nodes_featureids"][place]), holds, yes, no)


READER = OnnxTrees()
