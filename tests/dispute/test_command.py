"""`darkroom audit --challenge JOB` against liars, about a result with lookups: the whole command, on a real chain."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from app.chain.wallet.account import Account
from app.cli.main import run
from app.client import challenging
from app.home.config import NodeConfig, write_config
from app.home.home import Home
from app.protocol.market.entities import JobState
from tests.dispute.arena import Arena
from tests.dispute.lookup_arena import TREE, LookupLiar, corrupted, knows, lookup_arena
from tests.support.market import DOLLAR, ETHER

PASSPHRASE = "a passphrase of nobody"


@pytest.fixture
def town(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Arena]:
    """A market on a profile of no security, in a home that the command finds."""
    folder = tmp_path / "home"
    folder.mkdir()
    places = {"chain": "embedded:chain.sqlite", "deployment": "deployment.json", "store": "folder:world/store"}
    write_config(Home(folder), NodeConfig(**places))
    monkeypatch.setenv("DARKROOM_HOME", str(folder))
    monkeypatch.setenv("DARKROOM_PASSPHRASE", PASSPHRASE)
    knows(monkeypatch)
    with lookup_arena(folder, providers=3) as market:
        yield market


def auditor(town: Arena) -> Account:
    """Somebody with money for a bond, in a role of the home."""
    home = Home.default()
    account = Account.create(home.actor("auditor", create=True).path("account.json"), PASSPHRASE, light=True)
    town.market.node.fund(account.address, ETHER)  # type: ignore[attr-defined]
    town.market.faucet(account, 100 * DOLLAR)
    return account


def test_a_stranger_convicts_a_liar_by_command(
    town: Arena, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It tells first what it would say and what that costs, and sends nothing; with a bond it plays until the contract
    convicts. The liar moves while the command waits.
    """
    account = auditor(town)
    job, drawn = town.order(TREE)
    lie = corrupted(town.honest(job), 11, 5, 1 << 9)
    job = town.answered(job, [(each, lie) for each in drawn])
    assert job.state is JobState.COMPUTED
    liars = [LookupLiar(town, each, lie, random.Random(3)) for each in drawn]

    def others_move(_seconds: float) -> None:
        if not sum(len(list(liar.moves(town.market.job(job.id)))) for liar in liars):
            time.sleep(0.01)

    monkeypatch.setattr(challenging, "time", SimpleNamespace(monotonic=time.monotonic, sleep=others_move))
    command = ["audit", "--challenge", str(job.id), "--as", "auditor", "--threads", "1", "--json"]
    assert run(command) == 4
    told = json.loads(capsys.readouterr().out)
    assert [each["executor"] for each in told["accusations"]] == [each.address for each in drawn]
    assert told["sent"] == told["disputes"] == town.market.disputes(job.id) == []
    assert run([*command, "--bond", str(told["bond"] // DOLLAR)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["disputes"] == [
        {"dispute": number, "executor": each.address, "verdict": "convicted"} for number, each in enumerate(drawn, 1)
    ]
    assert told["sent"][0].startswith("opened dispute 1")
    assert sum(each.endswith("convicted") for each in told["sent"]) >= 1
    assert town.market.job(job.id).state is JobState.DISPUTED
    assert town.market.claim(account.address) == 2 * sum(each.bond for each in town.market.disputes(job.id))
