"""Models of several classes and additive ones, on a real table: without noise those of the rows, near them with."""

from __future__ import annotations

from statistics import median
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import CategoricalNB, GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.tree import DecisionTreeClassifier

from app.client.fit.moments import UNIT
from app.client.sums import SumsReleased
from app.protocol.errors import BadQuery
from fhe.leakage import leakage_of
from tests.support.adults import built, noised
from tests.support.fits import Adults, codes, planned, released, truth
from tests.support.wives import BITS, NUMBERS, RECIPE, REGIONS, wives

COLUMNS = [*NUMBERS, *BITS]
NEWTON = LogisticRegression(solver="newton-cholesky")


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Adults:
    """All rows."""
    frame = wives()
    return Adults(frame, built(frame, tmp_path_factory.mktemp("wives"), RECIPE).codebook)


def regions(people: Adults) -> Any:
    return people.frame["region"].to_numpy().astype(str)


def test_a_discriminant_of_four_classes_is_the_usual_one(people: Adults) -> None:
    """Coefficients, intercepts and predictions; with noise nearly as right."""
    plan = planned(people, LinearDiscriminantAnalysis(solver="lsqr"), "region")
    assert set(plan.columns) == set(COLUMNS)
    rows, label = codes(people, plan), regions(people)
    usual = LinearDiscriminantAnalysis(solver="lsqr").fit(rows, label)
    fitted, ridge = plan.solve([released(people, plan)])
    assert ridge == 0
    assert fitted.classes_.tolist() == list(REGIONS)
    assert fitted.coef_ == pytest.approx(usual.coef_, rel=1e-6, abs=1e-9)
    assert fitted.predict_proba(rows[:50]) == pytest.approx(usual.predict_proba(rows[:50]), rel=1e-6)
    noisy, _ = plan.solve([released(people, plan, 1.0)])
    assert noisy.score(rows, label) > usual.score(rows, label) - 0.03


def test_one_against_the_rest_is_each_class_by_itself(people: Adults) -> None:
    """Each estimator is the logistic regression of its own column, and together they are as right as scikit-learn's."""
    plan = planned(people, OneVsRestClassifier(LogisticRegression()), "region")
    fitted, _ = plan.solve([released(people, plan)])
    rows, label = codes(people, plan), regions(people)
    assert set(fitted.predict(rows[:3000])) <= set(REGIONS)
    for place, region in enumerate(fitted.classes_):
        alone = planned(people, LogisticRegression(), f"region={region}", list(plan.columns))
        one, _ = alone.solve([released(people, alone)])
        assert fitted.estimators_[place].coef_ == pytest.approx(one.coef_, rel=1e-9)
        assert fitted.estimators_[place].intercept_ == pytest.approx(one.intercept_, rel=1e-9)
    scaled = (rows - rows.mean(axis=0)) / rows.std(axis=0)
    usual = OneVsRestClassifier(NEWTON).fit(scaled, label)
    assert fitted.score(rows, label) > usual.score(scaled, label) - 0.01


def test_naive_bayes_and_a_stump_of_four_classes(people: Adults) -> None:
    """Equal on bins; a row moves two numbers a column, whatever the classes."""
    label = regions(people)
    for estimator in (CategoricalNB(), DecisionTreeClassifier(max_depth=1)):
        plan = planned(people, estimator, "region")
        assert plan.columns == NUMBERS
        assert leakage_of(plan.plan.circuit, people.codebook).sensitivity == 2 * len(NUMBERS)
        rows = codes(people, plan).astype(np.int64)
        usual = clone(estimator).fit(rows, label)
        fitted, _ = plan.solve([released(people, plan)])
        assert np.array_equal(fitted.predict(rows[:2000]), usual.predict(rows[:2000]))
    plan = planned(people, GaussianNB(), "region")
    fitted, _ = plan.solve([released(people, plan)])
    usual = GaussianNB().fit(codes(people, plan), label)
    assert fitted.class_prior_ == pytest.approx(usual.class_prior_)
    assert fitted.score(codes(people, plan), label) == pytest.approx(usual.score(codes(people, plan), label), abs=0.05)


