"""`darkroom facilitator`: payments of single asks over HTTP (x402) are carried to the chain."""

from __future__ import annotations

import threading
from typing import Annotated

import typer

from app.cli.context import AsOwner
from app.home.home import Home
from app.protocol.errors import NotFound

DEFAULT_PORT = 4020


def facilitator(
    port: Annotated[int, typer.Option(help="On 127.0.0.1; 0 takes a free one.", min=0, max=65535)] = DEFAULT_PORT,
    every: Annotated[float, typer.Option(help="Seconds between looks for refunds.", min=0.1, max=600)] = 5.0,
    role: AsOwner = "facilitator",
) -> None:
    """Settle payments of single asks (x402) for nodes on this machine, from a gas account of its own.

    A node names it in its settings: facilitator under [web]. It can delay a payment and nothing else, since what is
    paid for stands in the payment; what an ask does not take returns to its payer. See docs/agents.md.
    """
    try:
        from app.node.facilitator import serve
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("x402", "httpx"):
            raise
        raise NotFound(
            "The official package of x402 is not installed.", "Install it: pip install 'darkroom-market[x402]'."
        ) from None
    serve(Home.default(), role, port, every, threading.Event())
