"""The whole linear family compiles to circuits that equal Concrete ML's clear quantized inference on every row."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import sklearn.linear_model
import sklearn.svm
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.neighbors import KNeighborsClassifier

from app.protocol.data.dataset import Codebook
from app.protocol.errors import BadDocument, BadModel, MessageOverflow, NoiseOverflow, UsageError
from fhe.arrays import I64
from fhe.ciphertexts.decrypt_linear import decrypt_linear
from fhe.circuit.circuit import Circuit, Linear, Readout
from fhe.circuit.codec import decode, digest, encode
from fhe.compile import Compiled, Decoder, check, from_model
from fhe.engine.linear import evaluate_bodies
from fhe.profiles import REFERENCE
from tests.fhe.conftest import RealKeys
from tests.support.tables import codebook, encrypt_codes, linear_circuit

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Sample:
    """Codes (rows, columns) and targets of a real table."""

    codes: I64
    target: Array

    @property
    def floats(self) -> npt.NDArray[np.float64]:
        """Codes as models take them."""
        return self.codes.astype(np.float64)


@cache
def sample(name: str) -> Sample:
    """A table of scikit-learn in 8-bit codes, its rows shuffled."""
    load = {"two": load_breast_cancer, "three": load_wine, "value": load_diabetes}[name]
    table, target = load(return_X_y=True)
    low, high = table.min(axis=0), table.max(axis=0)
    order = np.random.default_rng(0).permutation(len(table))
    return Sample(np.rint((table - low) / (high - low) * 255).astype(np.int64)[order], target[order])


CASES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "LogisticRegression": ("LogisticRegression", "two", {"max_iter": 50}),
    "LogisticRegression, 3 classes": ("LogisticRegression", "three", {"max_iter": 50}),
    "LogisticRegression, no intercept": ("LogisticRegression", "two", {"max_iter": 50, "fit_intercept": False}),
    "LinearSVC": ("LinearSVC", "two", {"max_iter": 50}),
    "LinearSVC, 3 classes": ("LinearSVC", "three", {"max_iter": 50}),
    "SGDClassifier": ("SGDClassifier", "two", {"max_iter": 20}),
    "SGDClassifier, 3 classes": ("SGDClassifier", "three", {"max_iter": 20}),
    "SGDClassifier, Huber": ("SGDClassifier", "two", {"max_iter": 20, "loss": "modified_huber"}),
    "SGDClassifier, Huber, 3 classes": ("SGDClassifier", "three", {"max_iter": 20, "loss": "modified_huber"}),
    "LinearRegression": ("LinearRegression", "value", {}),
    "Ridge": ("Ridge", "value", {}),
    "Lasso": ("Lasso", "value", {}),
    "ElasticNet": ("ElasticNet", "value", {}),
    "LinearSVR": ("LinearSVR", "value", {"max_iter": 50}),
    "SGDRegressor": ("SGDRegressor", "value", {"eta0": 1e-7, "max_iter": 20}),
    "PoissonRegressor": ("PoissonRegressor", "value", {"alpha": 10.0}),
    "GammaRegressor": ("GammaRegressor", "value", {"alpha": 10.0}),
    "TweedieRegressor, log": ("TweedieRegressor", "value", {"power": 1.5, "alpha": 10.0}),
    "TweedieRegressor, identity": ("TweedieRegressor", "value", {"power": 0, "alpha": 10.0}),
}


def fitted(kind: str, data: Sample, library: str, rows: slice = slice(None), **parameters: Any) -> Any:
    """A model of Concrete ML or scikit-learn, fitted on codes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of convergence, and of Concrete ML's imports
        import concrete.ml.sklearn

        if library == "concrete":
            model = getattr(concrete.ml.sklearn, kind)(**parameters)
        else:
            model = getattr(sklearn.svm if kind.startswith("LinearSV") else sklearn.linear_model, kind)(**parameters)
        model.fit(data.floats[rows], data.target[rows])
    return model


