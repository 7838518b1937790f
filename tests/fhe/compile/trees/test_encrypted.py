"""The encrypted run of a compiled tree model equals Concrete ML's clear quantized prediction."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from benchmarks.bin_table import encrypt_bins
from fhe.ciphertexts.decrypt_linear import decrypt_linear
from fhe.ciphertexts.decrypt_lookup import decrypt_lookups
from fhe.ciphertexts.packing_key import with_packing
from fhe.compile.compiled import Compiled
from fhe.compile.trees.lowering import lower_tree_model
from fhe.engine.evaluate import evaluate
from fhe.evaluation_key import EvaluationKey
from fhe.keys.insecure_keys import insecure_test_keys
from fhe.keys.secret_keys import SecretKeys, generate
from fhe.profile import EncryptionProfile
from fhe.profiles import REFERENCE, insecure_test_profile
from tests.support.model_cases import CASES, Case, bootstraps, in_the_clear, quietly, table

PARAMETERS = [pytest.param(which, id=which.name) for which in CASES]
ROWS = 64


@dataclass(frozen=True, eq=False)
class Keys:
    """Everything a run needs."""

    profile: EncryptionProfile
    secret: SecretKeys
    evaluation: EvaluationKey


@pytest.fixture(scope="module")
def tiny() -> Keys:
    """Keys of no security, for speed; everything else is as with real ones."""
    profile = insecure_test_profile()
    secret, key = insecure_test_keys(profile)
    return Keys(profile, secret, with_packing(key, secret, profile, 1))


@pytest.fixture(scope="module")
def real() -> Keys:
    """Keys of the reference profile, made by Concrete."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Keys(REFERENCE, *generate(REFERENCE, 1))


def _run(compiled: Compiled, keys: Keys, rows: int) -> npt.NDArray[Any]:
    """Outputs (outputs, rows) by way of ciphertexts."""
    data = table()
    encrypted = encrypt_bins(data.codes[:rows], data.codebook, keys.secret, keys.profile)
    output = evaluate(compiled.circuit, keys.profile, encrypted.table, encrypted, 0, rows, keys.evaluation, threads=2)
    if output.form == "bodies":
        words = output.words.astype(np.uint64).reshape(output.outputs, rows)
        return decrypt_linear(keys.secret, keys.profile, compiled.circuit, encrypted.table, encrypted, 0, rows, words)
    return decrypt_lookups(keys.secret, keys.profile, compiled.circuit, rows, output)


def _expect_equal(which: Case, keys: Keys, rows: int) -> Compiled:
    data, model = table(), which.fit()
    compiled: Compiled = quietly(lambda: lower_tree_model(model, data.codebook, profile=keys.profile))
    found = _run(compiled, keys, rows)
    codes = data.codes[:rows].astype(np.float32)
    expected = model._inference(model.quantize_input(codes)).sum(axis=-1).reshape(rows, -1).T
    np.testing.assert_array_equal(found, expected)
    clear = in_the_clear(compiled.circuit, data.codes[:rows], data.codebook)
    np.testing.assert_array_equal(compiled.decoder.predict(found), compiled.decoder.predict(clear))
    return compiled


@pytest.mark.parametrize("which", PARAMETERS)
def test_encrypted_runs_equal_concrete_mls_integers_on_64_rows(which: Case, tiny: Keys) -> None:
    """Every model class, under small keys: zero mismatches."""
    _expect_equal(which, tiny, ROWS)


def test_a_boosted_model_runs_under_real_keys(real: Keys) -> None:
    """Two rows of the ten trees of depth three, at 128 bits of security."""
    _expect_equal(CASES[0], real, 2)


@pytest.mark.deep
@pytest.mark.parametrize("which", PARAMETERS)
def test_encrypted_runs_equal_concrete_mls_integers_under_real_keys(which: Case, real: Keys) -> None:
    """Every model class, 64 rows, at 128 bits of security: zero mismatches."""
    compiled = _expect_equal(which, real, ROWS)
    print(f"{which.name}: {ROWS} rows equal, {bootstraps(compiled.circuit)} bootstraps a row")
