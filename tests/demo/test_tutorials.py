"""The tutorials of docs/tutorials, command by command, as a newcomer types them: each begins where another ended."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.homes import PASSPHRASE
from tests.support.running_node import free_port

ROOT = Path(__file__).parents[2]
TUTORIALS = ROOT / "docs" / "tutorials"
ORDER = ("owner", "provider", "buyer", "auditor", "agent")
HOW_TO = ("backups", "rotate-keys")  # those whose commands go on from the tutorials


def blocks(name: str, folder: Path = TUTORIALS) -> list[str]:
    """The shell blocks of a page."""
    return re.findall(r"^```sh\n(.*?)^```$", (folder / f"{name}.md").read_text("utf-8"), re.MULTILINE | re.DOTALL)


@pytest.mark.deep
def test_the_tutorials_lead_where_they_say(tmp_path: Path) -> None:
    """From a table in the clear to an opened result and a whole audit by every command of four pages, in one shell;
    and on to what a software agent asks under a mandate or pays for alone, a backup, new keys.
    """
    typed = [*(blocks(name) for name in ORDER), *(blocks(name, ROOT / "docs" / "how-to") for name in HOW_TO)]
    program = "set -eu\n" + "\n".join(block for page in typed for block in page)
    for port in ("8080", "4020"):  # of the agent's page
        program = program.replace(port, str(free_port()))
    clean = {name: value for name, value in os.environ.items() if not name.startswith("DARKROOM_")}
    tools = Path(sys.executable).parent
    home = {"DARKROOM_HOME": str(tmp_path / "home"), "DARKROOM_PASSPHRASE": PASSPHRASE, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        ["sh", "-c", program], cwd=tmp_path, env=clean | home | {"PATH": f"{tools}:{clean['PATH']}"},
        capture_output=True, encoding="utf-8", timeout=1200, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "settled" in done.stdout
    assert "encrypted anew, under other keys" in done.stdout
    assert "202 {'job':" in done.stdout
    proof = json.loads((tmp_path / "job.json").read_text("utf-8"))
    assert proof["entity"]
    assert 'audit {"next"' in done.stdout
    assert '"complete": true' in done.stdout
    assert len((tmp_path / "job.intoto.json").read_text("utf-8").splitlines()) > 1


@pytest.mark.parametrize("name", ORDER)
def test_a_tutorial_has_steps(name: str) -> None:
    """Each has blocks that are run, and names the one that it goes on from."""
    assert len(blocks(name)) >= 2
    before = ORDER[max(0, ORDER.index(name) - 1)]
    assert name == ORDER[0] or f"({before}.md)" in (TUTORIALS / f"{name}.md").read_text("utf-8")
