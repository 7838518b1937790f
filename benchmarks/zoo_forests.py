"""Trees, forests, boosters and other ensembles of the zoo that tell classes."""

from __future__ import annotations

from sklearn import decomposition, ensemble, linear_model, pipeline, preprocessing, tree

from benchmarks.zoo_animals import CLASSES, Animal, cat, ebm, lgbm, xgb

piped = pipeline.make_pipeline


def forest_animals() -> list[Animal]:
    """All of them."""
    return [
        Animal(
            "DecisionTreeClassifier",
            lambda: tree.DecisionTreeClassifier(max_depth=5, random_state=0),
            CLASSES,
            "bins",
            False,
        ),
        Animal(
            "DecisionTreeClassifier, values",
            lambda: tree.DecisionTreeClassifier(max_depth=4, random_state=0),
            CLASSES,
            "values",
        ),
        Animal("ExtraTreeClassifier", lambda: tree.ExtraTreeClassifier(max_depth=5, random_state=0), CLASSES, "bins"),
        Animal(
            "RandomForestClassifier",
            lambda: ensemble.RandomForestClassifier(12, max_depth=4, random_state=0),
            CLASSES,
            "bins",
        ),
        Animal(
            "RandomForestClassifier, weights",
            lambda: ensemble.RandomForestClassifier(8, max_depth=4, class_weight="balanced", random_state=0),
            CLASSES,
            "bins",
        ),
        Animal(
            "ExtraTreesClassifier",
            lambda: ensemble.ExtraTreesClassifier(10, max_depth=4, random_state=0),
            CLASSES,
            "bins",
        ),
        Animal(
            "GradientBoostingClassifier",
            lambda: ensemble.GradientBoostingClassifier(n_estimators=10, random_state=0),
            CLASSES,
            "bins",
        ),
        Animal(
            "HistGradientBoostingClassifier",
            lambda: ensemble.HistGradientBoostingClassifier(max_iter=10, max_depth=3),
            CLASSES,
            "bins",
        ),
        Animal(
            "HistGradientBoostingClassifier, values",
            lambda: ensemble.HistGradientBoostingClassifier(max_iter=6, max_depth=3),
            ("two",),
            "values",
        ),
        Animal(
            "AdaBoostClassifier, stumps",
            lambda: ensemble.AdaBoostClassifier(n_estimators=15, algorithm="SAMME", random_state=0),
            CLASSES,
            "bins",
        ),
        Animal(
            "AdaBoostClassifier, trees",
            lambda: ensemble.AdaBoostClassifier(
                tree.DecisionTreeClassifier(max_depth=3), n_estimators=6, algorithm="SAMME", random_state=0
            ),
            CLASSES,
            "bins",
        ),
        Animal(
            "BaggingClassifier",
            lambda: ensemble.BaggingClassifier(
                tree.DecisionTreeClassifier(max_depth=4), 6, max_features=0.7, random_state=0
            ),
            CLASSES,
            "bins",
        ),
        Animal(
            "VotingClassifier, soft",
            lambda: ensemble.VotingClassifier(
                [
                    ("tree", tree.DecisionTreeClassifier(max_depth=4)),
                    ("forest", ensemble.RandomForestClassifier(4, max_depth=3)),
                ],
                voting="soft",
                weights=[2, 1],
            ),
            CLASSES,
            "bins",
        ),
        Animal(
            "VotingClassifier, hard",
            lambda: ensemble.VotingClassifier(
                [
                    ("a", tree.DecisionTreeClassifier(max_depth=3)),
                    ("b", tree.DecisionTreeClassifier(max_depth=4)),
                    ("c", tree.ExtraTreeClassifier(max_depth=4, random_state=0)),
                ]
            ),
            CLASSES,
            "bins",
        ),
        Animal(
            "VotingClassifier, logistic",
            lambda: ensemble.VotingClassifier(
                [("a", linear_model.LogisticRegression(max_iter=300)), ("b", tree.DecisionTreeClassifier(max_depth=3))],
                voting="soft",
            ),
            ("two",),
            "bins",
        ),
        Animal(
            "scaler, forest",
            lambda: piped(
                preprocessing.StandardScaler(), ensemble.RandomForestClassifier(6, max_depth=4, random_state=0)
            ),
            CLASSES,
            "bins",
        ),
        Animal(
            "PCA, forest",
            lambda: piped(decomposition.PCA(3), ensemble.RandomForestClassifier(4, max_depth=3)),
            ("two",),
            "bins",
        ),
        Animal(
            "IsolationForest",
            lambda: ensemble.IsolationForest(n_estimators=10, max_samples=64, random_state=0),
            ("two",),
            "bins",
        ),
        Animal(
            "XGBClassifier", lambda: xgb("XGBClassifier", n_estimators=8, max_depth=3), CLASSES, "bins", numbered=True
        ),
        Animal(
            "XGBClassifier, linear",
            lambda: xgb("XGBClassifier", booster="gblinear", n_estimators=8),
            CLASSES,
            "codes",
            numbered=True,
        ),
        Animal(
            "XGBClassifier, dart",
            lambda: xgb("XGBClassifier", booster="dart", rate_drop=0.4, n_estimators=5, max_depth=3),
            CLASSES,
            "bins",
            numbered=True,
        ),
        Animal(
            "XGBRFClassifier",
            lambda: xgb("XGBRFClassifier", n_estimators=6, max_depth=4),
            CLASSES,
            "bins",
            numbered=True,
        ),
        Animal(
            "LGBMClassifier",
            lambda: lgbm("LGBMClassifier", n_estimators=8, max_depth=3),
            CLASSES,
            "bins",
            needs="lightgbm",
        ),
        Animal(
            "LGBMClassifier, values",
            lambda: lgbm("LGBMClassifier", n_estimators=6, max_depth=3),
            ("two",),
            "values",
            needs="lightgbm",
        ),
        Animal(
            "LGBMClassifier, random forest",
            lambda: lgbm(
                "LGBMClassifier", boosting_type="rf", bagging_freq=1, bagging_fraction=0.6, n_estimators=5, max_depth=4
            ),
            CLASSES,
            "bins",
            needs="lightgbm",
        ),
        Animal(
            "CatBoostClassifier",
            lambda: cat("CatBoostClassifier", iterations=8, depth=3),
            CLASSES,
            "bins",
            needs="catboost",
        ),
        Animal(
            "ExplainableBoostingClassifier",
            lambda: ebm("ExplainableBoostingClassifier", interactions=0),
            ("two", "three"),
            "bins",
            needs="interpret",
        ),
        Animal(
            "ExplainableBoostingClassifier, pairs",
            lambda: ebm("ExplainableBoostingClassifier", interactions=2),
            ("two",),
            "bins",
            needs="interpret",
        ),
        Animal(
            "StackingClassifier",
            lambda: ensemble.StackingClassifier(
                [("a", tree.DecisionTreeClassifier(max_depth=3)), ("b", linear_model.RidgeClassifier())], cv=2
            ),
            ("two",),
            "bins",
        ),
    ]
