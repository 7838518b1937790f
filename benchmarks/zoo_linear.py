"""Linear classifiers of the zoo, naive Bayes, and pipelines, searches and calibrators around them."""

from __future__ import annotations

from typing import Any

from sklearn import (
    calibration,
    compose,
    decomposition,
    discriminant_analysis,
    impute,
    linear_model,
    model_selection,
    multiclass,
    naive_bayes,
    neighbors,
    neural_network,
    pipeline,
    preprocessing,
    svm,
    tree,
)  # fmt: skip

from benchmarks.zoo_animals import CLASSES, Animal

piped = pipeline.make_pipeline


def linear_animals() -> list[Animal]:
    """All of them."""
    return [
        # linear classifiers
        Animal("LogisticRegression", lambda: linear_model.LogisticRegression(max_iter=300), CLASSES, "codes", False),
        Animal(
            "LogisticRegression, frame of codes",
            lambda: linear_model.LogisticRegression(max_iter=300),
            CLASSES,
            "codes",
        ),
        Animal(
            "LogisticRegression, l1",
            lambda: linear_model.LogisticRegression(penalty="l1", solver="liblinear", C=0.1),
            ("two",),
            "codes",
        ),
        Animal(
            "LogisticRegression, one-vs-rest",
            lambda: multiclass.OneVsRestClassifier(linear_model.LogisticRegression(max_iter=300)),
            CLASSES,
            "codes",
        ),
        Animal(
            "LogisticRegressionCV",
            lambda: linear_model.LogisticRegressionCV(Cs=2, cv=2, max_iter=200),
            ("two", "three"),
            "bins",
        ),
        Animal("RidgeClassifier", linear_model.RidgeClassifier, CLASSES, "codes"),
        Animal("RidgeClassifierCV", linear_model.RidgeClassifierCV, CLASSES, "codes"),
        Animal(
            "SGDClassifier",
            lambda: piped(preprocessing.StandardScaler(), linear_model.SGDClassifier(random_state=0)),
            CLASSES,
            "values",
        ),
        Animal(
            "SGDClassifier, log",
            lambda: piped(preprocessing.StandardScaler(), linear_model.SGDClassifier(loss="log_loss", random_state=0)),
            CLASSES,
            "values",
        ),
        Animal(
            "SGDClassifier, Huber",
            lambda: piped(
                preprocessing.StandardScaler(), linear_model.SGDClassifier(loss="modified_huber", random_state=0)
            ),
            CLASSES,
            "values",
        ),
        Animal(
            "Perceptron",
            lambda: piped(preprocessing.StandardScaler(), linear_model.Perceptron(random_state=0)),
            CLASSES,
            "values",
        ),
        Animal(
            "PassiveAggressiveClassifier",
            lambda: piped(preprocessing.StandardScaler(), linear_model.PassiveAggressiveClassifier(random_state=0)),
            CLASSES,
            "values",
        ),
        Animal("LinearSVC", lambda: piped(preprocessing.MinMaxScaler(), svm.LinearSVC(dual=False)), CLASSES, "values"),
        Animal(
            "SVC, linear",
            lambda: piped(preprocessing.StandardScaler(), svm.SVC(kernel="linear", C=0.1)),
            CLASSES,
            "values",
        ),
        Animal("SVC, radial", lambda: piped(preprocessing.StandardScaler(), svm.SVC()), ("two",), "values"),
        Animal("LinearDiscriminantAnalysis", discriminant_analysis.LinearDiscriminantAnalysis, CLASSES, "codes"),
        Animal(
            "QuadraticDiscriminantAnalysis",
            discriminant_analysis.QuadraticDiscriminantAnalysis,
            CLASSES,
            "codes",
        ),
        Animal("GaussianNB", naive_bayes.GaussianNB, CLASSES, "bins"),
        Animal("MultinomialNB", naive_bayes.MultinomialNB, CLASSES, "codes"),
        Animal("ComplementNB", naive_bayes.ComplementNB, CLASSES, "codes"),
        Animal("BernoulliNB", lambda: naive_bayes.BernoulliNB(binarize=5.0), CLASSES, "bins"),
        Animal("CategoricalNB", lambda: naive_bayes.CategoricalNB(min_categories=13), CLASSES, "bins", False),
        # pipelines around them
        Animal(
            "scaler, logistic",
            lambda: piped(preprocessing.StandardScaler(), linear_model.LogisticRegression()),
            CLASSES,
            "values",
        ),
        Animal(
            "robust scaler, logistic",
            lambda: piped(preprocessing.RobustScaler(), linear_model.LogisticRegression()),
            ("two", "three"),
            "values",
            False,
        ),
        Animal(
            "imputer, scaler, logistic",
            lambda: piped(impute.SimpleImputer(), preprocessing.StandardScaler(), linear_model.LogisticRegression()),
            CLASSES,
            "values",
        ),
        Animal(
            "PCA, logistic",
            lambda: piped(preprocessing.StandardScaler(), decomposition.PCA(4), linear_model.LogisticRegression()),
            CLASSES,
            "values",
        ),
        Animal(
            "one-hot, logistic",
            lambda: piped(preprocessing.OneHotEncoder(handle_unknown="ignore"), linear_model.LogisticRegression()),
            CLASSES,
            "bins",
        ),
        Animal(
            "bins in the pipeline, logistic",
            lambda: piped(preprocessing.KBinsDiscretizer(5, subsample=None), linear_model.LogisticRegression()),
            CLASSES,
            "bins",
        ),
        Animal(
            "splines, logistic",
            lambda: piped(preprocessing.SplineTransformer(n_knots=4), linear_model.LogisticRegression(max_iter=500)),
            ("two", "three"),
            "bins",
        ),
        Animal("columns apart, logistic", _columns_apart, CLASSES, "values"),
        Animal(
            "interactions, logistic",
            lambda: piped(
                preprocessing.StandardScaler(),
                preprocessing.PolynomialFeatures(2),
                linear_model.LogisticRegression(max_iter=500),
            ),
            ("two",),
            "values",
        ),
        Animal(
            "grid search, logistic",
            lambda: model_selection.GridSearchCV(
                piped(preprocessing.StandardScaler(), linear_model.LogisticRegression()),
                {"logisticregression__C": [0.1, 1.0]},
                cv=2,
            ),
            CLASSES,
            "values",
        ),
        Animal(
            "random search, tree",
            lambda: model_selection.RandomizedSearchCV(
                tree.DecisionTreeClassifier(random_state=0), {"max_depth": [3, 4]}, n_iter=2, cv=2
            ),
            CLASSES,
            "bins",
        ),
        Animal(
            "calibrated, sigmoid",
            lambda: calibration.CalibratedClassifierCV(
                piped(preprocessing.StandardScaler(), svm.LinearSVC(dual=False)), ensemble=False, cv=2
            ),
            CLASSES,
            "codes",
        ),
        Animal(
            "calibrated, isotonic",
            lambda: calibration.CalibratedClassifierCV(
                linear_model.RidgeClassifier(), ensemble=False, cv=2, method="isotonic"
            ),
            ("two",),
            "codes",
        ),
        Animal(
            "calibrated, folds",
            lambda: calibration.CalibratedClassifierCV(linear_model.RidgeClassifier(), cv=2),
            ("two",),
            "codes",
        ),
        Animal("KNeighborsClassifier", neighbors.KNeighborsClassifier, CLASSES, "codes"),
        Animal(
            "MLPClassifier",
            lambda: piped(
                preprocessing.StandardScaler(), neural_network.MLPClassifier((4,), max_iter=50, random_state=0)
            ),
            CLASSES,
            "values",
        ),
    ]


def _columns_apart() -> Any:
    return piped(
        compose.ColumnTransformer(
            [
                ("measured", preprocessing.StandardScaler(), ["age", "income", "share", "index"]),
                (
                    "counted",
                    preprocessing.OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
                    ["visits"],
                ),
                ("told", preprocessing.OneHotEncoder(handle_unknown="ignore"), ["member"]),
            ]
        ),
        linear_model.LogisticRegression(max_iter=300),
    )
