"""Which estimators are fitted from sums over rows, and with which settings."""

from __future__ import annotations

from typing import Any

from app.protocol.errors import BadQuery

FROM_MOMENTS = (
    "LinearRegression", "Ridge", "LogisticRegression", "OneVsRestClassifier", "LinearDiscriminantAnalysis", "PCA",
)  # fmt: skip
FROM_HISTOGRAMS = ("GaussianNB", "CategoricalNB", "DecisionTreeClassifier")
ADDITIVE = "Pipeline"  # of a OneHotEncoder and a linear model
ADDED = ("LinearRegression", "Ridge", "LogisticRegression")  # what may end such a pipeline
CLASSIFIERS = ("LogisticRegression", "OneVsRestClassifier", "LinearDiscriminantAnalysis", *FROM_HISTOGRAMS)
NAMES = (*FROM_MOMENTS, *FROM_HISTOGRAMS, "make_pipeline(OneHotEncoder(), LinearRegression())")

KINDS: dict[str, tuple[str, bool]] = {  # for people and programs: the estimator's class, and whether it tells classes
    "linear-regression": ("LinearRegression", False),
    "ridge": ("Ridge", False),
    "logistic-regression": ("LogisticRegression", True),
    "one-vs-rest": ("OneVsRestClassifier", True),
    "discriminant": ("LinearDiscriminantAnalysis", True),
    "gaussian-nb": ("GaussianNB", True),
    "categorical-nb": ("CategoricalNB", True),
    "stump": ("DecisionTreeClassifier", True),
    "additive": (ADDITIVE, False),
    "additive-classifier": (ADDITIVE, True),
    "components": ("PCA", False),
}


def name_of(estimator: Any) -> str:
    """The class of an estimator that can be fitted. Errors: BadQuery, which names those that can."""
    name = type(estimator).__name__
    known = name in (*FROM_MOMENTS, *FROM_HISTOGRAMS, ADDITIVE)
    if not known or not type(estimator).__module__.startswith("sklearn."):
        raise BadQuery(f"A {name} is not fitted from sums over rows.", f"These are: {', '.join(NAMES)}.")
    if name == "OneVsRestClassifier":
        if name_of(estimator.estimator) != "LogisticRegression":
            raise BadQuery(
                "One-vs-rest is fitted of logistic regressions.", "Use OneVsRestClassifier(LogisticRegression())."
            )
    elif name == ADDITIVE:
        _check_additive(estimator)
    elif name == "DecisionTreeClassifier" and estimator.max_depth != 1:
        raise BadQuery("A tree of several splits takes several passes.", "Fit a stump: max_depth=1.")
    if getattr(estimator, "positive", False) or getattr(estimator, "fit_intercept", True) is False:
        raise BadQuery(f"A {name} with positive=True or without an intercept is not fitted.", "Leave these out.")
    penalty = getattr(estimator, "penalty", "l2")
    if name == "LogisticRegression" and (penalty not in ("l2", None) or estimator.class_weight is not None):
        raise BadQuery("A logistic regression is fitted with penalty l2 or none, and no class weights.", "Set these.")
    return name


def classifies(estimator: Any) -> bool:
    """Whether an estimator that can be fitted tells classes."""
    last = estimator.steps[-1][1] if type(estimator).__name__ == ADDITIVE else estimator
    return type(last).__name__ in CLASSIFIERS


def _check_additive(pipeline: Any) -> None:
    steps = [step for _, step in pipeline.steps]
    encoder, model = steps[0], steps[-1]
    usual = type(encoder).__name__ == "OneHotEncoder" and encoder.drop is None and encoder.min_frequency is None
    if len(steps) != 2 or not usual or type(model).__name__ not in ADDED:
        raise BadQuery(
            "This pipeline is not fitted from sums over rows.",
            "An additive model is: make_pipeline(OneHotEncoder(), LinearRegression()), or with Ridge or"
            " LogisticRegression in the end.",
        )
    name_of(model)
