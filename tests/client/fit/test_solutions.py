"""Models fitted from sums: equal to what the rows themselves give without noise, and near it with."""

from __future__ import annotations

from statistics import median
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.naive_bayes import CategoricalNB, GaussianNB
from sklearn.tree import DecisionTreeClassifier

from app.client.encoder import CodebookEncoder
from app.client.sums import SumsReleased
from app.protocol.errors import BadQuery
from fhe.arrays import F64, I64
from fhe.leakage import leakage_of
from tests.support.adults import BITS, NUMBERS, noised, sums_in_the_clear
from tests.support.fits import Adults, codes, planned, released, truth

COLUMNS = [*NUMBERS, *BITS]


@pytest.mark.parametrize("label", ["rich", "hours"])
@pytest.mark.parametrize("estimator", [LinearRegression(), Ridge(alpha=1e6)], ids=["line", "ridge"])
def test_without_noise_a_line_is_the_line_of_the_rows(people: Adults, estimator: Any, label: str) -> None:
    """Coefficients, intercept and predictions on codes, in the label's own units."""
    plan = planned(people, estimator, label)
    fitted, ridge = plan.solve([released(people, plan)])
    rows = codes(people, plan)
    usual = clone(estimator).fit(rows, truth(people, label))
    assert ridge == 0
    assert fitted.coef_ == pytest.approx(usual.coef_, rel=1e-6, abs=1e-9)
    assert fitted.predict(rows[:100]) == pytest.approx(usual.predict(rows[:100]), rel=1e-6)


def test_with_noise_a_line_is_adassp_on_the_recorded_noise(people: Adults) -> None:
    """Worked out here from the rows, the noise that was added, and the paper's formula; exactly."""
    plan = planned(people, LinearRegression(), "hours", ["age", "school", "married"])
    sums = sums_in_the_clear(plan.plan.circuit, people.codebook, people.frame)
    noisy, scale = noised(plan.plan.circuit, people.codebook, sums, 0.5)
    fitted, ridge = plan.solve([SumsReleased(noisy, people.frame.height, scale, 0.5, 1, "")])
    z, spans = _units(people, [*plan.columns, "hours"])
    added = dict(zip(plan.plan.circuit.released, (noisy - sums).tolist(), strict=True))
    names, d, n = [*plan.columns, "hours"], 3, len(z)
    mix = plan.plan.circuit.mix
    assert mix is not None
    weight = {
        name: int(np.abs(mix.weights[mix.indptr[at] : mix.indptr[at + 1]]).min()) for at, name in enumerate(mix.outputs)
    }
    mean, moment, deviation = z.mean(axis=0), z.T @ z, np.zeros((4, 4))
    for i, name in enumerate(names):
        mean[i] += added[name] / weight[name] / spans[i] / n
        for j in range(i, 4):
            if (key := f"{name} * {names[j]}") in added:
                own = mix.weights[mix.indptr[at := mix.outputs.index(key)] : mix.indptr[at + 1]].max()
                moment[i, j] += added[key] / own / spans[i] / spans[j]
                moment[j, i] = moment[i, j]
                deviation[i, j] = deviation[j, i] = np.sqrt(2) * scale / own / spans[i] / spans[j]
    scatter = moment - n * np.outer(mean, mean)
    bound = 2 * np.sqrt((deviation[:d, :d] ** 2).sum(axis=1).max())
    least = np.linalg.eigvalsh(scatter[:d, :d])[0]
    expected = max(0.0, bound - least)
    slopes = np.linalg.solve(scatter[:d, :d] + expected * np.eye(d), scatter[:d, d])
    assert ridge == pytest.approx(expected, rel=1e-9)
    assert fitted.coef_ == pytest.approx(slopes / spans[:d] * spans[d] * 1.0, rel=1e-7)


def _units(people: Adults, names: list[str]) -> tuple[F64, I64]:
    columns = {column.name: column for column in people.codebook.columns}
    codes = CodebookEncoder(people.codebook, columns=names).fit_transform(people.frame)
    spans = np.array([columns[name].affine.levels - 1 for name in names])  # type: ignore[union-attr]
    return (codes - spans / 2) / spans, spans


@pytest.mark.parametrize("estimator", [LogisticRegression(), LinearDiscriminantAnalysis()])
def test_a_classifier_is_as_right_as_the_usual_one(people: Adults, estimator: Any) -> None:
    """Within a point at epsilon 1, within four at 0.1, by the median of some draws of the custodian's noise."""
    plan = planned(people, estimator)
    assert set(plan.columns) == set(COLUMNS)
    rows, label = codes(people, plan), truth(people, "rich")
    usual = LogisticRegression(solver="newton-cholesky").fit((rows - rows.mean(axis=0)) / rows.std(axis=0), label)
    base = usual.score((rows - rows.mean(axis=0)) / rows.std(axis=0), label)
    assert base > max(label.mean(), 1 - label.mean()) + 0.05
    exact = released(people, plan)
    for epsilon, within in ((1.0, 0.01), (0.1, 0.04)):
        scores = []
        for _ in range(5):
            noisy, scale = noised(plan.plan.circuit, people.codebook, exact.values, epsilon)
            fitted, _ = plan.solve([SumsReleased(noisy, exact.rows, scale, epsilon, 1, "")])
            scores.append(fitted.score(rows, label))
        assert median(scores) > base - within


