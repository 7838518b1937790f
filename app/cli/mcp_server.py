"""`darkroom mcp`: the market as tools of a software agent."""

from __future__ import annotations

from typing import Annotated

import typer

from app.cli.context import AsNode, AsOwner
from app.home.home import Home
from app.protocol.errors import NotFound


def mcp(
    mandate: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help="A signed mandate to pay under, or how its digest begins; without one all but paying."
        ),
    ] = None,
    http: Annotated[
        int | None,
        typer.Option(
            metavar="PORT", help="Serve HTTP on 127.0.0.1 instead of stdio; 0 takes a free port.", min=0, max=65535
        ),
    ] = None,
    node: AsNode = None,
    role: AsOwner = "agent",
) -> None:
    """Serve the market as tools of a software agent (Model Context Protocol), over stdio or HTTP on this machine.

    Reading and pricing need no wallet. With a mandate the agent's own key pays what the mandate allows and nothing
    else; no owner's or payer's key is opened. docs/agents.md says how to set an agent up.
    """
    try:
        from app.mcp.running import run
    except ModuleNotFoundError as error:
        if error.name != "mcp":
            raise
        raise NotFound(
            "The official SDK of the protocol is not installed.", "Install it: pip install 'darkroom-market[mcp]'."
        ) from None
    run(Home.default(), role, node=node, mandate=mandate, port=http)
