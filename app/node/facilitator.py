"""The facilitator's process: payments of single asks are settled over HTTP, and refunds brought to their payers."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

from app.home.home import Home
from app.home.listening import HOST, loopback
from app.home.network import Network
from app.home.setup import join
from app.node import logs
from app.node.run_loop import stop_on_signals
from app.protocol.errors import DarkroomError, NotFound

if TYPE_CHECKING:
    from app.facilitator.facilitator import Facilitator

LOG = logging.getLogger("darkroom.facilitator")
PORT = 4020
FOLDER = "orders"


def serve(home: Home, role: str, port: int, every: float, stop: threading.Event) -> None:
    """Settle payments on 127.0.0.1 until `stop` is set, also by a signal, and look for refunds `every` so many seconds.

    Errors: NotFound for a market without prepaid orders, or whose token takes no signed transfers; BadInput for a port
    that is taken; those of opening the role's account.
    """
    import uvicorn

    from app.facilitator.facilitator import Facilitator  # of the extra x402
    from app.facilitator.server import http_app

    logs.begin()
    stop_on_signals(stop)
    network = Network.open(home)
    market = network.market
    market.orders_required()
    if not market.coin_takes_authorizations():
        raise NotFound(
            "This market's token takes no signed transfers (EIP-3009).",
            "Set up a new home, whose test dollars do: darkroom init.",
        )
    actor, account = join(home, network, role)
    facilitator = Facilitator(market, account, market.folder(actor.folder) / FOLDER)
    listener = loopback(port)

    class Server(uvicorn.Server):
        """Ends orderly on a signal, and not by it."""

        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            yield

    server = Server(uvicorn.Config(http_app(facilitator), log_config=None, access_log=False, server_header=False))

    def work() -> None:
        where = f"http://{HOST}:{listener.getsockname()[1]}"
        LOG.info("ready", extra={"address": where, "account": account.address})
        while not stop.wait(every) and not server.should_exit:
            sweep(facilitator)
        server.should_exit = True

    worker = threading.Thread(target=work, name="refunds", daemon=True)
    worker.start()
    with listener:
        server.run(sockets=[listener])
    stop.set()
    worker.join()
    LOG.info("stopped")


def sweep(facilitator: Facilitator) -> None:
    """Bring back what can be; what fails is told, and tried again."""
    try:
        for order, amount in facilitator.sweep():
            LOG.info("refunded", extra={"payer": order.payer, "amount": amount})
    except DarkroomError as error:
        LOG.warning("refunds-wait", extra={"code": error.code, "detail": str(error)})
