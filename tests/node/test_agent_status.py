"""How agents do, by their own words: what is told, where it is shown, and what it is to be alarmed by."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.chain.evm.embedded import EmbeddedChain
from app.home.agent_status import AgentStatus, read_statuses, troubles, write_status
from app.home.config import NODE_FILE
from app.home.home import Home
from app.node.doctor import check_agents
from app.node.metrics import AgentCollector
from app.node.repair import repair
from app.node.settings import AgentSettings, NodeSettings
from app.node.status_reporter import StatusReporter
from app.protocol.errors import Unavailable
from tests.support.market import ETHER, MarketOnChain, open_market, person, set_stage

GWEI = 10**9
GOOD: dict[str, Any] = {
    "kind": "provider",
    "role": "provider-1",
    "account": "0x1",
    "pid": 1,
    "started": 0.0,
    "at": 1000.0,
    "jobs": {"assigned": 2},
    "slack_seconds": 5000,
    "balance_wei": ETHER,
    "gas_price_wei": GWEI,
    "bond": 100,
    "seat": True,
    "heartbeat_seconds": 10,
    "heartbeat_window": 86_400,
}


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MarketOnChain]:
    """A market with bonded providers on an embedded chain."""
    folder = tmp_path_factory.mktemp("status")
    chain = EmbeddedChain(folder / "chain.sqlite")
    yield set_stage(open_market(chain, folder / "deployment.json"))
    chain.close()


CASES: dict[str, tuple[dict[str, Any], str]] = {
    "well": ({}, ""),
    "stopped": ({"stopped": True, "at": 0.0, "failing": 3}, ""),
    "silent": ({"at": 100.0}, "fail silent"),
    "late": ({"slack_seconds": 60}, "fail deadline"),
    "over": ({"slack_seconds": -60}, "fail deadline"),
    "failing": ({"failing": 2, "error": "The chain does not answer."}, "fail failing"),
    "little gas": ({"balance_wei": 20 * 450_000 * GWEI}, "warn gas"),
    "one wei": ({"balance_wei": 1}, "fail gas"),
    "no seat": ({"seat": False}, "fail seat"),
    "not bonded": ({"seat": False, "bond": 0}, ""),
    "old heartbeat": ({"heartbeat_seconds": 50_000}, "warn heartbeat"),
    "stuck": ({"open_transactions": 9}, "warn transactions"),
}


@pytest.mark.parametrize("name", CASES)
def test_trouble_is_told_with_what_to_do(name: str) -> None:
    """Each trouble has one word, one level, the role in its sentence and a next step."""
    changes, wanted = CASES[name]
    found = troubles(AgentStatus(**GOOD | changes), now=1001.0)
    assert " ".join(f"{each.level} {each.kind}" for each in found) == wanted
    for each in found:
        assert "provider-1" in each.what
        assert each.fix


def test_words_are_kept_private_and_damage_is_passed_over(tmp_path: Path) -> None:
    """A role's file is readable by its user alone; what is no status is left out; a full disk ends nothing."""
    home = Home(tmp_path)
    folder = home.actor("provider-1", create=True).folder
    write_status(folder, AgentStatus(**GOOD))
    home.actor("owner", create=True).path("custodian-status.json").write_text("{")
    assert list(read_statuses(home)) == [AgentStatus(**GOOD)]
    assert (folder / "provider-status.json").stat().st_mode & 0o077 == 0
    write_status(tmp_path / "nowhere", AgentStatus(**GOOD))


def test_an_agent_tells_every_step(stage: MarketOnChain, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Failures by class, the last error, ether and jobs are told; what begins to be wrong is logged once."""
    home, account = Home(tmp_path), stage.providers[0]
    log, failing = logging.getLogger("darkroom.provider"), True

    def step() -> None:
        if failing:
            raise Unavailable("The store is away.", "Wait for it.")

    caplog.set_level(logging.INFO)
    facts = {"jobs": {"open": 1}, "bond": 5, "seat": True}
    actor = home.actor("provider-1", create=True)
    with StatusReporter("provider", actor, stage.market, account, log, lambda: facts) as reporter:
        told = reporter.watched(step)
        for _ in range(2):
            with pytest.raises(Unavailable):
                told()
        (said,) = read_statuses(home)
        assert (said.failures, said.failing, said.jobs) == ({"unavailable": 2}, 2, {"open": 1})
        assert "The store is away." in said.error
        assert said.balance_wei == stage.market.node.balance(account.address)
        assert [each.kind for each in troubles(said)] == ["failing"]
        failing = False
        told()
        (said,) = read_statuses(home)
        assert (said.failing, said.error, troubles(said)) == (0, "", [])
    (said,) = read_statuses(home)
    assert said.stopped
    warnings = [each for each in caplog.records if each.getMessage() == "trouble"]
    assert [each.__dict__["what"] for each in warnings] == ["failing"]
    assert "Do what it says." in warnings[0].__dict__["detail"]


def test_metrics_and_doctor_read_the_same_words(tmp_path: Path) -> None:
    """One wei of ether: a figure for machines, a sentence for people, and a red line of the doctor."""
    home = Home(tmp_path)
    poor = AgentStatus(**GOOD | {"balance_wei": 1, "failures": {"unavailable": 3}})
    write_status(home.actor("provider-1", create=True).folder, poor)
    samples = {
        (
            sample.name,
            sample.labels.get("state") or sample.labels.get("what") or sample.labels.get("code"),
        ): sample.value
        for family in AgentCollector(home).collect()
        for sample in family.samples
    }
    assert samples["darkroom_agent_gas_balance_wei", None] == 1
    assert samples["darkroom_agent_jobs_paid_for", None] == 0
    assert samples["darkroom_agent_jobs", "assigned"] == 2
    assert samples["darkroom_agent_failures_total", "unavailable"] == 3
    assert samples["darkroom_agent_trouble", "gas"] == 1
    assert samples["darkroom_agent_up", None] == 0  # it spoke long ago
    assert ("darkroom_agent_ledger_waiting", None) not in samples  # a provider has none
    (home.root / NODE_FILE).write_text("http://127.0.0.1:9")
    settings = NodeSettings(agents=AgentSettings(providers=("provider-1", "provider-2")))
    found = [(each.level, each.what) for each in check_agents(home, settings)]
    assert ("fail", "The provider provider-1 has ether for 0 more jobs.") in found
    assert ("warn", "The agent provider-2 has never spoken.") in found


def test_repair_takes_nothing_away_that_counts(tmp_path: Path) -> None:
    """Modes are put right and leftovers of killed processes go; keys and what is young stay."""
    home = Home(tmp_path / "home")
    actor = home.actor("owner", create=True)
    person("owner").save(actor.path("account.json"), "a passphrase", light=True)
    actor.path("account.json").chmod(0o644)
    (home.root / NODE_FILE).write_text("http://127.0.0.1:9")
    young, old = actor.path(".ledger.sqlite.1"), actor.path(".ledger.sqlite.2")
    for path in (young, old):
        path.write_bytes(b"")
    os.utime(old, (1, 1))
    done = [each.part for each in repair(home)]
    assert sorted(done) == ["disk", "keys", "port"]
    assert actor.path("account.json").stat().st_mode & 0o077 == 0
    assert (young.exists(), old.exists(), (home.root / NODE_FILE).exists()) == (True, False, False)
    assert list(repair(home)) == []
