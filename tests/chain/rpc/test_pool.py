"""Several endpoints of one chain: one takes over from another, and nothing that was seen is unseen."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from app.chain.rpc import pool
from app.chain.rpc.node import connect
from app.protocol.errors import Unavailable
from tests.chain.rpc.puppet import TOKEN, Puppet, refusal


def serve_blocks(puppet: Puppet, head: int, *, final: int = 0, fork: str = "") -> None:
    """Answer as a node whose newest and newest final blocks are these; `fork` marks another history."""

    def block(which: str, _full: bool) -> Any:
        number = {"latest": head, "finalized": final}.get(which) if not which.startswith("0x") else int(which, 16)
        if number is None or number > head:
            return None
        return {"number": hex(number), "hash": f"0x{fork}{number}", "parentHash": "0x0", "timestamp": hex(number)}

    puppet.answers |= {"eth_getBlockByNumber": block, "eth_blockNumber": hex(head), "eth_getBalance": hex(head)}


@pytest.fixture
def pair(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Puppet, Puppet]]:
    """Two nodes of one chain at the same height."""
    monkeypatch.setattr("app.chain.rpc.provider.FIRST_PAUSE", 0.0)
    servers = Puppet(), Puppet()
    for each in servers:
        serve_blocks(each, 100, final=90)
    yield servers
    for each in servers:
        each.stop()


WHO = "0x" + "11" * 20
DOWN = b"<html>bad gateway</html>"


def test_the_next_endpoint_takes_over_and_the_first_is_gone_back_to(
    pair: tuple[Puppet, Puppet], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that fails is left for the next without an error; when it is well again, it is asked again."""
    monkeypatch.setattr(pool, "FIRST_REST", 0.25)
    first, second = pair
    node = connect(first.url, second.url)
    assert node.head().number == 100
    asked = len(second.asked)
    assert asked == 0  # one at a time
    first.body = DOWN
    assert node.balance(WHO) == 100
    assert len(second.asked) > 0
    first.body = None
    failures = len(first.asked)
    assert node.balance(WHO) == 100
    assert len(first.asked) == failures  # it rests
    monkeypatch.setattr(pool, "BACK_SECONDS", 0.0)
    time.sleep(0.3)
    assert node.balance(WHO) == 100
    assert len(first.asked) > failures
    first.body = second.body = DOWN
    with pytest.raises(Unavailable) as caught:
        node.balance(WHO)
    assert TOKEN not in str(caught.value)
    first.body = second.body = None
    assert node.balance(WHO) == 100


@pytest.mark.parametrize("fault", ["another chain", "behind", "without what was final", "rate limits"])
def test_an_endpoint_that_would_undo_what_was_seen_does_not_take_over(pair: tuple[Puppet, Puppet], fault: str) -> None:
    """Another chain, an older head, or a history without the final block: Unavailable, and never its answers."""
    first, second = pair
    node = connect(first.url, second.url)
    assert (node.head().number, node.finalized().number) == (100, 90)
    serve_blocks(second, 99 if fault == "behind" else 120, final=90, fork="f" if fault.startswith("without") else "")
    if fault == "another chain":
        second.answers["eth_chainId"] = "0x2"
    if fault == "rate limits":
        second.answers["eth_chainId"] = refusal("Too Many Requests", 429)
    first.body = DOWN
    with pytest.raises(Unavailable, match=r"No chain node answers"):
        node.balance(WHO)
    first.body = None
    assert node.head().number == 100


def test_an_endpoint_that_is_ahead_takes_over(pair: tuple[Puppet, Puppet]) -> None:
    """What is final for the one is in the other: the chain goes on."""
    first, second = pair
    node = connect(first.url, second.url)
    assert node.finalized().number == 90
    serve_blocks(second, 130, final=120)
    first.body = DOWN
    assert (node.head().number, node.finalized().number) == (130, 120)
    web3 = node.web3()
    assert web3.eth.block_number == 130


def test_a_busy_answer_is_about_how_often(pair: tuple[Puppet, Puppet]) -> None:
    """HTTP 429 is a limit whatever its body says: no contract's refusal, and no reason for smaller log ranges."""
    first, _ = pair
    node = connect(first.url)
    first.status, ranges = 429, len(first.asked)
    first.answers |= {"eth_call": refusal("no"), "eth_getLogs": refusal("no")}
    with pytest.raises(Unavailable, match="limits how often"):
        node.call(WHO, b"")
    with pytest.raises(Unavailable, match="limits how often"):
        node.logs(1, 100, [WHO])
    assert len(first.asked) - ranges == 8
