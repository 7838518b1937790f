"""A node that is killed in the middle of its work, and started again in the same home."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

import numpy as np

from app.client.dataset import Dataset
from app.home.config import NODE_FILE
from app.home.home import Home
from app.home.network import Network
from app.node.sample import FOLDER, model_file
from tests.node.shopper import Shopper, in_the_clear
from tests.support.running_node import RunningNode, free_port, running

SETTINGS = """
[web]
port = {port}

[agents]
providers = ["provider-1", "provider-2", "provider-3"]
custodians = ["owner"]
every = 0.5
"""


def parts_of(node: RunningNode) -> list[int]:
    """The processes of a node's parts."""
    return [each["pid"] for each in list(node.events) if each["event"] == "part-started"]


def test_nothing_is_lost_when_a_node_is_killed(sample_home: Path, tmp_path: Path) -> None:
    """Whether all of a node dies at once or its supervisor alone, the next one goes on where it was.

    A job that was under way ends with the exact result, the buyer is still signed in, the address is the same, and no
    part of the killed node lives on beside the new one's.
    """
    config = tmp_path / "node.toml"
    config.write_text(SETTINGS.format(port=free_port()))
    words = ("--config", str(config))
    network = Network.open(Home(sample_home))
    number = next(iter(network.market.datasets())).id
    dataset = Dataset.open(network, number)
    circuit = model_file(sample_home / FOLDER, number, "logistic-regression").read_bytes()
    with contextlib.ExitStack() as opened:
        node = opened.enter_context(running(sample_home, *words))
        node.said("index", "ready")
        shopper = opened.enter_context(contextlib.closing(Shopper(node.url)))
        shopper.fill_purse()
        shopper.sign_in()
        license = shopper.buy(1)
        job = shopper.order(license, circuit, dataset.record.rows)
        for pid in (node.process.pid, *parts_of(node)):
            os.kill(pid, signal.SIGKILL)
        assert node.stop(signal.SIGKILL) == -signal.SIGKILL
        assert not network.market.job(job).state.terminal

        node = opened.enter_context(running(sample_home, *words))
        assert node.url == str(shopper.http.base_url).rstrip("/")
        result = shopper.open(shopper.wait(job, "settled"))
        assert np.array_equal(result.values, in_the_clear(dataset, circuit, dataset.record.rows))
        assert shopper.get("/v1/session")["address"] == shopper.account.address
        left = parts_of(node)
        assert node.stop(signal.SIGKILL) == -signal.SIGKILL

        node = opened.enter_context(running(sample_home, *words))
        assert node.url == str(shopper.http.base_url).rstrip("/")
        assert not [pid for pid in left if Path(f"/proc/{pid}").exists()]
        assert (sample_home / NODE_FILE).read_text("utf-8").strip() == node.url
        assert shopper.wait(job, "settled")["receipt"] == network.market.job(job).receipt
        assert node.stop() == 0
        assert not (sample_home / NODE_FILE).exists()
