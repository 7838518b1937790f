"""Regressors of the zoo, and Concrete ML's own models."""

from __future__ import annotations

import numpy as np
from sklearn import compose, ensemble, linear_model, pipeline, preprocessing, svm, tree

from benchmarks.zoo_animals import CLASSES, VALUE, Animal, cat, concrete, ebm, lgbm, xgb

piped = pipeline.make_pipeline


def regressor_animals() -> list[Animal]:
    """All of them."""
    return [
        Animal("LinearRegression", linear_model.LinearRegression, VALUE, "values"),
        Animal("Ridge", linear_model.Ridge, VALUE, "values"),
        Animal("RidgeCV", linear_model.RidgeCV, VALUE, "values"),
        Animal("Lasso", lambda: linear_model.Lasso(50.0), VALUE, "values"),
        Animal("LassoCV", lambda: linear_model.LassoCV(n_alphas=5, cv=2), VALUE, "values"),
        Animal("ElasticNet", lambda: linear_model.ElasticNet(1.0), VALUE, "values"),
        Animal("BayesianRidge", linear_model.BayesianRidge, VALUE, "values"),
        Animal(
            "HuberRegressor",
            lambda: piped(preprocessing.StandardScaler(), linear_model.HuberRegressor(max_iter=500)),
            VALUE,
            "values",
        ),
        Animal("QuantileRegressor", lambda: linear_model.QuantileRegressor(alpha=0.0, solver="highs"), VALUE, "values"),
        Animal(
            "TheilSenRegressor",
            lambda: linear_model.TheilSenRegressor(max_subpopulation=50, random_state=0),
            VALUE,
            "values",
        ),
        Animal(
            "PoissonRegressor",
            lambda: piped(preprocessing.StandardScaler(), linear_model.PoissonRegressor()),
            VALUE,
            "values",
        ),
        Animal(
            "GammaRegressor",
            lambda: piped(preprocessing.StandardScaler(), linear_model.GammaRegressor()),
            VALUE,
            "values",
        ),
        Animal(
            "TweedieRegressor",
            lambda: piped(preprocessing.StandardScaler(), linear_model.TweedieRegressor(power=1.5)),
            VALUE,
            "values",
        ),
        Animal(
            "LinearSVR",
            lambda: piped(preprocessing.StandardScaler(), svm.LinearSVR(C=1_000.0, dual=True, max_iter=200)),
            VALUE,
            "values",
        ),
        Animal(
            "target scaled",
            lambda: compose.TransformedTargetRegressor(
                linear_model.Ridge(), transformer=preprocessing.StandardScaler()
            ),
            VALUE,
            "values",
        ),
        Animal(
            "target logarithm",
            lambda: compose.TransformedTargetRegressor(linear_model.Ridge(), func=np.log, inverse_func=np.exp),
            VALUE,
            "values",
        ),
        Animal(
            "target quantiles",
            lambda: compose.TransformedTargetRegressor(
                linear_model.Ridge(),
                transformer=preprocessing.QuantileTransformer(n_quantiles=50, output_distribution="normal"),
            ),
            VALUE,
            "values",
        ),
        Animal("DecisionTreeRegressor", lambda: tree.DecisionTreeRegressor(max_depth=5), VALUE, "bins"),
        Animal("RandomForestRegressor", lambda: ensemble.RandomForestRegressor(8, max_depth=4), VALUE, "bins"),
        Animal("ExtraTreesRegressor", lambda: ensemble.ExtraTreesRegressor(8, max_depth=4), VALUE, "bins"),
        Animal("GradientBoostingRegressor", lambda: ensemble.GradientBoostingRegressor(n_estimators=12), VALUE, "bins"),
        Animal(
            "HistGradientBoostingRegressor",
            lambda: ensemble.HistGradientBoostingRegressor(max_iter=10, max_depth=3),
            VALUE,
            "bins",
        ),
        Animal(
            "HistGradientBoostingRegressor, gamma",
            lambda: ensemble.HistGradientBoostingRegressor(loss="gamma", max_iter=8, max_depth=3),
            VALUE,
            "bins",
        ),
        Animal(
            "BaggingRegressor",
            lambda: ensemble.BaggingRegressor(tree.DecisionTreeRegressor(max_depth=4), 5, random_state=0),
            VALUE,
            "bins",
        ),
        Animal(
            "VotingRegressor",
            lambda: ensemble.VotingRegressor(
                [("a", linear_model.Ridge()), ("b", ensemble.GradientBoostingRegressor(n_estimators=5))]
            ),
            VALUE,
            "bins",
        ),
        Animal("AdaBoostRegressor", lambda: ensemble.AdaBoostRegressor(n_estimators=4, random_state=0), VALUE, "bins"),
        Animal("XGBRegressor", lambda: xgb("XGBRegressor", n_estimators=8, max_depth=3), VALUE, "bins"),
        Animal(
            "XGBRegressor, gamma",
            lambda: xgb("XGBRegressor", n_estimators=30, max_depth=3, objective="reg:gamma"),
            VALUE,
            "bins",
        ),
        Animal(
            "target logarithm, forest",
            lambda: compose.TransformedTargetRegressor(
                ensemble.RandomForestRegressor(6, max_depth=4), func=np.log, inverse_func=np.exp
            ),
            VALUE,
            "bins",
        ),
        Animal(
            "LGBMRegressor",
            lambda: lgbm("LGBMRegressor", n_estimators=10, max_depth=3),
            VALUE,
            "bins",
            needs="lightgbm",
        ),
        Animal(
            "CatBoostRegressor",
            lambda: cat("CatBoostRegressor", iterations=10, depth=3),
            VALUE,
            "bins",
            needs="catboost",
        ),
        Animal(
            "ExplainableBoostingRegressor",
            lambda: ebm("ExplainableBoostingRegressor", interactions=0),
            VALUE,
            "bins",
            needs="interpret",
        ),
    ]


def concrete_animals() -> list[Animal]:
    """Concrete ML's, which are fitted on arrays: it drops the names of frames."""
    return [
        Animal(
            "Concrete ML's LogisticRegression",
            lambda: concrete("LogisticRegression", n_bits=8),
            CLASSES,
            "codes",
            False,
            numbered=True,
        ),
        Animal(
            "Concrete ML's LinearSVC", lambda: concrete("LinearSVC", n_bits=8), CLASSES, "codes", False, numbered=True
        ),
        Animal("Concrete ML's Ridge", lambda: concrete("Ridge", n_bits=8), VALUE, "codes", False),
        Animal(
            "Concrete ML's XGBClassifier",
            lambda: concrete("XGBClassifier", n_bits=5, max_depth=3, n_estimators=4),
            CLASSES,
            "bins",
            False,
            numbered=True,
        ),
        Animal(
            "Concrete ML's RandomForestClassifier",
            lambda: concrete("RandomForestClassifier", n_bits=5, max_depth=3, n_estimators=4),
            CLASSES,
            "bins",
            False,
            numbered=True,
        ),
        Animal(
            "Concrete ML's DecisionTreeRegressor",
            lambda: concrete("DecisionTreeRegressor", n_bits=5, max_depth=3),
            VALUE,
            "bins",
            False,
        ),
    ]
