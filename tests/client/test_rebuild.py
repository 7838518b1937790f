"""`darkroom custodian rebuild`: a ledger made anew from the chain charges what was released, and the old file stays."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from app.client.dataset import Dataset
from app.home.home import Home
from app.home.network import Network
from app.policy.statement import statement
from fhe.leakage import space_of
from tests.client.conftest import Run
from tests.support.web import MarketNode


def test_a_ledger_is_made_anew_from_the_chain(darkroom: Run, home: Home, scene: MarketNode) -> None:
    """The one of an earlier version is refused with this command as the next step; it is put aside, nothing is lost."""
    path = home.actor("owner").path("ledger.sqlite")
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 2")
    code, _, err = darkroom("custodian", "ledger")
    assert code == 4
    assert "darkroom custodian rebuild" in " ".join(err.split())
    code, value, _ = darkroom("custodian", "rebuild", "--json")
    assert code == 0
    assert Path(value["old"]).exists()
    entries = scene.ledger.history(scene.stage.dataset)  # of this test and of those before it on the same scene
    assert value["releases"] == {str(scene.stage.dataset): len(entries)}
    code, rows, _ = darkroom("custodian", "ledger", "--json")
    assert {each["state"] for each in rows} == {"done"}
    assert scene.settled in {each["job"] for each in rows}
    code, stretches, _ = darkroom("custodian", "budget", str(scene.stage.dataset), "--json")
    published = Dataset.open(Network.open(home), scene.stage.dataset)
    place = (published.manifest.table, published.record.version)
    told = statement(entries, published.policy(None), space_of(published.codebook), *place)
    assert [each["micro_bits"] for each in stretches] == [each.micro_bits for each in told]
    assert any(each["micro_bits"] for each in stretches)
    code, value, _ = darkroom("custodian", "rebuild", "--json")  # and again, which changes nothing
    assert (code, value["releases"]) == (0, {str(scene.stage.dataset): len(entries)})
