"""What is public: exactly the names of `__all__`, each documented, and light to import."""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import darkroom
from app.protocol import errors

ROOT = Path(__file__).parents[2]
CLASSES = sorted(name for name in darkroom.__all__ if inspect.isclass(getattr(darkroom, name)))
HEAVY = ("concrete", "eth", "numpy", "polars", "pydantic", "rich", "sklearn", "torch", "web3")


def members(kind: type) -> dict[str, Any]:
    """The public methods and properties that a class of ours defines or inherits from ours."""
    own = [each for each in kind.__mro__ if each.__module__.startswith("darkroom.")]
    return {name: value for each in reversed(own) for name, value in vars(each).items() if not name.startswith("_")}


def test_public_names_are_the_exported_ones() -> None:
    """Each name of `__all__` is there, `dir` lists it, a star import brings it; another name is no attribute."""
    assert set(darkroom.__all__) <= set(dir(darkroom))
    brought: dict[str, Any] = {}
    exec("from darkroom import *", brought)  # noqa: S102 - no import statement does this in a function
    assert {name for name in brought if name != "__builtins__"} == set(darkroom.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'buy'"):
        _ = darkroom.buy  # type: ignore[attr-defined]


def test_every_public_name_is_explained() -> None:
    """Classes, their methods and properties, and functions have a docstring and annotations for all that they take."""
    silent = []
    for name in darkroom.__all__:
        value = getattr(darkroom, name)
        if name != "__version__" and not inspect.getdoc(value):
            silent.append(name)
        found = members(value) if inspect.isclass(value) else {name: value}
        for member, each in found.items():
            function = each.fget if isinstance(each, property) else each
            if isinstance(function, ModuleType | str):
                continue
            if not callable(function) or not inspect.getdoc(function):
                silent.append(f"{name}.{member}")
                continue
            silent += [
                f"{name}.{member}({parameter.name})"
                for parameter in inspect.signature(function).parameters.values()
                if parameter.name != "self" and parameter.annotation is parameter.empty
            ]
    assert silent == []


def test_nothing_public_shows_its_inner_parts() -> None:
    """No public property or parameter of the face hands out an object of `app`, whose names may change."""
    leaked = []
    for name in CLASSES:
        for member, each in members(getattr(darkroom, name)).items():
            function = each.fget if isinstance(each, property) else each
            said = str(getattr(function, "__annotations__", {}).get("return", ""))
            if any(word in said for word in ("entities.", "Network", "Account", "Preflight", "Sent[")):
                leaked.append(f"{name}.{member}: {said}")
    assert leaked == []


def test_all_errors_are_there() -> None:
    """`darkroom.errors` holds the whole tree, and nothing else."""
    tree = {name for name, each in vars(errors).items() if inspect.isclass(each) and issubclass(each, BaseException)}
    assert set(darkroom.errors.__all__) == tree
    assert all(getattr(darkroom.errors, name) is getattr(errors, name) for name in tree)


def test_importing_loads_nothing() -> None:
    """`import darkroom` brings no library; the market's face none that only owners or trainers need."""
    program = (
        "import json, sys, darkroom; first = list(sys.modules); darkroom.connect; "
        "print(json.dumps([first, list(sys.modules)]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True,
        text=True, encoding="utf-8", timeout=60, check=True,
    )  # fmt: skip
    first, then = (set(each) for each in json.loads(done.stdout))
    assert not first & {*HEAVY, "app"}
    assert not then & {"concrete", "polars", "rich", "sklearn", "torch", "web3"}


def test_the_version_is_the_distributions() -> None:
    """`darkroom.__version__` is stated once, where the build reads it."""
    assert f'__version__ = "{darkroom.__version__}"' in (ROOT / "app" / "__init__.py").read_text("utf-8")
