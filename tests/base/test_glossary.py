"""docs/glossary.md says what every public class stands for, and no two public classes share a name."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from benchmarks.house import classes_twice, public_classes

ROOT = Path(__file__).parents[2]
GLOSSARY = (ROOT / "docs" / "glossary.md").read_text("utf-8")
ENTRY = re.compile(r"^- \*\*(\w+)\*\* \(`([\w.]+)`\): (.+)$", re.MULTILINE)
WORD = re.compile(r"^\| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)


def test_every_public_class_stands_in_the_glossary() -> None:
    """Each public class has one line with its module and what it stands for, and no line is of a class that is gone."""
    said = [(name, module) for name, module, _ in ENTRY.findall(GLOSSARY)]
    assert len(public_classes()) > 400
    assert sorted(set(public_classes()) - set(said)) == [], "docs/glossary.md lacks these"
    assert sorted(set(said) - set(public_classes())) == [], "docs/glossary.md names what does not exist"
    assert [each for each, times in Counter(said).items() if times > 1] == []
    assert GLOSSARY.count("\n- **") == len(said), "a line that is not of the form: - **Class** (`module`): meaning"


def test_no_two_public_classes_share_a_name() -> None:
    """A name means one class: whoever searches for it finds one room."""
    assert classes_twice() == {}


def test_the_markets_words_are_told_once_and_in_order() -> None:
    """The first part has each word once, by the alphabet."""
    words = [word for word, _ in WORD.findall(GLOSSARY.partition("## Public classes")[0])][2:]
    assert len(words) > 60
    assert words == sorted(set(words))
