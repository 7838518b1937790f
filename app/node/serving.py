"""The parts that belong to the node itself: the index, which follows the chain, and the web server over it."""

from __future__ import annotations

import contextlib
import ipaddress
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.files.environment import from_environment
from app.home.agent_status import read_statuses
from app.home.config import NODE_FILE
from app.home.home import Home
from app.home.network import Network, threads_available
from app.market.db.database import Database
from app.node.locks import only_web_server
from app.node.run_loop import stop_on_signals
from app.node.settings import PORT, NodeSettings
from app.protocol.errors import BadInput, NotFound, Unavailable

if TYPE_CHECKING:
    from app.market.queries.status import IndexStatus

LOG = logging.getLogger("darkroom.node")
BACKLOG = 256  # connections that wait
BLOCKS_SECONDS = 60.0  # between two lines of the index that say nothing but its block
GRACE_SECONDS = 5  # for requests that are under way
MAX_REQUEST_HEAD = 32 << 10  # bytes


def follow(home: Home, settings: NodeSettings, stop: threading.Event) -> None:
    """Keep the index at the chain's head until `stop` is set. Errors: BadInput for another market's database."""
    from app.market.indexer.indexer import Indexer

    network = Network.open(home)
    database = Database(settings.database(home))
    try:
        indexer = Indexer(network.market, network.store, database)
        teller = threading.Thread(target=_tell, args=(database, stop), name="teller", daemon=True)
        teller.start()
        indexer.run(stop)
        teller.join()
    finally:
        database.close()
    LOG.info("stopped")


@dataclass
class IndexDiary:
    """Whether a place of the index is worth a line: what happened is at once, that blocks passed is now and then."""

    clock: Callable[[], float] = time.monotonic
    _said: tuple[object, ...] = ()
    _block: int = -1
    _at: float = float("-inf")

    def worth(self, place: IndexStatus) -> bool:
        """Whether to log this place; if so, it counts as logged."""
        happened = (place.events, place.reorganisations, place.manifests_unavailable, place.error)
        passed = place.height != self._block and self.clock() - self._at >= BLOCKS_SECONDS
        if not place.seen_at or (happened == self._said and not passed):
            return False
        self._said, self._block, self._at = happened, place.height, self.clock()
        return True


def _tell(database: Database, stop: threading.Event) -> None:
    """Log how far the index is, whenever something happened to it."""
    from app.market.queries.status import status

    diary, ready = IndexDiary(), False
    while not stop.wait(0.5):
        try:
            with database.session() as session:
                place = status(session)
        except (NotFound, Unavailable):
            continue
        if place.seen_at and not ready:
            ready = True
            LOG.info("ready")
        if diary.worth(place):
            told = {
                "events": place.events,
                "reorganisations": place.reorganisations,
                "documents_missing": place.manifests_unavailable,
                "detail": place.error,
            }
            level = logging.WARNING if place.error else logging.INFO
            extra = {"block": place.height} | {name: value for name, value in told.items() if value}
            LOG.log(level, "index", extra=extra)


def serve(home: Home, settings: NodeSettings, listener: socket.socket, origin: str, stop: threading.Event) -> None:
    """Answer requests on `listener` until `stop` is set, also by a signal.

    Errors: Unavailable, NotFound; NotAllowed while another process serves this home.
    """
    stop_on_signals(stop)
    with only_web_server(home):
        _serve(home, settings, listener, origin, stop)


def _serve(home: Home, settings: NodeSettings, listener: socket.socket, origin: str, stop: threading.Event) -> None:
    import uvicorn

    from app.market.web import pages
    from app.market.web.app import create_app
    from app.market.web.dependencies.state import Dependencies
    from app.market.web.settings import WebServerSettings
    from app.node.featured_models import shelf_of
    from app.node.metrics import Metrics

    class Server(uvicorn.Server):
        """Without its own signal handlers, which end the process by the signal after an orderly end."""

        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            yield

    network, address = Network.open(home), home.place / NODE_FILE
    database = Database(settings.database(home))
    database.migrate()  # the index may not have begun yet
    threads = max(1, threads_available() // 2)
    parts = Dependencies(
        network.market, network.store, database, threads=threads, shelf=shelf_of(home),
        agents=lambda: list(read_statuses(home)),
    )  # fmt: skip
    settles = settings.web.facilitator and from_environment(settings.web.facilitator)
    own = WebServerSettings(origin=origin, facilitator=settles, **dict(settings.web.limits))
    app = create_app(own, parts, extensions=[pages.install])
    server = Server(
        uvicorn.Config(
            Metrics(app, home),
            log_config=None,
            access_log=False,  # the API logs each request itself, without what may be private
            server_header=False,
            date_header=True,
            backlog=BACKLOG,
            workers=1,  # whatever WEB_CONCURRENCY says
            timeout_graceful_shutdown=GRACE_SECONDS,
            h11_max_incomplete_event_size=MAX_REQUEST_HEAD,
            proxy_headers=bool(settings.web.proxies),
            forwarded_allow_ips=[str(address) for address in settings.web.proxies],
        )
    )

    def watch() -> None:
        while not server.started and not stop.wait(0.05):
            if server.should_exit:
                return
        with contextlib.suppress(OSError):  # on a full disk; commands are then told the address
            address.write_text(f"{local_address(listener, origin)}\n", encoding="utf-8")
        LOG.info("ready", extra={"address": origin})
        while not (stop.wait(0.1) or server.should_exit):
            pass
        app.state.backend.streams.close()
        server.should_exit = True

    threading.Thread(target=watch, name="watch", daemon=True).start()
    try:
        server.run(sockets=[listener])
    finally:
        stop.set()
        address.unlink(missing_ok=True)
        database.close()
    LOG.info("stopped")


def local_address(listener: socket.socket, origin: str) -> str:
    """The address by which this machine reaches a web server, without the proxy that may stand in front of it."""
    host, port = listener.getsockname()[:2]
    address = ipaddress.ip_address(host)
    if not (address.is_unspecified or address.is_loopback):
        return origin  # a node answers to its own names only
    return f"http://127.0.0.1:{port}" if address.version == 4 else f"http://[::1]:{port}"


def listen(settings: NodeSettings) -> tuple[socket.socket, str]:
    """A listening socket, and the origin that browsers see. Errors: BadInput for a port that is taken."""
    web = settings.web
    family = socket.AF_INET6 if ":" in web.host else socket.AF_INET
    # A port that was asked for is that one or none; the usual one gives way to whoever has it.
    tries = [web.port] if web.port is not None else [PORT, 0]
    reason = None
    for port in tries:
        # Named as TCP, or asyncio does not switch Nagle's delay off on what it accepts, and every answer waits 40 ms.
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((web.host, port))
        except OSError as error:
            listener.close()
            reason = error.strerror
            continue
        listener.listen(BACKLOG)
        listener.set_inheritable(True)
        name = f"[{web.host}]" if family == socket.AF_INET6 else web.host
        return listener, web.origin or f"http://{name}:{listener.getsockname()[1]}"
    raise BadInput(f"Nothing can listen on {web.host} port {tries[0]}: {reason}.", "Name another port in the settings.")


def adopt(number: int) -> socket.socket:
    """The listening socket that a supervisor handed down. Errors: BadInput."""
    try:
        listener = socket.socket(fileno=number)
    except OSError:
        listener = None
    if listener is None or not listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        if listener is not None:
            listener.close()
        raise BadInput(f"Descriptor {number} is no listening socket.", "Start the node with darkroom up.")
    return listener
