"""Calls into other people's libraries: their warnings are silent, their exceptions become BadModel."""

from __future__ import annotations

import contextlib
import importlib
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from app.protocol.errors import BadModel, DarkroomError

SHOWN = 200  # characters of another library's message


@contextlib.contextmanager
def guarded(model: Any, doing: str, next_step: str = "Fit it again, and see that it predicts.") -> Iterator[None]:
    """Run another library's code. Errors: BadModel for whatever it raises."""
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            yield
    except DarkroomError:
        raise
    except Exception as error:
        if type(error).__name__ == "NotFittedError" or "not fitted" in str(error) or "fit before" in str(error):
            raise BadModel(f"This {kind(model)} was not fitted.", "Call fit() first.") from None
        said = " ".join(str(error).split())[:SHOWN]
        raise BadModel(f"{doing} this {kind(model)} failed: {type(error).__name__}: {said}", next_step) from error


def kind(model: Any) -> str:
    """The class of a model, for people."""
    return type(model).__name__


def origin(model: Any) -> str:
    """The library that a model's class is of, or that it stands for."""
    return getattr(type(model), "stands_for", None) or type(model).__module__.partition(".")[0]


def has(model: Any, method: str) -> bool:
    """Whether a model offers a method; scikit-learn's are properties that may refuse."""
    try:
        return callable(getattr(model, method, None))
    except Exception:  # noqa: BLE001 - a property of another library's class may raise anything
        return False


def attribute(model: Any, name: str) -> Any:
    """An attribute, or None where there is none; properties of unfitted models may raise."""
    try:
        return getattr(model, name, None)
    except Exception:  # noqa: BLE001 - as above
        return None


def asked(model: Any, method: str, table: Any, **options: Any) -> npt.NDArray[Any]:
    """What a model's method says of a table, as an array. Errors: BadModel."""
    with guarded(model, f"{method}() of"):
        return np.asarray(getattr(model, method)(table, **options))


def frame(values: npt.NDArray[np.float64], names: tuple[str, ...] | None) -> Any:
    """What a model fitted on named columns reads: a pandas frame; else the array itself."""
    if names is None:
        return values
    try:
        pandas = importlib.import_module("pandas")
    except ImportError:
        return values
    return pandas.DataFrame(values, columns=list(names), copy=False)


def comparable(labels: Any) -> npt.NDArray[Any]:
    """Labels (rows,) that compare by value, whether a library gives text, numbers, or one column of either."""
    flat = np.asarray(labels).reshape(-1)
    return flat.astype(str) if flat.dtype.kind in "OUS" else flat.astype(np.float64)
