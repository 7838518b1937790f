"""anvil in processes of its own, and what only a test may do to a chain."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.chain.rpc.node import AnvilNode, connect
from app.protocol.errors import Unavailable

ROOT = Path(__file__).parents[2]
START_SECONDS = 15.0


def _anvil() -> Path:
    """The binary inside npm's platform package; its wrapper script would be one more process."""
    found = sorted((ROOT / "contracts" / "node_modules" / "@foundry-rs").glob("anvil-*/bin/anvil"))
    named = os.environ.get("DARKROOM_ANVIL")
    if named:
        found.insert(0, Path(named))
    if not found:
        pytest.skip("anvil is not installed: run contracts/setup.sh")
    return found[0]


@contextmanager
def anvils() -> Iterator[Callable[..., AnvilNode]]:
    """A function that starts anvil; what it started ends with the context."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*arguments: str) -> AnvilNode:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        command = [str(_anvil()), "--host", "127.0.0.1", "--port", str(port), "--silent", "--hardfork", "prague"]
        started.append(subprocess.Popen([*command, *arguments]))
        limit = time.monotonic() + START_SECONDS
        while True:
            try:
                node = connect(f"http://127.0.0.1:{port}")
            except Unavailable:
                if time.monotonic() > limit or started[-1].poll() is not None:
                    raise
                time.sleep(0.02)
                continue
            assert isinstance(node, AnvilNode)
            return node

    try:
        yield start
    finally:
        for process in started:
            process.kill()
            process.wait()


@pytest.fixture
def start_anvil() -> Iterator[Callable[..., AnvilNode]]:
    """Start anvil with more arguments; all end with the test."""
    with anvils() as start:
        yield start


def undone(node: AnvilNode, action: Callable[[], object], depth: int) -> None:
    """Do something, bury it under blocks, and let a reorganisation of `depth` blocks take it all away."""
    snapshot = node.request("evm_snapshot")
    action()
    node.mine(depth)
    assert node.request("evm_revert", snapshot) is True
