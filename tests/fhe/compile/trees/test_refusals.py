"""Models that cannot run on a dataset are refused with what to do about it."""

from __future__ import annotations

import copy
import re
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from app.protocol.data.dataset import Codebook
from app.protocol.errors import BadInput, BadModel, MessageOverflow, NoiseOverflow, TooLarge
from app.protocol.ids import Digest
from app.protocol.vocabulary import Encoding
from fhe.circuit.circuit import Circuit, Input, Linear, Lookup, Readout
from fhe.circuit.clear import evaluate_clear, gather_inputs
from fhe.circuit.codec import decode, encode
from fhe.compile import from_model
from fhe.compile.check import check
from fhe.compile.trees import graph as limits
from fhe.compile.trees.lowering import import_tree_model, lower_tree_model
from fhe.profiles import ONE_LEVEL, REFERENCE
from tests.support.model_cases import CASES, Case, case, concrete, quietly, table


def _tree(codes: npt.NDArray[Any], labels: npt.NDArray[Any], **settings: Any) -> Any:
    model = concrete().DecisionTreeClassifier(**{"n_bits": 6, "random_state": 0, **settings})
    return quietly(lambda: model.fit(codes.astype(np.float32), labels))


def _refused(model: Any, codebook: Codebook, kind: type[Exception] = BadModel, **options: Any) -> Any:
    with pytest.raises(kind) as caught:
        quietly(lambda: lower_tree_model(model, codebook, **options))
    assert caught.value.next_step  # type: ignore[attr-defined]
    return caught.value


def test_a_model_on_an_edge_that_is_not_published_names_the_column_and_the_nearest_edges() -> None:
    """A tree fitted with finer bins asks for codes that this dataset does not have."""
    fine, coarse = table(32), table(9)
    model = _tree(fine.codes[:, :1], (fine.codes[:, 0] > 4).astype(int))
    assert quietly(lambda: lower_tree_model(model, fine.codebook, columns=["c0"]))
    message = _refused(model, coarse.codebook, columns=["c0"]).message
    assert "'c0'" in message
    assert "codes run from 0 to 8" in message
    only_two = np.array([[0.0], [8.0]] * 40)
    edge = _tree(only_two, only_two[:, 0] > 4)
    _move_threshold(edge, 63)  # above the highest code
    message = _refused(edge, coarse.codebook, columns=["c0"]).message
    edges = coarse.codebook.columns[0].bins or ()
    assert "'c0' above all of its 8 published edges" in message
    assert f"{edges[-2]:g}, {edges[-1]:g}" in message


def _move_threshold(model: Any, value: int) -> None:
    """Rewrite the root's threshold in the model's graph, as a model from elsewhere would have it."""
    from onnx import numpy_helper

    for number, item in enumerate(model.onnx_model_.graph.initializer):
        if item.name.endswith("bias_1"):
            array = numpy_helper.to_array(item).copy()
            array[0] = value
            model.onnx_model_.graph.initializer[number].CopyFrom(numpy_helper.from_array(array, item.name))


def test_a_split_on_a_column_without_bins_names_it() -> None:
    """And lists the columns that have some."""
    data = table()
    bare = data.codebook.columns[0].model_copy(update={"bins": None})
    codebook = Codebook(columns=(bare, *data.codebook.columns[1:]))
    model = _tree(data.codes, (data.codes[:, 0] > 9).astype(int), max_depth=1)
    refused = _refused(model, codebook)
    assert "'c0'" in refused.message
    assert "c1" in refused.next_step


def test_a_model_fitted_on_other_values_is_refused() -> None:
    """Raw values, or affine codes to 255, are not this dataset's bin codes."""
    data = table()
    assert (
        "codes run from 0 to 31"
        in _refused(_tree(data.values * 100, data.classes[2], max_depth=4), data.codebook).message
    )


