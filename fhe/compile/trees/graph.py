"""Trees as plain data, and how they are read off a fitted Concrete ML model.

Concrete ML turns every tree model into the same quantized graph (Hummingbird's "gemm" form). Node i compares feature
`weight_1[i]` with `bias_1[i]`; leaf j of tree t is taken when the signed sum of its path's comparisons
(`weight_2[t, j]`) reaches `bias_2[t, j]`, and contributes `weight_3[t, :, j]`. All of it is integers. This module
rebuilds the trees from them, so no step of the model's own scikit-learn or XGBoost object is trusted to agree with
what Concrete ML computes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from app.protocol.errors import BadModel, TooLarge
from fhe.arrays import I64

MAX_TREES = 1_000
MAX_DEPTH = 10  # splits on a path; more would need a third lookup stage
MAX_CLASSES = 32


@dataclass(frozen=True)
class Leaf:
    """What a tree adds to the outputs: one integer for each."""

    values: tuple[int, ...]


@dataclass(frozen=True)
class Split:
    """Go `below` when the value of `column` is less than `cut`, else `above`."""

    column: int
    cut: int
    below: Node
    above: Node


Node = Leaf | Split


@dataclass(frozen=True)
class Forest:
    """Trees whose sum, output by output, is the model's quantized result."""

    trees: tuple[Node, ...]
    columns: int  # features the model reads
    outputs: int


def leaves(tree: Node) -> Iterator[Leaf]:
    """The leaves from left to right."""
    if isinstance(tree, Leaf):
        yield tree
    else:
        yield from leaves(tree.below)
        yield from leaves(tree.above)


def splits(tree: Node) -> Iterator[Split]:
    """The splits, each before those under it."""
    if isinstance(tree, Split):
        yield tree
        yield from splits(tree.below)
        yield from splits(tree.above)


def depth(tree: Node) -> int:
    """Splits on the longest path."""
    return 0 if isinstance(tree, Leaf) else 1 + max(depth(tree.below), depth(tree.above))


def rebuild(tree: Node, leaf: Callable[[Leaf], Leaf], split: Callable[[Split], tuple[int, int]]) -> Node:
    """The same tree with other leaves and other (column, cut)."""
    if isinstance(tree, Leaf):
        return leaf(tree)
    column, cut = split(tree)
    return Split(column, cut, rebuild(tree.below, leaf, split), rebuild(tree.above, leaf, split))


def read_forest(model: Any) -> Forest:
    """The trees of a fitted Concrete ML tree model; cuts are in the model's own quantized units.

    Errors: `BadModel` when it is not fitted or its graph has another form, `TooLarge` beyond the limits above.
    """
    constants, operators = _constants(model)
    try:
        forest = _read(constants, "LessOrEqual" in operators)
    except (KeyError, ValueError) as error:
        raise BadModel(
            f"This model's graph is not a tree ensemble of Concrete ML: {error}.", "Fit it again with Concrete ML 1.9."
        ) from None
    for number, tree in enumerate(forest.trees):
        if depth(tree) > MAX_DEPTH:
            raise TooLarge(
                f"Tree {number} of this model is {depth(tree)} splits deep; the limit is {MAX_DEPTH}.",
                f"Fit it again with max_depth={MAX_DEPTH} or less; 3 or 4 is cheapest.",
            )
    return forest


