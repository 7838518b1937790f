"""The benchmark of the house: what it finds where something is out of order, and that nothing is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import house


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A tree with one module, which stands for the project."""
    monkeypatch.setattr(house, "ROOT", tmp_path)
    monkeypatch.setattr(house, "SHIPPED", ("app",))
    monkeypatch.setattr(house, "OWN", ("app",))
    (tmp_path / "app").mkdir()
    house.public_classes.cache_clear()
    yield tmp_path
    house.public_classes.cache_clear()


def test_our_own_figures_are_right() -> None:
    """No circle, no class name with two homes, no long file without a reason; the command says so."""
    figures = house.run(lambda done, total: None)
    assert (figures["which_circles"], figures["which_classes"], figures["which_files"]) == ([], {}, {})
    assert figures["circles"] == figures["classes_twice"] == figures["long_files"] == 0
    assert figures["private_words"] == sum(figures["which_words"].values())
    assert figures["public_classes"] > 400


def test_a_class_name_with_two_homes_is_found(tree: Path) -> None:
    """Both homes are named; private classes and classes inside of others have no say."""
    (tree / "app" / "one.py").write_text("class Table:\n    class Row: ...\nclass _Own: ...\n")
    (tree / "app" / "two.py").write_text("class Row: ...\nclass Table: ...\nclass _Own: ...\n")
    assert house.classes_twice() == {"Table": ["app.one", "app.two"]}


def test_a_long_file_must_say_why(tree: Path) -> None:
    """Above 400 lines only a reason near the top helps."""
    (tree / "app" / "plain.py").write_text("x = 1\n" * 401)
    (tree / "app" / "argued.py").write_text("# Long because a test needs it.\n" + "x = 1\n" * 401)
    (tree / "app" / "short.py").write_text("x = 1\n" * 400)
    assert house.long_files() == {"app/plain.py": 401}


def test_private_words_count_as_names_alone(tree: Path) -> None:
    """A parameter, a field, a function and a module count; a text, a comment and a local variable do not."""
    body = '    """The sheet."""\n    trail = "told"  # facts\n    return trail\n'
    (tree / "app" / "seams.py").write_text(f"class Told:\n    sheet: int\ndef gather(desk):\n{body}")
    assert house.private_words() == {"Told": 1, "desk": 1, "gather": 1, "seams": 1, "sheet": 1}
