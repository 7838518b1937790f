"""What an animal of the zoo is, and how those of other libraries are made, with one thread and little to say."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from benchmarks.zoo_tables import Target
from fhe.compile.space import FittedOn

CLASSES: tuple[Target, ...] = ("two", "three", "ten")
VALUE: tuple[Target, ...] = ("value",)


@dataclass(frozen=True)
class Animal:
    """One class or setting: how it is made, the tables it is tried on, and what it is fitted on."""

    name: str
    make: Callable[[], Any]
    targets: tuple[Target, ...]
    reading: FittedOn
    named: bool = True  # on a frame
    needs: str = ""  # a library that may be absent
    numbered: bool = False  # its library takes classes 0, 1, ... alone

    @property
    def here(self) -> bool:
        """Whether its library is installed."""
        return not self.needs or importlib.util.find_spec(self.needs) is not None


def xgb(name: str, **settings: Any) -> Any:
    """A model of XGBoost."""
    import xgboost

    return getattr(xgboost, name)(random_state=0, verbosity=0, **settings)


def lgbm(name: str, **settings: Any) -> Any:
    """A model of LightGBM."""
    import lightgbm

    return getattr(lightgbm, name)(random_state=0, verbose=-1, n_jobs=1, **settings)


def cat(name: str, **settings: Any) -> Any:
    """A model of CatBoost."""
    import catboost

    return getattr(catboost, name)(random_seed=0, verbose=0, allow_writing_files=False, thread_count=1, **settings)


def ebm(name: str, **settings: Any) -> Any:
    """An explainable boosting machine of InterpretML."""
    from interpret import glassbox

    return getattr(glassbox, name)(outer_bags=2, max_rounds=60, n_jobs=1, random_state=0, **settings)


def concrete(name: str, **settings: Any) -> Any:
    """A model of Concrete ML."""
    import concrete.ml.sklearn as models

    return getattr(models, name)(**settings)
