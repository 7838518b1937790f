"""Every pass keeps a tree's value on every row, and spares the lookups it says it spares."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.protocol.ids import Digest
from fhe.circuit.circuit import Circuit, Input, Linear, Lookup, Readout
from fhe.circuit.clear import evaluate_clear
from fhe.compile import ranges
from fhe.compile.ir import AffineExpr, Bit, TableExpr, constant, evaluate, interval, tables, tabulate, total, wire
from fhe.compile.ranges import value_bounds
from fhe.compile.trees.cover import NEVER, Cover
from fhe.compile.trees.emit import emit, output_width
from fhe.compile.trees.graph import Forest, Leaf, Node, Split, depth, leaves
from fhe.compile.trees.lowering import lower_forest
from fhe.compile.trees.merge import merge
from fhe.compile.trees.passes import drop_decided, drop_equal, only, summed
from fhe.profiles import REFERENCE

LEVELS = (4, 3, 3, 2)
ALL = np.array(list(itertools.product(*(range(levels) for levels in LEVELS))))
CODES = {column: ALL[:, column] for column in range(len(LEVELS))}


def _value(tree: Node, codes: npt.NDArray[Any]) -> tuple[int, ...]:
    while isinstance(tree, Split):
        tree = tree.below if codes[tree.column] < tree.cut else tree.above
    return tree.values


def _values(tree: Node) -> npt.NDArray[Any]:
    return np.array([_value(tree, codes) for codes in ALL])


@st.composite
def trees(draw: st.DrawFn, outputs: int = 1, most: int = 6) -> Node:
    """Any tree on the four columns, redundant splits included."""
    if most == 0 or draw(st.integers(0, 5)) == 0:
        return Leaf(tuple(draw(st.integers(-3, 12)) for _ in range(outputs)))
    column = draw(st.integers(0, len(LEVELS) - 1))
    cut = draw(st.integers(1, LEVELS[column] - 1))
    return Split(column, cut, draw(trees(outputs, most - 1)), draw(trees(outputs, most - 1)))


@given(trees(outputs=2))
@settings(max_examples=60)
def test_dropping_splits_changes_no_value(tree: Node) -> None:
    """Decided splits and splits with equal sides go; what they computed stays."""
    smaller = drop_equal(drop_decided(tree))
    np.testing.assert_array_equal(_values(smaller), _values(tree))
    assert depth(smaller) <= depth(tree)
    for output in range(2):
        np.testing.assert_array_equal(_values(only(tree, output))[:, 0], _values(tree)[:, output])


@given(trees())
@settings(max_examples=80)
def test_a_cover_has_the_value_of_its_tree_on_every_row(tree: Node) -> None:
    """Whatever the tree, and after merging too; the cost promised is the number of lookups."""
    tree = drop_equal(drop_decided(tree))
    cost, value = Cover(tree, LEVELS).lower()
    np.testing.assert_array_equal(evaluate(value, CODES), _values(tree)[:, 0])
    last = set(tables(value))
    hidden = {inner for table in last for inner in tables(table.of)}
    assert len(last) + len(hidden) <= cost < NEVER
    merged = merge(value)
    np.testing.assert_array_equal(evaluate(merged, CODES), _values(tree)[:, 0])
    assert len(tables(merged)) <= len(last)


@given(st.lists(trees(outputs=3, most=4), min_size=1, max_size=4))
@settings(max_examples=40)
def test_a_forest_circuit_has_the_value_of_its_trees_and_says_its_ranges(forest: list[Node]) -> None:
    """All outputs, from published bits to signed integers; the static bounds hold and lookups fit."""
    outputs = lower_forest(Forest(tuple(forest), len(LEVELS), 3), LEVELS)
    if not any(output.terms for output in outputs):
        return
    expected = np.sum([_values(tree) for tree in forest], axis=0)
    circuit = _circuit(outputs, list(zip(expected.min(0).tolist(), expected.max(0).tolist())))
    inputs = np.stack([ALL[:, int(i.column[1:])] > i.index for i in circuit.inputs], 1).astype(np.int64)
    np.testing.assert_array_equal(evaluate_clear(circuit, inputs), expected)
    bounds = value_bounds(circuit, [(0, 1)] * len(circuit.inputs))
    for layer in bounds[:-1]:
        assert all(low >= 0 and high < 8 for low, high in layer)
    for (low, high), column in zip(bounds[-1], expected.T, strict=True):
        assert low <= column.min() <= column.max() <= high


def _circuit(outputs: list[AffineExpr], bounds: list[tuple[int, int]]) -> Circuit:
    return emit(
        outputs,
        bounds,
        columns=[f"c{column}" for column in range(len(LEVELS))],
        names=[f"y{number}" for number in range(len(outputs))],
        readout=Readout("value"),
        codebook=Digest("1" * 64),
        profile=REFERENCE,
    )


def _complete(levels: int, column: int = 0) -> Node:
    """A complete tree that asks about another column at every node, with leaves all different."""
    counter = itertools.count(1)
    fresh = itertools.count(column)

    def grow(left: int) -> Node:
        if not left:
            return Leaf((next(counter) ** 2,))
        return Split(next(fresh), 1, grow(left - 1), grow(left - 1))

    return grow(levels)


@pytest.mark.parametrize(("levels", "cost"), [(1, 0), (2, 1), (3, 4), (4, 8), (5, 2 + 16), (6, 6 + 32)])
def test_a_complete_tree_takes_one_lookup_for_each_bottom_node(levels: int, cost: int) -> None:
    """And a first stage from depth five on, where of two siblings only one is looked up."""
    tree = _complete(levels)
    found, _ = Cover(tree, [2] * (2**levels)).lower()
    assert found == cost
    assert len(list(leaves(tree))) == 2**levels


def test_a_tree_on_one_column_takes_no_lookup() -> None:
    """Any function of one column's code is a combination of its bits."""
    tree = Split(0, 2, Split(0, 1, Leaf((5,)), Leaf((-7,))), Split(0, 3, Leaf((0,)), Leaf((11,))))
    cost, value = Cover(tree, LEVELS).lower()
    assert cost == 0
    assert not tables(value)
    np.testing.assert_array_equal(evaluate(value, CODES), _values(tree)[:, 0])


