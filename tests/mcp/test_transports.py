"""The real command over both transports, spoken to by the official SDK's client."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client

from app.mcp.running import KEPT_IN
from app.mcp.toolbox import TOOLS
from tests.support import apart
from tests.support.homes import PASSPHRASE
from tests.support.mandated import MandatedAgent

ROOT = Path(__file__).parents[2]
COMMAND = ["-m", "darkroom", "mcp"]


def environment(agent: MandatedAgent) -> dict[str, str]:
    """What the agent's process knows: its own home and passphrase, and a node to ask."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("DARKROOM_")}
    own = {"DARKROOM_HOME": str(agent.home.root), "DARKROOM_PASSPHRASE": PASSPHRASE, "DARKROOM_NODE": agent.node}
    return clean | own | {"PYTHONPATH": str(ROOT)}


def mandate_file(agent: MandatedAgent) -> str:
    """A signed mandate as a file."""
    path = agent.home.root / "mandate.json"
    path.write_bytes(agent.sign().to_bytes())
    return str(path)


async def look(client: Client) -> None:
    """Everything of a tool's life: listed with schemas, called, answered in structure, refused with a code."""
    listed = await client.list_tools()
    assert {each.name for each in listed.tools} == set(TOOLS)
    found = await client.call_tool("search_datasets", {})
    assert found.structured_content["datasets"][0]["dataset"] == 1
    refused = await client.call_tool("quote", {"dataset": 1, "model": "0" * 64})
    assert refused.is_error
    assert refused.structured_content["code"] == "not-found"
    wrong = await client.call_tool("quote", {"dataset": "1; DROP TABLE", "model": "../../etc/passwd"})
    assert wrong.is_error
    assert wrong.structured_content["code"] == "usage-error"


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_over_stdio(agent: MandatedAgent, mode: str) -> None:
    """`darkroom mcp` on stdin and stdout, with a mandate, in the protocol's present and its earlier manner."""
    words = [*COMMAND, "--mandate", mandate_file(agent)]
    server = StdioServerParameters(command=sys.executable, args=words, env=environment(agent), cwd=ROOT)

    async def talk() -> None:
        async with Client(server, mode=mode) as client:
            await look(client)

    apart.run(talk)


@contextmanager
def over_http(agent: MandatedAgent, *words: str) -> Iterator[str]:
    """A server on a free port, and where it is."""
    process = subprocess.Popen(
        [sys.executable, *COMMAND, "--http", "0", *words], env=environment(agent), cwd=ROOT, text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert process.stderr is not None
        line = process.stderr.readline()
        found = re.search(r"http://127\.0\.0\.1:\d+/mcp", line)
        assert found, line + process.stderr.read()
        yield found[0]
    finally:
        process.terminate()
        assert process.wait(30) == 0
        assert process.stderr is not None
        process.stderr.close()


def test_over_http_the_token_opens(agent: MandatedAgent) -> None:
    """With a mandate each request carries the token of a private file; others, and other hosts, get nothing."""
    with over_http(agent, "--mandate", mandate_file(agent)) as url:
        path = agent.home.actor("agent").path(KEPT_IN)
        assert path.stat().st_mode & 0o077 == 0
        token = path.read_text("utf-8")
        ask = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
        accept = {"accept": "application/json, text/event-stream"}
        assert httpx.post(url, json=ask, headers=accept).status_code == 401
        wrong = accept | {"authorization": f"Bearer {token[:-1]}x"}
        assert httpx.post(url, json=ask, headers=wrong).status_code == 401
        held = {"authorization": f"Bearer {token}"}
        rebound = accept | held | {"host": "evil.example"}
        assert httpx.post(url, json=ask, headers=rebound).status_code == 421
        page = accept | held | {"origin": "https://evil.example"}
        assert httpx.post(url, json=ask, headers=page).status_code == 403

        async def talk() -> None:
            async with (
                create_mcp_http_client(headers=held) as http,
                Client(streamable_http_client(url, http_client=http)) as client,
            ):
                await look(client)

        apart.run(talk)


def test_over_http_reading_needs_nothing(agent: MandatedAgent) -> None:
    """Without a mandate there is nothing to guard, and nothing is paid."""
    with over_http(agent) as url:

        async def talk() -> None:
            async with Client(url) as client:
                await look(client)
                paid = await client.call_tool("buy_license", {"offer": 1, "max_price": "50"})
                assert paid.is_error
                assert paid.structured_content["code"] == "not-allowed"

        apart.run(talk)
