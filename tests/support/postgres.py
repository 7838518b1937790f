"""A PostgreSQL server of our own: a new cluster in a temporary folder, on loopback alone, gone after the tests."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import psycopg

START_SECONDS = 30.0
_numbers = count(1)


class Server:
    """Makes databases."""

    def __init__(self, port: int, begin: Callable[[], subprocess.Popen[bytes]]) -> None:
        self._port, self._begin, self.process = port, begin, begin()

    def restart(self) -> None:
        """End it as a reboot does, with its connections, and start it again."""
        self.process.send_signal(signal.SIGINT)
        self.process.wait(30)
        self.process = self._begin()
        _wait(self, self.process)

    def new_database(self) -> str:
        """The URL of an empty database."""
        name = f"index_{next(_numbers)}"
        with psycopg.connect(self.address("postgres"), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        return self.address(name)

    def address(self, name: str) -> str:
        """The URL of a database."""
        return f"postgresql://darkroom@127.0.0.1:{self._port}/{name}"


@contextmanager
def started() -> Iterator[Server]:
    """A running server. PostgreSQL refuses to run as root, so root becomes the user `postgres` for it."""
    user = "postgres" if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="darkroom-postgres-"))
    if user:
        entry = pwd.getpwnam(user)
        os.chown(folder, entry.pw_uid, entry.pw_gid)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options: dict[str, Any] = {"user": user, "cwd": folder, "stdout": subprocess.DEVNULL, "stderr": subprocess.STDOUT}
    data = folder / "data"
    subprocess.run(
        [_program("initdb"), "-D", str(data), "-U", "darkroom", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "-N"],
        check=True, timeout=60, **options,
    )  # fmt: skip
    settings = {
        "listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": folder, "fsync": "off",
        "max_connections": 50,
    }  # fmt: skip
    command = [_program("postgres"), "-D", str(data), *(f"--{name}={value}" for name, value in settings.items())]
    server = Server(port, lambda: subprocess.Popen(command, **options))
    try:
        _wait(server, server.process)
        yield server
    finally:
        server.process.send_signal(signal.SIGQUIT)  # at once: nothing in it is to be kept
        server.process.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


def _program(name: str) -> str:
    found = shutil.which(name) or next((str(p) for p in Path("/usr/lib/postgresql").glob(f"*/bin/{name}")), None)
    assert found, f"PostgreSQL's {name} is not installed"
    return found


def _wait(server: Server, process: subprocess.Popen[bytes]) -> None:
    limit = time.monotonic() + START_SECONDS
    while True:
        try:
            psycopg.connect(server.address("postgres")).close()
        except psycopg.OperationalError:
            if process.poll() is not None or time.monotonic() > limit:
                raise
            time.sleep(0.05)
        else:
            return
