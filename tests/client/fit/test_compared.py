"""Tests of classifiers whose scores are compared under encryption: equal to the clear computation, for any model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from sklearn import metrics
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from app.client.ask.cells import AskedTable
from app.client.evaluate import boxes
from app.client.evaluate.class_test import ClassTest
from app.client.evaluate.found import TestFigures as Figures
from app.client.evaluate.planning import TestPlan as Plan
from app.client.evaluate.planning import plan_test
from app.protocol.data.dataset import Codebook
from app.protocol.errors import BadQuery
from app.protocol.market.receipt import OutputPolicy
from fhe.arrays import I64
from fhe.circuit.circuit import Circuit, Input, Lookup, Readout
from fhe.circuit.clear import evaluate_clear, gather_inputs
from fhe.circuit.codec import digest
from fhe.compile import with_label
from fhe.compile.compiled import Compiled
from fhe.compile.decoder import Decoder, Labels, Link
from fhe.compile.digits.stages import linear
from fhe.leakage import leakage_of
from fhe.profile import EncryptionProfile
from fhe.profiles import REFERENCE, insecure_test_profile
from tests.support.adults import codes_of, noised, sums_in_the_clear
from tests.support.custody import EDGES, MarketInMemory
from tests.support.fits import Adults, compiled
from tests.support.policies import PLENTY
from tests.support.wide_circuits import scores

ROWS = 700  # of the table that models are held against


def made(
    book: Codebook,
    profile: EncryptionProfile,
    inputs: list[Input],
    weights: list[list[int]],
    biases: list[int],
    classes: list[str],
    link: Link = "identity",
) -> tuple[Circuit, Decoder]:
    """A linear classifier of so many scores, or of one that reaches 0."""
    readout = Readout("threshold", 0) if len(weights) == 1 else Readout("argmax")
    layer, names = linear(scores(weights, biases), 24), tuple(f"y{n}" for n in range(len(weights)))
    circuit = Circuit(profile.digest, book.digest, tuple(inputs), (layer,), names, readout)
    decoder = Decoder(
        model="Made", circuit=digest(circuit), scale=0.01, zero_points=(0,) * len(weights), centre=(0,) * len(weights),
        link=link, labels=Labels.of(np.array(classes)), probabilities=link != "identity",
        threshold=-0.005 if len(weights) == 1 else 0.0,
    )  # fmt: skip
    return circuit, decoder


def outputs_of(circuit: Circuit, people: Adults, rows: int = ROWS) -> I64:
    """What a circuit gives of the rows (outputs, rows)."""
    codes = codes_of(people.codebook, people.frame[:rows])
    return evaluate_clear(circuit, gather_inputs(circuit, codes)).T


def read_exactly(plan: Plan, people: Adults, rows: int = ROWS) -> tuple[ClassTest, Figures]:
    """(the plan, its figures without noise)."""
    assert isinstance(plan, ClassTest)
    sums = sums_in_the_clear(plan.circuit, people.codebook, people.frame[:rows])
    return plan, plan.read(sums, rows, 0.0)


WIRES = [
    Input("age", "affine"), Input("hours", "affine"), Input("male", "affine"), Input("gain", "bins", 1),
    Input("school", "bins", 0), Input("school", "bins", 2),
]  # fmt: skip


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_classifier_is_tested_exactly(people: Adults, data: st.DataObject) -> None:
    """Random scores of one to four classes, on codes and bits, against labels of two to five: every count is the
    clear one, whatever the buckets; one row moves two counts.
    """
    count, label = data.draw(st.integers(1, 4)), data.draw(st.sampled_from(["rich", "married", "hours", "school"]))
    wires = data.draw(st.lists(st.sampled_from(WIRES), min_size=2, max_size=4, unique=True))
    wires = [wire for wire in wires if wire.column != label]
    most = data.draw(st.sampled_from([1, 5, 20]))
    weights = [[data.draw(st.integers(-most, most).filter(bool)) for _ in wires] for _ in range(count)]
    assume(wires)
    assume(count == 1 or len(set(map(tuple, weights))) == count)
    cells = [cell.label for cell in AskedTable(people.codebook)[label].cells]
    classes = data.draw(st.permutations([*cells, *cells][: max(2, count)]).filter(lambda c: len(set(c)) == len(c)))
    biases = [data.draw(st.integers(-200, 200)) for _ in range(count)]
    circuit, decoder = made(people.codebook, REFERENCE, wires, weights, biases, list(classes))
    outputs = outputs_of(circuit, people)
    said = circuit.readout.label(outputs)[0]
    buckets = data.draw(st.integers(1, 4))
    try:
        found = plan_test(circuit, decoder, people.codebook, REFERENCE, label, buckets=buckets)
    except BadQuery as refused:
        if not any(each in refused.message for each in ("the same of every row", "cannot be compared")):
            raise
        return
    plan, figures = read_exactly(found, people)
    truth = codes_of(people.codebook, people.frame[:ROWS])
    own = truth[label, "bins"] if (label, "bins") in truth else truth[label, "affine"]
    places = np.array([cells.index(each) for each in classes])
    expected = metrics.confusion_matrix(own, places[said], labels=range(len(cells)))
    assert figures.confusion.astype(int).tolist() == expected.tolist()
    assert leakage_of(plan.circuit, people.codebook).sensitivity == 2 * plan.per
    if plan.ranked:
        score = outputs[0] if count == 1 else outputs[1] - outputs[0]
        counted = figures.figures["auc"].value
        assert counted == pytest.approx(_area(plan, score if places[1] else -score, own, people), abs=1e-9)


def _area(plan: ClassTest, score: I64, own: I64, people: Adults) -> float:
    """The area of the buckets that the scores fall into, by scikit-learn: buckets rise with scores."""
    released = sums_in_the_clear(plan.circuit, people.codebook, people.frame[:ROWS])
    counts = released.reshape(plan.buckets, 2) // plan.per
    if plan.rest is not None:
        counts[plan.rest, 1] += ROWS
    bucket = np.empty(ROWS, np.int64)
    bucket[np.argsort(score, kind="stable")] = np.repeat(np.arange(plan.buckets), counts.sum(axis=1))
    for one in range(plan.buckets):  # equal scores share a bucket, so that any order among them does
        assert [(own[bucket == one] == c).sum() for c in (0, 1)] == counts[one].tolist()
    if len(set(own.tolist())) < 2:
        return float("nan")
    return float(metrics.roc_auc_score(own, bucket))


def test_a_logistic_regression_on_codes_is_tested(people: Adults) -> None:
    """Confusion, area and calibration of what scikit-learn fitted; intervals about the truth."""
    model, _, _ = compiled(
        people, LogisticRegression(solver="newton-cholesky"), ["age", "school", "married"], "rich",
        "codes",
    )  # fmt: skip
    rows = people.frame.height
    plan, found = read_exactly(
        plan_test(model.circuit, model.decoder, people.codebook, REFERENCE, "rich"), people, rows
    )
    outputs, truth = outputs_of(model.circuit, people, rows), people.frame["rich"].to_numpy().astype(np.int64)
    said, chance = model.decoder.predict(outputs), model.decoder.predict_proba(outputs)[:, 1]
    values = {name: figure.value for name, figure in found.figures.items()}
    assert np.array_equal(found.confusion, metrics.confusion_matrix(truth, said))
    assert values["precision"] == pytest.approx(metrics.precision_score(truth, said), abs=1e-12)
    assert values["recall"] == pytest.approx(metrics.recall_score(truth, said), abs=1e-12)
    assert values["auc"] == pytest.approx(metrics.roc_auc_score(truth, chance), abs=0.02)
    assert len(found.calibration) == plan.buckets == 8
    for each in found.calibration[1:-1]:
        inside = (np.abs(chance - each.said) < 0.06).mean()
        assert inside > 0
        assert each.true.value == pytest.approx(each.said, abs=0.12)
    assert sum(len(layer.source) for layer in plan.circuit.layers if isinstance(layer, Lookup)) < 40
    noisy, scale = noised(
        plan.circuit, people.codebook, sums_in_the_clear(plan.circuit, people.codebook, people.frame), 0.5
    )
    for name, figure in plan.read(noisy, rows, scale).figures.items():
        assert figure.low <= figure.value <= figure.high  # type: ignore[operator]
        assert figure.value == pytest.approx(values[name], abs=0.01)


def test_a_forest_that_tells_much_apart_is_tested(people: Adults, monkeypatch: pytest.MonkeyPatch) -> None:
    """More combinations than are counted box by box: its score, a sum of lookups, is compared."""
    monkeypatch.setattr(boxes, "MOST_CELLS", 50)
    model, _, _ = compiled(
        people, RandomForestClassifier(4, max_depth=3, random_state=1), ["age", "school", "hours"], "rich", "bins"
    )
    plan, found = read_exactly(plan_test(model.circuit, model.decoder, people.codebook, REFERENCE, "rich"), people)
    assert plan.circuit.centred
    said = model.decoder.predict(outputs_of(model.circuit, people))
    truth = people.frame["rich"].to_numpy()[:ROWS].astype(np.int64)
    assert np.array_equal(found.confusion, metrics.confusion_matrix(truth, said))
    assert leakage_of(plan.circuit, people.codebook).sensitivity == 2 * plan.per


def test_what_cannot_be_compared_is_refused(people: Adults) -> None:
    """Scores too wide, too many classes, a label taken already, no buckets: with the nearest that can be tested."""
    book = people.codebook
    wide, decoder = made(book, REFERENCE, WIRES[:2], [[4000, -3001]], [9], ["0", "1"])
    with pytest.raises(BadQuery, match="n_bits") as refused:
        plan_test(wide, decoder, book, REFERENCE, "rich")
    assert "bits and a sign" in refused.value.message
    cells = [cell.label for cell in AskedTable(book)["school"].cells]
    five, decoder = made(book, REFERENCE, WIRES[:2], [[n, 1] for n in range(1, 6)], [0] * 5, cells)
    with pytest.raises(BadQuery, match="up to 4"):
        plan_test(five, decoder, book, REFERENCE, "school")
    small, decoder = made(book, REFERENCE, WIRES[:2], [[4, -3]], [9], ["0", "1"])
    with pytest.raises(BadQuery, match="1 to 16"):
        plan_test(small, decoder, book, REFERENCE, "rich", buckets=17)
    labelled = with_label(Compiled(small, decoder, None, None), book, REFERENCE)  # type: ignore[arg-type]
    with pytest.raises(BadQuery, match="ends in its label"):
        plan_test(labelled.circuit, labelled.decoder, book, REFERENCE, "rich")


def test_scores_are_compared_on_ciphertext(tmp_path: Path) -> None:
    """Through provider and custodian, from a document of its own kind: counts are decrypted, and no row's score."""
    codes = np.random.default_rng(5).integers(0, 256, (60, 8))
    codes[:, 5] = np.where(2 * codes[:, 0] - codes[:, 1] > 100, 200, 10)
    world = MarketInMemory(tmp_path, insecure=insecure_test_profile(), codes=codes)
    book = world.manifest.table.codebook
    cells = [cell.label for cell in AskedTable(book)["c5"].cells]
    circuit, decoder = made(
        book, world.profile, [Input("c0", "affine"), Input("c1", "affine")], [[2, -1]], [-101], [cells[0], cells[6]]
    )
    plan = plan_test(circuit, decoder, book, world.profile, "c5", buckets=2)
    policy = OutputPolicy(
        release="aggregate", circuits=("linear", "additive", "trees", "lookup"), min_group=20,
        epsilon_micro_per_job=10**9, micro_bits_per_license=4 * 10**9, micro_bits_per_person=max(PLENTY, 4 * 10**9),
    )  # fmt: skip
    job = world.job(plan.circuit, 0, 60, license=world.license(policy))
    assert world.agent().process(job).what == "done"
    result = world.opened(job)
    found = plan.read(result.values[:, 0], result.header.group, result.header.noise_scale_milli / 1000)
    said, truth = np.where(2 * codes[:, 0] - codes[:, 1] - 101 >= 0, 6, 0), np.digitize(codes[:, 5], EDGES)
    expected = metrics.confusion_matrix(truth, said, labels=list(range(len(EDGES) + 1)))
    assert np.abs(found.confusion - expected).max() <= 2
