"""Sentences of documents and helps that can be checked, checked; each of them was wrong once."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from benchmarks.__main__ import names

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
README = (ROOT / "README.md").read_text("utf-8")
TEXTS = {
    path: path.read_text("utf-8")
    for folder, form in (
        ("docs", "*.md"),
        ("app", "*.py"),
        ("fhe", "*.py"),
        ("ingestion", "*.py"),
        ("darkroom", "*.py"),
    )
    for path in (ROOT / folder).rglob(form)
} | {path: path.read_text("utf-8") for path in ROOT.glob("*.md")}


def test_the_package_is_named_as_it_is() -> None:
    """Whoever follows a text installs this project, and not another of a similar name on PyPI."""
    own = PROJECT["name"]
    for path, text in TEXTS.items():
        assert not re.findall(r"\bdarkroom\[", text), path
        for named in re.findall(r"pip install (?:--upgrade )?'?(darkroom[a-z-]*)", text):
            assert named == own, path


def test_extras_that_texts_name_exist() -> None:
    """Each extra in a text is one of pyproject.toml."""
    known = set(PROJECT["optional-dependencies"])
    named = {
        extra
        for text in TEXTS.values()
        for extra in re.findall(r"darkroom-market\[([a-z0-9]+)\]|'\.\[([a-z0-9]+)\]'", text)
    }
    found = {one or other for one, other in named}
    assert len(found) > 3
    assert found <= known


def test_the_readme_says_which_benchmarks_measure_others_too() -> None:
    """Those that it names do, and no other one does."""
    (sentence,) = re.findall(r"^(`[a-z]+`.*?) Darkroom alone\.$", README, re.MULTILINE | re.DOTALL)
    named = set(re.findall(r"`([a-z]+)`", sentence))
    measuring = {
        name
        for name in names()
        if re.search(r"rivals\.|concrete_p_error", (ROOT / "benchmarks" / f"{name}.py").read_text("utf-8"))
    }
    assert named == measuring


def test_nothing_promises_an_object_where_a_list_comes() -> None:
    """--json prints a value; a node's events alone are an object each."""
    for path, text in TEXTS.items():
        for line in re.findall(r".*[Pp]rints? one\s+JSON object.*", text):
            assert path.name == "demo.md" or "benchmark" in str(path), (path, line)


OWN_VARIABLES = {"DARKROOM_SERVICE", "DARKROOM_SUPERVISED"}  # which a node sets for its parts


def test_every_variable_of_the_environment_is_documented() -> None:
    """What the code reads stands in a document."""
    name = re.compile(r"\bDARKROOM_[A-Z_]+\b")
    read, told = set[str](), set[str]()
    for path, text in TEXTS.items():
        (read if path.suffix == ".py" else told).update(name.findall(text))
    assert len(read) > 8
    assert read - OWN_VARIABLES <= told
