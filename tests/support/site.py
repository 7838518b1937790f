"""A node's server in this process, over a world that a test holds in its hands."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import uvicorn
from fastapi import FastAPI

from app.chain.market import Market
from app.market.db.database import Database
from app.market.indexer.indexer import Indexer
from app.market.web import pages
from app.market.web.app import create_app
from app.market.web.dependencies.state import Dependencies
from app.market.web.settings import WebServerSettings
from app.protocol.ports import Store


class SiteParts(Protocol):
    """What a site stands on."""

    @property
    def market(self) -> Market: ...

    @property
    def store(self) -> Store: ...

    @property
    def database(self) -> Database: ...


def application(world: SiteParts, origin: str) -> FastAPI:
    """The API and the pages on a world, by this machine's clock, without limits of rate."""
    settings = WebServerSettings(origin=origin, rate=None, heavy=None, poll=0.05, heartbeat=1.0)
    return create_app(settings, Dependencies(world.market, world.store, world.database), extensions=[pages.install])


class Site:
    """A server that can be stopped and started again at the same address."""

    def __init__(self, world: SiteParts) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        self.origin = f"http://127.0.0.1:{self.port}"
        self.world = world
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Serve until `stop`."""
        app = application(self.world, self.origin)
        config = uvicorn.Config(app, "127.0.0.1", self.port, log_config=None, timeout_graceful_shutdown=1)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, name="site")
        self._thread.start()
        while not self._server.started:
            assert self._thread.is_alive()
            time.sleep(0.02)

    def stop(self) -> None:
        """Let go of the address."""
        assert self._server is not None
        assert self._thread is not None
        self._server.should_exit = True
        self._thread.join()


@contextmanager
def serve(world: SiteParts, *, follow: bool = True) -> Iterator[Site]:
    """A world on a free port, its index following the chain unless it is left where it stands."""
    stop = threading.Event()
    threads: list[threading.Thread] = []
    if follow:
        indexer = Indexer(world.market, world.store, world.database)
        threads.append(threading.Thread(target=indexer.run, args=(stop,), name="index"))
    site = Site(world)
    for thread in threads:
        thread.start()
    site.start()
    try:
        yield site
    finally:
        site.stop()
        stop.set()
        for thread in threads:
            thread.join()
