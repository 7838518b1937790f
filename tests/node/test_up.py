"""`darkroom up` for a newcomer: the real command, on its embedded parts, with real keys."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from app.chain.wallet.account import TEST_ACCOUNT
from app.client.dataset import Dataset
from app.home.home import Home
from app.home.network import Network
from app.market.db.database import Database
from app.market.indexer.indexer import Indexer
from app.node.node import newcomer
from app.node.sample import FOLDER, OWNER_FILE, model_file
from app.node.serving import adopt, listen
from app.node.settings import PORT, NodeSettings, WebSettings
from app.protocol.errors import BadInput
from tests.node.shopper import Shopper, in_the_clear
from tests.support.index_state import assert_mirrors, contents
from tests.support.running_node import call, free_port, running

PARTS = {"index", "web", "provider-1", "provider-2", "provider-3", "owner", "operator", "sample"}


def test_a_newcomer_finds_a_whole_market(sample_home: Path, tmp_path: Path) -> None:
    """From nothing but the address: buy, run a model, open its result, the clear model's labels, and audit it.

    The index equals the contracts' own answers and one that is built anew; a second start made nothing twice.
    """
    with running(sample_home) as node, contextlib.ExitStack() as opened:
        node.said("sample", "part-ended", code=0)
        ready = node.said("node", "ready")
        assert ready["address"] == node.url
        assert {each["service"] for each in node.events} == {*PARTS, "node"}
        shopper = opened.enter_context(contextlib.closing(Shopper(node.url)))
        (card,) = shopper.get("/v1/datasets")["items"]
        offers = shopper.get("/v1/offers", dataset=card["id"])["items"]
        assert len(offers) == 2
        shopper.fill_purse()
        shopper.sign_in()
        network = Network.open(Home(sample_home))
        policies = {offer: Dataset.open(network, card["id"]).policy(offer).approval for offer in (1, 2)}
        assert policies == {1: "automatic", 2: "manual"}
        license = shopper.buy(1)
        circuit = model_file(sample_home / FOLDER, card["id"], "logistic-regression").read_bytes()
        job = shopper.order(license, circuit, card["rows"])
        detail = shopper.wait(job, "settled")
        result = shopper.open(detail)
        clear = in_the_clear(Dataset.open(network, card["id"]), circuit, card["rows"])
        assert np.array_equal(result.values, clear)
        report = shopper.audit(job)
        assert report["complete"], report
        assert node.get("/v1/ready")[0] == 200
        assert node.stop() == 0
    database = Database(newcomer().database(Home(sample_home)))
    again = Database(f"sqlite:///{tmp_path / 'again.sqlite'}")
    Indexer(network.market, network.store, database).sync()
    Indexer(network.market, network.store, again).sync()
    assert contents(database) == contents(again)
    assert_mirrors(database, network.market)
    for each in (database, again):
        each.close()


def test_parts_that_die_come_back(sample_home: Path) -> None:
    """A killed web server answers again at the same address, and the other parts go on; SIGINT stops them all.

    Meanwhile a second node in the same home is refused.
    """
    port = free_port()
    with running(sample_home, "--port", str(port)) as node:
        assert node.url == f"http://127.0.0.1:{port}"
        node.said("index", "ready")
        url = node.url
        pid = node.said("web", "part-started")["pid"]
        os.kill(pid, signal.SIGKILL)
        node.said("web", "part-ended", code=-signal.SIGKILL)
        node.wait(lambda each: each["event"] == "part-started" and each["service"] == "web" and each["pid"] != pid)
        limit, status = time.monotonic() + 60, 0
        while True:
            try:
                status, _ = call(f"{url}/v1/health")
                break
            except OSError:
                assert time.monotonic() < limit
                time.sleep(0.1)
        assert status == 200
        second = _up(sample_home)
        assert second.returncode == 3
        assert "runs in" in second.stderr
        pids = [each["pid"] for each in node.events if each["event"] == "part-started"]
        assert node.stop(signal.SIGINT) == 0
    assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]
    ended = {each["service"]: each["next"] for each in node.events if each["event"] == "part-ended"}
    assert {ended[name] for name in PARTS - {"sample"}} == {"stopped"}


def test_the_log_is_kept_and_holds_no_secret(sample_home: Path) -> None:
    """Every event is in the home's log file too, which is private; passphrases and keys are not in it."""
    path = sample_home / "logs" / "node.jsonl"
    text = path.read_text("utf-8")
    assert {json.loads(line)["service"] for line in text.splitlines()} >= PARTS
    assert path.stat().st_mode & 0o077 == 0
    for actor in Home(sample_home).actors():
        assert (sample_home / "actors" / actor / "passphrase").read_text("utf-8") not in text


def test_the_owners_test_account_lies_ready_and_private(sample_home: Path) -> None:
    """The sample leaves its owner's account as a file for the pages' demo wallet, which its user alone can read."""
    path = sample_home / FOLDER / OWNER_FILE
    file, network = json.loads(path.read_bytes()), Network.open(Home(sample_home))
    assert file["address"] == network.market.dataset(1).owner
    assert (file["kind"], file["chain_id"]) == (TEST_ACCOUNT, network.market.chain_id)
    assert path.stat().st_mode & 0o077 == 0
    assert path.parent.stat().st_mode & 0o077 == 0


def test_a_port_that_is_taken() -> None:
    """The usual port gives way to another, one that was asked for does not; sockets are handed down by number."""
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with contextlib.suppress(OSError):  # somebody else on this machine has it, which serves as well
            other.bind(("127.0.0.1", PORT))
            other.listen()
        listener, origin = listen(NodeSettings())
        with listener:
            port = listener.getsockname()[1]
            assert origin == f"http://127.0.0.1:{port}"
            assert port != PORT
            with adopt(os.dup(listener.fileno())) as adopted:
                assert adopted.getsockname() == listener.getsockname()
            with pytest.raises(BadInput, match="Nothing can listen"):
                listen(NodeSettings(web=WebSettings(port=port)))
    with socket.socket() as idle, pytest.raises(BadInput, match="no listening socket"):
        adopt(os.dup(idle.fileno()))


def test_settings_that_cannot_be(tmp_path: Path) -> None:
    """A mistake in the file ends the command at once, with its line and the exit code of bad input."""
    (tmp_path / "node.toml").write_text("[web]\nprot = 1\n")
    done = _up(tmp_path / "home", "--config", str(tmp_path / "node.toml"))
    assert done.returncode == 1
    assert "node.toml line 2: web.prot" in done.stderr
    (tmp_path / "node.toml").write_text('[chain]\nurl = "http://127.0.0.1:1"\n')
    done = _up(tmp_path / "home", "--config", str(tmp_path / "node.toml"))
    assert done.returncode == 5
    assert "darkroom init --config" in done.stderr


def test_a_home_belongs_to_one_network(sample_home: Path, tmp_path: Path) -> None:
    """Settings for another chain are refused in a home that is set up."""
    (tmp_path / "node.toml").write_text('[chain]\nurl = "http://127.0.0.1:8545"\n')
    done = _up(sample_home, "--config", str(tmp_path / "node.toml"))
    assert done.returncode == 1
    assert "set up for another chain or store" in done.stderr


def _up(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """A node that is expected to end by itself."""
    return subprocess.run(
        [sys.executable, "-m", "darkroom", "up", *words], env=os.environ | {"DARKROOM_HOME": str(home)},
        cwd=Path(__file__).parents[2], capture_output=True, text=True, encoding="utf-8", timeout=60, check=False,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
