"""What people fit is their own model once compiled, or refused: a cross-section here, the whole zoo in the deep run."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

from benchmarks.bin_table import encrypt_bins
from benchmarks.zoo import Outcome, all_animals, bootstraps, figures, hundred_trees, tried
from benchmarks.zoo_tables import Target, table
from fhe.ciphertexts.decrypt_linear import decrypt_linear
from fhe.ciphertexts.decrypt_lookup import decrypt_lookups
from fhe.ciphertexts.packing_key import with_packing
from fhe.circuit.clear import evaluate_clear, gather_inputs
from fhe.compile import Compiled, from_model
from fhe.engine.evaluate import evaluate
from fhe.keys.insecure_keys import insecure_test_keys
from fhe.profiles import REFERENCE, insecure_test_profile
from tests.fhe.conftest import RealKeys
from tests.support.tables import encrypt_codes

ROWS = 16
CROSS_SECTION: list[tuple[str, Target]] = [
    ("LogisticRegression, one-vs-rest", "ten"),
    ("scaler, logistic", "three"),
    ("one-hot, logistic", "two"),
    ("columns apart, logistic", "ten"),
    ("grid search, logistic", "two"),
    ("calibrated, sigmoid", "two"),
    ("GaussianNB", "three"),
    ("DecisionTreeClassifier, values", "two"),
    ("RandomForestClassifier", "three"),
    ("HistGradientBoostingClassifier", "two"),
    ("AdaBoostClassifier, trees", "two"),
    ("VotingClassifier, soft", "three"),
    ("XGBClassifier, dart", "three"),
    ("LGBMClassifier", "two"),
    ("ExplainableBoostingClassifier", "two"),
    ("IsolationForest", "two"),
    ("target quantiles", "value"),
    ("XGBRegressor, gamma", "value"),
    ("VotingRegressor", "value"),
]
REFUSED: list[tuple[str, Target, str]] = [
    ("interactions, logistic", "two", "no sum over its columns"),
    ("calibrated, folds", "two", "no single score"),
    ("PCA, forest", "two", "combination of several columns"),
    ("KNeighborsClassifier", "ten", "bootstraps a row"),
    ("StackingClassifier", "two", "no sum over its columns"),
]
ENCRYPTED: list[tuple[str, Target]] = [
    ("scaler, logistic", "three"),
    ("one-hot, logistic", "two"),
    ("GaussianNB", "two"),
    ("RandomForestClassifier", "two"),
    ("HistGradientBoostingClassifier", "three"),
    ("XGBRegressor, gamma", "value"),
    ("target logarithm", "value"),
]


def outcome(name: str, target: Target) -> Outcome:
    """One animal on one table."""
    (found,) = [animal for animal in all_animals() if animal.name == name]
    return tried(found, target)


@pytest.mark.parametrize(("name", "target"), CROSS_SECTION)
def test_what_people_fit_is_their_own_model(name: str, target: Target) -> None:
    """Labels, probabilities and values on 1,000 rows of codes that the compiler did not compare on."""
    found = outcome(name, target)
    assert (found.verdict, found.why) == ("compiled", "")
    assert found.compiled is not None
    assert found.compiled.faithfulness is not None


@pytest.mark.parametrize(("name", "target", "words"), REFUSED)
def test_what_cannot_be_computed_is_refused_with_a_reason(name: str, target: Target, words: str) -> None:
    """And with an alternative, never with another library's exception."""
    found = outcome(name, target)
    assert found.verdict == "refused"
    assert words in found.why


def run_encrypted(compiled: Compiled, target: Target, profile: Any, secret: Any, key: Any) -> None:
    """Sixteen held-out rows through ciphertexts, against the circuit in the clear."""
    data = table(target)
    encoding = compiled.circuit.inputs[0].encoding
    space = data.space(compiled.circuit, "bins" if encoding == "bins" else "codes")
    assert set(space.encodings) == {encoding}
    codes = data.read("bins" if encoding == "bins" else "codes", named=False)[-ROWS:].astype(np.int64)
    if encoding == "bins":
        encrypted: Any = encrypt_bins(codes, data.codebook, secret, profile)
    else:
        encrypted = encrypt_codes(codes, data.codebook, secret, profile)
    output = evaluate(compiled.circuit, profile, encrypted.table, encrypted, 0, ROWS, key, threads=1)
    if output.form == "bodies":
        words = output.words.astype(np.uint64).reshape(output.outputs, ROWS)
        found = decrypt_linear(secret, profile, compiled.circuit, encrypted.table, encrypted, 0, ROWS, words)
    else:
        found = decrypt_lookups(secret, profile, compiled.circuit, ROWS, output)
    clear = evaluate_clear(compiled.circuit, gather_inputs(compiled.circuit, space.by_input(codes))).T
    np.testing.assert_array_equal(found, clear)


def compiled_for(name: str, target: Target, profile: Any) -> Compiled:
    """An animal's circuit for a profile."""
    animal = next(animal for animal in all_animals() if animal.name == name)
    data = table(target)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = animal.make().fit(data.read(animal.reading, animal.named)[:300], data.target[:300])
        return from_model(model, data.codebook, profile, fitted_on=animal.reading)


@pytest.mark.parametrize(("name", "target"), ENCRYPTED)
def test_an_encrypted_run_gives_the_circuits_integers(name: str, target: Target) -> None:
    """One of each family, sixteen rows, under small keys: no mismatch."""
    profile = insecure_test_profile()
    secret, key = insecure_test_keys(profile)
    run_encrypted(compiled_for(name, target, profile), target, profile, secret, with_packing(key, secret, profile, 1))


def test_a_hundred_trees_of_depth_six_compile_without_advice() -> None:
    """Few labels differ, none far from the threshold, and the sum is read as reliably as the profile demands."""
    made = hundred_trees()
    assert made.faithfulness is not None
    assert made.faithfulness.labels_differing <= 0.005 * made.faithfulness.rows
    assert made.report.log2_failure <= -128
    assert bootstraps(made.circuit) < 4_000


@pytest.mark.deep
@pytest.mark.parametrize(("name", "target"), ENCRYPTED)
def test_an_encrypted_run_gives_the_circuits_integers_under_real_keys(
    name: str, target: Target, real_keys: RealKeys
) -> None:
    """The same at 128 bits of security."""
    compiled = compiled_for(name, target, REFERENCE)
    run_encrypted(compiled, target, REFERENCE, real_keys.secret, real_keys.evaluation)


@pytest.mark.deep
def test_no_animal_of_the_zoo_becomes_another() -> None:
    """Every class and setting on every table that it is made for: 0 silent differences, 0 foreign exceptions."""
    animals = all_animals()
    assert len(animals) >= 60
    found = [tried(animal, target) for animal in animals for target in animal.targets]
    wrong = [(each.animal, each.target, each.why) for each in found if each.verdict in {"silent", "foreign"}]
    assert not wrong
    counted = figures(found)
    print(counted)
    assert counted["compiled"] >= 40
    assert counted["accuracy_lost_median"] <= 0.5
