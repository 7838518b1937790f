"""The models that `darkroom model compile` trains, and how their hyperparameters are typed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib import import_module
from typing import Any, Literal

from app.client.training import ModelRecipe
from app.protocol.errors import BadModel, UsageError


def _recipe(encoding: Literal["affine", "bins"], name: str, *, classifies: bool, **usual: Any) -> ModelRecipe:
    def make(**settings: Any) -> Any:
        from fhe.compile import concrete_models

        return getattr(concrete_models.load(), name)(**{**usual, **settings})

    return ModelRecipe(encoding, classifies, make)


def _of(module: str, name: str, encoding: Literal["affine", "bins"], *, classifies: bool, **usual: Any) -> ModelRecipe:
    def make(**settings: Any) -> Any:
        return getattr(import_module(module), name)(**{**usual, **settings})

    return ModelRecipe(encoding, classifies, make)


def _lookup_network(**settings: Any) -> Any:
    from fhe.compile.networks.lookup_network import LookupNetwork

    return LookupNetwork(**{"tables": 100, **settings})


_LINEAR: dict[str, Any] = {"n_bits": 8}
_MLP = "sklearn.neural_network"
_NETWORK: dict[str, Any] = {
    "module__n_layers": 2,
    "module__n_hidden_neurons_multiplier": 1,
    "max_epochs": 30,
    "verbose": 0,
}
_TREES: dict[str, Any] = {"n_bits": 6}
_BOOSTED: dict[str, Any] = {"n_bits": 6, "n_estimators": 10, "max_depth": 3}
KINDS: dict[str, ModelRecipe] = {
    "logistic-regression": _recipe("affine", "LogisticRegression", classifies=True, max_iter=2000, **_LINEAR),
    "linear-svc": _recipe("affine", "LinearSVC", classifies=True, max_iter=20_000, **_LINEAR),
    "linear-regression": _recipe("affine", "LinearRegression", classifies=False, **_LINEAR),
    "ridge": _recipe("affine", "Ridge", classifies=False, **_LINEAR),
    "lasso": _recipe("affine", "Lasso", classifies=False, **_LINEAR),
    "elastic-net": _recipe("affine", "ElasticNet", classifies=False, **_LINEAR),
    "xgb-classifier": _recipe("bins", "XGBClassifier", classifies=True, **_BOOSTED),
    "xgb-regressor": _recipe("bins", "XGBRegressor", classifies=False, **_BOOSTED),
    "random-forest": _recipe("bins", "RandomForestClassifier", classifies=True, n_estimators=10, max_depth=4, **_TREES),
    "random-forest-regressor": _recipe(
        "bins", "RandomForestRegressor", classifies=False, n_estimators=10, max_depth=4, **_TREES
    ),
    "decision-tree": _recipe("bins", "DecisionTreeClassifier", classifies=True, max_depth=4, **_TREES),
    "decision-tree-regressor": _recipe("bins", "DecisionTreeRegressor", classifies=False, max_depth=4, **_TREES),
    "neural-network": _recipe("bins", "NeuralNetClassifier", classifies=True, **_NETWORK),
    "mlp-classifier": _of(_MLP, "MLPClassifier", "bins", classifies=True, hidden_layer_sizes=16, max_iter=300),
    "mlp-regressor": _of(_MLP, "MLPRegressor", "bins", classifies=False, hidden_layer_sizes=16, max_iter=300),
    "lookup-network": ModelRecipe("bins", classifies=True, make=_lookup_network),
}


def _from_sums(
    encoding: Literal["affine", "bins"], home: str, name: str, *, classifies: bool, **usual: Any
) -> ModelRecipe:
    return _of(f"sklearn.{home}", name, encoding, classifies=classifies, **usual)


def _one_vs_rest(**settings: Any) -> Any:
    linear, multiclass = import_module("sklearn.linear_model"), import_module("sklearn.multiclass")
    return multiclass.OneVsRestClassifier(linear.LogisticRegression()).set_params(**settings)


def _additive(name: str, **settings: Any) -> Any:
    model = getattr(import_module("sklearn.linear_model"), name)()
    encoder = import_module("sklearn.preprocessing").OneHotEncoder()
    return import_module("sklearn.pipeline").make_pipeline(encoder, model).set_params(**settings)


FITTED: dict[str, ModelRecipe] = {
    "linear-regression": _from_sums("affine", "linear_model", "LinearRegression", classifies=False),
    "ridge": _from_sums("affine", "linear_model", "Ridge", classifies=False),
    "logistic-regression": _from_sums("affine", "linear_model", "LogisticRegression", classifies=True),
    "discriminant": _from_sums(
        "affine", "discriminant_analysis", "LinearDiscriminantAnalysis", classifies=True, solver="lsqr"
    ),
    "gaussian-nb": _from_sums("affine", "naive_bayes", "GaussianNB", classifies=True),
    "categorical-nb": _from_sums("bins", "naive_bayes", "CategoricalNB", classifies=True),
    "stump": _from_sums("bins", "tree", "DecisionTreeClassifier", classifies=True, max_depth=1),
    "one-vs-rest": ModelRecipe("affine", True, _one_vs_rest),
    "additive": ModelRecipe("bins", False, lambda **settings: _additive("Ridge", **settings)),
    "additive-classifier": ModelRecipe("bins", True, lambda **settings: _additive("LogisticRegression", **settings)),
    "components": _from_sums("affine", "decomposition", "PCA", classifies=False),
}


def fitted_kind(name: str) -> ModelRecipe:
    """The recipe of this name, of what `darkroom model fit` fits. Errors: BadModel with the list."""
    if name not in FITTED:
        raise BadModel(f"No model {name!r} is fitted from sums.", f"Choose one of: {', '.join(sorted(FITTED))}.")
    return FITTED[name]


def kind(name: str) -> ModelRecipe:
    """The recipe of this name. Errors: BadModel with the list."""
    if name not in KINDS:
        raise BadModel(f"There is no kind of model {name!r}.", f"Choose one of: {', '.join(sorted(KINDS))}.")
    return KINDS[name]


def settings_of(recipe: ModelRecipe, words: Iterable[str]) -> dict[str, Any]:
    """Hyperparameters of NAME=VALUE words, each of the type of the recipe's own default.

    Where that is None any value goes: a number, true or false, none, or text. Errors: UsageError for a word without a
    name, one given twice, an unknown one (with the list) or a value of another type.
    """
    words = list(words)
    if not words:
        return {}
    defaults: Mapping[str, Any] = recipe.make().get_params()
    found: dict[str, Any] = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not (name and equals):
            raise UsageError(f"{word!r} sets nothing.", "Write a setting as NAME=VALUE, as in --set max_depth=5.")
        if name not in defaults:
            raise UsageError(f"This model has no setting {name!r}.", f"It has: {', '.join(sorted(defaults))}.")
        if name in found:
            raise UsageError(f"{name} is set twice.", "Set it once.")
        found[name] = _typed(name, text, defaults[name])
    return found


def _typed(name: str, text: str, default: Any) -> Any:
    value = _value(text)
    if default is None or value is None:
        return value
    kind_ = type(default)
    if kind_ is float and type(value) is int:
        return float(value)
    if kind_ in (bool, int, float) and type(value) is not kind_:
        words = {bool: "true or false", int: "a whole number", float: "a number"}
        raise UsageError(f"{name} is {words[kind_]}, not {text!r}.", f"Its value by default is {default}.")
    return text if kind_ is str else value


def _value(text: str) -> Any:
    words = {"true": True, "false": False, "none": None}
    if text.lower() in words:
        return words[text.lower()]
    for read in (int, float):
        try:
            return read(text)
        except ValueError:
            continue
    return text
