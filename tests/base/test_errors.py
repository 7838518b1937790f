"""Errors are one documented tree."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from app.protocol import errors
from app.protocol.errors import DarkroomError, OutOfRange, Reverted

ROOT = Path(__file__).parents[2]
CLASSES = sorted(
    (each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, DarkroomError)),
    key=lambda each: each.__name__,
)


def test_every_error_is_documented_with_its_code_and_exit_code() -> None:
    """docs/errors.md has exactly one line for each class: its code, its exit code, its name."""
    text = (ROOT / "docs" / "errors.md").read_text("utf-8")
    rows = re.findall(r"^\| `([a-z-]+)` \| (\d) \| (\w+) \|", text, re.MULTILINE)
    assert sorted(rows) == sorted((each.code, str(each.exit_code), each.__name__) for each in CLASSES)


def test_every_exit_code_is_explained() -> None:
    """The table of exit codes covers 0 and each code that an error has."""
    text = (ROOT / "docs" / "errors.md").read_text("utf-8")
    explained = {int(code) for code in re.findall(r"^\| (\d) \| ", text, re.MULTILINE)}
    assert explained == {0} | {each.exit_code for each in CLASSES}


def test_the_drawn_tree_names_every_error() -> None:
    """The module's docstring shows each class."""
    assert not [each.__name__ for each in CLASSES if each.__name__ not in (errors.__doc__ or "")]


def test_codes_are_unique() -> None:
    """Two errors never share a code."""
    assert len({each.code for each in CLASSES}) == len(CLASSES)


@pytest.mark.parametrize("kind", CLASSES)
def test_an_error_carries_what_is_wrong_and_what_to_do(kind: type[DarkroomError]) -> None:
    """Message and next step stay apart for machines and read as one text for people."""
    error = kind("It is wrong.", "Do this.")
    assert (error.message, error.next_step, str(error)) == ("It is wrong.", "Do this.", "It is wrong. Do this.")


def test_an_error_without_a_next_step_is_its_message() -> None:
    """Nothing trails a message that stands alone."""
    assert str(OutOfRange("Too high.")) == "Too high."


def test_a_revert_keeps_its_reason() -> None:
    """The contract's custom error travels by name."""
    assert Reverted("No.", reason="NotOwner").reason == "NotOwner"