def test_lookups_on_one_message_are_added_up() -> None:
    """Two trees that ask the same questions cost as much as one."""
    one = Split(0, 1, Split(1, 1, Leaf((1,)), Leaf((2,))), Split(1, 1, Leaf((3,)), Leaf((9,))))
    other = Split(0, 1, Split(1, 1, Leaf((4,)), Leaf((0,))), Split(1, 1, Leaf((0,)), Leaf((7,))))
    outputs = lower_forest(Forest((one, other), 4, 1), LEVELS)
    assert len(tables(outputs[0])) == 1
    np.testing.assert_array_equal(evaluate(outputs[0], CODES), _values(one)[:, 0] + _values(other)[:, 0])


def test_the_dearest_of_classes_that_add_up_is_not_looked_up() -> None:
    """With two class shares that sum to 31 in every leaf, one class is computed and the other follows."""
    tree = Split(0, 1, Split(1, 1, Leaf((31, 0)), Leaf((9, 22))), Split(2, 1, Leaf((14, 17)), Leaf((0, 31))))
    assert summed(tree) == Leaf((31,))
    outputs = lower_forest(Forest((tree,), 4, 2), LEVELS)
    assert len({table for output in outputs for table in tables(output)}) == 1
    np.testing.assert_array_equal(np.stack([evaluate(output, CODES) for output in outputs], 1), _values(tree))


def test_a_table_that_says_no_more_than_its_message_is_no_lookup() -> None:
    """3 * message + 2 needs no bootstrap; a table with a bend does."""
    message = interval(0, 1, 4, 4) + interval(1, 1, 3, 3)
    straight, bent = (
        wire(TableExpr(message, (2, 5, 8, 0, 0, 0, 0, 0))),
        wire(TableExpr(message, (2, 5, 9, 0, 0, 0, 0, 0))),
    )
    assert not tables(merge(straight))
    assert len(tables(merge(bent))) == 1
    for value in (straight, bent):
        np.testing.assert_array_equal(evaluate(merge(value), CODES), evaluate(value, CODES))


def test_tabulating_refuses_a_message_that_tells_too_little() -> None:
    """A lookup is only made where it is proven on all cells."""
    message = total([(wire(Bit(0, 1)), 1), (wire(Bit(1, 1)), 1)])  # 01 and 10 look the same
    with pytest.raises(ValueError, match="stands for two values"):
        tabulate(message, lambda codes: (codes[0] >= 1).astype(np.int64), {})
    with pytest.raises(ValueError, match="does not fit"):
        tabulate(message * 5, lambda codes: 0 * codes[0], {})


