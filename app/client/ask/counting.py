"""Counting circuits: each output is 1 on the rows that meet a formula, summed over rows.

A set of cells of one column is a linear form of published values. A formula over several is looked up: one lookup
takes any three parts that are 0 or 1, as the number 4 a + 2 b + c, and says whether all, or any, of them hold. Equal
parts are looked up once.

Where the owner publishes the products of two columns' bits, "both hold" is a linear form of them, and takes no lookup.
A circuit is made of products alone or of lookups alone: a sum of products is read in blocks of millions of rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from app.client.ask.cells import AskedTable, Indicator
from app.client.ask.forms import PublishedForm, codes_in, product_of
from app.client.ask.formula import AllOf, AnyOf, Formula, InCells
from app.client.published import PublishedValues
from app.protocol.data.dataset import Codebook
from app.protocol.errors import BadQuery
from fhe.arrays import I64
from fhe.circuit.circuit import Circuit, Input, Linear, Lookup, Readout
from fhe.compile.sums import sum_circuit
from fhe.profile import EncryptionProfile

AT_ONCE = 3  # bits that one lookup takes
COUNT_WIDTH = 11  # bits of a sum of lookups: 2,047 rows that count; noise would allow few of them at 12
MAX_LOOKUPS = 4096  # a row


class NoProducts(Exception):
    """A formula takes products that are not published."""


@dataclass(frozen=True)
class _Node:
    """A value that is 0 or 1: weights times inputs and earlier lookups (by number), plus a constant."""

    inputs: tuple[tuple[Input, int], ...]
    lookups: tuple[tuple[int, int], ...]
    constant: int
    stage: int  # of the latest lookup in it; 0 without any


class CountingCircuit:
    """Collects outputs, then gives the circuit."""

    def __init__(
        self, table: AskedTable, profile: EncryptionProfile, shared: Formula = True, *, products: bool = False
    ) -> None:
        """`shared`: a formula whose parts many outputs have in common, so that they are looked up once. `products`:
        whether two columns are read from products, never from lookups.
        """
        self._by_products, self.reads_products = products, False
        self._table, self._profile = table, profile
        self._published = PublishedValues(table.codebook)
        self._shared = shared.parts if isinstance(shared, AllOf) else frozenset[Formula]()
        self._lookups: list[tuple[tuple[_Node, ...], tuple[int, ...], int]] = []  # (read, table, stage)
        self._places: dict[tuple[tuple[_Node, ...], tuple[int, ...], int], int] = {}
        self._known: dict[Formula, _Node] = {}
        self._outputs: list[_Node] = []

    def count(self, formula: Formula) -> int:
        """Add an output that counts the rows that meet a formula, which is no constant; the output's number.

        Errors: NoProducts where it would take products that are not published.
        """
        self._outputs.append(self._node(formula))
        return len(self._outputs) - 1

    def total(self, column: str) -> int:
        """Add an output that sums a column's affine codes; the output's number."""
        self._outputs.append(_Node(((Input(column, "affine"), 1),), (), 0, 0))
        return len(self._outputs) - 1

    def has_ends(self, column: str, formula: Formula) -> bool:
        """Whether `ends` can be added: the formula is about one column, whose bits have products with this one."""
        return self._products(column, formula) is not None

    def ends(self, column: str, formula: Formula) -> tuple[int, int]:
        """Add two outputs over the rows that meet a formula: of what a column's codes lack to the greatest, and of the
        codes; their numbers. Their sum is the count times the greatest code.
        """
        found, node = self._products(column, formula), self._node(formula)
        affine = self._table[column].affine
        assert found is not None
        assert affine is not None
        most, codes = affine.levels - 1, dict(found)
        lacks = {wire: -weight for wire, weight in found}
        for wire, weight in node.inputs:
            lacks[wire] = lacks.get(wire, 0) + most * weight
        self._outputs.append(_Node(tuple(lacks.items()), (), most * node.constant, 0))
        self._outputs.append(_Node(tuple(codes.items()), (), 0, 0))
        return len(self._outputs) - 2, len(self._outputs) - 1

    def _products(self, column: str, formula: Formula) -> tuple[tuple[Input, int], ...] | None:
        """The sum of a column's codes over the rows that meet a formula, as a linear form; None where there is none."""
        if not isinstance(formula, InCells):
            return None
        found = codes_in(self._published, column, _form(self._node(formula)))
        return None if found is None else tuple(found.weights.items())

    @property
    def outputs(self) -> int:
        """How many there are."""
        return len(self._outputs)

    @property
    def lookups(self) -> int:
        """Bootstraps a row."""
        return len(self._lookups)

    def circuit(self) -> Circuit:
        """The circuit, in blocks as long as the published values allow. Errors: BadQuery for too much work."""
        if len(self._lookups) > MAX_LOOKUPS:
            raise BadQuery(
                f"This question takes {len(self._lookups)} lookups a row, more than {MAX_LOOKUPS}.",
                "Group by columns with fewer bins, or use fewer conditions.",
            )
        read = [node for nodes, _, _ in self._lookups for node in nodes] + self._outputs
        inputs = sorted(
            {wire for node in read for wire, _ in node.inputs}, key=lambda w: (w.column, w.encoding, w.index)
        )
        places = {wire: number for number, wire in enumerate(inputs)}
        stages = max((stage for _, _, stage in self._lookups), default=0)
        wires: dict[int, int] = {}
        layers: list[Linear | Lookup] = []
        for stage in range(1, stages + 1):
            mine = [number for number, (_, _, when) in enumerate(self._lookups) if when == stage]
            rows, tables = [], []
            for number in mine:
                nodes, values, _ = self._lookups[number]
                rows.append(_weighted(nodes, places, wires))
                tables.append(values)
            layers.append(_linear(AT_ONCE, rows))
            layers.append(Lookup(COUNT_WIDTH, np.arange(len(mine)), np.array(tables, np.int64)))
            for number in mine:
                wires[number] = len(inputs) + len(wires)
        final = [_weighted((node,), places, wires) for node in self._outputs]
        layers.append(_linear(COUNT_WIDTH if stages else self._profile.message_width, final))
        book: Codebook = self._table.codebook
        names = tuple(f"y{number}" for number in range(len(final)))
        plain = Circuit(self._profile.digest, book.digest, tuple(inputs), tuple(layers), names, Readout("value"))
        return sum_circuit(plain, book, self._profile)

    def _node(self, formula: Formula) -> _Node:
        assert not isinstance(formula, bool)
        if formula not in self._known:
            self._known[formula] = self._made(formula)
        return self._known[formula]

    def _made(self, formula: InCells | AllOf | AnyOf) -> _Node:
        if isinstance(formula, InCells):
            return _of(self._table[formula.column].indicator(formula.cells))
        return self._product(formula) if self._by_products else self._joined(formula)

    def _product(self, formula: AllOf | AnyOf) -> _Node:
        """Whether both of two parts hold, or any: a b, or a + b - a b, as a linear form of published products."""
        parts = sorted(formula.parts, key=repr_of)
        if len(parts) != 2 or not all(isinstance(part, InCells) for part in parts):
            raise NoProducts
        one, other = (_form(self._node(part)) for part in parts)
        both = product_of(self._published, one, other)
        if both is None:
            raise NoProducts
        self.reads_products = True
        found = both if isinstance(formula, AllOf) else one + other + both * -1
        return _Node(tuple(found.weights.items()), (), found.constant, 0)

    def _bit(self, formula: Formula) -> _Node:
        """A part of a formula, of which it is known that it is 0 or 1: what may not be is looked up itself."""
        node = self._node(formula)
        if not isinstance(formula, InCells):
            return node
        column = self._table[formula.column]
        if len(node.inputs) <= column.parts_at_once:
            return node
        negative = node.constant == 1
        bits = [_Node(((wire, 1),), (), 0, 0) for wire, _ in node.inputs]
        found = self._reduced(bits, any)
        return _Node((), tuple((n, -w) for n, w in found.lookups), 1, found.stage) if negative else found

    def _joined(self, formula: AllOf | AnyOf) -> _Node:
        parts, common = formula.parts, formula.parts & self._shared
        if isinstance(formula, AllOf) and len(parts) > AT_ONCE and 1 < len(common) < len(parts):
            parts = (parts - common) | {AllOf(common)}
        ordered = sorted(parts, key=repr_of)
        return self._reduced([self._bit(part) for part in ordered], all if isinstance(formula, AllOf) else any)

    def _reduced(self, nodes: list[_Node], holds: Callable[[Iterable[bool]], bool]) -> _Node:
        nodes = sorted(nodes, key=lambda node: node.stage)
        while len(nodes) > 1:
            taken, nodes = nodes[:AT_ONCE], nodes[AT_ONCE:]
            nodes.append(self._look_up(tuple(taken), holds))
        return nodes[0]

    def _look_up(self, nodes: tuple[_Node, ...], holds: Callable[[Iterable[bool]], bool]) -> _Node:
        values = []
        for number in range(1 << AT_ONCE):
            bits = [bool(number >> (AT_ONCE - 1 - place) & 1) for place in range(len(nodes))]
            values.append(int(holds(bits)))
        stage = 1 + max(node.stage for node in nodes)
        key = (nodes, tuple(values), stage)
        if key not in self._places:
            self._places[key] = len(self._lookups)
            self._lookups.append(key)
        return _Node((), ((self._places[key], 1),), 0, stage)


