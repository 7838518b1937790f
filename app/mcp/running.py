"""Setting a desk up from a home, and serving it until its client is gone or it is stopped."""

from __future__ import annotations

import contextlib
import secrets
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.files.private import write_private
from app.home.home import Actor, Home
from app.home.listening import HOST, loopback
from app.home.network import Network
from app.mcp.desk import Desk
from app.mcp.server import PATH, http_app, over_stdio
from app.protocol.errors import NotAllowed, NotFound

if TYPE_CHECKING:
    from app.client.buyer import Buyer

KEPT_IN = "mcp.token"


def open_desk(home: Home, role: str, *, node: str | None = None, mandate: str | None = None) -> Desk:
    """A desk for the agent that is this role; with a mandate it can pay.

    Without the role models are kept for this run alone. Errors: NotFound before the home is set up, or for a role or
    file that is not there; those of reading a mandate.
    """
    network = Network.open(home)
    try:
        actor = home.actor(role)
    except NotFound:
        if mandate is not None:
            raise
        return Desk(home, network, node=node)
    desk = Desk(home, network, node=node, folder=actor.folder)
    if mandate is not None:
        desk.buyer = under_mandate(network, actor, mandate)
    return desk


def run(home: Home, role: str, *, node: str | None, mandate: str | None, port: int | None) -> None:
    """Serve over stdio, or over HTTP where a port is named. Errors: those of `open_desk`; BadInput for a taken port."""
    desk = open_desk(home, role, node=node, mandate=mandate)
    try:
        if port is None:
            over_stdio(desk)
        else:
            _over_http(desk, port)
    finally:
        desk.close()


def under_mandate(network: Network, actor: Actor, mandate: str) -> Buyer:
    """The agent as a buyer with a mandate's money; the only key that is opened is the agent's own.

    `mandate` is a file, or how the digest begins of one that is kept in the agent's folder. Errors: NotFound,
    BadDocument; VerificationFailed for another market's mandate; NotAllowed for another agent's.
    """
    from app.chain.wallet.account import Account
    from app.client.mandates import Mandates
    from app.protocol.documents import MAX_DOCUMENT_BYTES
    from app.protocol.market.mandate import SignedMandate

    account = Account.load(actor.path("account.json"), actor.passphrase())
    mandates = Mandates(network, actor, account)
    if Path(mandate).is_file():
        with Path(mandate).open("rb") as file:
            signed = SignedMandate.from_bytes(file.read(MAX_DOCUMENT_BYTES + 1))
    else:
        signed = mandates.find(mandate)
    if signed.mandate.agent.lower() != account.address.lower():
        raise NotAllowed(
            f"This mandate is for the key {signed.mandate.agent}, and {actor.name} is {account.address}.",
            "Ask its payer for one that names this agent: darkroom mandate sign.",
        )
    mandates.keep(signed)
    return mandates.under(signed)


def _over_http(desk: Desk, port: int) -> None:
    import uvicorn

    listener = loopback(port)
    token = None if desk.buyer is None else _token(desk.folder / KEPT_IN)
    where = f"http://{HOST}:{listener.getsockname()[1]}{PATH}"
    words = f"MCP at {where}"
    if token is not None:
        words += f"; each request carries the token in {desk.folder / KEPT_IN}: Authorization: Bearer TOKEN"
    sys.stderr.write(f"{words}\n")
    sys.stderr.flush()
    app: Any = http_app(desk, token)

    class Server(uvicorn.Server):
        """Ends orderly on a signal, and not by it."""

        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            for each in (signal.SIGINT, signal.SIGTERM):
                signal.signal(each, self.handle_exit)
            yield

    server = Server(uvicorn.Config(app, log_config=None, access_log=False, server_header=False, lifespan="on"))
    with listener:
        server.run(sockets=[listener])


def _token(path: Path) -> str:
    """A new secret for each start, in a file that its user alone can read."""
    made = secrets.token_urlsafe(32)
    write_private(path, made.encode())
    return made
