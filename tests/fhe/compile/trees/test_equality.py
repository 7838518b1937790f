"""A compiled tree model gives the very integers of Concrete ML, and its predictions."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from fhe.circuit.codec import decode, encode
from fhe.compile.decoder import Decoder
from fhe.compile.trees.lowering import import_tree_model, lower_tree_model
from tests.support.model_cases import CASES, ROWS, Case, bootstraps, concrete, in_the_clear, quietly, table

PARAMETERS = [pytest.param(which, id=which.name) for which in CASES]


def _sums(model: Any, codes: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Concrete ML's quantized result, summed over trees, (outputs, rows)."""
    quantized = model.quantize_input(codes.astype(np.float32))
    sums: npt.NDArray[np.int64] = model._inference(quantized).sum(axis=-1).reshape(len(codes), -1).T
    return sums


@pytest.mark.parametrize("which", PARAMETERS)
def test_the_circuit_gives_concrete_mls_integers_on_every_row(which: Case) -> None:
    """1,200 rows of the table and 1,000 of codes that no training row had."""
    data, model = table(), which.fit()
    compiled = quietly(lambda: lower_tree_model(model, data.codebook))
    levels = [len(column.bins or ()) + 1 for column in data.codebook.columns]
    random = np.random.default_rng(4).integers(0, levels, (1_000, len(levels)))
    for codes in (data.codes, random):
        np.testing.assert_array_equal(in_the_clear(compiled.circuit, codes, data.codebook), _sums(model, codes))


