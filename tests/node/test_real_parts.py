"""The whole story on real parts: a node on anvil, an IPFS daemon and PostgreSQL, used through its API alone."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import ipfshttpclient
import numpy as np
import pytest

from app.chain.rpc.node import AnvilNode
from app.client.dataset import Dataset
from app.client.keyring_store import KeyringStore
from app.home.home import Home, private_folder
from app.home.network import Network
from app.home.setup import set_up
from app.node.sample import FOLDER, MODELS, STEM, model_file
from app.node.settings import read_settings
from app.protocol.ports import Store
from app.storage.kubo import KuboStore
from app.storage.open import open_place
from tests.node.shopper import Shopper, in_the_clear
from tests.support import ipfs_daemon, postgres
from tests.support.anvil import start_anvil
from tests.support.index_state import assert_as_rebuilt
from tests.support.running_node import running

__all__ = ["start_anvil"]

pytestmark = [
    pytest.mark.anvil,
    pytest.mark.ipfs,
    pytest.mark.postgres,
    pytest.mark.filterwarnings("ignore:The 'strict' parameter:FutureWarning"),  # ipfshttpclient on urllib3 2
]

TREE_ROWS = 4
# Blocks at every transaction and every second, final two blocks later: custodians release what is final.
LIVELY = ("--block-time", "1", "--mixed-mining", "--slots-in-an-epoch", "1")
SETTINGS = """
sample = {sample}
[chain]
url = "{chain}"
[store]
url = "env:DARKROOM_TEST_STORE"
[index]
url = "{database}"
[agents]
providers = ["provider-1", "provider-2", "provider-3"]
custodians = ["owner"]
every = 0.5
"""


@pytest.fixture
def server() -> Iterator[postgres.Server]:
    """A PostgreSQL server."""
    with postgres.started() as started:
        yield started


def move_house(old: Home, new: Home, store: Store) -> None:
    """Take accounts, keys and models along to another network: all that is a role's own and tied to no market.

    It spares the test the minute in which Concrete makes keys.
    """
    for name in old.actors():
        private_folder(new.actor(name, create=True).folder)
        for part in ("account.json", "passphrase"):
            shutil.copy(old.actor(name).path(part), new.actor(name).path(part))
    shutil.copytree(old.actor("owner").path("keys"), new.actor("owner").path("keys"))
    shutil.copytree(old.root / FOLDER, new.root / FOLDER)
    record = KeyringStore(new.actor("owner")).epoch(STEM)
    assert record.evaluation_key is not None
    kept = open_place("folder:store", old.root)
    key = kept.read(record.evaluation_key, limit=kept.size(record.evaluation_key))
    assert store.put(key) == record.evaluation_key


def test_the_story_on_real_parts(
    start_anvil: Callable[..., AnvilNode],
    server: postgres.Server,
    sample_home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A buyer gets exact results of a linear and a tree model through the API, and both jobs pass the audit.

    Halfway the node is stopped and started again. The index in PostgreSQL equals the contracts' own answers, and one
    that is built anew from the first block in SQLite; every object is in the IPFS node, pinned.
    """
    chain = start_anvil(*LIVELY)
    address = f"http://{chain.host}"
    home, config = Home(tmp_path / "home"), tmp_path / "node.toml"
    database_url = server.new_database()
    with ipfs_daemon.running(tmp_path / "ipfs") as url:
        monkeypatch.setenv("DARKROOM_TEST_STORE", f"kubo:{url}")
        move_house(Home(sample_home), home, KuboStore(url))
        environment = {"DARKROOM_TEST_STORE": f"kubo:{url}"}
        config.write_text(SETTINGS.format(sample="true", chain=address, database=database_url))
        with running(home.root, "--config", str(config), env=environment) as node, contextlib.ExitStack() as opened:
            node.said("sample", "part-ended", code=0)
            shopper = opened.enter_context(contextlib.closing(Shopper(node.url)))
            (card,) = shopper.get("/v1/datasets")["items"]
            network = Network.open(home)
            dataset = Dataset.open(network, card["id"])
            shopper.fill_purse()
            shopper.sign_in()
            license = shopper.buy(1)
            linear, trees = (model_file(home.root / FOLDER, card["id"], kind).read_bytes() for kind in MODELS)
            first = shopper.order(license, linear, card["rows"])
            opened_result = shopper.open(shopper.wait(first, "settled"))
            assert np.array_equal(opened_result.values, in_the_clear(dataset, linear, card["rows"]))
            second = shopper.order(license, trees, TREE_ROWS)
            shopper.wait(second, "open", "assigned", "computed", "settled")
            assert node.stop() == 0
        config.write_text(SETTINGS.format(sample="false", chain=address, database=database_url))
        with running(home.root, "--config", str(config), env=environment) as node:
            later = contextlib.closing(Shopper(node.url))
            with later as again:
                again.account, again.key = shopper.account, shopper.key
                again.sign_in()
                result = again.open(again.wait(second, "settled"))
                assert np.array_equal(result.values, in_the_clear(dataset, trees, TREE_ROWS))
                for job in (first, second):
                    report = again.audit(job)
                    assert report["complete"], report
            assert node.get("/v1/ready")[0] == 200
            assert node.stop() == 0
        chain.request("evm_setIntervalMining", 0)  # it stands still while the two are compared
        assert_as_rebuilt(network, database_url, tmp_path)
        _pinned(url, network, dataset)


def _pinned(url: str, network: Network, dataset: Dataset) -> None:
    """What was published has pins of its own in the daemon, by its own account."""
    with ipfshttpclient.Client(f"/ip4/127.0.0.1/tcp/{urlsplit(url).port}/http") as client:
        pins = set(client.pin.ls(type="recursive", opts={"cid-base": "base32"})["Keys"])
    files = {file.cid for shard in dataset.table.shards for file in shard.files}
    assert files <= pins
    assert dataset.table.evaluation_key in pins


def test_a_market_is_put_on_a_chain_by_its_settings(start_anvil: Callable[..., AnvilNode], tmp_path: Path) -> None:
    """`init --config` deploys; another home joins the same market with nothing but its deployment file."""
    chain = start_anvil()
    config = tmp_path / "node.toml"
    config.write_text(f'[chain]\nurl = "http://{chain.host}"\ndeployment = "deployment.json"\n')
    first, second = Home(tmp_path / "first"), Home(tmp_path / "second")
    set_up(first, read_settings(config).network)
    second.root.mkdir()
    shutil.copy(first.root / "deployment.json", second.root)
    with running(second.root, "--config", str(config)) as node:
        node.said("index", "ready")
        assert node.get("/v1/ready")[0] == 200
        assert node.get("/v1/status")[1]["market"] == Network.open(first).market.address
