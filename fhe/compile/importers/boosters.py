"""Raw Boosters with an estimator's methods: their own predictions, read by their objective's output."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from fhe.arrays import F64
from fhe.compile.foreign import guarded


class _Booster:
    """Classes are numbered from 0, as Boosters have no names for them."""

    stands_for: ClassVar[str]
    _chances: bool  # whether `_raw` gives chances

    def _raw(self, table: Any, *, margin: bool) -> F64:
        raise NotImplementedError

    def predict(self, table: Any, **options: Any) -> npt.NDArray[Any]:
        """Labels, values, or margins (output_margin or raw_score)."""
        if options.get("output_margin") or options.get("raw_score"):
            return self._raw(table, margin=True)
        found = self._raw(table, margin=False)
        if not self._chances:
            return found
        return (found > 0.5).astype(np.int64) if found.ndim == 1 else found.argmax(axis=1)

    def __getattr__(self, name: str) -> Any:
        if name == "predict_proba" and self.__dict__.get("_chances"):
            return self._proba
        if name == "classes_" and self.__dict__.get("_chances"):
            return np.arange(max(2, self.__dict__["_classes"]))
        raise AttributeError(name)

    def _proba(self, table: Any) -> F64:
        found = self._raw(table, margin=False)
        return np.stack([1 - found, found], axis=1) if found.ndim == 1 else found


class XGBoostBooster(_Booster):
    """xgboost.Booster."""

    stands_for = "xgboost"

    def __init__(self, booster: Any) -> None:
        import json

        self._booster = booster
        with guarded(booster, "Reading"):
            learner = json.loads(booster.save_config())["learner"]
            self.n_features_in_ = int(booster.num_features())
        self._classes = int(learner["learner_model_param"]["num_class"])
        self._chances = learner["objective"]["name"] in ("binary:logistic", "multi:softprob")
        self.feature_names = booster.feature_names

    def get_booster(self) -> Any:
        """The Booster itself."""
        return self._booster

    def _raw(self, table: Any, *, margin: bool) -> F64:
        from xgboost import DMatrix

        names = self.feature_names
        data = DMatrix(np.asarray(table, np.float64), feature_names=names)
        return np.asarray(self._booster.predict(data, output_margin=margin), np.float64)


class LightGBMBooster(_Booster):
    """lightgbm.Booster."""

    stands_for = "lightgbm"

    def __init__(self, booster: Any) -> None:
        self.booster_ = booster
        with guarded(booster, "Reading"):
            self._classes = int(booster.num_model_per_iteration())
            objective = str(booster.dump_model(num_iteration=1).get("objective", ""))
            self.n_features_in_ = int(booster.num_feature())
        self._chances = objective.split(" ", maxsplit=1)[0] in ("binary", "multiclass")
        self.feature_names = booster.feature_name()

    def _raw(self, table: Any, *, margin: bool) -> F64:
        return np.asarray(self.booster_.predict(np.asarray(table, np.float64), raw_score=margin), np.float64)
