"""Lookup networks: one lookup a table, and the circuit's integers are the model's own on every row."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone

from app.protocol.errors import BadInput, BadModel
from benchmarks.bin_table import encrypt_bins
from fhe.ciphertexts.decrypt_lookup import decrypt_lookups
from fhe.circuit.circuit import Lookup
from fhe.compile import Compiled, from_model
from fhe.compile.networks.lookup_network import LookupNetwork
from fhe.engine.evaluate import evaluate
from fhe.keys.insecure_keys import insecure_test_keys
from fhe.profiles import REFERENCE, insecure_test_profile
from tests.support.model_cases import in_the_clear, quietly
from tests.support.network_cases import small

TABLES = 40


def compiled(classes: int) -> tuple[LookupNetwork, Compiled]:
    """A network on the small table, for real keys."""
    data = small()
    model = LookupNetwork(TABLES).fit(data.codes, data.classes[classes])
    return model, quietly(lambda: from_model(model, data.codebook, REFERENCE, fitted_on="bins"))


@pytest.mark.parametrize("classes", [2, 3])
def test_the_circuit_is_the_network_on_every_row(classes: int) -> None:
    """1,200 rows, and 2,000 compared ones: integers, labels and chances, with at most one lookup a table and score."""
    data, (model, made) = small(), compiled(classes)
    outputs = in_the_clear(made.circuit, data.codes, data.codebook)
    assert np.array_equal(outputs.T, model.integers(data.codes))
    assert np.array_equal(made.decoder.predict(outputs), model.predict(data.codes))
    assert np.allclose(made.decoder.predict_proba(outputs), model.predict_proba(data.codes))
    lookups = sum(len(layer.source) for layer in made.circuit.layers if isinstance(layer, Lookup))
    assert lookups <= TABLES * outputs.shape[0]
    assert made.report.log2_failure < -128
    assert made.faithfulness is not None
    assert made.faithfulness.labels_differing == 0
    assert np.mean(model.predict(data.codes) == data.classes[classes]) > 1.5 / classes


def test_encrypted_rows_have_the_networks_integers() -> None:
    """64 rows under keys of no security."""
    data, profile = small(), insecure_test_profile()
    model = LookupNetwork(TABLES).fit(data.codes, data.classes[2])
    circuit = quietly(lambda: from_model(model, data.codebook, profile, fitted_on="bins")).circuit
    secret, key = insecure_test_keys(profile)
    encrypted = encrypt_bins(data.codes[:64], data.codebook, secret, profile)
    output = evaluate(circuit, profile, encrypted.table, encrypted, 0, 64, key, threads=2)
    assert np.array_equal(decrypt_lookups(secret, profile, circuit, 64, output).T, model.integers(data.codes[:64]))


def test_it_is_an_estimator_and_refuses_what_it_cannot_read() -> None:
    """It clones, fits the same twice, and says what it needs: bin codes, two classes, published bins."""
    data = small()
    model = LookupNetwork(5, learning_rate=0.3)
    twice = [clone(model).fit(data.codes, data.classes[2]) for _ in range(2)]
    assert np.array_equal(twice[0].entries_, twice[1].entries_)
    for codes, labels in ((data.values, data.classes[2]), (data.codes, np.zeros(len(data.codes)))):
        with pytest.raises(BadInput):
            clone(model).fit(codes, labels)
    with pytest.raises(BadInput, match="tables"):
        LookupNetwork(0).fit(data.codes, data.classes[2])
    with pytest.raises(BadModel):
        from_model(twice[0], data.codebook, REFERENCE, fitted_on="codes")
