"""What the node's API answers in, with 10,000 datasets and 100,000 jobs in a SQLite index.

`catalogue`, `dataset`, `job`: requests to a real server in a process of its own, over connections that stay open, one
for each core; the catalogue's are searches by words, facets, orders and pages. `requests_per_s` counts all connections
together, `p95_ms` is the 95th percentile of single requests in the same seconds, clients and server sharing the cores.
`first_paint_ms`, `javascript_kb`: what a browser sees of the pages (`benchmarks.api_pages`).
"""

from __future__ import annotations

import http.client
import importlib
import importlib.util
import json
import multiprocessing
import random
import socket
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlencode

from benchmarks import api_fixture
from benchmarks.machine import cores

DATASETS = 10_000
JOBS = 100_000
SECONDS = 6.0  # of requests for each figure
WARM = 1.0
PAGES = "benchmarks.api_pages"  # defines measure(origin) -> figures

Ask = Callable[[random.Random], str]


def run(progress: Callable[[int, int], None]) -> dict[str, Any]:
    """The figures."""
    figures: dict[str, Any] = {"datasets": DATASETS, "jobs": JOBS, "connections": cores()}
    with tempfile.TemporaryDirectory() as name, serving(Path(name)) as port:
        progress(1, 5)
        for place, (what, ask) in enumerate({"catalogue": catalogue_search, "dataset": _dataset, "job": _job}.items()):
            measure(port, ask, WARM)
            figures[what] = measure(port, ask, SECONDS)
            progress(place + 2, 5)
        if importlib.util.find_spec(PAGES):
            figures |= importlib.import_module(PAGES).measure(f"http://127.0.0.1:{port}")
    return figures


@contextmanager
def serving(folder: Path, datasets: int = DATASETS, jobs: int = JOBS) -> Iterator[int]:
    """A server with a filled index, in a process of its own; its port on 127.0.0.1."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    server = context.Process(target=_serve, args=(folder, datasets, jobs, theirs))
    server.start()
    theirs.close()
    try:
        yield int(ours.recv())
    finally:
        server.terminate()
        server.join(20)


def _serve(folder: Path, datasets: int, jobs: int, tell: Connection) -> None:
    import uvicorn

    from app.chain.contracts.deployment import deploy
    from app.chain.evm.embedded import EmbeddedChain
    from app.chain.market import Market
    from app.chain.wallet.account import Account
    from app.market.db.database import Database
    from app.market.web.app import create_app
    from app.market.web.dependencies.state import Dependencies
    from app.market.web.settings import WebServerSettings
    from app.storage.folder import BlockStore

    chain, deployer = EmbeddedChain(folder / "chain.sqlite"), Account.generate()
    chain.fund(deployer.address, 10**19)
    deploy(chain, deployer, folder / "deployment.json")
    database = Database(f"sqlite:///{folder}/index.sqlite")
    database.migrate()
    api_fixture.fill(database, datasets=datasets, jobs=jobs)
    # Named as TCP, or asyncio does not switch Nagle's delay off on what it accepts, and every answer waits 40 ms.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    market = Market.open(chain, folder / "deployment.json")
    settings = WebServerSettings(origin=f"http://127.0.0.1:{port}", rate=None, heavy=None)
    app = create_app(settings, Dependencies(market, BlockStore(folder / "store"), database), extensions=_pages())
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, ws="none"))
    threading.Thread(target=_announce, args=(server, tell, port), daemon=True).start()
    server.run(sockets=[listener])


def _announce(server: Any, tell: Connection, port: int) -> None:
    while not server.started:
        time.sleep(0.01)
    tell.send(port)


def _pages() -> list[Callable[[Any], None]]:
    """The pages, where they are installed."""
    if importlib.util.find_spec("app.market.web.pages") is None:
        return []
    install = getattr(importlib.import_module("app.market.web.pages"), "install", None)
    return [cast("Callable[[Any], None]", install)] if install else []


def catalogue_search(chance: random.Random) -> str:
    """A visitor's search: half of them by a word, some by facets, in all orders."""
    asked: list[tuple[str, Any]] = [("sort", chance.choice(["newest", "title", "price", "rows", "columns", "jobs"]))]
    if chance.random() < 0.5:
        asked.append(("text", chance.choice([*api_fixture.SUBJECTS, *api_fixture.KINDS, *api_fixture.COLUMNS])))
    if chance.random() < 0.3:
        asked.append(("classes", chance.choice(["linear", "trees", "additive", "lookup"])))
    if chance.random() < 0.3:
        asked.append(("releases", chance.choice(["label", "score", "aggregate"])))
    if chance.random() < 0.3:
        asked.append(("rows_min", chance.choice([100, 10_000, 1_000_000])))
    if chance.random() < 0.3:
        asked.append(("price_max", chance.randrange(10**6, 10**9)))
    return f"/v1/datasets?{urlencode(asked)}"


def _dataset(chance: random.Random) -> str:
    return f"/v1/datasets/{chance.randint(1, DATASETS)}"


def _job(chance: random.Random) -> str:
    return f"/v1/jobs/{chance.randint(1, JOBS)}"


def measure(port: int, ask: Ask, seconds: float, readers: int = 0) -> dict[str, float]:
    """Requests a second of all readers together, by default one a core, and how long single ones took."""
    times: list[list[float]] = [[] for _ in range(readers or cores())]
    faults: list[str] = []
    end = time.perf_counter() + seconds
    clients = [
        threading.Thread(target=_client, args=(port, ask, end, place, spent, faults))
        for place, spent in enumerate(times)
    ]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    if faults:
        raise RuntimeError(faults[0])
    every = sorted(spent for each in times for spent in each)
    return {
        "requests_per_s": round(len(every) / seconds, 1),
        "p50_ms": round(1000 * statistics.median(every), 2),
        "p95_ms": round(1000 * every[int(0.95 * (len(every) - 1))], 2),
        "requests": len(every),
    }


def _client(port: int, ask: Ask, end: float, place: int, spent: list[float], faults: list[str]) -> None:
    chance = random.Random(place)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        while (began := time.perf_counter()) < end:
            path = ask(chance)
            connection.request("GET", path)
            answer = connection.getresponse()
            body = answer.read()
            spent.append(time.perf_counter() - began)
            if answer.status != 200 or not json.loads(body):
                faults.append(f"{path} answered {answer.status}")
                return
    finally:
        connection.close()