@pytest.mark.parametrize(
    ("last", "drop"), [(LinearRegression(), "first"), (Ridge(alpha=50.0), None)], ids=["least squares", "ridge"]
)
def test_without_noise_an_additive_model_is_the_usual_one(people: Adults, last: Any, drop: str | None) -> None:
    """A number for each bin of five columns, and of one; predictions to the last digits, least squares in full rank."""
    for columns in (None, ["income"]):
        plan = planned(people, make_pipeline(OneHotEncoder(), last), "full", columns)
        assert columns or plan.columns == NUMBERS
        rows = codes(people, plan)
        usual = make_pipeline(OneHotEncoder(drop=drop, sparse_output=False), clone(last))
        usual.fit(rows, truth(people, "full"))
        fitted, ridge = plan.solve([released(people, plan)])
        assert ridge == 0
        assert fitted.predict(rows[:500]) == pytest.approx(usual.predict(rows[:500]), abs=1e-8)


def test_an_additive_classifier_is_near_the_usual_one(people: Adults) -> None:
    """Within a point without noise and at epsilon 1: a row moves two counts of each of ten tables, and label sums."""
    plan = planned(people, make_pipeline(OneHotEncoder(), LogisticRegression()), "full")
    rows, label = codes(people, plan), truth(people, "full")
    base = make_pipeline(OneHotEncoder(sparse_output=False), NEWTON).fit(rows, label).score(rows, label)
    exact = released(people, plan)
    assert plan.solve([exact])[0].score(rows, label) > base - 0.01
    scores = []
    for _ in range(5):
        noisy, scale = noised(plan.plan.circuit, people.codebook, exact.values, 1.0)
        scores.append(plan.solve([SumsReleased(noisy, exact.rows, scale, 1.0, 1, "")])[0].score(rows, label))
    assert median(scores) > base - 0.01
    assert leakage_of(plan.plan.circuit, people.codebook).sensitivity == (2 * 10 + 5) * UNIT


def test_a_table_that_nothing_was_chosen_on(people: Adults) -> None:
    """Logistic regression on half as many rows as "adult" has: within a point at epsilon 1; at 0.1 some points more,
    as docs/adr/0060-models-from-sums.md says.
    """
    plan = planned(people, LogisticRegression(), "full")
    rows, label = codes(people, plan), truth(people, "full")
    scaled = (rows - rows.mean(axis=0)) / rows.std(axis=0)
    base, exact = clone(NEWTON).fit(scaled, label).score(scaled, label), released(people, plan)
    for epsilon, within in ((1.0, 0.01), (0.1, 0.07)):
        scores = []
        for _ in range(9):
            noisy, scale = noised(plan.plan.circuit, people.codebook, exact.values, epsilon)
            scores.append(plan.solve([SumsReleased(noisy, exact.rows, scale, epsilon, 1, "")])[0].score(rows, label))
        assert median(scores) > base - within


@pytest.mark.parametrize(
    ("estimator", "label", "columns", "match"),
    [
        (LogisticRegression(), "region", None, "OneVsRestClassifier"),
        (OneVsRestClassifier(LinearRegression()), "region", None, "LogisticRegression"),
        (make_pipeline(OneHotEncoder(drop="first"), Ridge()), "full", None, "make_pipeline"),
        (make_pipeline(OneHotEncoder(), LogisticRegression()), "region", None, "GaussianNB"),
        (make_pipeline(OneHotEncoder(), Ridge()), "full", ["white"], "education"),
        (make_pipeline(OneHotEncoder(), Ridge()), "income", None, "groups"),
        (GaussianNB(), "experience", None, "category"),
        (LinearDiscriminantAnalysis(), "region", ["region=west", "income"], "Leave it out"),
    ],
)
def test_what_cannot_be_fitted_is_refused(
    people: Adults, estimator: Any, label: str, columns: list[str] | None, match: str
) -> None:
    """With the nearest that can."""
    with pytest.raises(BadQuery) as refused:
        planned(people, estimator, label, columns)
    assert match in refused.value.next_step