def clear(circuit: Circuit, codes: I64, book: Codebook) -> I64:
    """What the circuit means: W x + b in NumPy, outputs by rows."""
    layer = circuit.layers[0]
    assert isinstance(layer, Linear)
    place = {column.name: index for index, column in enumerate(book.columns)}
    dense = np.zeros((len(layer.bias), len(book.columns)), np.int64)
    rows = np.repeat(np.arange(len(layer.bias)), np.diff(layer.indptr))
    dense[rows, [place[circuit.inputs[wire].column] for wire in layer.columns]] = layer.values
    return dense @ codes.T + layer.bias[:, None]


def agree(compiled: Compiled, outputs: I64, floats: npt.NDArray[np.float64], labels: Array | None = None) -> None:
    """Raw integers, scores, predictions and probabilities equal the quantized model's, bit for bit.

    `labels` are the buyer's own where Concrete ML only takes their numbers.
    """
    model, decoder = compiled.model, Decoder.from_bytes(compiled.decoder.to_bytes())
    assert np.array_equal(decoder.raw(outputs), model._inference(model.quantize_input(floats)))
    predicted = decoder.predict(outputs)
    expected = model.predict(floats) if labels is None else labels[model.predict(floats)]
    assert np.array_equal(predicted, expected)
    assert predicted.dtype.kind == expected.dtype.kind
    if hasattr(model, "classes_"):
        assert np.array_equal(decoder.decision_function(outputs), model.decision_function(floats))
        with np.errstate(invalid="ignore"):  # where every one-vs-rest chance is zero, Concrete ML divides by it
            chances = model.predict_proba(floats)
        assert np.array_equal(
            decoder.predict_proba(outputs), np.where(np.isnan(chances), 1 / chances.shape[1], chances)
        )
    else:
        with pytest.raises(UsageError):
            decoder.predict_proba(outputs)