@pytest.mark.parametrize(
    ("features", "options", "words"),
    [
        pytest.param(12, {"columns": ["c0"] * 12}, "not the 1 different columns", id="named-twice"),
        pytest.param(12, {"columns": [f"c{i}" for i in range(11)]}, "not the 11 different columns", id="too-few-names"),
        pytest.param(12, {"columns": [f"x{i}" for i in range(12)]}, "no column 'x0'", id="unknown-name"),
        pytest.param(5, {}, "has 5 features; the dataset has 12 columns", id="other-number"),
    ],
)
def test_columns_that_do_not_match_are_refused(features: int, options: dict[str, Any], words: str) -> None:
    """The sentence gives both numbers."""
    data = table()
    model = _tree(data.codes[:, :features], data.classes[2], max_depth=2)
    assert words in _refused(model, data.codebook, **options).message


@pytest.mark.parametrize(
    ("limit", "value", "which", "words"),
    [
        pytest.param("MAX_DEPTH", 7, "tree-2-classes", "8 splits deep; the limit is 7", id="depth"),
        pytest.param("MAX_TREES", 9, "boosted-2-classes", "10 trees; the limit is 9", id="trees"),
        pytest.param("MAX_CLASSES", 3, "forest-4-classes", "4 classes; the limit is 3", id="classes"),
    ],
)
def test_sizes_beyond_a_limit_are_refused_and_at_the_limit_taken(
    monkeypatch: pytest.MonkeyPatch, limit: str, value: int, which: str, words: str
) -> None:
    """One below and one at the limit."""
    model = next(item for item in CASES if item.name == which).fit()
    monkeypatch.setattr(limits, limit, value)
    assert words in _refused(model, table().codebook, TooLarge).message
    monkeypatch.setattr(limits, limit, value + 1)
    assert limits.read_forest(model).trees


def test_a_model_that_is_not_fitted_or_not_a_tree_is_refused() -> None:
    """Before anything is read from it."""
    from sklearn.naive_bayes import GaussianNB

    data = table()
    assert "not fitted" in _refused(concrete().XGBClassifier(n_bits=5), data.codebook).message
    assert "GaussianNB is not a tree model" in _refused(GaussianNB(), data.codebook).message
    with pytest.raises(BadModel, match="cannot be imported"):
        import_tree_model(GaussianNB(), data.codebook)


def test_a_model_that_says_the_same_of_every_row_is_refused() -> None:
    """There is nothing to compute."""
    data = table()
    constant = _tree(data.codes, np.arange(len(data.codes)) % 2, min_samples_leaf=599, max_depth=1)
    leafy = next((n for n in (constant,) if limits.read_forest(n).trees), None)
    assert leafy is not None
    boosted = concrete().XGBRegressor(n_bits=5, n_estimators=2, max_depth=1, min_child_weight=10_000)
    quietly(lambda: boosted.fit(data.codes.astype(np.float32), data.target))
    assert "same result for every row" in _refused(boosted, data.codebook).message


def test_a_circuit_that_does_not_reproduce_its_model_is_refused() -> None:
    """The graph says one thing, inference another: nothing is sold."""
    data = table()
    model = copy.copy(CASES[0].fit())
    real = model._tree_inference
    model._tree_inference = lambda *inputs: tuple(out + 1 for out in real(*inputs))
    assert "does not reproduce" in _refused(model, data.codebook).message


def test_from_model_takes_trees_as_well() -> None:
    """One entry for every family."""
    compiled = quietly(lambda: from_model(CASES[0].fit(), table().codebook))
    assert compiled.decoder.model == "XGBClassifier"
    assert compiled.report.log2_failure <= -128


def test_noise_beyond_the_profile_is_refused_with_the_layer_and_by_how_much() -> None:
    """One level of bootstrapping is too coarse for a sum of many lookups read at 11 bits; two levels are not."""
    forest = case("large", "RandomForestClassifier", 2, n_estimators=40, max_depth=4).fit()
    assert quietly(lambda: lower_tree_model(forest, table().codebook)).report.log2_failure <= -128
    message = _refused(forest, table().codebook, NoiseOverflow, profile=ONE_LEVEL).message
    assert re.match(
        r"Layer 2, value \d: it would be read wrongly with probability 2\^-\d+\.\d, .* allows 2\^-128", message
    )


