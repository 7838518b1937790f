"""The commands that ask a node's index: what they find, what they read from the chain, and what they do without one."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx

from app.home.config import NODE_FILE
from app.home.home import Home
from tests.client.conftest import Run
from tests.support.market import DOLLAR
from tests.support.web import MarketNode


@contextmanager
def liar(origin: str, lie: Callable[[str, Any], Any]) -> Iterator[str]:
    """A node that passes another one's answers on, after `lie` changed them."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer = httpx.get(origin + self.path, timeout=10)
            body = json.dumps(lie(self.path, answer.json())).encode()
            self.send_response(answer.status_code)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def test_a_search_finds_and_the_chain_confirms(darkroom: Run, served: str, scene: MarketNode) -> None:
    """`dataset search` shows the index's finds with the chain's own prices, owner and policy."""
    code, value, err = darkroom("dataset", "search", "--offered", "--price-max", "1", "--node", served, "--json")
    assert (code, err) == (0, "")
    (row,) = value["datasets"]
    record, offer = scene.market.dataset(row["dataset"]), scene.market.offer(row["offer"])
    assert (row["owner"], row["rows"], row["manifest"]) == (record.owner, record.rows, record.manifest)
    assert (row["license"], row["policy"]) == (offer.price_license, offer.policy)
    assert (value["total"], value["next"], value["differences"]) == (1, None, [])
    assert value["facets"]["offered"] == 1
    code, value, _ = darkroom("dataset", "search", "--price-max", "0.5", "--node", served, "--json")
    assert (code, value["datasets"], value["total"]) == (0, [], 0)
    code, out, err = darkroom("dataset", "search", "--node", served)
    assert code == 0
    assert "1 found" in err
    assert str(record.rows) in out


def test_a_searched_price_that_is_a_lie_is_told(darkroom: Run, served: str, scene: MarketNode) -> None:
    """The chain's price is shown, and the node's word is told beside it on stderr and in the JSON."""

    def lie(path: str, told: Any) -> Any:
        if path.startswith("/v1/datasets/"):
            told["offers"] = [told["offers"][0] | {"price_license": "1"}]
        return told

    with liar(served, lie) as url:
        code, value, err = darkroom("dataset", "search", "--node", url, "--json")
    assert code == 0
    assert value["datasets"][0]["license"] == DOLLAR
    number = value["datasets"][0]["offer"]
    assert value["differences"] == [f"offer {number}: price_license is {DOLLAR} on the chain, and 1 for the node."]
    assert f"warning: offer {number}: price_license" in err
    assert "do not rely on it" in " ".join(err.split())


def test_a_dataset_that_only_the_node_knows(darkroom: Run, served: str) -> None:
    """What the chain does not have is left out, and told."""

    def lie(path: str, told: Any) -> Any:
        if path.startswith("/v1/datasets?"):
            told["items"].append(told["items"][0] | {"id": 77})
        return told

    with liar(served, lie) as url:
        code, value, err = darkroom("dataset", "search", "--node", url, "--json")
    assert (code, [row["dataset"] for row in value["datasets"]]) == (0, [1])
    assert "dataset 77: existence is not there on the chain" in " ".join(err.split())


def test_words_of_a_search_that_cannot_be(darkroom: Run, served: str) -> None:
    """A price that is none is refused here, a filter that is none by the node, a node that is not there in words."""
    for price in ("-1", "ten", "0.0000001", "nan", "1e40"):
        code, value, _ = darkroom("dataset", "search", f"--price-max={price}", "--node", served, "--json")
        assert (code, value["error"]["code"]) == (2, "usage-error"), price
    code, value, _ = darkroom("dataset", "search", "--owner", "0x12", "--node", served, "--json")
    assert (code, value["error"]["code"]) == (1, "invalid-fields")
    code, value, _ = darkroom("dataset", "search", "--json")
    assert (code, value["error"]["code"]) == (5, "not-found")
    assert "darkroom up" in value["error"]["next_step"]
    code, value, _ = darkroom("dataset", "search", "--node", "http://127.0.0.1:1", "--json")
    assert (code, value["error"]["code"]) == (5, "unavailable")


