"""CatBoost: symmetric trees from the model's own JSON; each level of a tree asks one question of all its nodes."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from app.protocol.errors import BadModel
from fhe.arrays import F64
from fhe.compile.foreign import asked, guarded, kind
from fhe.compile.form import ScoreForm
from fhe.compile.importers.inputs import Inputs
from fhe.compile.importers.reader import Kind
from fhe.compile.trees.graph import Leaf, Node


class CatBoost:
    """Symmetric trees on numbers; other policies and categories are refused."""

    missing = False

    def kind(self, model: Any) -> Kind:  # noqa: ARG002 - as all readers
        """Raw values."""
        return "margin"

    def scores(self, model: Any, table: Any) -> F64:
        """Raw formula values (rows, outputs)."""
        found = np.asarray(asked(model, "predict", table, prediction_type="RawFormulaVal"), np.float64)
        return found.reshape(len(found), -1)

    def form(self, model: Any, inputs: Inputs) -> ScoreForm:
        """All trees; scale and bias follow from the measured constant and the leaves."""
        found = _json(model)
        scale = float(found.get("scale_and_bias", [1.0])[0])
        trees = found.get("oblivious_trees")
        if not trees:
            raise BadModel(f"This {kind(model)} has no symmetric trees.", "Fit it with grow_policy='SymmetricTree'.")
        features = found["features_info"].get("float_features", [])
        place = {int(f["feature_index"]): int(f["flat_feature_index"]) for f in features}
        nodes: list[Node] = []
        leaves: list[F64] = []
        count = 0
        for tree in trees:
            splits = tree["splits"] or []
            vectors = np.array(tree["leaf_values"], np.float64).reshape(1 << len(splits), -1) * scale
            nodes.append(_grow(splits, place, inputs, count))
            leaves.append(vectors)
            count += len(vectors)
        stacked = np.concatenate(leaves)
        return ScoreForm(np.zeros(stacked.shape[1]), {}, tuple(nodes), stacked)

    def thresholds(self, model: Any) -> dict[int, F64] | None:
        """Of all trees."""
        model_json = _json(model)
        place = {
            int(f["feature_index"]): int(f["flat_feature_index"])
            for f in model_json["features_info"].get("float_features", [])
        }
        found: dict[int, list[float]] = {}
        for tree in model_json.get("oblivious_trees") or []:
            for split in tree["splits"] or []:
                if split.get("split_type") == "FloatFeature":
                    found.setdefault(place[int(split["float_feature_index"])], []).append(float(split["border"]))
        return {feature: np.unique(own) for feature, own in found.items()}


def _json(model: Any) -> dict[str, Any]:
    with guarded(model, "Reading", "Fit it again."), tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.json"
        model.save_model(str(path), format="json")
        found: dict[str, Any] = json.loads(path.read_text("utf-8"))
        return found


def _grow(splits: list[dict[str, Any]], place: dict[int, int], inputs: Inputs, first: int) -> Node:
    """Leaf numbers have bit i set where split i holds (value > border)."""

    def grow(level: int, number: int) -> Node:
        if level < 0:
            return Leaf((first + number,))
        split = splits[level]
        if split.get("split_type", "FloatFeature") != "FloatFeature":
            raise BadModel("This CatBoost model splits on categories.", "Fit it on numbers, without cat_features.")
        border = np.float32(split["border"])

        def below(values: F64) -> npt.NDArray[np.bool_]:
            return values.astype(np.float32) <= border

        yes, no = grow(level - 1, number), grow(level - 1, number | (1 << level))
        return inputs.split(place[int(split["float_feature_index"])], below, yes, no)

    return grow(len(splits) - 1, 0)


READER = CatBoost()
