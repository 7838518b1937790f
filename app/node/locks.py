"""One node or demo a home, and one web server: locks that go with their processes, however those end."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.files.locks import take
from app.home.home import Home, private_folder
from app.protocol.errors import NotAllowed

PATIENCE = 20.0  # seconds for the parts of a killed node, which notice it and have ten to finish what they do


@contextmanager
def only_node(home: Home) -> Iterator[int]:
    """Hold a home; the value is a descriptor for every part to inherit, so that the next node can wait for all of them.

    Errors: NotAllowed while another node or the demo runs in this home, or when parts of a killed one do not end.
    """
    private_folder(home.root)
    with _locked(home.root, "node.lock") as own:
        if not take(own):
            told = f"A node or the demo runs in {home.root} already."
            raise NotAllowed(told, "Use it, or name another DARKROOM_HOME.")
        with _locked(home.root, "parts.lock") as shared:
            _await_parts(home, shared)
            yield shared


@contextmanager
def only_web_server(home: Home) -> Iterator[None]:
    """Hold the right to serve a home: rates, streams and audits are counted in one process. Errors: NotAllowed."""
    with _locked(home.place, "web.lock") as own:
        if not take(own):
            raise NotAllowed(
                f"A web server runs for {home.place} already.",
                "Use that one: its limits are counted in one process; another home can have its own.",
            )
        yield


def _await_parts(home: Home, lock: int) -> None:
    limit, told = time.monotonic() + PATIENCE, False
    while not take(lock):
        if time.monotonic() > limit:
            raise NotAllowed(
                f"Parts of an earlier node still run in {home.root}.", "End them (ps ax | grep app.cli) and try again."
            )
        if not told:
            told = True
            sys.stderr.write("Waiting for the parts of a node that was killed here to end.\n")
        time.sleep(0.05)


@contextmanager
def _locked(folder: Path, name: str) -> Iterator[int]:
    file = os.open(folder / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        yield file
    finally:
        os.close(file)
