"""Concrete ML's models, imported without the words of what they import."""

from __future__ import annotations

import contextlib
import importlib
import io
import warnings
from types import ModuleType


def load() -> ModuleType:
    """The module `concrete.ml.sklearn`. Errors: ModuleNotFoundError where Concrete ML is not installed.

    Its libraries say on stderr that they miss a GPU ("No CUDA runtime is found"): nothing that a person here could do.
    """
    with contextlib.redirect_stderr(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module("concrete.ml.sklearn")
