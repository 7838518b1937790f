"""Labels under encryption: what a circuit that ends in its label says, and to whom."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from app.protocol.errors import BadModel, NoiseOverflow
from fhe.ciphertexts.decrypt_lookup import decrypt_lookups
from fhe.circuit.circuit import Lookup, Readout
from fhe.circuit.clear import evaluate_clear
from fhe.circuit.codec import decode, digest, encode
from fhe.compile.digits.label import with_label
from fhe.engine.core import BackendName
from fhe.engine.evaluate import evaluate
from fhe.profiles import REFERENCE
from tests.support.encrypted_tables import TableWithKeys
from tests.support.wide_circuits import classifier

MODELS = {
    "threshold": ([[100, -77, 201]], [-500], 3),
    "two classes": ([[10, -7, 21], [5, 5, 5]], [0, 20], 0),
    "three classes": ([[10, -7, 20], [5, 1, -10], [1, 2, 30]], [0, 70, -30], 0),
    "four classes, ties": ([[1, 0, 1], [1, 1, 0], [0, 1, 1], [1, 1, 1]], [0, 0, 0, -4], 0),
}


@pytest.mark.parametrize("name", sorted(MODELS))
def test_the_label_is_the_models_own_on_every_row(world: TableWithKeys, name: str) -> None:
    """600 rows in the clear and 64 encrypted: the label that the scores have, ties included; nothing else comes out."""
    weights, biases, at = MODELS[name]
    model = classifier(world, weights, biases, at)
    made = with_label(model, world.table.codebook, world.profile)
    expected = model.circuit.readout.label(evaluate_clear(model.circuit, world.inputs(model.circuit)).T)[0]
    outputs = evaluate_clear(made.circuit, world.inputs(made.circuit)).T
    assert made.circuit.readout.label(outputs)[0].tolist() == expected.tolist()
    assert made.decoder.predict(outputs).tolist() == [f"label {label}" for label in expected]
    assert len(np.unique(outputs)) == len(np.unique(expected)) >= 2
    table = world.table.model_copy(update={"evaluator": "darkroom-canonical-2"})
    output = evaluate(made.circuit, world.profile, table, world.source, 20, 64, world.key, 2)
    found = decrypt_lookups(world.secret, world.profile, made.circuit, 64, output)
    assert np.array_equal(found, outputs[:, 20:84])


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_any_classifier_keeps_its_labels(world: TableWithKeys, data: st.DataObject) -> None:
    """Random weights of up to 15 bits in all, one to four scores."""
    count, most = data.draw(st.integers(1, 4)), data.draw(st.sampled_from([1, 9, 100, 500]))
    weight = st.integers(-most, most)
    weights = [[data.draw(weight.filter(bool)) for _ in range(3)] for _ in range(count)]
    assume(count == 1 or len(set(map(tuple, weights))) == count)
    model = classifier(world, weights, [data.draw(st.integers(-9, 9)) for _ in range(count)], data.draw(weight))
    made = with_label(model, world.table.codebook, world.profile)
    inputs, read = world.inputs(model.circuit), world.inputs(made.circuit)
    expected = model.circuit.readout.label(evaluate_clear(model.circuit, inputs).T)
    assert np.array_equal(made.circuit.readout.label(evaluate_clear(made.circuit, read).T), expected)
    assert digest(decode(encode(made.circuit))) == made.decoder.circuit


def test_reference_and_native_give_the_same_bytes(world: TableWithKeys) -> None:
    """One label, by NumPy and by C, with one thread and two."""
    made = with_label(classifier(world, *MODELS["two classes"]), world.table.codebook, world.profile)
    table = world.table.model_copy(update={"evaluator": "darkroom-canonical-2"})
    ways: list[tuple[BackendName, int]] = [("reference", 1), ("native", 1), ("native", 2)]
    runs = [
        evaluate(made.circuit, world.profile, table, world.source, 298, 6, world.key, threads, backend).to_bytes()
        for backend, threads in ways
    ]
    assert len(set(runs)) == 1


def test_what_has_no_label_is_refused(world: TableWithKeys) -> None:
    """Regressors, a label taken already, more classes than are compared, a first evaluator: typed, with a next step."""
    codebook, profile = world.table.codebook, world.profile
    model = classifier(world, *MODELS["threshold"])
    for other in (
        replace(model, circuit=replace(model.circuit, readout=Readout("value"))),
        with_label(model, codebook, profile),
        classifier(world, [[1, 2, n + 1] for n in range(5)], [0] * 5),
    ):
        with pytest.raises(BadModel):
            with_label(other, codebook, profile)
    made = with_label(model, codebook, profile).circuit
    with pytest.raises(BadModel, match="centred switch"):
        evaluate(made, profile, world.table, world.source, 0, 1, world.key)


@pytest.mark.parametrize(("factor", "lookups"), [(1, 4), (16, 6), (128, 7), (256, 0)])
def test_scores_of_more_bits_than_can_be_read_exactly_are_refused(
    world: TableWithKeys, factor: int, lookups: int
) -> None:
    """On the reference profile up to 19 bits and a sign are read below 2^-128; 20 are refused, never read wrongly."""
    codebook, made = world.table.codebook, classifier(world, [[100 * factor, -77 * factor, 201 * factor]], [0])
    real = replace(made, circuit=replace(made.circuit, profile=REFERENCE.digest))
    if not lookups:
        with pytest.raises(NoiseOverflow, match="read wrongly with probability"):
            with_label(real, codebook, REFERENCE)
        return
    found = with_label(real, codebook, REFERENCE)
    assert sum(len(layer.source) for layer in found.circuit.layers if isinstance(layer, Lookup)) == lookups
    assert found.report.log2_failure < -128
    inputs = world.inputs(made.circuit)
    expected = made.circuit.readout.label(evaluate_clear(made.circuit, inputs).T)
    assert np.array_equal(found.circuit.readout.label(evaluate_clear(found.circuit, inputs).T), expected)
