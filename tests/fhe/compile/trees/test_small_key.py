"""Forests on bins under the small key: the same integers in fewer lookups, none of which outputs read around."""

from __future__ import annotations

import itertools
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.protocol.errors import BadModel
from app.protocol.ids import Digest
from benchmarks.bin_table import encrypt_bins
from fhe.ciphertexts.decrypt_lookup import decrypt_lookups
from fhe.circuit.circuit import Linear, Lookup, Readout
from fhe.circuit.clear import evaluate_clear, sum_blocks
from fhe.circuit.codec import decode, encode
from fhe.circuit.well_formed import check_form
from fhe.compile import from_model, with_label
from fhe.compile.ir import SMALL_KEY, Bit
from fhe.compile.ranges import value_bounds
from fhe.compile.sums import summed
from fhe.compile.trees.emit import emit
from fhe.compile.trees.graph import Forest, Leaf, Node, Split
from fhe.compile.trees.lowering import lower_forest
from fhe.engine.evaluate import evaluate
from fhe.leakage import leakage_of
from fhe.profiles import REFERENCE
from tests.fhe.conftest import RealKeys
from tests.support.model_cases import CASES, Case, bootstraps, in_the_clear, quietly, table

LEVELS = (4, 20, 3, 2)
ALL = np.array(list(itertools.product(*(range(levels) for levels in LEVELS))))
NAMED = {case.name: case for case in CASES}


@st.composite
def trees(draw: st.DrawFn, outputs: int = 1, most: int = 5) -> Node:
    """Any tree on the four columns, one of which has more codes than a table has entries."""
    if most == 0 or draw(st.integers(0, 5)) == 0:
        return Leaf(tuple(draw(st.integers(-3, 12)) for _ in range(outputs)))
    column = draw(st.integers(0, len(LEVELS) - 1))
    cut = draw(st.integers(1, LEVELS[column] - 1))
    return Split(column, cut, draw(trees(outputs, most - 1)), draw(trees(outputs, most - 1)))


def values(tree: Node) -> list[tuple[int, ...]]:
    """The tree's leaf for each row of `ALL`."""
    found = []
    for codes in ALL:
        node = tree
        while isinstance(node, Split):
            node = node.below if codes[node.column] < node.cut else node.above
        found.append(node.values)
    return found


@given(st.lists(trees(outputs=2), min_size=1, max_size=4))
@settings(max_examples=25)
def test_any_forest_keeps_its_values_behind_lookups(forest: list[Node]) -> None:
    """Whatever the trees: outputs read tables alone, messages fit 16 entries of bits or 8 of tables."""
    outputs = lower_forest(Forest(tuple(forest), len(LEVELS), 2), LEVELS, SMALL_KEY)
    assert not any(isinstance(wire, Bit) for output in outputs for wire, _ in output.terms)
    if not any(output.terms for output in outputs):
        return
    expected = np.sum([values(tree) for tree in forest], axis=0)
    circuit = emit(
        outputs,
        list(zip(expected.min(0).tolist(), expected.max(0).tolist())),
        columns=[f"c{column}" for column in range(len(LEVELS))],
        names=["one", "two"],
        readout=Readout("value"),
        codebook=Digest("1" * 64),
        profile=REFERENCE,
        lwe_bins=True,
    )
    check_form(circuit)
    assert encode(decode(encode(circuit))) == encode(circuit)
    inputs = np.stack([ALL[:, int(i.column[1:])] > i.index for i in circuit.inputs], 1).astype(np.int64)
    np.testing.assert_array_equal(evaluate_clear(circuit, inputs), expected)
    bounds = value_bounds(circuit, [(0, 1)] * len(circuit.inputs))
    for place, layer in enumerate(circuit.layers[:-1:2]):
        assert isinstance(layer, Linear)
        assert all(low >= 0 and high < 1 << layer.width for low, high in bounds[place])


@pytest.mark.parametrize("name", ["boosted-2-classes", "boosted-3-classes", "boosted-stumps", "forest-4-classes"])
def test_models_take_fewer_lookups_and_say_the_same(name: str) -> None:
    """Concrete ML's integers on every row of the table, whichever bins the circuit reads; checked statically."""
    case: Case = NAMED[name]
    data, model = table(), case.fit()
    packed, small = (quietly(partial(from_model, model, data.codebook, lwe_bins=lwe)) for lwe in (False, True))
    assert small.circuit.lwe_bins
    assert small.report.log2_failure < -128
    expected = in_the_clear(packed.circuit, data.codes, data.codebook)
    np.testing.assert_array_equal(in_the_clear(small.circuit, data.codes, data.codebook), expected)
    if name != "boosted-stumps":  # a sum of bits alone, which takes no lookup at all where bins are packed
        assert bootstraps(small.circuit) < bootstraps(packed.circuit)


