"""docs/threats.md speaks only of tests that exist, and of every attack that is kept."""

from __future__ import annotations

import re
from pathlib import Path

from tests.attack.attacks import ATTACKS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "threats.md").read_text("utf-8")


def test_every_named_test_exists() -> None:
    """Each test that the page names is defined under tests/."""
    source = "\n".join(path.read_text("utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    defined = set(re.findall(r"^def (test_\w+)\(", source, re.MULTILINE))
    named = set(re.findall(r"`(test_\w+)`", PAGE))
    assert len(named) >= 25
    assert named <= defined, named - defined


def test_every_attack_is_on_the_page() -> None:
    """Each attack stands in a row of the page, and the page names no other."""
    rows = [line for line in PAGE.splitlines() if line.startswith("|")]
    quoted = {name for row in rows for name in re.findall(r"`([^`]+)`", row.rsplit("|", 2)[1])}
    assert {name for name in quoted if not name.startswith("test_")} == set(ATTACKS)
