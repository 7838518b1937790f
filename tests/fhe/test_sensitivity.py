"""How far outputs can move when one row changes: never less than the truth, two for cells that exclude one another."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.client.ask.cells import AskedColumn
from app.client.ask.forms import form_of, product_of
from app.client.fit.linear_sums import sums_of
from app.client.published import PublishedValues
from app.protocol.data.dataset import Affine, Codebook, ColumnCode
from app.protocol.data.derivation import CategorySource, Member
from app.protocol.data.product import Factor, Product
from fhe import sensitivity as module
from fhe.arrays import I64
from fhe.circuit.circuit import Circuit, Input, Linear, Mix, Readout
from fhe.circuit.clear import evaluate_clear
from fhe.circuit.codec import decode, encode
from fhe.compile.check import check, worst_failure
from fhe.compile.sums import sum_circuit
from fhe.leakage import leakage_of
from fhe.profiles import REFERENCE
from tests.support.custody import EDGES, NAMES, codebook, linear_circuit, tree_circuit
from tests.support.encrypted_tables import sparse

BOOK = codebook(bins=True)


def histogram(columns: tuple[int, ...]) -> Circuit:
    """The cells of each column's bins: differences of neighbouring bits."""
    inputs = tuple(Input(NAMES[c], "bins", e) for c in columns for e in range(len(EDGES)))
    rows = []
    for at in range(len(columns)):
        for cell in range(len(EDGES) + 1):
            row = np.zeros(len(inputs), np.int64)
            if cell:
                row[at * len(EDGES) + cell - 1] = 1
            if cell < len(EDGES):
                row[at * len(EDGES) + cell] = -1
            rows.append(row)
    bias = np.array([int(i % (len(EDGES) + 1) == 0) for i in range(len(rows))], np.int64)
    names = tuple(f"y{i}" for i in range(len(rows)))
    return Circuit(
        REFERENCE.digest, BOOK.digest, inputs, (sparse(27, np.array(rows), bias),), names, Readout("value"), 2048
    )


def test_cells_that_exclude_one_another_move_by_two() -> None:
    """One row leaves one cell and enters another: a histogram of any number of cells, and two of them by four."""
    assert leakage_of(histogram((0,)), BOOK).sensitivity == 2
    assert leakage_of(histogram((0, 3)), BOOK).sensitivity == 4
    assert sum(leakage_of(histogram((0,)), BOOK).ranges) == 8


@settings(max_examples=50, deadline=None)
@given(st.lists(st.lists(st.integers(-9, 9), min_size=3, max_size=3), min_size=1, max_size=3))
def test_a_linear_circuit_moves_as_far_as_its_rows_differ(weights: list[list[int]]) -> None:
    """Against all pairs of rows at the ends of their codes, where a linear map is farthest from itself."""
    if not any(any(row) for row in weights):
        return
    circuit = linear_circuit(weights, bins=True)
    ends = np.array(list(itertools.product((0, 255), repeat=len(circuit.inputs))), np.int64)
    found = evaluate_clear(circuit, ends)
    most = max(int(np.abs(found - one).sum(axis=1).max()) for one in found)
    assert most <= module.l1_sensitivity(circuit, BOOK, 10**12) == most_by_column(circuit)


def most_by_column(circuit: Circuit) -> int:
    layer = circuit.layers[0]
    assert isinstance(layer, Linear)
    return 255 * int(np.abs(layer.values).sum())


def test_lookups_are_run_on_all_their_cells() -> None:
    """A table of two far values moves by their distance; beyond what can be run through the ranges stand."""
    circuit = tree_circuit([(0, 1), (1, 2), (2, 3)], [5, 0, 0, 0, 0, 0, 0, 905], REFERENCE)
    assert module.l1_sensitivity(circuit, BOOK, 1000) == 905
    assert module.l1_sensitivity(circuit, BOOK, 7) == 7