@pytest.mark.parametrize("name", ["boosted-regression", pytest.param("boosted-3-classes", marks=pytest.mark.deep)])
def test_their_scores_are_summed_over_rows(name: str) -> None:
    """The sums of 1,200 rows are those of packed bins, in blocks that width and noise allow, as static rules say."""
    data, model = table(), NAMED[name].fit()
    for lwe in (False, True):
        rows = quietly(partial(from_model, model, data.codebook, lwe_bins=lwe))
        made = summed(rows, data.codebook, REFERENCE)
        scores = in_the_clear(rows.circuit, data.codes, data.codebook)
        blocks = np.add.reduceat(scores, np.arange(0, scores.shape[1], made.circuit.block), axis=1)
        again = decode(encode(made.circuit))
        assert again.lwe_bins == lwe
        assert again.block >= 8  # at the width of one row's score, a block would be a row
        np.testing.assert_array_equal(sum_blocks(again, scores.T).T, blocks)
        last = again.layers[-1]
        assert isinstance(last, Linear)
        assert np.abs(blocks).max() < 1 << last.width
        assert made.report.log2_failure <= -128
        assert leakage_of(again, data.codebook).sensitivity >= np.ptp(scores, axis=1).max()


def test_a_label_is_taken_under_encryption_of_such_bins_too() -> None:
    """The label of a forest on small-key bins is that of its scores on every row, and no second one is taken."""
    data, model = table(), NAMED["boosted-2-classes"].fit()
    scores = quietly(lambda: from_model(model, data.codebook, lwe_bins=True))
    label = with_label(scores, data.codebook, REFERENCE)
    assert label.circuit.lwe_bins
    found = in_the_clear(label.circuit, data.codes[:200], data.codebook)
    told = in_the_clear(scores.circuit, data.codes[:200], data.codebook)
    np.testing.assert_array_equal(label.circuit.readout.label(found), scores.circuit.readout.label(told))
    with pytest.raises(BadModel, match="no label"):
        with_label(label, data.codebook, REFERENCE)


def test_plain_forests_of_other_libraries_read_them_too() -> None:
    """A forest that Concrete ML has no part in: leaves rounded by Darkroom, bins under the small key."""
    from sklearn.ensemble import ExtraTreesClassifier

    data = table()
    model = ExtraTreesClassifier(n_estimators=5, max_depth=3, random_state=1).fit(data.codes, data.classes[2])
    packed, small = (
        quietly(partial(from_model, model, data.codebook, fitted_on="bins", lwe_bins=lwe)) for lwe in (False, True)
    )
    assert small.circuit.lwe_bins
    assert any(isinstance(layer, Lookup) and layer.bits() == 4 for layer in small.circuit.layers)
    readout, codes = small.circuit.readout, data.codes
    np.testing.assert_array_equal(
        readout.label(in_the_clear(small.circuit, codes, data.codebook)),
        readout.label(in_the_clear(packed.circuit, codes, data.codebook)),
    )


@pytest.mark.deep
def test_sums_on_real_keys(real_keys: RealKeys) -> None:
    """Twelve rows of a small forest in blocks of five, under Concrete's keys: the sums in the clear."""
    data, model = table(), NAMED["forest-2-classes"].fit()
    rows = quietly(lambda: from_model(model, data.codebook, lwe_bins=True))
    circuit = replace(summed(rows, data.codebook, REFERENCE).circuit, block=5)
    encrypted = encrypt_bins(data.codes[:12], data.codebook, real_keys.secret, REFERENCE)
    output = evaluate(circuit, REFERENCE, encrypted.table, encrypted, 0, 12, real_keys.evaluation, threads=2)
    found = decrypt_lookups(real_keys.secret, REFERENCE, circuit, 3, output)
    scores, last = in_the_clear(rows.circuit, data.codes[:12], data.codebook), circuit.layers[-1]
    wanted, half = np.add.reduceat(scores, [0, 5, 10], axis=1), 1 << last.width  # type: ignore[union-attr]
    np.testing.assert_array_equal(found, (wanted + half) % (2 * half) - half)  # read modulo the width
