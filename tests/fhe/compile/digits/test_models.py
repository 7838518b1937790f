"""Labels under encryption of fitted models: those that the model's own circuit gives, on every row."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from app.protocol.vocabulary import Encoding
from benchmarks.bin_table import encrypt_bins
from fhe.arrays import I64
from fhe.ciphertexts.decrypt_lookup import decrypt_lookups
from fhe.circuit.clear import evaluate_clear, gather_inputs
from fhe.circuit.codec import decode, encode
from fhe.compile import from_model, with_label
from fhe.compile.compiled import Compiled
from fhe.compile.trees.lowering import lower_tree_model
from fhe.engine.evaluate import evaluate
from fhe.evaluation_key import EvaluationKey
from fhe.keys.insecure_keys import insecure_test_keys
from fhe.keys.secret_keys import SecretKeys
from fhe.leakage import label_only, leakage_of
from fhe.profile import EncryptionProfile
from fhe.profiles import REFERENCE, insecure_test_profile
from tests.fhe.conftest import RealKeys
from tests.support.measured_table import book, quietly, values
from tests.support.model_cases import CASES, concrete, in_the_clear, table

NAMES = ("boosted-2-classes", "forest-2-classes", "tree-3-classes")
FORESTS = {case.name: case for case in CASES if case.name in NAMES}


@cache
def forest(name: str, profile: EncryptionProfile) -> tuple[Compiled, Compiled]:
    """A forest on bin codes as it is compiled, and the same that ends in its label."""
    model, codebook = FORESTS[name].fit(), table().codebook
    plain: Compiled = quietly(lambda: lower_tree_model(model, codebook, profile=profile))
    return plain, with_label(plain, codebook, profile)


def expect_labels(name: str, profile: EncryptionProfile, secret: SecretKeys, key: EvaluationKey, rows: int) -> None:
    """1,200 rows in the clear and `rows` encrypted."""
    data, (plain, made) = table(), forest(name, profile)
    expected = plain.circuit.readout.label(in_the_clear(plain.circuit, data.codes, data.codebook))
    outputs = in_the_clear(made.circuit, data.codes, data.codebook)
    assert np.array_equal(made.circuit.readout.label(outputs), expected)
    predicted = plain.decoder.predict(in_the_clear(plain.circuit, data.codes, data.codebook))
    assert made.decoder.predict(outputs).tolist() == predicted.tolist()
    encrypted = encrypt_bins(data.codes[:rows], data.codebook, secret, profile)
    named = encrypted.table.model_copy(update={"evaluator": "darkroom-canonical-2"})
    result = evaluate(made.circuit, profile, named, encrypted, 0, rows, key, threads=2)
    assert np.array_equal(decrypt_lookups(secret, profile, made.circuit, rows, result), outputs[:, :rows])


@pytest.mark.parametrize("name", sorted(FORESTS))
def test_a_forests_label_is_its_own_on_every_row(name: str) -> None:
    """1,200 rows in the clear and 64 encrypted, under keys of no security."""
    profile = insecure_test_profile()
    expect_labels(name, profile, *insecure_test_keys(profile), 64)


@pytest.mark.deep
@pytest.mark.parametrize("name", sorted(FORESTS))
def test_a_forests_label_on_real_keys(name: str, real_keys: RealKeys) -> None:
    """The same with 64 rows under Concrete's keys, failure probability and noise included."""
    expect_labels(name, REFERENCE, real_keys.secret, real_keys.evaluation, 64)


def test_a_linear_models_label_is_its_own_on_a_thousand_rows() -> None:
    """Real rows, then random codes: a logistic regression on affine codes, for real keys."""
    codebook, (measured, labels) = book("affine"), values()
    steps = np.array([(column.affine.low, column.affine.step) for column in codebook.columns if column.affine])
    codes = np.rint((measured - steps[:, 0]) / steps[:, 1]).astype(np.int64)
    model = quietly(lambda: concrete().LogisticRegression(n_bits=8).fit(codes.astype(np.float32), labels))
    plain: Compiled = quietly(lambda: from_model(model, codebook, REFERENCE, fitted_on="codes"))
    made = with_label(plain, codebook, REFERENCE)
    extra = np.random.default_rng(2).integers(0, 256, (1000 - len(codes), codes.shape[1]))
    rows = np.concatenate([codes, extra])
    given: dict[tuple[str, Encoding], I64] = {(c.name, "affine"): rows[:, i] for i, c in enumerate(codebook.columns)}
    expected = evaluate_clear(plain.circuit, gather_inputs(plain.circuit, given))
    found = evaluate_clear(made.circuit, gather_inputs(made.circuit, given))
    assert len(found) == 1000
    assert np.array_equal(made.decoder.predict(found.T), plain.decoder.predict(expected.T))
    assert made.report.log2_failure < -128


def test_whoever_decrypts_sees_the_label_alone() -> None:
    """Static, and of the circuit's bytes alone: no other value can come out. Scores are told apart from it."""
    data = table()
    for name, case in FORESTS.items():
        plain, made = forest(name, insecure_test_profile())
        assert not label_only(plain.circuit)
        assert label_only(decode(encode(made.circuit)))
        leak = leakage_of(made.circuit, data.codebook)
        assert (leak.label_only, leak.labels, leak.family) == (True, case.classes, "trees")
        assert leak.highs[0] - leak.lows[0] <= 2