def test_outputs_are_as_narrow_as_their_range_allows() -> None:
    """One bit for each doubling, the sign being the padding bit."""
    assert output_width([(0, 1)], []) == 1
    assert output_width([(-128, 127)], []) == 7
    assert output_width([(-129, 127)], []) == 8
    assert output_width([(0, 1), (0, 3)], [TableExpr(constant(0), (0, 0, 0, 0, 0, 0, 0, 900))]) == 10


def test_ranges_know_that_bits_of_a_column_are_ordered() -> None:
    """bit 0 - bit 1 is never negative, and 2 bit 0 - bit 1 is never 0 where bit 1 is set."""
    inputs = (Input("c0", "bins", 0), Input("c0", "bins", 1), Input("c1", "bins", 0))
    message = Linear(3, *_sparse([[1, -1, 2], [2, -1, 0]]), np.array([0, 0]))
    table = np.arange(8, dtype=np.int64)[None].repeat(2, 0)
    last = Linear(6, *_sparse([[0, 0, 0, 1, 0], [0, 0, 1, 1, -3]]), np.array([0, -1]))
    layers = (message, Lookup(6, np.array([0, 1]), table), last)
    circuit = Circuit(Digest("0" * 64), Digest("1" * 64), inputs, layers, ("a", "b"), Readout("value"))
    assert value_bounds(circuit, [(0, 1)] * 3) == [[(0, 3), (0, 2)], [(0, 3), (-6, 2)]]


def test_ranges_of_hostile_circuits_are_wide_but_never_too_narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights that would wrap 64-bit sums, and work beyond the limit, fall back to intervals."""
    inputs = (Input("c0", "bins", 0), Input("c0", "bins", 1), Input("c0", "bins", 2))
    huge = Linear(27, *_sparse([[1 << 62, 1 << 62, 1 << 62], [5, -5, 0]]), np.array([0, 0]))
    circuit = Circuit(Digest("0" * 64), Digest("1" * 64), inputs, (huge,), ("a", "b"), Readout("value"))
    assert value_bounds(circuit, [(0, 1)] * 3) == [[(0, 3 << 62), (0, 5)]]
    monkeypatch.setattr(ranges, "MOST_WORK", 1_000)
    assert value_bounds(circuit, [(0, 1)] * 3) == [[(0, 3 << 62), (0, 5)]], "bounds are kept with their circuit"
    assert value_bounds(replace(circuit), [(0, 1)] * 3) == [[(0, 3 << 62), (-5, 5)]]


def test_the_work_for_a_hostile_circuit_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sixteen stages of lookups that all read each other end, and the work limit is what ends them."""
    inputs = tuple(Input(f"c{c}", "bins", 0) for c in range(11))
    layers: list[Linear | Lookup] = []
    wires, most = len(inputs), 60
    for _ in range(8):
        rows = [[0] * (wires - 11) + [1] * 11 for _ in range(most)]
        layers.append(Linear(3, *_sparse(rows), np.zeros(most, np.int64)))
        layers.append(Lookup(3, np.arange(most), np.zeros((most, 8), np.int64)))
        wires += most
    layers.append(Linear(3, *_sparse([[0] * (wires - 1) + [1]]), np.array([0])))
    circuit = Circuit(Digest("0" * 64), Digest("1" * 64), inputs, tuple(layers), ("y",), Readout("value"))
    monkeypatch.setattr(ranges, "MOST_WORK", 1 << 22)
    counted = 0
    real = ranges._Enumeration._values

    def counting(self: object, *arguments: object) -> npt.NDArray[Any]:
        nonlocal counted
        counted += 1
        return real(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(ranges._Enumeration, "_values", counting)
    assert len(value_bounds(circuit, [(0, 1)] * len(inputs))) == 9
    assert counted <= (1 << 22) // ranges.PER_TERM


def _sparse(rows: list[list[int]]) -> tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]]:
    dense = np.array(rows, np.int64)
    where = np.nonzero(dense)
    return np.cumsum([0, *(dense != 0).sum(1)]), where[1].astype(np.int64), dense[where]
