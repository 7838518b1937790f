"""The doctor, on a real home that is whole at first and then broken in one place after the other."""

from __future__ import annotations

import json
import shutil
import socket
import sqlite3
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli.main import app
from app.client.provider import Provider
from app.home.config import NODE_FILE, NodeConfig, write_config
from app.home.home import Home
from app.home.network import Network
from app.home.setup import join, set_up
from app.market.db.database import Database
from app.market.indexer.indexer import Indexer
from app.node.doctor import Finding, examine
from app.node.settings import NodeSettings, WebSettings
from app.provider.pricing import Pricing, keep
from tests.support.market import DOLLAR

PARTS = {"home", "disk", "keys", "engine", "chain", "clock", "contracts", "store", "database", "index", "port"}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a market and an index of it."""
    home = Home(tmp_path_factory.mktemp("doctor") / "home")
    set_up(home)
    network, database = Network.open(home), Database(NodeSettings().database(home))
    Indexer(network.market, network.store, database).sync()
    database.close()
    return home.root


@pytest.fixture
def home(whole: Path, tmp_path: Path) -> Home:
    """A copy of it to break."""
    shutil.copytree(whole, tmp_path / "copy")
    return Home(tmp_path / "copy")


@pytest.fixture
def settings() -> NodeSettings:
    """A node on a port that nobody has."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return NodeSettings(web=WebSettings(port=probe.getsockname()[1]))


def found(home: Home, settings: NodeSettings, part: str) -> list[Finding]:
    """What is said of one part."""
    return [finding for finding in examine(home, settings) if finding.part == part]


def test_a_whole_node_is_well(home: Home, settings: NodeSettings) -> None:
    """Every part is looked at, and nothing is wrong with any."""
    findings = examine(home, settings)
    assert {finding.part for finding in findings} == PARTS
    assert not [finding for finding in findings if finding.level == "fail"]
    assert [each.part for each in findings if each.level == "warn"] in ([], ["disk"])  # the machine's own business


def test_a_home_that_is_not_there_yet(tmp_path: Path, settings: NodeSettings) -> None:
    """Before anything was set up nothing is broken, and each absence says how it is made."""
    findings = examine(Home(tmp_path / "none"), settings)
    assert not (tmp_path / "none").exists()
    absent = {"home", "chain", "store", "database"}
    assert {each.part for each in findings if each.level == "warn"} >= absent
    assert all("darkroom up" in each.fix for each in findings if each.part in absent)


def test_secrets_that_others_can_read(home: Home, settings: NodeSettings) -> None:
    """A key file with a careless mode fails, with the command that mends it."""
    path = home.root / "actors" / "operator" / "account.json"
    path.chmod(0o644)
    (finding,) = found(home, settings, "keys")
    assert finding.level == "fail"
    assert finding.fix == f"chmod 600 {path}"
    path.chmod(0o600)
    home.root.chmod(0o755)
    assert found(home, settings, "home")[0].level == "warn"


def test_another_markets_contracts(home: Home, settings: NodeSettings) -> None:
    """A deployment file that names other code than the chain has fails."""
    path = home.root / "chain" / "deployment.json"
    text = path.read_text("utf-8")
    place = text.index('"code_hash":"') + len('"code_hash":"')
    path.write_text(text[:place] + ("0" if text[place] != "0" else "1") + text[place + 1 :])
    assert [each.level for each in found(home, settings, "chain")] == ["ok", "fail"]
    path.unlink()
    assert "no deployment file" in found(home, settings, "chain")[-1].what


def test_a_moved_clock(home: Home, settings: NodeSettings) -> None:
    """A chain whose clock runs ahead of this machine's is a warning, since a demo may have moved it."""
    network = Network.open(home)
    network.node.advance(3600)  # type: ignore[attr-defined]
    (finding,) = found(home, settings, "clock")
    assert finding.level == "warn"
    assert "+3,6" in finding.what


