"""A port of this machine alone, for servers that nobody else is to reach."""

from __future__ import annotations

import socket

from app.protocol.errors import BadInput

HOST = "127.0.0.1"
BACKLOG = 64


def loopback(port: int) -> socket.socket:
    """A listening socket on 127.0.0.1; port 0 takes a free one. Errors: BadInput for a port that is taken."""
    # Named as TCP, or asyncio does not switch Nagle's delay off on what it accepts, and every answer waits 40 ms.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
    except OSError as error:
        listener.close()
        raise BadInput(f"Nothing can listen on {HOST} port {port}: {error.strerror}.", "Name another port.") from None
    listener.listen(BACKLOG)
    return listener
