"""docs/glossary.md says what every public class stands for, and no two public classes share a name."""

from __future__ import annotations

import ast
import re
from collections import Counter
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
GLOSSARY = (ROOT / "docs" / "glossary.md").read_text("utf-8")
ENTRY = re.compile(r"^- \*\*(\w+)\*\* \(`([\w.]+)`\): (.+)$", re.MULTILINE)
WORD = re.compile(r"^\| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)

# In `fhe.compile`: a model's scores, features and inner estimator, beside what the market calls so.
STILL_TWICE = {"Core", "Form", "Space"}


@cache
def classes() -> tuple[tuple[str, str], ...]:
    """(name, module) of each public class at the top of a module that is shipped; database migrations have none."""
    files = [path for folder in ("app", "fhe", "ingestion") for path in sorted((ROOT / folder).rglob("*.py"))]
    found: list[tuple[str, str]] = []
    for path in (*files, ROOT / "contracts" / "__init__.py"):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        body = ast.parse(path.read_text("utf-8")).body
        names = (node.name for node in body if isinstance(node, ast.ClassDef))
        found += [(name, module) for name in names if not name.startswith("_")]
    return tuple(found)


def test_every_public_class_stands_in_the_glossary() -> None:
    """Each public class has one line with its module and what it stands for, and no line is of a class that is gone."""
    said = [(name, module) for name, module, _ in ENTRY.findall(GLOSSARY)]
    assert len(classes()) > 400
    assert sorted(set(classes()) - set(said)) == [], "docs/glossary.md lacks these"
    assert sorted(set(said) - set(classes())) == [], "docs/glossary.md names what does not exist"
    assert [each for each, times in Counter(said).items() if times > 1] == []
    assert GLOSSARY.count("\n- **") == len(said), "a line that is not of the form: - **Class** (`module`): meaning"


def test_no_two_public_classes_share_a_name() -> None:
    """A name means one class: whoever searches for it finds one room. What is still twice may only become less."""
    homes: dict[str, list[str]] = {}
    for name, module in classes():
        homes.setdefault(name, []).append(module)
    twice = {name: modules for name, modules in homes.items() if len(modules) > 1}
    assert {name: modules for name, modules in twice.items() if name not in STILL_TWICE} == {}


def test_the_markets_words_are_told_once_and_in_order() -> None:
    """The first part has each word once, by the alphabet."""
    words = [word for word, _ in WORD.findall(GLOSSARY.partition("## Public classes")[0])][2:]
    assert len(words) > 60
    assert words == sorted(set(words))