def test_jobs_are_the_same_by_index_and_by_chain(darkroom: Run, served: str, scene: MarketNode) -> None:
    """`job list` finds the same jobs in a node's index as by looking at every job of the chain."""
    scene.indexer.sync()
    code, found, err = darkroom("job", "list", "--node", served, "--most", "10000", "--json")
    assert (code, err) == (0, "")
    assert len(found) >= 3
    assert found == darkroom("job", "list", "--chain-only", "--most", "10000", "--json")[1]
    for state in ("refused", "settled"):
        by_index = darkroom("job", "list", "--state", state, "--node", served, "--json")[1]
        assert by_index
        assert by_index == darkroom("job", "list", "--state", state, "--chain-only", "--json")[1]
    assert darkroom("job", "list", "--most", "1", "--node", served, "--json")[1] == found[-1:]
    assert darkroom("job", "list", "--state", "lost", "--node", served, "--json")[0] == 2


def test_jobs_without_a_node(darkroom: Run, home: Home, scene: MarketNode) -> None:
    """Without a node, or with one that is gone, the chain is read; a node that was asked for must answer."""
    code, found, err = darkroom("job", "list", "--json")
    assert (code, err) == (0, "")
    assert {job["job"] for job in found} >= {scene.settled, scene.refused}
    (home.root / NODE_FILE).write_text("http://127.0.0.1:1\n")
    code, again, err = darkroom("job", "list", "--json")
    assert (code, again) == (0, found)
    assert "Reading every job" in " ".join(err.split())
    assert darkroom("job", "list", "--node", "http://127.0.0.1:1", "--json")[0] == 5


def test_a_job_state_that_is_a_lie_is_told(darkroom: Run, served: str, scene: MarketNode) -> None:
    """Each job's state is the chain's."""
    scene.indexer.sync()

    def lie(path: str, told: Any) -> Any:
        if path.startswith("/v1/jobs?"):
            told["items"] = [item | {"state": "settled"} for item in told["items"]]
        return told

    with liar(served, lie) as url:
        code, found, err = darkroom("job", "list", "--node", url, "--json")
    states = {job["job"]: job["state"] for job in found}
    assert (code, states[scene.refused]) == (0, "refused")
    assert f"job {scene.refused}: state is refused on the chain, and settled for the node." in " ".join(err.split())


def test_a_job_is_watched_by_a_nodes_events(darkroom: Run, served: str, scene: MarketNode) -> None:
    """`job watch --node` looks at the chain when the node tells of something, and ends with the job."""
    code, value, err = darkroom("job", "watch", str(scene.settled), "--node", served, "--json")
    assert (code, value["state"]) == (0, "settled")
    assert "settled" in err
    job = scene.open(scene.circuit)
    scene.indexer.sync()

    def draw() -> None:
        scene.market.draw(scene.stage.buyer, job)
        scene.indexer.sync()

    later = threading.Timer(0.5, draw)
    later.start()
    code, value, err = darkroom("job", "watch", str(job), "--node", served, "--timeout", "2", "--json")
    later.join()
    assert (code, value["error"]["code"]) == (5, "try-again")
    assert f"job {job}: open\njob {job}: assigned" in err


def test_a_node_tells_how_it_does(darkroom: Run, served: str, home: Home, scene: MarketNode) -> None:
    """`node status` needs a node's address and nothing else."""
    code, value, _ = darkroom("node", "status", "--node", served, "--json")
    assert (code, value["market"], value["chain"]) == (0, scene.market.address, scene.market.chain_id)
    assert (value["node"], value["error"]) == (served, "")
    (home.root / NODE_FILE).write_text(served + "\n")
    assert darkroom("node", "status", "--json")[1]["node"] == served
    assert darkroom("node", "health") == (0, "", "")
    assert darkroom("node", "health", "--node", "http://127.0.0.1:1")[0] == 5
