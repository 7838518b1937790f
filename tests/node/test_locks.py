"""Locks of a home: one node, one web server, and no part of a killed node beside a new one's."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from app.home.home import Home
from app.node import locks
from app.node.locks import only_node, only_web_server
from app.protocol.errors import NotAllowed


def test_one_web_server_serves_a_home(tmp_path: Path) -> None:
    """A second process that would serve a home is refused, and takes over once the first is gone."""
    home, other = Home(tmp_path / "a"), Home(tmp_path / "b")
    for each in (home, other):
        each.root.mkdir()
    with only_web_server(home), only_web_server(other):
        with pytest.raises(NotAllowed, match="web server runs") as told, only_web_server(home):
            pass
        assert "one process" in told.value.next_step
    with only_web_server(home):
        pass


def test_a_node_waits_for_the_parts_of_a_killed_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A part that outlives its supervisor holds the home a little longer, and for ever only until patience ends."""
    home = Home(tmp_path / "home")
    with only_node(home) as lease:
        sleeper = [sys.executable, "-c", "import sys; sys.stdin.read()"]
        part = subprocess.Popen(sleeper, pass_fds=(lease,), stdin=subprocess.PIPE)
        with pytest.raises(NotAllowed, match="runs in"), only_node(home):
            pass
    monkeypatch.setattr(locks, "PATIENCE", 0.2)
    with pytest.raises(NotAllowed, match="Parts of an earlier node"), only_node(home):
        pass
    assert "Waiting for the parts" in capsys.readouterr().err
    monkeypatch.setattr(locks, "PATIENCE", 30.0)
    assert part.stdin is not None
    part.stdin.close()  # as when the supervisor is gone
    with only_node(home):
        assert part.wait(5) == 0