def test_parts_that_are_out_of_reach(home: Home, settings: NodeSettings) -> None:
    """A chain node and an IPFS node that are not there fail, each for itself, and the rest is still looked at."""
    write_config(home, NodeConfig(chain="http://127.0.0.1:1", store="kubo:http://127.0.0.1:1"))
    findings = {each.part: each for each in examine(home, settings)}
    assert findings["chain"].level == "fail"
    assert "does not answer" in findings["chain"].what
    assert findings["store"].level == "fail"
    assert "cannot be reached" in findings["store"].what
    assert findings["database"].level == "ok"


def test_a_store_that_cannot_keep(home: Home, settings: NodeSettings) -> None:
    """A file where the store's folder should be fails."""
    shutil.rmtree(home.root / "store")
    (home.root / "store").write_text("not a folder")
    assert found(home, settings, "store")[0].level == "fail"


def test_an_index_that_lags(home: Home, settings: NodeSettings) -> None:
    """A silent indexer, tables of another version and a database that is none are told apart."""
    file = home.root / "index" / "index.sqlite"
    _execute(file, "UPDATE place SET seen_at = 1")
    assert "last looked" in found(home, settings, "index")[0].what
    _execute(file, "UPDATE place SET error = 'The chain does not answer.'")
    assert found(home, settings, "index")[0].level == "fail"
    _execute(file, "UPDATE alembic_version SET version_num = '9999'")
    assert found(home, settings, "database")[0].level == "warn"
    file.write_bytes(b"no database" * 1000)
    assert found(home, settings, "database")[0].level == "fail"


def test_a_port_that_is_taken(home: Home, settings: NodeSettings) -> None:
    """Somebody else's server on a port that was asked for fails; a file that names a dead node does not hide it."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = NodeSettings(web=WebSettings(port=other.getsockname()[1]))
        (home.root / NODE_FILE).write_text("http://127.0.0.1:1\n")
        (finding,) = found(home, taken, "port")
        assert finding.level == "fail"
        assert "another program" in finding.what
    assert found(home, settings, "port")[0].level == "ok"


def test_the_command_ends_with_what_it_found(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 1 when a line says fail, and 0 when none does; --json prints one object."""
    monkeypatch.setenv("DARKROOM_HOME", str(home.root))
    well = CliRunner().invoke(app, ["doctor", "--json"])
    assert well.exit_code == 0
    assert json.loads(well.output)["ok"] is True
    (home.root / "actors" / "operator" / "account.json").chmod(0o604)
    ill = CliRunner().invoke(app, ["doctor"], env={"COLUMNS": "200"})
    assert ill.exit_code == 1
    assert "✗ fail" in ill.output
    assert "chmod 600" in ill.output


def _execute(file: Path, statement: str) -> None:
    with sqlite3.connect(file) as connection:
        assert connection.execute(statement).rowcount > 0
    connection.close()


def test_a_provider_that_works_at_a_loss_is_told(home: Home, settings: NodeSettings) -> None:
    """The doctor needs no passphrase for it, and says what to do."""
    network = Network.open(home)
    actor, account = join(home, network, "provider-1")
    network.market.faucet(account, 1000 * DOLLAR)
    assert not found(home, settings, "providers")  # nobody is bonded here
    provider = Provider(network, actor, account)
    provider.bond(100 * DOLLAR, price=1, capacity=1)
    (well,) = found(home, settings, "providers")
    assert well.level == "ok"
    assert "an ether being 5,000" in well.what
    provider.restate(fixed_fee=0, price=1, capacity=1)
    keep(actor.folder, Pricing())
    (poor,) = found(home, settings, "providers")
    assert (poor.level, "darkroom provider terms --as provider-1" in poor.fix) == ("warn", True)
    assert provider.standing_terms().follow()
    assert [each.level for each in found(home, settings, "providers")] == ["ok"]