def test_the_distance_of_many_points_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where pairs are too many, twice the distance from one point: never less, at most twice."""
    points = np.random.default_rng(3).integers(-50, 50, (300, 4))
    exact = module.diameter(points)
    monkeypatch.setattr(module, "MOST_PAIRS", 1)
    rough = module.diameter(points)
    assert exact <= rough <= 2 * exact


def test_blocks_are_as_long_as_width_and_noise_allow() -> None:
    """Whole chunks; one chunk more would leave the width, or fail too often."""
    circuit = sum_circuit(linear_circuit([[1, 1, 0, 0, 0, 0, 0, 3]], bins=True), BOOK, REFERENCE)
    assert circuit.block % 2048 == 0
    assert circuit.block * 255 * 5 < 1 << 27 <= (circuit.block + 2048) * 255 * 5
    assert check(circuit, BOOK, REFERENCE).log2_failure < -128
    noisy = REFERENCE.model_copy(update={"glwe_variance": 2.0**-81})
    other = sum_circuit(replace(linear_circuit([[1]], bins=True), profile=noisy.digest), BOOK, noisy)
    assert worst_failure(other, noisy)[2] <= -128 < worst_failure(replace(other, block=other.block + 2048), noisy)[2]
    few = sum_circuit(tree_circuit([(0, 1), (1, 2), (2, 3)], [900] * 8, REFERENCE), BOOK, REFERENCE)
    assert few.block == 1


def with_products() -> Codebook:
    """Three columns of eight codes and three bits, a category of three words, and products of them all."""
    code = Affine(low=0.0, step=1.0, levels=8)
    columns = [ColumnCode(name=f"x{i}", dtype="int64", affine=code, bins=(2.0, 5.0), declared=True) for i in range(3)]
    bit = Affine(low=0.0, step=1.0, levels=2)
    members = [
        ColumnCode(name=f"w={i}", dtype="int64", affine=bit, declared=True, source="w", derivation=Member(place=i))
        for i in range(3)
    ]
    factors = [Factor(column="x0"), Factor(column="x1"), Factor(column="x2", edge=0), Factor(column="x2", edge=1)]
    factors += [Factor(column=f"w={i}") for i in range(3)]
    pairs = itertools.combinations_with_replacement(factors, 2)
    products = tuple(Product(first=one, second=other) for one, other in pairs)
    source = CategorySource(name="w", words=("a", "b", "c"))
    return Codebook(columns=(*columns, *members), sources=(source,), products=products)


PRODUCTS = with_products()


def rows_of_all_codes() -> dict[str, I64]:
    """Every published value (rows,) of every row that the codebook allows, by wire."""
    every = np.array(list(itertools.product(range(8), range(8), range(3), range(3))), np.int64)
    values = {"x0": every[:, 0], "x1": every[:, 1], "x2[0]": every[:, 2] > 0, "x2[1]": every[:, 2] > 1}
    values |= {f"w={i}": every[:, 3] == i for i in range(3)}
    found = {name: value.astype(np.int64) for name, value in values.items()}
    return found | {p.name: found[p.first.name] * found[p.second.name] for p in PRODUCTS.products}


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_products_and_mixes_move_no_farther_than_is_said(data: st.DataObject) -> None:
    """Against all rows there are: random products, columns and mixes of their sums; ranges hold every output too."""
    values = rows_of_all_codes()
    names = data.draw(st.lists(st.sampled_from(sorted(values)), min_size=1, max_size=5, unique=True))
    mixes = data.draw(
        st.lists(st.lists(st.integers(-4, 4), min_size=len(names), max_size=len(names)), min_size=1, max_size=4)
    )
    weights = np.array([*mixes, [1] * len(names)], np.int64)
    inputs = tuple(
        Input(name.split("[")[0], "bins", int(name[-2])) if name in ("x2[0]", "x2[1]") else Input(name, "affine")
        for name in names
    )
    k = np.arange(len(names))
    layer = Linear(27, np.arange(len(k) + 1), k, np.ones_like(k), 0 * k)
    mix = Mix.of({f"z{i}": dict(enumerate(row.tolist())) for i, row in enumerate(weights) if row.any()})
    circuit = Circuit(
        REFERENCE.digest, PRODUCTS.digest, inputs, (layer,), tuple(f"y{i}" for i in k), Readout("value"), 64, mix
    )
    assert decode(encode(circuit)).mix is not None
    released = np.stack([values[name] for name in names], axis=1) @ mix.matrix(len(names)).T
    leak = leakage_of(circuit, PRODUCTS)
    assert (released.min(axis=0) >= leak.lows).all()
    assert (released.max(axis=0) <= leak.highs).all()
    points = np.unique(released, axis=0)
    truth = max(int(np.abs(points - one).sum(axis=1).max()) for one in points)
    assert truth <= leak.sensitivity <= sum(leak.ranges)


def test_a_label_with_many_bits_falls_apart_where_the_label_is_fixed() -> None:
    """Cells of a label and a bin, of ten columns: two a column, as nothing joins the columns but the label."""
    bit = Affine(low=0.0, step=1.0, levels=2)
    columns = [
        ColumnCode(name=f"c{i}", dtype="int64", bins=tuple(map(float, range(9))), declared=True) for i in range(10)
    ]
    label = ColumnCode(name="y", dtype="int64", affine=bit, declared=True)
    products = tuple(
        Product(first=Factor(column=f"c{i}", edge=e), second=Factor(column="y")) for i in range(10) for e in range(9)
    )
    book = Codebook(columns=(*columns, label), products=products)
    inputs = [Input("y", "affine"), *(Input(p.name, "affine") for p in products)]
    rows = {}
    for i in range(10):
        for cell in range(10):
            low, high = (0 if cell == 0 else 9 * i + cell), (9 * i + cell + 1 if cell < 9 else None)
            rows[f"{i} {cell}"] = {low: 1} | ({high: -1} if high else {})
    k = np.arange(len(inputs))
    layer = Linear(27, np.arange(len(k) + 1), k, np.ones_like(k), 0 * k)
    circuit = Circuit(
        REFERENCE.digest, book.digest, tuple(inputs), (layer,), tuple(f"y{i}" for i in k), Readout("value"), 2048,
        Mix.of(rows),
    )  # fmt: skip
    assert leakage_of(circuit, book).sensitivity == 20


def test_two_way_tables_move_by_two_each() -> None:
    """Of seven columns of eight cells, with all products: too many states to run through, two for each of 21 tables."""
    edges = tuple(map(float, range(7)))
    names = [f"c{i}" for i in range(7)]
    columns = tuple(ColumnCode(name=name, dtype="int64", bins=edges, declared=True) for name in names)
    products = tuple(
        Product(first=Factor(column=one, edge=i), second=Factor(column=other, edge=j))
        for one, other in itertools.combinations(names, 2)
        for i, j in itertools.product(range(7), repeat=2)
    )
    book = Codebook(columns=columns, products=products)
    published, rows = PublishedValues(book), {}
    for one, other in itertools.combinations(names, 2):
        cells = [
            [form_of(AskedColumn(published.column(name)).indicator(frozenset([cell]))) for cell in range(8)]
            for name in (one, other)
        ]
        for (i, first), (j, second) in itertools.product(enumerate(cells[0]), enumerate(cells[1])):
            found = product_of(published, first, second)
            assert found is not None
            rows[f"{one} {i} {other} {j}"] = dict(found.weights)
    circuit = sums_of(rows, book, REFERENCE)
    assert leakage_of(circuit, book).sensitivity == 2 * 21
