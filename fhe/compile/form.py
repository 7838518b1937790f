"""The neutral form of a model: what every importer makes and one lowering takes.

    score[o] = constant[o] + sum over features f of tables[f][code of f, o] + sum over trees of its leaf's vector[o]

A linear model's tables are weight * unit of the code; a scorecard's any function of one column's bins; a forest has
trees. All of it is in floating point, on one dataset's codes; integers come later (`fhe.compile.quantized`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from fhe.arrays import F64, I64
from fhe.compile.trees.graph import Leaf, Node, Split, splits


@dataclass(frozen=True, eq=False)
class ScoreForm:
    """One model's scores on a dataset's codes. Leaves of trees hold one number: their row in `leaves`."""

    constant: F64  # (outputs,)
    tables: Mapping[int, F64] = field(default_factory=dict)  # feature: (levels, outputs)
    trees: tuple[Node, ...] = ()
    leaves: F64 = field(default_factory=lambda: np.zeros((0, 1)))  # (leaves of all trees, outputs)

    @property
    def outputs(self) -> int:
        """How many scores a row has."""
        return len(self.constant)

    def reached(self, codes: I64) -> I64:
        """Which leaf (rows, trees) each row of codes (rows, features) comes to."""
        found = np.empty((len(codes), len(self.trees)), np.int64)
        for number, tree in enumerate(self.trees):
            _walk(tree, codes, np.arange(len(codes)), found[:, number])
        return found

    def scores(self, codes: I64) -> F64:
        """Scores (rows, outputs) on codes (rows, features)."""
        total = np.repeat(self.constant[None], len(codes), axis=0)
        for feature, table in self.tables.items():
            total += table[codes[:, feature]]
        if self.trees:
            total += self.leaves[self.reached(codes)].sum(axis=1)
        return total


def _walk(node: Node, codes: I64, rows: I64, found: I64) -> None:
    if isinstance(node, Leaf):
        found[rows] = node.values[0]
        return
    below = codes[rows, node.column] < node.cut
    _walk(node.below, codes, rows[below], found)
    _walk(node.above, codes, rows[~below], found)


def scaled(form: ScoreForm, factor: float, offset: float) -> ScoreForm:
    """factor * score + offset."""
    return ScoreForm(
        form.constant * factor + offset,
        {feature: table * factor for feature, table in form.tables.items()},
        form.trees,
        form.leaves * factor,
    )


def stretched(form: ScoreForm, start: I64, levels: I64, count: int = 1_000) -> I64:
    """Codes (rows, features) from about the least to about the greatest of a single score, by column after column."""
    random = np.random.default_rng(11)
    features = sorted({*form.tables, *(split.column for tree in form.trees for split in splits(tree))})
    ends = []
    for sign in (1.0, -1.0):
        row = start.copy()
        for feature in [*features, *features]:
            tries = np.repeat(row[None], levels[feature], axis=0)
            tries[:, feature] = np.arange(levels[feature])
            row = tries[int(np.argmax(sign * form.scores(tries)[:, 0]))]
        ends.append(row)
    share = np.linspace(0, 1, count)[:, None]
    return np.where(random.random((count, len(start))) < share, ends[0], ends[1])


def added(parts: Iterable[tuple[ScoreForm, float]]) -> ScoreForm:
    """The weighted sum of forms of equally many outputs."""
    parts = list(parts)
    constant = np.sum([form.constant * weight for form, weight in parts], axis=0)
    tables: dict[int, F64] = {}
    trees: list[Node] = []
    leaves: list[F64] = []
    count = 0
    for form, weight in parts:
        for feature, table in form.tables.items():
            tables[feature] = tables[feature] + table * weight if feature in tables else table * weight
        trees += [renumbered(tree, count) for tree in form.trees]
        leaves.append(form.leaves * weight)
        count += len(form.leaves)
    stacked = np.concatenate(leaves) if count else np.zeros((0, len(constant)))
    return ScoreForm(constant, tables, tuple(trees), stacked)


def renumbered(tree: Node, by: int) -> Node:
    """A tree whose leaves' numbers are greater by a number."""
    if isinstance(tree, Leaf):
        return Leaf((tree.values[0] + by,))
    return Split(tree.column, tree.cut, renumbered(tree.below, by), renumbered(tree.above, by))