def _read(constants: dict[str, I64], or_equal: bool) -> Forest:
    select, thresholds, paths = constants["weight_1"], constants["bias_1"].ravel(), constants["weight_2"]
    trees, per_tree, nodes = paths.shape
    sums, values = constants["bias_2"].reshape(trees, per_tree), constants["weight_3"]
    outputs = int(constants["outputs"])
    _check_size(trees, outputs)
    features = _selected(select, trees * nodes)
    cuts = thresholds + or_equal  # below means q < cut in both cases: q <= t is q < t + 1 for integers
    own = values.shape[1] == 1 and outputs > 1  # boosted classes: each tree speaks of one class, class after class
    if values.shape != (trees, 1 if own else outputs, per_tree) or (own and trees % outputs):
        raise ValueError("its leaves do not match its outputs")
    found = []
    for t in range(trees):
        vectors = values[t].T
        if own:
            vectors = np.zeros((per_tree, outputs), np.int64)
            vectors[:, t * outputs // trees] = values[t, 0]
        here = slice(t * nodes, (t + 1) * nodes)
        found.append(_grow(_routes(paths[t], sums[t], vectors), vectors, features[here], cuts[here]))
    return Forest(tuple(found), select.shape[1], outputs)


def _constants(model: Any) -> tuple[dict[str, I64], set[str]]:
    """The graph's integer arrays by their last name, the number of outputs, and the operators it uses."""
    from onnx import numpy_helper

    if getattr(model, "onnx_model_", None) is None or getattr(model, "_tree_inference", None) is None:
        raise BadModel("This tree model is not fitted.", "Call fit() on the dataset's bin codes first.")
    graph = model.onnx_model_.graph
    arrays = {item.name.rsplit(".", 1)[-1]: numpy_helper.to_array(item) for item in graph.initializer}
    probe = np.zeros((1, int(model.n_features_in_)), np.int64)
    shape = model._inference(probe).shape  # (rows, outputs, trees of each output)
    if len(shape) != 3:
        raise BadModel(
            "This model already sums its trees in the graph (fhe_ensembling).", "Fit it without that option."
        )
    arrays["outputs"] = np.array(shape[1], np.int64)
    return arrays, {node.op_type for node in graph.node}


def _selected(select: I64, nodes: int) -> I64:
    """The feature of every node: each row of the selection matrix has one 1 (or none, in padding)."""
    if select.shape[0] != nodes or not np.isin(select, (0, 1)).all() or (select.sum(1) > 1).any():
        raise ValueError("its feature selection does not pick one feature a node")
    chosen: I64 = select.argmax(1)
    return chosen


def _check_size(trees: int, outputs: int) -> None:
    if trees > MAX_TREES:
        raise TooLarge(f"This model has {trees} trees; the limit is {MAX_TREES}.", "Fit it with fewer estimators.")
    if outputs > MAX_CLASSES:
        raise TooLarge(
            f"This model has {outputs} classes; the limit is {MAX_CLASSES}.", "Merge rare classes and fit it again."
        )


def _routes(paths: I64, sums: I64, vectors: I64) -> list[tuple[int, dict[int, bool]]]:
    """Leaf number and {node: must it go below}, for every leaf of one tree (padding left out)."""
    routes = []
    for leaf, (path, total) in enumerate(zip(paths, sums)):
        route = {int(node): bool(path[node] > 0) for node in np.flatnonzero(path)}
        if sum(route.values()) != total:
            raise ValueError("a leaf waits for comparisons that are not on its path")
        if route or vectors[leaf].any():
            routes.append((leaf, route))
    return routes or [(0, {})]


def _grow(routes: list[tuple[int, dict[int, bool]]], vectors: I64, features: I64, cuts: I64) -> Node:
    """The tree whose leaves have these routes: its root is the node that every route passes."""
    if len(routes) == 1 and not routes[0][1]:
        return Leaf(tuple(int(v) for v in vectors[routes[0][0]]))
    common = set.intersection(*(set(route) for _, route in routes))
    if not common:
        raise ValueError("the leaves of a tree have no root in common")
    root = min(common)
    sides = []
    for below in (True, False):
        side = [(leaf, {n: v for n, v in route.items() if n != root}) for leaf, route in routes if route[root] is below]
        if not side:
            raise ValueError("a split has leaves on one side only")
        sides.append(_grow(side, vectors, features, cuts))
    return Split(int(features[root]), int(cuts[root]), sides[0], sides[1])
