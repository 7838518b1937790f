"""Nearest neighbours: the circuit's label is that of the integers' nearest prototypes, on every row."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from app.protocol.errors import BadModel
from benchmarks.bin_table import encrypt_bins
from fhe.ciphertexts.decrypt_lookup import decrypt_lookups
from fhe.circuit.circuit import Readout
from fhe.circuit.clear import evaluate_clear
from fhe.circuit.codec import decode, encode
from fhe.compile import Compiled, from_model
from fhe.compile.digits.scores import LABEL_WIDTH, ends_in_label
from fhe.compile.digits.stages import Stages, WireSum, linear
from fhe.compile.digits.votes import most_prototypes, nearest_label
from fhe.compile.digits.windows import sign_plan
from fhe.engine.evaluate import evaluate
from fhe.keys.insecure_keys import insecure_test_keys
from fhe.leakage import label_only
from fhe.profile import EncryptionProfile
from fhe.profiles import REFERENCE, insecure_test_profile
from tests.fhe.conftest import RealKeys
from tests.support.encrypted_tables import TableWithKeys, make_table
from tests.support.network_cases import Fitted, small
from tests.support.wide_circuits import wide_circuit

PROFILE = insecure_test_profile()


@cache
def world_of() -> TableWithKeys:
    """A small table, of which the codes are read."""
    return make_table(PROFILE, *insecure_test_keys(PROFILE), (48,))


def model_of(classes: int, each: int, neighbours: int) -> Fitted:
    """Neighbours of a few rows of each class, scaled."""
    data = small()
    labels, codes = data.classes[classes], data.codes.astype(np.float64)
    rows = np.concatenate([np.flatnonzero(labels == label)[:each] for label in np.unique(labels)])
    made = make_pipeline(StandardScaler(), KNeighborsClassifier(neighbours)).fit(codes[rows], labels[rows])
    return Fitted(made, data.codebook, data.codes, labels)


@cache
def compiled(classes: int, each: int, neighbours: int, profile: EncryptionProfile = PROFILE) -> tuple[Fitted, Compiled]:
    """The model, and its circuit."""
    case = model_of(classes, each, neighbours)
    return case, case.compile(profile)


@pytest.mark.parametrize("which", [(2, 4, 1), (3, 3, 3)])
def test_the_label_is_the_models_own_but_where_prototypes_are_nearly_as_close(which: tuple[int, int, int]) -> None:
    """1,200 rows: at most one in 200 differs, and the circuit ends in the label."""
    case, made = compiled(*which)
    found = made.decoder.predict(case.outputs(made))
    said = case.model.predict(case.codes.astype(np.float64))
    assert np.count_nonzero(found != said) <= 0.005 * len(said)
    assert ends_in_label(made.circuit)
    assert label_only(made.circuit)
    assert made.faithfulness is not None
    assert made.faithfulness.own_rows == len(case.codes)


def expect_encrypted(classes: int, profile: EncryptionProfile, secret: Any, key: Any, rows: int) -> None:
    """Encrypted rows through the circuit's bytes."""
    case, made = compiled(classes, 3, 3 if classes > 2 else 1, profile)
    circuit = decode(encode(made.circuit))
    encrypted = encrypt_bins(case.codes[:rows], case.codebook, secret, profile)
    table = encrypted.table.model_copy(update={"evaluator": "darkroom-canonical-2"})
    output = evaluate(circuit, profile, table, encrypted, 0, rows, key, threads=2)
    assert np.array_equal(decrypt_lookups(secret, profile, circuit, rows, output), case.outputs(made)[:, :rows])


def test_encrypted_rows_have_the_same_label() -> None:
    """12 rows under keys of no security."""
    expect_encrypted(3, PROFILE, *insecure_test_keys(PROFILE), 12)


@pytest.mark.deep
@pytest.mark.parametrize("classes", [2, 3])
def test_64_rows_on_real_keys(classes: int, real_keys: RealKeys) -> None:
    """Under Concrete's keys, noise included."""
    expect_encrypted(classes, REFERENCE, real_keys.secret, real_keys.evaluation, 64)


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_votes_are_counted_as_they_are(data: st.DataObject) -> None:
    """Any prototypes, classes and number of neighbours, ties included: of equals the first."""
    neighbours = data.draw(st.integers(1, 5))
    count = data.draw(st.integers(max(2, neighbours), min(9, most_prototypes(neighbours))))
    labels = data.draw(st.integers(2, 4))
    classes = np.array([*range(labels), *data.draw(st.lists(st.integers(0, labels - 1), min_size=9))][:count])
    if classes.max() < 1:
        return
    world = world_of()
    weights = np.array(data.draw(st.lists(st.tuples(*[st.integers(-6, 6)] * 4), min_size=count, max_size=count)))
    values = [
        WireSum(tuple((wire, int(w)) for wire, w in enumerate(row[:3]) if w), int(row[3])) for row in weights.tolist()
    ]
    stages, width = Stages(3), 9
    by = sign_plan(width, 0.0, world.profile)
    assert by is not None
    label = nearest_label(stages, values, width, by, classes, neighbours, LABEL_WIDTH)
    layers = [*stages.layers, linear([label], LABEL_WIDTH)]
    circuit = wide_circuit(world, Readout("value"), ["label"], layers, centred=True)
    rows = world.codes
    found = evaluate_clear(replace(circuit, shared=True), rows)[:, 0]
    closeness = rows @ weights[:, :3].T + weights[:, 3]
    nearest = classes[np.argsort(-closeness, axis=1, kind="stable")[:, :neighbours]]
    votes = np.stack([(nearest == number).sum(axis=1) for number in range(classes.max() + 1)])
    wanted = votes.argmax(axis=0)
    assert np.array_equal(found, 2 * wanted - 1 if classes.max() == 1 else wanted)


def test_what_is_out_of_reach_is_refused_with_its_cost() -> None:
    """Whole tables as prototypes, weights by distance, other metrics: what it would cost, and what to use."""
    data = small()
    codes, labels = data.codes.astype(np.float64), data.classes[2]
    for model, said in (
        (KNeighborsClassifier(5).fit(codes, labels), "3,597,000 bootstraps a row"),
        (KNeighborsClassifier(3, weights="distance").fit(codes[:9], labels[:9]), "weights='uniform'"),
        (KNeighborsClassifier(3, metric="manhattan").fit(codes[:9], labels[:9]), "metric='euclidean'"),
    ):
        with pytest.raises(BadModel) as found:
            from_model(model, data.codebook, PROFILE, fitted_on="bins")
        assert said in str(found.value)
