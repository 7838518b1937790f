"""Tests of models by sums: without noise every figure is scikit-learn's on the same codes; with noise near it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn import metrics
from sklearn.linear_model import LinearRegression
from sklearn.naive_bayes import CategoricalNB
from sklearn.tree import DecisionTreeClassifier

from app.client.encoder import CodebookEncoder
from app.client.evaluate.planning import TestPlan as Plan
from app.client.evaluate.planning import plan_test
from app.protocol.errors import BadQuery
from app.protocol.market.receipt import OutputPolicy
from fhe.compile import Compiled, from_model
from fhe.leakage import leakage_of
from fhe.profiles import REFERENCE, insecure_test_profile
from tests.support.adults import noised, sums_in_the_clear
from tests.support.custody import EDGES, MarketInMemory
from tests.support.fits import Adults, compiled
from tests.support.policies import PLENTY

SHOWN = 3000  # rows that models are fitted on


def asked(people: Adults, made: Compiled, label: str) -> Plan:
    return plan_test(made.circuit, made.decoder, people.codebook, REFERENCE, label)


def test_a_tree_is_tested_as_scikit_learn_does(people: Adults) -> None:
    """Confusion, accuracy, precision, recall, area and calibration, exactly; the boxes are about the tree's leaves."""
    tree = DecisionTreeClassifier(max_depth=3, random_state=0)
    made, codes, said = compiled(people, tree, ["age", "school", "hours"], "rich", "bins")
    plan = asked(people, made, "rich")
    leak = leakage_of(plan.circuit, people.codebook)
    assert leak.sensitivity == 2
    assert len(leak.shares) == len(leak.outputs) == len(leak.lows) == len(plan.circuit.released)
    rows, truth = people.frame.height, people.frame["rich"].to_numpy().astype(np.int64)
    found = plan.read(sums_in_the_clear(plan.circuit, people.codebook, people.frame), rows, 0.0)
    assert np.array_equal(found.confusion, metrics.confusion_matrix(truth, said))
    values = {name: figure.value for name, figure in found.figures.items()}
    assert values["accuracy"] == pytest.approx(metrics.accuracy_score(truth, said), abs=1e-12)
    assert values["precision"] == pytest.approx(metrics.precision_score(truth, said), abs=1e-12)
    assert values["recall"] == pytest.approx(metrics.recall_score(truth, said), abs=1e-12)
    bits = np.stack([codes[:, at] for at in range(3)], axis=1).astype(np.int64)
    columns = {("age", "bins"): bits[:, 0], ("school", "bins"): bits[:, 1], ("hours", "bins"): bits[:, 2]}
    from fhe.circuit.clear import evaluate_clear, gather_inputs

    outputs = evaluate_clear(made.circuit, gather_inputs(made.circuit, columns)).T  # type: ignore[arg-type]
    chance = made.decoder.predict_proba(outputs)[:, 1]
    assert values["auc"] == pytest.approx(metrics.roc_auc_score(truth, chance), abs=1e-9)
    assert sum(each.rows for each in found.calibration) == rows
    for each in found.calibration:
        assert each.true.value == pytest.approx(truth[np.isclose(chance, each.said)].mean(), abs=1e-9)
    noisy, scale = noised(
        plan.circuit, people.codebook, sums_in_the_clear(plan.circuit, people.codebook, people.frame), 0.5
    )
    again = plan.read(noisy, rows, scale)
    for name, figure in again.figures.items():
        assert figure.low <= figure.value <= figure.high, name  # type: ignore[operator]
        assert figure.value == pytest.approx(values[name], abs=0.01)


def test_the_interval_of_a_test_holds_the_truth(people: Adults) -> None:
    """With 95 %, over draws of the custodian's noise; fewer than 15 of 20 draws hold once in 10,000 runs."""
    made, _, said = compiled(people, CategoricalNB(), ["school", "hours"], "rich", "bins")
    plan, truth = asked(people, made, "rich"), people.frame["rich"].to_numpy().astype(np.int64)
    exact = sums_in_the_clear(plan.circuit, people.codebook, people.frame)
    wanted, held = metrics.accuracy_score(truth, said), 0
    for _ in range(20):
        noisy, scale = noised(plan.circuit, people.codebook, exact, 0.05)
        figure = plan.read(noisy, len(truth), scale).figures["accuracy"]
        assert figure.low is not None
        assert figure.high is not None
        held += figure.low <= wanted <= figure.high
    assert held >= 15