@pytest.mark.parametrize("which", PARAMETERS)
def test_the_decoder_predicts_what_concrete_ml_predicts(which: Case) -> None:
    """Labels, values and probabilities, from the circuit's integers and the decoder's own bytes alone."""
    data, model = table(), which.fit()
    compiled = quietly(lambda: lower_tree_model(model, data.codebook))
    decoder = Decoder.from_bytes(compiled.decoder.to_bytes())
    outputs = in_the_clear(compiled.circuit, data.codes, data.codebook)
    codes = data.codes.astype(np.float32)
    if not which.classes:
        np.testing.assert_allclose(decoder.predict(outputs), model.predict(codes), rtol=1e-13)
        return
    expected, found = model.predict(codes), decoder.predict(outputs)
    # Concrete ML adds up rounded floats, so where two classes have the same sum, the last bit of a float decides
    top = np.sort(outputs, axis=0)
    tied = (top[-1] == top[-2]) if len(outputs) > 1 else np.zeros(ROWS, bool)
    assert tied.mean() < 0.1
    np.testing.assert_array_equal(found[~tied], expected[~tied])
    chosen = np.searchsorted(model.classes_, expected[tied])
    np.testing.assert_array_equal(outputs[chosen, np.flatnonzero(tied)], top[-1][tied])
    np.testing.assert_allclose(decoder.predict_proba(outputs), model.predict_proba(codes), rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("which", PARAMETERS)
def test_a_compiled_tree_model_survives_its_canonical_bytes(which: Case) -> None:
    """What a provider reads computes the same."""
    data = table()
    compiled = quietly(lambda: lower_tree_model(which.fit(), data.codebook))
    again = decode(encode(compiled.circuit))
    np.testing.assert_array_equal(
        in_the_clear(again, data.codes[:100], data.codebook),
        in_the_clear(compiled.circuit, data.codes[:100], data.codebook),
    )


def test_ten_boosted_trees_of_depth_three_take_at_most_forty_bootstraps() -> None:
    """One for each bottom node, and none for what a bit or a single column decides."""
    model = CASES[0].fit()
    circuit = quietly(lambda: lower_tree_model(model, table().codebook)).circuit
    assert len(circuit.layers) == 3
    assert 0 < bootstraps(circuit) <= 40


def test_stumps_take_no_bootstrap() -> None:
    """A tree of one split is a weight on a published bit."""
    stumps = next(which for which in CASES if which.name == "boosted-stumps")
    circuit = quietly(lambda: lower_tree_model(stumps.fit(), table().codebook)).circuit
    assert len(circuit.layers) == 1
    assert bootstraps(circuit) == 0


@pytest.mark.parametrize("kind", ["DecisionTreeClassifier", "RandomForestRegressor", "XGBClassifier", "XGBRegressor"])
def test_a_model_of_scikit_learn_or_xgboost_is_imported_with_its_own_thresholds(kind: str) -> None:
    """Every threshold keeps its place among the codes, so a single tree's paths, hence its labels, stay the same."""
    import sklearn.ensemble
    import sklearn.tree
    import xgboost

    data = table()
    where = xgboost if kind.startswith("XGB") else sklearn.tree if kind.startswith("Decision") else sklearn.ensemble
    settings: dict[str, float] = {"n_estimators": 5} if kind != "DecisionTreeClassifier" else {}
    if kind.startswith("XGB"):
        settings["base_score"] = 0.5
    plain = getattr(where, kind)(max_depth=4, random_state=1, **settings)
    plain.fit(data.codes, data.classes[2] if kind.endswith("Classifier") else data.target)
    compiled = quietly(lambda: lower_tree_model(plain, data.codebook))
    outputs = in_the_clear(compiled.circuit, data.codes, data.codebook)
    imported = quietly(lambda: import_tree_model(plain, data.codebook))
    np.testing.assert_array_equal(outputs, _sums(imported, data.codes))
    if kind.endswith("Classifier"):
        agree = (compiled.decoder.predict(outputs) == plain.predict(data.codes)).mean()
        assert agree == 1.0 if kind == "DecisionTreeClassifier" else agree > 0.99
    else:
        spread = np.ptp(plain.predict(data.codes))
        assert np.abs(compiled.decoder.predict(outputs) - plain.predict(data.codes)).max() < 0.02 * spread


def test_a_forest_of_several_targets_gives_one_output_for_each() -> None:
    """And labels that are not 0 and 1 come back as they were."""
    data = table()
    targets = np.stack([data.target, data.values[:, 5] * data.values[:, 6]], axis=1)
    forest = concrete().RandomForestRegressor(n_bits=5, n_estimators=3, max_depth=3, random_state=0)
    codes = data.codes.astype(np.float32)
    quietly(lambda: forest.fit(codes, targets))
    compiled = quietly(lambda: lower_tree_model(forest, data.codebook))
    outputs = in_the_clear(compiled.circuit, data.codes, data.codebook)
    np.testing.assert_array_equal(outputs, _sums(forest, data.codes))
    np.testing.assert_allclose(compiled.decoder.predict(outputs), forest.predict(codes), rtol=1e-13)
    labels = np.array([7, 20])[data.classes[2]]
    tree = concrete().DecisionTreeClassifier(n_bits=5, max_depth=3, random_state=0)
    quietly(lambda: tree.fit(codes, labels))
    compiled = quietly(lambda: lower_tree_model(tree, data.codebook))
    found = compiled.decoder.predict(in_the_clear(compiled.circuit, data.codes, data.codebook))
    np.testing.assert_array_equal(found, tree.predict(codes))


def test_columns_can_be_named_in_any_order() -> None:
    """A model on three of the columns, in its own order, reads those."""
    data = table()
    names = ["c4", "c0", "c3"]
    codes = data.codes[:, [4, 0, 3]]
    model = concrete().DecisionTreeClassifier(n_bits=5, max_depth=3, random_state=0)
    quietly(lambda: model.fit(codes.astype(np.float32), data.classes[2]))
    circuit = quietly(lambda: lower_tree_model(model, data.codebook, columns=names)).circuit
    assert {wire.column for wire in circuit.inputs} <= set(names)
    np.testing.assert_array_equal(in_the_clear(circuit, data.codes, data.codebook), _sums(model, codes))
