"""Concrete ML networks on three tables: as accurate as their float version, and exact, in the clear and encrypted."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from app.protocol.data.dataset import Codebook
from benchmarks.bin_table import encrypt_bins
from fhe.arrays import F64, I64
from fhe.ciphertexts.decrypt_lookup import decrypt_lookups
from fhe.compile import Compiled, from_model
from fhe.engine.evaluate import evaluate
from fhe.profiles import REFERENCE
from tests.fhe.conftest import RealKeys
from tests.support.adults import adults
from tests.support.model_cases import codebook_of, codes_of, concrete, in_the_clear, quietly
from tests.support.real_tables import TABLES

pytestmark = pytest.mark.deep
BINS, ROWS = 16, 1_000
POINT = 0.01
HIDDEN = 0.5  # hidden units for each input


@dataclass(frozen=True, eq=False)
class Case:
    """A network fitted on some rows of a table, and its float version fitted on the same."""

    model: Any
    float_model: Any
    codebook: Codebook
    codes: I64
    held_out: tuple[F64, I64]  # scaled codes, labels
    compiled: Compiled


@cache
def case(name: str) -> Case:
    """Half of the rows to fit on."""
    import torch

    values, labels = table(name)
    codebook = codebook_of(values, BINS)
    codes = codes_of(codebook, values)
    cut = len(codes) // 2
    scaler = StandardScaler().fit(codes[:cut])
    read = scaler.transform(codes).astype(np.float32)
    torch.manual_seed(0)
    torch.set_num_threads(1)
    units = max(2.0, HIDDEN * 30 / read.shape[1])
    model = concrete().NeuralNetClassifier(
        module__n_layers=2, module__n_hidden_neurons_multiplier=units, max_epochs=40, lr=0.01, verbose=0
    )
    _, float_model = quietly(lambda: model.fit_benchmark(read[:cut], labels[:cut]))
    whole = Pipeline([("scale", scaler), ("network", model)])
    compiled = quietly(lambda: from_model(whole, codebook, REFERENCE, fitted_on="bins"))
    return Case(model, float_model, codebook, codes, (read[cut:], labels[cut:]), compiled)


def table(name: str) -> tuple[F64, I64]:
    """Values (rows, columns) and labels, in a fixed random order."""
    if name == "breast cancer":
        values, labels = load_breast_cancer(return_X_y=True)
    elif name == "adults":
        frame = adults(4_000)
        values, labels = frame.drop("rich").to_numpy(), frame["rich"].to_numpy()
    else:
        frame = TABLES["penguins"].frame()
        if frame is None:
            pytest.skip("the package with the penguins is not installed")
        numbers = frame.select(c for c in frame.columns if frame[c].dtype.is_numeric() and c != "year").drop_nulls()
        measured = frame.drop_nulls(numbers.columns)
        values, labels = measured.select(numbers.columns).to_numpy(), measured["species"].to_numpy()
    order = np.random.default_rng(3).permutation(len(values))
    return np.asarray(values, np.float64)[order], np.unique(labels, return_inverse=True)[1][order].astype(np.int64)


@pytest.mark.parametrize("name", ["breast cancer", "penguins", "adults"])
def test_a_network_is_within_a_point_of_its_float_version(name: str) -> None:
    """On the rows held out, by Concrete ML's own pair of models."""
    found = case(name)
    read, labels = found.held_out
    quantized, floating = (
        np.mean(quietly(lambda m=m: m.predict(read)) == labels) for m in (found.model, found.float_model)
    )
    assert quantized > floating - POINT


@pytest.mark.parametrize("name", ["breast cancer", "penguins", "adults"])
def test_a_thousand_rows_are_the_networks_own(name: str) -> None:
    """The table's rows, then random codes, to 1,000: integers as Concrete ML computes them."""
    found = case(name)
    random = np.random.default_rng(1)
    levels = [len(column.bins or ()) + 1 for column in found.codebook.columns]
    extra = np.stack([random.integers(0, own, ROWS) for own in levels], axis=1)
    codes = np.concatenate([found.codes, extra])[:ROWS]
    outputs = in_the_clear(found.compiled.circuit, codes, found.codebook)
    assert np.array_equal(outputs.T * found.compiled.decoder.scale, _raw(found, codes))


@pytest.mark.parametrize("name", ["breast cancer", "penguins", "adults"])
def test_64_encrypted_rows_on_real_keys(name: str, real_keys: RealKeys) -> None:
    """Under Concrete's own keys, noise and failure probability included."""
    found = case(name)
    circuit = found.compiled.circuit
    encrypted = encrypt_bins(found.codes[:64], found.codebook, real_keys.secret, REFERENCE)
    named = encrypted.table.model_copy(update={"evaluator": "darkroom-canonical-2"})
    output = evaluate(circuit, REFERENCE, named, encrypted, 0, 64, real_keys.evaluation, threads=2)
    outputs = decrypt_lookups(real_keys.secret, REFERENCE, circuit, 64, output)
    assert np.array_equal(outputs.T * found.compiled.decoder.scale, _raw(found, found.codes[:64]))


def _raw(found: Case, codes: I64) -> F64:
    scaler, model = StandardScaler(), found.model
    cut = len(found.codes) // 2
    read = scaler.fit(found.codes[:cut]).transform(codes).astype(np.float32)
    raw: F64 = quietly(lambda: model.quantized_module_.forward(read, fhe="disable"))
    return raw
