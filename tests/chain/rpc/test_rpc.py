"""JSON-RPC nodes that are away, strange or hostile."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from eth_utils.crypto import keccak

from app.chain.node import ExecutionReverted, NonceTaken
from app.chain.rpc import provider
from app.chain.rpc.node import AnvilNode, RpcNode, connect
from app.protocol.errors import BadInput, DarkroomError, NotFound, Reverted, TooLarge, Unavailable
from app.protocol.ids import TxHash
from tests.chain.rpc.puppet import TOKEN, Puppet, refusal
from tests.support.market import person

WHO = person("somebody").address


@pytest.fixture
def puppet() -> Iterator[Puppet]:
    """The server."""
    server = Puppet()
    yield server
    server.stop()


@pytest.fixture
def node(puppet: Puppet) -> RpcNode:
    """Our client of it."""
    return connect(puppet.url)


def test_a_node_that_is_away_is_unavailable(caplog: pytest.LogCaptureFixture) -> None:
    """Nothing listens: the message names the host and never the path, which may hold an access token."""
    caplog.set_level(logging.WARNING)
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1:9 ") as caught:
        connect(f"http://127.0.0.1:9/{TOKEN}")
    assert TOKEN not in str(caught.value) + repr(caught.value.__cause__) + caplog.text


BODIES = {
    "HTML": b"<html>busy</html>",
    "nothing": b"",
    "a list": b"[]",
    "a number": b"7",
    "no result": b'{"jsonrpc":"2.0","id":1}',
    "deep": b"[" * 100_000,
    "not UTF-8": b"\xff\xfe\x00",
}


@pytest.mark.parametrize("name", BODIES)
def test_a_body_that_is_no_answer_is_unavailable(puppet: Puppet, node: RpcNode, name: str) -> None:
    """Whatever is not a JSON-RPC answer is Unavailable, and the token stays out of the message."""
    puppet.body = BODIES[name]
    with pytest.raises(Unavailable) as caught:
        node.head()
    assert TOKEN not in str(caught.value)
    assert TOKEN not in repr(node)


STRANGE: list[Any] = [
    None,
    7,
    "zz",
    [],
    {},
    {"number": "0x1"},
    {"number": 1, "hash": None, "parentHash": "0x", "timestamp": "0x1"},
    True,
]
READS: dict[str, Callable[[RpcNode], object]] = {
    "eth_getBlockByNumber": lambda node: node.fees(),
    "eth_getCode": lambda node: node.code(WHO),
    "eth_getBalance": lambda node: node.balance(WHO),
    "eth_getTransactionCount": lambda node: node.nonce(WHO),
    "eth_call": lambda node: node.call(WHO, b""),
    "eth_estimateGas": lambda node: node.estimate(WHO, WHO, b""),
    "eth_getTransactionReceipt": lambda node: node.receipt(TxHash("0x" + "11" * 32)),
    "eth_getLogs": lambda node: node.logs(1, 2, [WHO]) or pytest.skip("an empty list is a good answer"),
}


@pytest.mark.parametrize("method", [each for each in READS if each != "eth_getLogs"])
@pytest.mark.parametrize("answer", STRANGE, ids=repr)
def test_an_answer_of_another_form_is_a_typed_error(puppet: Puppet, node: RpcNode, method: str, answer: Any) -> None:
    """No strange value becomes an exception of Python's."""
    puppet.answers[method] = answer
    with pytest.raises((Unavailable, NotFound)):
        READS[method](node)


@pytest.mark.parametrize("answer", [None, 7, "zz", [7], [{}], [{"address": "0x1"}]], ids=repr)
def test_logs_of_another_form_are_a_typed_error(puppet: Puppet, node: RpcNode, answer: Any) -> None:
    """The same for lists of events."""
    puppet.answers["eth_getLogs"] = answer
    with pytest.raises(Unavailable):
        node.logs(1, 2, [WHO])


