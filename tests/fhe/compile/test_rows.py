"""Every supported class of models: rows equal to the clear quantized model, on three tables each in the deep run."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.rows import ENCRYPTED, held, in_the_clear
from benchmarks.rows_encrypted import Keys
from benchmarks.rows_models import RowsModel, all_models
from benchmarks.rows_tables import ROWS, rows_table
from benchmarks.rows_words import differing
from fhe.circuit.circuit import Lookup
from fhe.compile import from_model
from fhe.keys.insecure_keys import insecure_test_keys
from fhe.profiles import REFERENCE, insecure_test_profile
from tests.fhe.conftest import RealKeys
from tests.support.model_cases import quietly

MODELS = all_models()
CELLS = [pytest.param(model, table, id=f"{model.name}, {table}") for model in MODELS for table in model.tables]
PROFILE = insecure_test_profile()  # has no room for tables of 16 entries
QUICK = (  # what no other test of every day holds to the integer
    "LogisticRegression",
    "scaler, LogisticRegression",
    "GaussianNB",
    "ExplainableBoostingClassifier",
    "XGBClassifier, gblinear",
    "DecisionTreeRegressor",
    "GradientBoostingRegressor",
    "ExtraTreesClassifier",
    "HistGradientBoostingClassifier",
    "AdaBoostClassifier",
    "LGBMClassifier",
    "KNeighborsClassifier",
    "label of RandomForestClassifier",
)


@pytest.fixture(scope="module")
def tiny() -> Keys:
    """Keys of no security, for speed."""
    return Keys(PROFILE, *insecure_test_keys(PROFILE))


@pytest.fixture(scope="module")
def real(real_keys: RealKeys) -> Keys:
    """Keys of the reference profile, made by Concrete."""
    return Keys(REFERENCE, real_keys.secret, real_keys.evaluation)


@pytest.mark.parametrize("model", [pytest.param(model, id=model.name) for model in MODELS if model.name in QUICK])
def test_a_thousand_rows_are_the_quantized_models_own(model: RowsModel, tiny: Keys) -> None:
    """On a table of four columns or fewer; two rows encrypted, under keys of no security."""
    found = held(model, model.tables[1], tiny, rows=2)
    assert found.refused == ""
    assert (found.clear_equal, found.encrypted_equal) == (ROWS, 2)


@pytest.mark.deep
@pytest.mark.parametrize(("model", "name"), CELLS)
def test_64_encrypted_rows_on_real_keys(model: RowsModel, name: str, real: Keys) -> None:
    """1,000 of 1,000 in the clear and 64 of 64 at 128 bits of security, on each of three tables."""
    found = held(model, name, real)
    assert found.refused == ""
    assert (found.clear_equal, found.encrypted_equal) == (ROWS, ENCRYPTED)


@pytest.mark.parametrize("name", ["XGBClassifier", "LGBMClassifier", "LookupNetwork"])
def test_a_circuit_that_says_something_else_is_seen(name: str) -> None:
    """One entry of one table, off by one: the rows that come there are counted, others are not."""
    (model,), table = [model for model in MODELS if model.name == name], rows_table("adults")
    given = quietly(lambda: model.fit(table.read("bins")[table.trained], table.target[table.trained]))
    made = quietly(lambda: from_model(given, table.codebook, PROFILE, fitted_on="bins"))
    place, layer = next((i, each) for i, each in enumerate(made.circuit.layers) if isinstance(each, Lookup))
    tables = layer.tables.copy()
    tables[0, :4] += 1
    layers = tuple(replace(layer, tables=tables) if i == place else each for i, each in enumerate(made.circuit.layers))
    spoilt = in_the_clear(replace(made.circuit, layers=layers), table)
    changed = int(np.count_nonzero((spoilt != in_the_clear(made.circuit, table)).any(axis=0)))
    assert 0 < changed < ROWS
    assert quietly(lambda: differing(given, made, table, "bins", None, spoilt)) == changed
