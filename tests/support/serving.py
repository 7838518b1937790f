"""A scene's API behind a real server on a free port."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import uvicorn

from app.market.web.app import Extension
from app.market.web.settings import WebServerSettings
from tests.support.web import SETTINGS, MarketNode

PATIENCE = 10.0


@contextmanager
def serve(
    scene: MarketNode, *, extensions: Sequence[Extension] = (), **changes: Any
) -> Iterator[tuple[str, uvicorn.Server, Any]]:
    """A server on 127.0.0.1; its address, itself, its application, whole before the first request."""
    listener = socket.create_server(("127.0.0.1", 0))
    origin = f"http://127.0.0.1:{listener.getsockname()[1]}"
    app = scene.app(WebServerSettings.model_validate(SETTINGS.model_dump() | {"origin": origin} | changes), extensions)
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, ws="none", timeout_graceful_shutdown=5))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield origin, server, app
    finally:
        app.state.backend.streams.close()
        server.should_exit = True
        thread.join(PATIENCE)
        listener.close()
    assert not thread.is_alive()
