"""What a node does when nothing more fits on the disk: words instead of traces, and everything goes on with room."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from app.chain.evm.embedded import EmbeddedChain
from app.node import node
from app.node.supervisor import NodeEvent
from app.protocol.errors import Unavailable
from tests.support.market import ETHER, person


def spend(chain: EmbeddedChain, who: str) -> None:
    """Blocks until the pages that are there are full."""
    for _ in range(200):
        chain.fund(who, ETHER)


def test_a_chain_that_cannot_be_written(tmp_path: Path) -> None:
    """A block that does not fit is told as such and leaves no trace; with room the same call works."""
    chain, who = EmbeddedChain(tmp_path / "chain.sqlite"), person("anyone").address
    head, database = chain.head(), chain._db._connection
    (pages,) = database.execute("PRAGMA page_count").fetchone()
    database.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(Unavailable, match="cannot be written") as told:
        spend(chain, who)
    assert "room on the disk" in told.value.next_step
    before = chain.head()
    assert before.number >= head.number
    database.execute("PRAGMA max_page_count = 1000000")
    balance = chain.balance(who)
    chain.fund(who, ETHER)
    assert (chain.head().number, chain.balance(who)) == (before.number + 1, balance + ETHER)
    chain.close()


def test_a_log_that_takes_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A log file that is lost is told once, and again when it was found and lost again; events go on."""
    monkeypatch.setattr(node, "LOG_BYTES", 200)
    folder = tmp_path / "logs"
    folder.mkdir()
    event = NodeEvent("2026-01-02T03:04:05.678Z", "info", "web", "ready", {"detail": "x" * 150})
    with node._log_file(folder) as log:
        assert log(event) is None
        shutil.rmtree(folder)
        lost = log(event)
        assert lost is not None
        assert (lost.event, lost.level) == ("log-lost", "error")
        assert "darkroom doctor" in lost.fields["detail"]
        assert log(event) is None
        folder.mkdir()
        assert log(event) is None
    assert capfd.readouterr().err == ""