def test_an_endless_answer_is_cut(puppet: Puppet, node: RpcNode, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer above the limit is refused and not read to its end."""
    monkeypatch.setattr(provider, "MAX_ANSWER_BYTES", 1000)
    puppet.body = b" " * 2000
    with pytest.raises(TooLarge):
        node.head()


DATA = "0xa4229fab"
REVERTS = [
    refusal("execution reverted", 3, data=DATA),
    refusal("VM Exception while processing transaction: revert", data={"data": DATA}),
    refusal("execution reverted", data={"result": DATA}),
]


@pytest.mark.parametrize("answer", REVERTS, ids=["geth", "nested", "ganache"])
def test_revert_data_is_found_where_nodes_put_it(puppet: Puppet, node: RpcNode, answer: dict[str, Any]) -> None:
    """The selector arrives from every known place, for calls and for estimates."""
    puppet.answers |= {"eth_call": answer, "eth_estimateGas": answer}
    for ask in (lambda: node.call(WHO, b""), lambda: node.estimate(WHO, WHO, b"")):
        with pytest.raises(ExecutionReverted) as caught:
            ask()
        assert caught.value.data.hex() == DATA[2:]


def test_a_revert_without_data_is_still_a_revert(puppet: Puppet, node: RpcNode) -> None:
    """Only the word: there is no data, and no guess."""
    for answer in (refusal("execution reverted"), refusal("reverted", data="0xzz"), refusal("out of gas")):
        puppet.answers["eth_call"] = answer
        with pytest.raises(ExecutionReverted) as caught:
            node.call(WHO, b"")
        assert caught.value.data == b""


def test_refused_transactions_are_told_apart(puppet: Puppet, node: RpcNode) -> None:
    """A used nonce asks for another try, missing ether has its reason, anything else is BadInput."""
    cases: list[tuple[str, type[Exception]]] = [
        ("nonce too low: next nonce 5, tx nonce 4", NonceTaken),
        ("replacement transaction underpriced", NonceTaken),
        ("insufficient funds for gas * price + value", Reverted),
        ("max fee per gas less than block base fee", Unavailable),
        ("transaction underpriced: gas tip cap 1", Unavailable),
        ("transaction type not supported", BadInput),
    ]
    for message, kind in cases:
        puppet.answers["eth_sendRawTransaction"] = refusal(message)
        with pytest.raises(kind):
            node.submit(b"\x02")


RECEIPT: dict[str, Any] = {
    "transactionHash": "0x" + "11" * 32,
    "blockNumber": "0x5",
    "blockHash": "0x" + "22" * 32,
    "gasUsed": "0x5208",
    "status": "0x1",
    "contractAddress": None,
    "logs": [],
}


def test_a_transaction_that_is_known_already_is_taken_as_sent(puppet: Puppet, node: RpcNode) -> None:
    """Sending the same bytes again, after a lost answer, is told with their hash."""
    puppet.answers["eth_sendRawTransaction"] = refusal("already known")
    assert node.submit(b"\x02\x03") == "0x" + keccak(b"\x02\x03").hex()


@pytest.mark.parametrize(
    "limit",
    [
        {"error": {"code": 429, "message": "Too Many Requests"}},
        {"error": {"code": -32005, "message": "daily rate limit exceeded"}},
        {"error": {"code": -32000, "message": "your app has exceeded its compute units per second capacity"}},
    ],
)
def test_a_rate_limit_is_waited_out(puppet: Puppet, node: RpcNode, limit: Any) -> None:
    """Neither a contract's refusal nor a reason for smaller log ranges: the same question is asked again."""
    calls = iter([limit, limit, "0x2a"])
    puppet.answers["eth_call"] = lambda *_: next(calls)
    assert node.call(WHO, b"") == b"\x2a"
    asked = iter([limit, []])
    puppet.answers["eth_getLogs"] = lambda question: next(asked)
    assert node.logs(1, 2_000, [WHO]) == []
    puppet.answers["eth_call"] = limit
    with pytest.raises(Unavailable, match="limits how often"):
        node.call(WHO, b"")


def test_a_node_that_refuses_to_look_refuses_no_contract(puppet: Puppet, node: RpcNode) -> None:
    """What is the node's own trouble is never told as a contract's refusal."""
    extras: tuple[dict[str, Any], ...] = ({}, {"data": {"root": "0x11"}})
    for more in extras:
        puppet.answers["eth_call"] = refusal("missing trie node", **more)
        with pytest.raises(Unavailable, match="missing trie node"):
            node.call(WHO, b"")


@pytest.mark.parametrize("seen", ["eth_getTransactionReceipt", "eth_getTransactionByHash"])
def test_the_same_bytes_after_they_arrived_are_the_same_transaction(puppet: Puppet, node: RpcNode, seen: str) -> None:
    """What is "too low" is the transaction's own nonce where the node has it: nobody is told to sign another."""
    puppet.answers |= {"eth_getTransactionReceipt": None, "eth_getTransactionByHash": None}
    puppet.answers |= {"eth_sendRawTransaction": refusal("nonce too low"), seen: RECEIPT}
    assert node.submit(b"\x02\x03") == "0x" + keccak(b"\x02\x03").hex()


@pytest.mark.parametrize("batches", [True, False])
def test_fates_are_asked_in_one_go_where_the_node_takes_it(puppet: Puppet, node: RpcNode, batches: bool) -> None:
    """Used nonces and receipts come from one request, or one after the other from a node that takes no batch."""
    puppet.batches = batches
    puppet.answers["eth_getTransactionCount"] = "0x7"
    puppet.answers["eth_getTransactionReceipt"] = lambda tx: RECEIPT if tx == RECEIPT["transactionHash"] else None
    puppet.requests = 0
    for _ in range(2):
        fates = node.fates(WHO, [TxHash("0x" + "11" * 32), TxHash("0x" + "33" * 32)])
        assert (fates.used, list(fates.receipts)) == (7, ["0x" + "11" * 32])
    assert puppet.requests == (2 if batches else 1 + 3 + 3)


def test_one_crowded_stretch_does_not_make_all_ranges_small(puppet: Puppet, node: RpcNode) -> None:
    """After a refused range the next ones grow again, up to what was not refused."""
    asked: list[int] = []

    def logs(question: dict[str, Any]) -> Any:
        first, last = int(question["fromBlock"], 16), int(question["toBlock"], 16)
        asked.append(last - first + 1)
        return refusal("query returned more than 10000 results") if first < 100 and last - first >= 100 else []

    puppet.answers["eth_getLogs"] = logs
    node.logs(1, 20_000, [WHO])
    assert len(asked) < 80
    assert max(asked[10:]) >= 250


def test_a_range_that_is_too_wide_is_split(puppet: Puppet, node: RpcNode) -> None:
    """A node that limits eth_getLogs is asked for smaller ranges that cover everything once."""
    ranges: list[tuple[int, int]] = []

    def logs(question: dict[str, Any]) -> Any:
        first, last = int(question["fromBlock"], 16), int(question["toBlock"], 16)
        if last - first >= 100:
            return refusal("query exceeds max block range 100")
        ranges.append((first, last))
        return []

    puppet.answers["eth_getLogs"] = logs
    assert node.logs(1, 1000, [WHO]) == []
    assert [number for first, last in ranges for number in range(first, last + 1)] == list(range(1, 1001))
    puppet.answers["eth_getLogs"] = refusal("no")
    with pytest.raises(Unavailable):
        node.logs(1, 1000, [WHO])


def test_a_node_without_finality_is_believed_after_two_epochs(puppet: Puppet, node: RpcNode) -> None:
    """Where "finalized" is not known, a block 64 below the head is taken."""

    def block(which: str, full: bool) -> Any:
        if which in ("finalized", "pending"):
            return refusal("unknown block tag")
        number = hex(100) if which == "latest" else which
        return {"number": number, "hash": "0x1", "parentHash": "0x0", "timestamp": "0x7"}

    puppet.answers["eth_getBlockByNumber"] = block
    assert node.finalized().number == 36
    assert node.now() == 7


def test_a_block_that_does_not_come_is_unavailable(puppet: Puppet, node: RpcNode) -> None:
    """Waiting for a height ends with a typed error when the chain stands still."""
    block = {"number": "0x5", "hash": "0x1", "parentHash": "0x0", "timestamp": "0x7"}
    puppet.answers["eth_getBlockByNumber"] = block
    assert node.wait_block(5).number == 5
    with pytest.raises(Unavailable):
        node.wait_block(6, timeout=0.05)


def test_a_missing_method_is_unavailable(node: RpcNode) -> None:
    """A node without a standard method is of no use, and says which one."""
    with pytest.raises(Unavailable, match="eth_getCode"):
        node.code(WHO)


def test_the_environment_and_other_servers_lead_nowhere(
    puppet: Puppet, node: RpcNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No proxy of the environment stands between client and node, in no thread, and no answer sends the question
    elsewhere.
    """
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    other = connect(puppet.url)
    assert other.chain_id == 1
    told: list[object] = []
    thread = threading.Thread(target=lambda: told.append(other.request("eth_chainId")))
    thread.start()
    thread.join()
    assert told == ["0x1"]
    asked = len(puppet.asked)
    puppet.redirect, puppet.body = puppet.url, b""
    with pytest.raises(Unavailable, match="HTTP 307"):
        node.head()
    assert len(puppet.asked) == asked + 1


def test_a_chain_behind_http_is_asked_without_web3() -> None:
    """Agents and commands start without what takes longest to import; so does a pool of endpoints."""
    asked = "import sys, app.chain.rpc.node; print([each for each in ('web3', 'aiohttp') if each in sys.modules])"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True, encoding="utf-8")
    assert done.stdout.strip() == "[]"


def test_plain_web3_meets_the_same_bounds(puppet: Puppet, node: RpcNode, monkeypatch: pytest.MonkeyPatch) -> None:
    """What web3 asks by itself is limited, tried again, and told without the access token, in batches too."""
    web3 = node.web3()
    assert TOKEN not in f"{web3.provider} {web3.provider!r} {node.provider}"
    limit = refusal("Too Many Requests", 429)
    calls = iter([limit, "0x2a"])
    puppet.answers["eth_getBalance"] = lambda *_: next(calls)
    assert web3.eth.get_balance(WHO) == 42  # type: ignore[arg-type]
    for body in (b"[]", b"[{}]", b'[{"id":1,"result":"0x1"}]', b"{}", b"<html>"):
        puppet.body = body
        with web3.batch_requests() as batch:
            batch.add(web3.eth.get_balance(WHO))  # type: ignore[arg-type]
            batch.add(web3.eth.get_balance(WHO))  # type: ignore[arg-type]
            with pytest.raises(Unavailable) as caught:
                batch.execute()
        assert TOKEN not in str(caught.value)
    monkeypatch.setattr(provider, "MAX_ANSWER_BYTES", 1000)
    puppet.body = b" " * 2000
    with pytest.raises(TooLarge):
        web3.eth.get_balance(WHO)  # type: ignore[arg-type]


def test_only_a_development_node_mints(puppet: Puppet) -> None:
    """The powers of anvil are offered on anvil alone."""
    assert not hasattr(connect(puppet.url), "fund")
    puppet.answers["web3_clientVersion"] = "anvil/v1.7.1"
    assert isinstance(connect(puppet.url), AnvilNode)


def test_errors_are_ours_alone() -> None:
    """A URL that no HTTP library takes is a typed error as well."""
    for url in ("http://", "http://127.0.0.1:notaport/", "http://[::1"):
        with pytest.raises(DarkroomError):
            connect(url)


def test_an_answer_that_was_cut_is_asked_for_again(node: RpcNode, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half an answer, as a broken connection or a proxy leaves it, does not end a command."""
    halves, real = iter([True]), provider.BoundedProvider._post

    def cut(self: provider.BoundedProvider, body: bytes) -> tuple[int, bytes]:
        status, data = real(self, body)
        return status, data[: len(data) // 2] if next(halves, False) else data

    monkeypatch.setattr(provider.BoundedProvider, "_post", cut)
    assert node.request("eth_chainId") == "0x1"
    assert next(halves, None) is None