@pytest.mark.parametrize("library", ["concrete", "scikit-learn"])
@pytest.mark.parametrize("case", CASES)
def test_the_circuit_equals_concrete_ml_on_every_row(case: str, library: str) -> None:
    """Fitted by Concrete ML or imported from scikit-learn, after a round trip through bytes."""
    kind, table, parameters = CASES[case]
    if library == "scikit-learn" and kind == "SGDClassifier" and "loss" not in parameters:
        parameters = {**parameters, "loss": "log_loss"}
    data = sample(table)
    book = codebook(data.codes.shape[1])
    model = fitted(kind, data, library, slice(0, len(data.codes) // 2), **parameters)
    compiled = from_model(model, book)
    outputs = clear(decode(encode(compiled.circuit)), data.codes, book)
    agree(compiled, outputs, data.floats)
    assert compiled.decoder.circuit == digest(compiled.circuit)
    low, high = np.array(compiled.report.bounds).T
    assert (outputs.min(axis=1) >= low).all()
    assert (outputs.max(axis=1) <= high).all()


@pytest.mark.parametrize("case", ["LogisticRegression", "LogisticRegression, 3 classes", "LinearRegression"])
def test_the_readout_gives_the_label_from_integers_alone(case: str) -> None:
    """The circuit's own readout (threshold, argmax) names the class that `predict` names."""
    kind, table, parameters = CASES[case]
    data = sample(table)
    book = codebook(data.codes.shape[1])
    compiled = from_model(fitted(kind, data, "concrete", **parameters), book)
    outputs, readout = clear(compiled.circuit, data.codes, book), compiled.circuit.readout
    if readout.kind == "value":
        return
    label = (outputs[0] >= readout.at).astype(int) if readout.kind == "threshold" else outputs.argmax(axis=0)
    assert np.array_equal(compiled.model.classes_[label], compiled.model.predict(data.floats))


def test_a_quantizer_from_data_is_replaced_by_the_codebooks() -> None:
    """A model fitted on rows that miss the extreme codes is imported again, and still predicts nearly alike."""
    data = sample("two")
    inner = Sample(np.clip(data.codes, 20, 200), data.target)
    book = codebook(30)
    model = fitted("LogisticRegression", inner, "concrete", max_iter=50)
    compiled = from_model(model, book)
    assert compiled.model is not model
    agree(compiled, clear(compiled.circuit, inner.codes, book), inner.floats)
    assert (compiled.model.predict(inner.floats) == model.predict(inner.floats)).mean() > 0.98
    exact = fitted("LogisticRegression", data, "concrete", max_iter=50)
    assert from_model(exact, book).model is exact


@pytest.mark.parametrize("n_bits", [3, 6, 10])
def test_a_quantized_model_keeps_its_own_bits(n_bits: int) -> None:
    """A Concrete ML model of few bits is that model, and compiles as it is."""
    data, book = sample("two"), codebook(30)
    model = fitted("LogisticRegression", data, "concrete", max_iter=50, n_bits={"op_inputs": 8, "op_weights": n_bits})
    compiled = from_model(model, book)
    agree(compiled, clear(compiled.circuit, data.codes, book), data.floats)
    assert np.abs(compiled.circuit.layers[0].values).max() < 2**n_bits  # type: ignore[union-attr]


def test_a_plain_model_takes_as_many_bits_as_its_labels_need() -> None:
    """With three bits it would be another model, and is refused; left alone it takes enough, and so does 16."""
    data, book = sample("two"), codebook(30)
    model = fitted("LogisticRegression", data, "scikit-learn", max_iter=50)
    with pytest.raises(BadModel, match="3 bits gives other labels"):
        from_model(model, book, n_bits=3)
    compiled = from_model(model, book)
    assert compiled.faithfulness is not None
    assert (compiled.faithfulness.route, compiled.faithfulness.labels_differing) == ("concrete-ml", 0)
    agree(compiled, clear(compiled.circuit, data.codes, book), data.floats)
    finer = from_model(model, book, n_bits=16)
    agree(finer, clear(finer.circuit, data.codes, book), data.floats)


@pytest.mark.parametrize("levels", [2, 16, 100, 1000])
def test_codes_can_have_other_levels(levels: int) -> None:
    """Columns of 2 to 1,000 levels are quantized as themselves."""
    data = sample("two")
    codes = data.codes * (levels - 1) // 255
    book = codebook(30, levels)
    compiled = from_model(fitted("LogisticRegression", Sample(codes, data.target), "scikit-learn", max_iter=50), book)
    agree(compiled, clear(compiled.circuit, codes, book), codes.astype(np.float64))


def test_columns_can_be_named() -> None:
    """A model of some columns reads those, by argument or by the names it was fitted with, in its own order."""
    import polars as pl

    data, book = sample("two"), codebook(30)
    chosen = [7, 3, 29]
    part = Sample(data.codes[:, chosen], data.target)
    names = [f"c{i}" for i in chosen]
    by_argument = from_model(fitted("LogisticRegression", part, "concrete", max_iter=50), book, columns=names)
    frame = pl.DataFrame(part.floats, schema=names).to_pandas() if _has_pandas() else None
    agree(by_argument, clear(by_argument.circuit, data.codes, book), part.floats)
    assert [wire.column for wire in by_argument.circuit.inputs] == names
    if frame is not None:
        model = sklearn.linear_model.LogisticRegression(max_iter=50)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.fit(frame, part.target)
        assert [wire.column for wire in from_model(model, book).circuit.inputs] == names


def _has_pandas() -> bool:
    import importlib.util

    return all(importlib.util.find_spec(name) for name in ("pandas", "pyarrow"))


@pytest.mark.parametrize("labels", [["no", "yes"], [-1.0, 2.0], [False, True], [10, 20]])
def test_labels_keep_their_type(labels: list[Any]) -> None:
    """Text, floats, truth values and integers come back as what the model was trained on, after a round trip."""
    data, book = sample("two"), codebook(30)
    target = np.array(labels)[data.target]
    compiled = from_model(fitted("LogisticRegression", Sample(data.codes, target), "scikit-learn", max_iter=50), book)
    numbers = None if isinstance(labels[0], int) and labels[0] == 10 else np.array(labels)
    agree(compiled, clear(compiled.circuit, data.codes, book), data.floats, numbers)


def test_columns_without_weight_are_not_read() -> None:
    """A sparse model's circuit names only the columns it needs, so a job fetches nothing else."""
    data, book = sample("value"), codebook(10)
    compiled = from_model(fitted("Lasso", data, "scikit-learn", alpha=20.0), book)
    assert 0 < len(compiled.circuit.inputs) < 10
    agree(compiled, clear(compiled.circuit, data.codes, book), data.floats)


def test_several_targets_are_several_outputs() -> None:
    """A regression of two targets has two outputs and predicts both."""
    data, book = sample("value"), codebook(10)
    both = Sample(data.codes, np.stack([data.target, -2 * data.target], axis=1))
    compiled = from_model(fitted("LinearRegression", both, "scikit-learn"), book)
    assert compiled.circuit.outputs == ("value 0", "value 1")
    agree(compiled, clear(compiled.circuit, data.codes, book), data.floats)


@pytest.mark.parametrize("case", ["LogisticRegression", "LogisticRegression, 3 classes", "GammaRegressor"])
def test_the_encrypted_run_equals_the_clear_one_on_every_row(case: str, real_keys: RealKeys) -> None:
    """Under real keys, from encryption to prediction: every row of the table agrees with Concrete ML in the clear."""
    kind, table, parameters = CASES[case]
    data = sample(table)
    book = codebook(data.codes.shape[1])
    compiled = from_model(fitted(kind, data, "concrete", **parameters), book)
    encrypted, rows = encrypt_codes(data.codes, book, real_keys.secret, REFERENCE), len(data.codes)
    bodies = evaluate_bodies(compiled.circuit, REFERENCE, encrypted.table, encrypted, 0, rows, threads=2)
    outputs = decrypt_linear(
        real_keys.secret, REFERENCE, compiled.circuit, encrypted.table, encrypted, 0, rows, bodies, threads=2
    )
    agree(compiled, outputs, data.floats)


def _logistic(columns: int = 30) -> Any:
    data = sample("two")
    return fitted("LogisticRegression", Sample(data.codes[:, :columns], data.target), "concrete", max_iter=50)


def _raw() -> Any:
    table, target = load_breast_cancer(return_X_y=True)
    return fitted("LogisticRegression", Sample(table, target), "concrete", max_iter=50)


def _flat() -> Any:
    model = sklearn.linear_model.Lasso(alpha=1e9)
    return model.fit(sample("value").floats, sample("value").target)


def _broken() -> Any:
    model = sklearn.linear_model.LinearRegression().fit(sample("value").floats, sample("value").target)
    model.coef_[3] = np.nan
    return model


FAULTS: dict[str, tuple[Callable[[], Any], dict[str, Any], str]] = {
    "more columns than the dataset": (_logistic, {"book": codebook(20)}, "30 features"),
    "fewer columns, not named": (lambda: _logistic(5), {}, "5 features"),
    "a column the dataset lacks": (lambda: _logistic(1), {"columns": ["nothing"]}, "'nothing'"),
    "a column named twice": (lambda: _logistic(2), {"columns": ["c1", "c1"]}, "twice"),
    "too many names": (lambda: _logistic(1), {"columns": ["c1", "c2"]}, "1 features"),
    "fitted on values, not codes": (_raw, {}, "fitted on values"),
    "fitted on wider codes": (_logistic, {"book": codebook(30, 16)}, "fitted on values"),
    "not fitted": (sklearn.linear_model.LogisticRegression, {}, "not fitted"),
    "reads nothing": (_flat, {"book": codebook(10)}, "zero"),
    "weights not finite": (_broken, {"book": codebook(10)}, "finite"),
    "another family": (lambda: KNeighborsClassifier().fit([[0], [1]], [0, 1]), {}, "KNeighborsClassifier"),
    "no model": (lambda: {"coef_": [1]}, {}, "dict"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_model_that_does_not_fit_is_refused(fault: str) -> None:
    """Each misfit raises BadModel with a sentence that names it and one that helps."""
    make, arguments, match = FAULTS[fault]
    arguments = dict(arguments)
    with pytest.raises(BadModel, match=match) as caught:
        from_model(make(), arguments.pop("book", codebook(30)), **arguments)
    assert caught.value.next_step


def test_a_weight_that_would_overflow_is_refused() -> None:
    """A circuit that could leave 27 bits is refused with its layer and bound; one bit less is taken."""
    book = codebook(16)
    fits = linear_circuit(np.full((1, 16), 2**15), np.array([0]), book, REFERENCE)
    assert check(fits, book, REFERENCE).bounds == ((0, 255 * 2**19),)
    one = np.ones((1, 16), np.int64)
    for weights, bias in ((one * (2**15 + 2**7 + 2), 0), (one, 2**27), (-one, 16 * 255 - 1 - 2**27), (one * 2**62, 0)):
        wrong = linear_circuit(weights, np.array([bias]), book, REFERENCE)
        with pytest.raises(MessageOverflow, match=r"Layer 0, value 0: .* 27 bits"):
            check(wrong, book, REFERENCE)


def test_a_model_whose_weights_overflow_is_refused() -> None:
    """So many weight bits that 30 codes of 8 bits could leave the message space are refused by the compiler."""
    with pytest.raises(MessageOverflow, match="Layer 0"):
        from_model(_logistic(), codebook(30), n_bits=22)


def test_an_intercept_beyond_its_weights_is_refused() -> None:
    """A target so far from zero that its intercept has no exact integer is refused, not rounded."""
    data = sample("value")
    model = sklearn.linear_model.Ridge(alpha=1e12).fit(data.floats, data.target + 1e18)
    with pytest.raises((BadModel, MessageOverflow)):
        from_model(model, codebook(10))


def test_too_much_noise_is_refused() -> None:
    """Where the noise could reach half a step more often than 2^-128, the circuit is refused with layer and odds."""
    noisy = REFERENCE.model_copy(update={"glwe_variance": 2.0**-70})
    book = codebook(2)
    quiet = linear_circuit(np.array([[1, 1]]), np.array([0]), book, noisy)
    loud = linear_circuit(np.array([[200, 200]]), np.array([0]), book, noisy)
    assert check(quiet, book, noisy).log2_failure < -128
    with pytest.raises(NoiseOverflow, match=r"Layer 0, value 0: .*2\^-\d"):
        check(loud, book, noisy)


def test_a_circuit_of_other_codes_is_refused() -> None:
    """A circuit that names another codebook or profile, an unpublished bin, or breaks the form is refused."""
    book = codebook(2, bins=3)
    circuit = linear_circuit(np.array([[1, 1]]), np.array([0]), book, REFERENCE)
    with pytest.raises(BadModel, match="another dataset"):
        check(circuit, codebook(2), REFERENCE)
    from dataclasses import replace

    from fhe.circuit.circuit import Input

    bins = replace(circuit, inputs=(Input("c0", "bins", 2), Input("c1", "affine")))
    assert check(bins, book, REFERENCE).bounds == ((0, 256),)
    for wire in (Input("c0", "bins", 3), Input("c9", "affine"), Input("c9", "bins", 0)):
        with pytest.raises(BadModel, match=wire.column):
            check(replace(circuit, inputs=(wire, Input("c1", "affine"))), book, REFERENCE)
    with pytest.raises(BadDocument):
        check(replace(circuit, readout=Readout("argmax")), book, REFERENCE)


def test_a_decoder_reads_only_its_own_outputs() -> None:
    """An array with another number of outputs is refused."""
    compiled = from_model(_logistic(), codebook(30))
    with pytest.raises(UsageError):
        compiled.decoder.predict(np.zeros((2, 5), np.int64))
    with pytest.raises(UsageError):
        compiled.decoder.predict(np.zeros(5, np.int64))