def repr_of(formula: Formula) -> str:
    """A name of a formula that does not depend on the order of a set."""
    if isinstance(formula, InCells):
        return f"{formula.column} in {sorted(formula.cells)}"
    if isinstance(formula, bool):
        return str(formula)
    return f"{type(formula).__name__}({', '.join(sorted(map(repr_of, formula.parts)))})"


def _form(node: _Node) -> PublishedForm:
    """A node without lookups, as a form."""
    return PublishedForm(dict(node.inputs), node.constant)


def _of(indicator: Indicator) -> _Node:
    return _Node(tuple(indicator.weights.items()), (), indicator.constant, 0)


def _weighted(nodes: Sequence[_Node], places: dict[Input, int], wires: dict[int, int]) -> tuple[dict[int, int], int]:
    """(weight of each wire, bias) of one node, or of 4 a + 2 b + c."""
    weights: dict[int, int] = {}
    bias = 0
    for place, node in enumerate(nodes):
        factor = 1 << (AT_ONCE - 1 - place) if len(nodes) > 1 else 1
        for wire, weight in node.inputs:
            weights[places[wire]] = weights.get(places[wire], 0) + factor * weight
        for number, weight in node.lookups:
            weights[wires[number]] = weights.get(wires[number], 0) + factor * weight
        bias += factor * node.constant
    return {wire: weight for wire, weight in sorted(weights.items()) if weight}, bias


def _linear(width: int, rows: Sequence[tuple[dict[int, int], int]]) -> Linear:
    ends = np.cumsum([0, *(len(weights) for weights, _ in rows)])
    columns: I64 = np.array([wire for weights, _ in rows for wire in weights], np.int64)
    values: I64 = np.array([weight for weights, _ in rows for weight in weights.values()], np.int64)
    return Linear(width, ends, columns, values, np.array([bias for _, bias in rows], np.int64))
