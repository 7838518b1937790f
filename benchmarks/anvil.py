"""An anvil of one's own, for figures that are taken on a second chain."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.chain.rpc.node import AnvilNode, connect
from app.protocol.errors import Unavailable

ROOT = Path(__file__).parents[1]
START_SECONDS = 15.0
HARDFORK = "prague"  # the rules that the contracts are compiled for, and those of the embedded chain


def program() -> Path | None:
    """The binary in npm's platform package, or the one that DARKROOM_ANVIL names; None without either."""
    named = os.environ.get("DARKROOM_ANVIL")
    if named:
        return Path(named)
    found = sorted((ROOT / "contracts" / "node_modules" / "@foundry-rs").glob("anvil-*/bin/anvil"))
    return found[0] if found else None


@contextmanager
def anvil(binary: Path, chain_id: int, *options: str) -> Iterator[AnvilNode]:
    """A fresh chain on the loopback interface, which ends with the context. Errors: Unavailable."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    where = ["--host", "127.0.0.1", "--port", str(port)]
    process = subprocess.Popen(
        [str(binary), *where, "--silent", "--hardfork", HARDFORK, "--chain-id", str(chain_id), *options],
        stdout=subprocess.DEVNULL,
    )
    try:
        yield _connected(process, f"http://127.0.0.1:{port}")
    finally:
        process.kill()
        process.wait()


def _connected(process: subprocess.Popen[bytes], url: str) -> AnvilNode:
    """The node, as soon as it answers."""
    limit = time.monotonic() + START_SECONDS
    while True:
        try:
            node = connect(url)
        except Unavailable:
            if time.monotonic() > limit or process.poll() is not None:
                raise
            time.sleep(0.02)
            continue
        if not isinstance(node, AnvilNode):
            raise Unavailable("What answers at anvil's port is no anvil.", "Check what DARKROOM_ANVIL names.")
        return node