def test_the_static_check_knows_a_lookup_that_its_input_does_not_fit() -> None:
    """A buyer's circuit whose message can be 8 is refused; one whose ordered bits keep it below 8 is not."""
    codebook = table().codebook
    inputs = (Input("c0", "bins", 3), Input("c0", "bins", 9), Input("c1", "bins", 5))

    def circuit(weights: list[int]) -> Circuit:
        message = Linear(3, np.array([0, 3]), np.arange(3), np.array(weights), np.array([0]))
        lookup = Lookup(4, np.array([0]), np.arange(8, dtype=np.int64)[None])
        last = Linear(4, np.array([0, 1]), np.array([3]), np.array([1]), np.array([0]))
        return Circuit(REFERENCE.digest, codebook.digest, inputs, (message, lookup, last), ("y",), Readout("value"))

    with pytest.raises(MessageOverflow, match="Layer 0, value 0: it can reach 0 to 8"):
        check(circuit([1, 3, 4]), codebook, REFERENCE)
    assert check(circuit([4, -3, 3]), codebook, REFERENCE).bounds == ((0, 7),)
    with pytest.raises(MessageOverflow, match="can reach -3 to 4"):
        check(circuit([-3, 3, 4]), codebook, REFERENCE)


@pytest.mark.parametrize("which", CASES, ids=lambda which: which.name)
def test_whoever_checks_a_compiled_model_accepts_it(which: Case) -> None:
    """Custodian and auditor see the bytes alone, and find the same failure probability."""
    compiled = quietly(lambda: lower_tree_model(which.fit(), table().codebook))
    report = check(decode(encode(compiled.circuit)), table().codebook, REFERENCE)
    assert report == compiled.report


def _circuit(tables: list[list[int]]) -> Circuit:
    one = np.array([1], np.int64)
    message = Linear(3, np.array([0, 2]), np.array([0, 1]), np.array([1, 5]), np.array([0]))
    lookup = Lookup(4, np.zeros(len(tables), np.int64), np.array(tables, np.int64))
    last = Linear(4, np.array([0, len(tables)]), 2 + np.arange(len(tables)), np.repeat(one, len(tables)), np.array([0]))
    inputs = (Input("a", "affine"), Input("b", "bins", 3))
    return Circuit(Digest("0" * 64), Digest("1" * 64), inputs, (message, lookup, last), ("y",), Readout("value"))


def test_interpreting_refuses_a_row_whose_values_leave_their_range() -> None:
    """A lookup's message of 8, an output of 2^4: the evaluator would give nonsense there."""
    squares = [value * value % 16 for value in range(8)]
    circuit = _circuit([squares])
    codes: dict[tuple[str, Encoding], npt.NDArray[np.int64]] = {
        ("a", "affine"): np.array([0, 1, 2]),
        ("b", "bins"): np.array([3, 4, 9]),
    }
    inputs = gather_inputs(circuit, codes)
    np.testing.assert_array_equal(inputs, [[0, 0], [1, 1], [2, 1]])
    np.testing.assert_array_equal(evaluate_clear(circuit, inputs)[:, 0], [0, 4, 1])
    with pytest.raises(MessageOverflow, match="Value 0 of layer 0 runs from 8 to 8"):
        evaluate_clear(circuit, np.array([[3, 1]]))
    with pytest.raises(MessageOverflow, match="layer 2"):
        evaluate_clear(_circuit([[15] * 8, [15] * 8]), inputs)
    with pytest.raises(BadInput, match="has 2 inputs"):
        evaluate_clear(circuit, inputs[:, :1])
    with pytest.raises(BadInput, match="bins codes of column 'b'"):
        gather_inputs(circuit, {("a", "affine"): np.array([0])})
