"""What commands print for people."""

from __future__ import annotations

import pytest
from rich.console import Console

from app.console.output import facts_table, rows_table

FACTS = {
    "signed_here": True,
    "on_chain": False,
    "actions": ["license", "job"],
    "datasets": [1, 2],
    "note": None,
    "n": 3,
}


def test_values_are_written_as_people_write_them(capsys: pytest.CaptureFixture[str]) -> None:
    """Yes and no, lists by commas, a dash for nothing: no notation of Python's, in facts and in rows."""
    console = Console(width=80)
    console.print(facts_table(FACTS))
    console.print(rows_table([FACTS]))
    said = capsys.readouterr().out
    assert not [each for each in ("True", "False", "None", "[", "'") if each in said]
    assert [line.split(maxsplit=1)[-1].strip() for line in said.splitlines()[2:4]] == ["license, job", "1, 2"]
    assert said.count("yes") == said.count(" no ") == 2  # of facts and of rows
