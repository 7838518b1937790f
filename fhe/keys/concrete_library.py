"""Concrete's Python library, imported without torch where torch is not installed.

Concrete's client makes an owner's keys and needs no torch for it; two of its extensions (convolution and pooling)
import torch at their top, though, and with them the whole library would need it: 5 GB for what an owner never calls.
Their import is given a stand-in, which is gone when it is over.
"""

from __future__ import annotations

import importlib.util
import sys
import warnings
from contextlib import contextmanager
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

TORCH = "torch"


def load() -> ModuleType:
    """The module `concrete.fhe`. Errors: ModuleNotFoundError where Concrete is not installed."""
    with _stand_in_for_torch(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what Concrete imports: nothing that a person here could do
        return importlib.import_module("concrete.fhe")


class _Torch(ModuleType):
    """Any name of it is found, for tables of functions that are made when a module is imported."""

    def __getattr__(self, name: str) -> None:
        if name.startswith("__"):
            raise AttributeError(name)


@contextmanager
def _stand_in_for_torch() -> Iterator[None]:
    if TORCH in sys.modules or _installed():
        yield
        return
    sys.modules[TORCH] = _Torch(TORCH)
    try:
        yield
    finally:
        del sys.modules[TORCH]  # others ask whether torch is there


def _installed() -> bool:
    try:
        return importlib.util.find_spec(TORCH) is not None
    except ImportError:
        return False
