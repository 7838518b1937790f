"""Small passes over trees, each exact on every row.

drop_decided   a split that an earlier split on the same column has decided is replaced by its live side
drop_equal     a split whose sides are the same tree is replaced by one of them
only           one output of a tree, as a tree of its own (equal leaves then often merge)
summed         the sum of all outputs, as a tree of its own
"""

from __future__ import annotations

from fhe.compile.trees.graph import Leaf, Node, Split


def drop_decided(tree: Node, decided: dict[int, tuple[int, int]] | None = None) -> Node:
    """Without the splits that `decided` (column: low <= code < high) or the splits above have settled."""
    if isinstance(tree, Leaf):
        return tree
    decided = decided or {}
    low, high = decided.get(tree.column, (0, 1 << 30))
    if tree.cut <= low:
        return drop_decided(tree.above, decided)
    if tree.cut >= high:
        return drop_decided(tree.below, decided)
    below = drop_decided(tree.below, {**decided, tree.column: (low, tree.cut)})
    above = drop_decided(tree.above, {**decided, tree.column: (tree.cut, high)})
    return Split(tree.column, tree.cut, below, above)


def drop_equal(tree: Node) -> Node:
    """Without the splits that change nothing."""
    if isinstance(tree, Leaf):
        return tree
    below, above = drop_equal(tree.below), drop_equal(tree.above)
    return below if below == above else Split(tree.column, tree.cut, below, above)


def only(tree: Node, output: int) -> Node:
    """The tree of one output."""
    if isinstance(tree, Leaf):
        return Leaf((tree.values[output],))
    return drop_equal(Split(tree.column, tree.cut, only(tree.below, output), only(tree.above, output)))


def summed(tree: Node) -> Node:
    """The tree of the outputs' sum: one leaf, when rounding has kept the sum of class shares."""
    if isinstance(tree, Leaf):
        return Leaf((sum(tree.values),))
    return drop_equal(Split(tree.column, tree.cut, summed(tree.below), summed(tree.above)))
