"""docs/threats.md speaks only of tests that exist, and of every attack that is kept."""

from __future__ import annotations

import re
from pathlib import Path

from tests.attack.attacks import ATTACKS
from tests.support import agent_attacks, paid_ask_attacks
from tests.support.mandate_attacks import CHAIN_ATTACKS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "threats.md").read_text("utf-8")


def test_every_named_test_exists() -> None:
    """Each test that the page names is defined under tests/."""
    files = [*(ROOT / "tests").rglob("test_*.py"), *(ROOT / "contracts" / "test").rglob("*.t.sol")]
    source = "\n".join(path.read_text("utf-8") for path in files)
    defined = set(re.findall(r"^(?:def|    function) (test\w+)\(", source, re.MULTILINE))
    named = set(re.findall(r"`(test\w+)`", PAGE))
    assert len(named) >= 25
    assert named <= defined, named - defined


def test_every_attack_is_on_the_page() -> None:
    """Each attack on a custodian stands in a row of the page, and the page names none that is not tried."""
    rows = [line for line in PAGE.splitlines() if line.startswith("|")]
    quoted = {name for row in rows for name in re.findall(r"`([^`]+)`", row.rsplit("|", 2)[1])}
    named = {name for name in quoted if not name.startswith("test")}
    names = [*(each.name for each in agent_attacks.ATTACKS), *(each.name for each in paid_ask_attacks.ATTACKS)]
    on_agents = {*CHAIN_ATTACKS, *(name.partition(":")[0] for name in names)}  # too many for a row each
    assert set(ATTACKS) <= named <= {*ATTACKS, *on_agents}