@pytest.mark.parametrize("columns", [["age", "school", "married"], ["age"]])
def test_the_error_of_a_line_is_scikit_learns(people: Adults, columns: list[str]) -> None:
    """Mean squared error and R^2 of what the circuit predicts, to the last digits; with noise near."""
    made, codes, _ = compiled(people, LinearRegression(), columns, "hours", "codes")
    plan, rows = asked(people, made, "hours"), people.frame.height
    from fhe.circuit.clear import evaluate_clear, gather_inputs

    given = {(name, "affine"): codes[:, at].astype(np.int64) for at, name in enumerate(columns)}
    said = made.decoder.predict(evaluate_clear(made.circuit, gather_inputs(made.circuit, given)).T)  # type: ignore[arg-type]
    truth = people.frame["hours"].to_numpy()
    exact = sums_in_the_clear(plan.circuit, people.codebook, people.frame)
    found = plan.read(exact, rows, 0.0).figures
    assert found["mse"].value == pytest.approx(metrics.mean_squared_error(truth, said), rel=1e-9)
    assert found["r2"].value == pytest.approx(metrics.r2_score(truth, said), abs=1e-9)
    noisy, scale = noised(plan.circuit, people.codebook, exact, 1.0)
    figure = plan.read(noisy, rows, scale).figures["mse"]
    assert figure.low is not None
    assert figure.high is not None
    assert figure.value == pytest.approx(found["mse"].value, rel=0.05)
    assert figure.low < figure.high < 2 * figure.low


def test_what_cannot_be_tested_is_refused(people: Adults) -> None:
    """With the nearest that can: a label that is read, other values, an unknown column."""
    tree, _, _ = compiled(people, DecisionTreeClassifier(max_depth=2), ["age", "school"], "rich", "bins")
    with pytest.raises(BadQuery, match="tested against"):
        asked(people, tree, "age")
    with pytest.raises(BadQuery, match="no value of the label"):
        asked(people, a_tree_of_other_classes(people), "married")
    with pytest.raises(BadQuery, match="no column"):
        asked(people, tree, "nobody")


def a_tree_of_other_classes(people: Adults) -> Compiled:
    """A model whose classes are no label's."""
    codes = CodebookEncoder(people.codebook, encoding="bins", columns=["age"]).fit_transform(people.frame)
    model = DecisionTreeClassifier(max_depth=1).fit(codes[:500], np.where(codes[:500, 0] > 2, 7, 5))
    return from_model(model, people.codebook, REFERENCE, columns=["age"], fitted_on="bins")


def test_a_model_is_tested_on_ciphertext(tmp_path: Path) -> None:
    """By lookups on encrypted bits, through provider and custodian: two numbers a score are decrypted, and no row."""
    codes = np.random.default_rng(3).integers(0, 256, (90, 8))
    codes[:, 5] = np.where(codes[:, 0] + codes[:, 1] > 230, 200, 10)
    world = MarketInMemory(tmp_path, insecure=insecure_test_profile(), codes=codes)
    book = world.manifest.table.codebook
    bins = np.digitize(codes[:, :2], EDGES)
    model = DecisionTreeClassifier(max_depth=2, random_state=0).fit(bins, np.where(codes[:, 5] >= 128, 200, 10))
    made = from_model(model, book, world.profile, columns=["c0", "c1"], fitted_on="bins")
    # a class of the model is any value of a cell of the label
    plan = plan_test(made.circuit, made.decoder, book, world.profile, "c5")
    policy = OutputPolicy(
        release="aggregate", circuits=("linear", "additive", "trees", "lookup"), min_group=20,
        epsilon_micro_per_job=10**9, micro_bits_per_license=4 * 10**9, micro_bits_per_person=max(PLENTY, 4 * 10**9),
    )  # fmt: skip
    job = world.job(plan.circuit, 0, 90, license=world.license(policy))
    assert world.agent().process(job).what == "done"
    result = world.opened(job)
    found = plan.read(result.values[:, 0], result.header.group, result.header.noise_scale_milli / 1000)
    truth, said = np.digitize(codes[:, 5], EDGES), np.digitize(model.predict(bins), EDGES)
    expected = metrics.confusion_matrix(truth, said, labels=list(range(len(EDGES) + 1)))
    assert np.abs(found.confusion - expected).max() <= 2
    assert found.figures["accuracy"].value == pytest.approx((truth == said).mean(), abs=0.05)