def test_a_discriminant_and_components_are_the_usual_ones(people: Adults) -> None:
    """Without noise: the same decisions and shares, the same components up to their signs."""
    plan = planned(people, LinearDiscriminantAnalysis(solver="lsqr"))
    fitted, _ = plan.solve([released(people, plan)])
    rows, label = codes(people, plan), truth(people, "rich")
    usual = LinearDiscriminantAnalysis(solver="lsqr").fit(rows, label)
    assert fitted.coef_ == pytest.approx(usual.coef_, rel=1e-5)
    assert fitted.predict_proba(rows[:50]) == pytest.approx(usual.predict_proba(rows[:50]), rel=1e-5)
    plan = planned(people, PCA(3), None, list(NUMBERS))
    parts, _ = plan.solve([released(people, plan)])
    usual = PCA(3).fit(codes(people, plan))
    assert parts.explained_variance_ == pytest.approx(usual.explained_variance_, rel=1e-6)
    assert np.abs((parts.components_ * usual.components_).sum(axis=1)) == pytest.approx(np.ones(3), rel=1e-6)
    assert np.abs(parts.transform(codes(people, plan)[:5])) == pytest.approx(
        np.abs(usual.transform(codes(people, plan)[:5])), rel=1e-5
    )


def test_naive_bayes_and_a_stump_are_the_usual_ones(people: Adults) -> None:
    """From histograms of the label by bins: equal without noise on bin codes, and nearly with; two a column move."""
    label = truth(people, "rich")
    for estimator in (CategoricalNB(), DecisionTreeClassifier(max_depth=1)):
        plan = planned(people, estimator)
        assert plan.columns == NUMBERS
        assert leakage_of(plan.plan.circuit, people.codebook).sensitivity == 2 * len(NUMBERS)
        rows = codes(people, plan)
        usual = clone(estimator).fit(rows.astype(np.int64), label)
        fitted, _ = plan.solve([released(people, plan)])
        assert np.array_equal(fitted.predict(rows[:2000].astype(np.int64)), usual.predict(rows[:2000].astype(np.int64)))
        noisy, _ = plan.solve([released(people, plan, 1.0)])
        assert noisy.score(rows, label) == pytest.approx(usual.score(rows, label), abs=0.01)
    plan = planned(people, GaussianNB())
    fitted, _ = plan.solve([released(people, plan)])
    usual = GaussianNB().fit(codes(people, plan), label)
    assert fitted.class_prior_ == pytest.approx(usual.class_prior_)
    assert fitted.score(codes(people, plan), label) == pytest.approx(usual.score(codes(people, plan), label), abs=0.05)


def test_sums_of_two_datasets_are_the_sums_of_both(people: Adults) -> None:
    """Halves of the rows, in two jobs, give the model of the whole."""
    plan = planned(people, LinearRegression(), "hours")
    halves = [released(people, plan, rows=slice(0, 20_000)), released(people, plan, rows=slice(20_000, None))]
    whole, _ = plan.solve([released(people, plan)])
    both, _ = plan.solve(halves)
    assert both.coef_ == pytest.approx(whole.coef_, rel=1e-9)


@pytest.mark.parametrize(
    ("estimator", "label", "columns", "match"),
    [
        (RandomForestClassifier(), "rich", None, "LinearRegression"),
        (DecisionTreeClassifier(), "rich", None, "max_depth=1"),
        (LinearRegression(), None, None, "rich"),
        (LinearRegression(), "nobody", None, "It has"),
        (LinearRegression(), "rich", ["rich"], "Leave it out"),
        (LogisticRegression(), "age", None, "regression"),
        (CategoricalNB(), "male", None, "bins under"),
        (CategoricalNB(), "rich", ["male"], "age, school"),
        (PCA(), "rich", None, "Leave the label out"),
        (LogisticRegression(penalty="l1", solver="liblinear"), "rich", None, "Set these"),
    ],
)
def test_what_cannot_be_fitted_is_refused(
    people: Adults, estimator: Any, label: str | None, columns: list[str] | None, match: str
) -> None:
    """With the nearest that can."""
    with pytest.raises(BadQuery) as refused:
        planned(people, estimator, label, columns)
    assert match in refused.value.next_step
