"""A chain that was recorded: what a node said of one market up to a block, said again without any node.

It is for auditors' vectors: answers are given as they stand in the recording, and a question that was not recorded has
none. Logs are filtered as `eth_getLogs` says.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.chain.json_rpc import Answer, Answering, Methods, answer, to_data, to_quantity, to_text
from app.protocol.errors import NotFound

NEWEST = ("latest", "safe", "finalized", "pending")


@dataclass(frozen=True)
class RecordedChain:
    """A node's answers, in the JSON of Ethereum's JSON-RPC. `calls` are results by "address:data", lower case."""

    chain_id: int
    block: Mapping[str, Any]  # the newest one, which is final
    logs: Sequence[Mapping[str, Any]]
    transactions: Mapping[str, Mapping[str, Any]]  # by hash
    calls: Mapping[str, str]

    def answer(self, request: Any) -> Answer:
        """The response to one JSON-RPC request."""
        methods: Methods = {
            "eth_chainId": lambda: hex(self.chain_id),
            "eth_blockNumber": lambda: self.block["number"],
            "eth_getBlockByNumber": lambda at, _full=False: self._block(at),
            "eth_call": lambda call, _at="latest": self._called(call),
            "eth_getLogs": self._logs,
            "eth_getTransactionByHash": self.transactions.get,
        }
        return answer(request, methods, lambda error: error.detail)

    def _block(self, at: Any) -> Answer | None:
        """The newest block, by tag or number; JSON-RPC has null for those that are not there."""
        return dict(self.block) if at in (*NEWEST, self.block["number"]) else None

    def _called(self, call: Any) -> str:
        key = call_key(to_text(call.get("to"), "An address"), to_data(call.get("input", call.get("data"))))
        if key not in self.calls:
            raise NotFound("This call was not recorded.")
        return self.calls[key]

    def _logs(self, wanted: Any) -> list[Mapping[str, Any]]:
        first, last = (to_quantity(wanted[name]) for name in ("fromBlock", "toBlock"))
        given = wanted.get("address", [])
        addresses = {each.lower() for each in (given if isinstance(given, list) else [given])}
        return [
            log
            for log in self.logs
            if first <= to_quantity(log["blockNumber"]) <= last
            and log["address"].lower() in addresses
            and _matches(log["topics"], wanted.get("topics") or [])
        ]


class RecordedProvider:
    """A recording, or a chain in this process, in the place of an endpoint for `app.chain.rpc.node.RpcNode`."""

    host = "a recording"

    def __init__(self, chain: Answering) -> None:
        self._chain = chain

    def again(self) -> RecordedProvider:
        """Another provider of the same recording."""
        return RecordedProvider(self._chain)

    def saw_head(self, number: int) -> None:
        """A recording does not go on."""

    def saw_final(self, number: int, digest: str) -> None:
        """Nothing of a recording is reorganised."""

    def make_request(self, method: str, params: Any) -> dict[str, Any]:
        """The response."""
        return self._chain.answer({"jsonrpc": "2.0", "id": 0, "method": method, "params": list(params)})

    def make_batch_request(self, questions: Sequence[tuple[str, Any]]) -> list[dict[str, Any]]:
        """The responses in the order of the questions."""
        return [self.make_request(method, params) for method, params in questions]

    def send(self, what: str, body: bytes, batch: int | None = None) -> Any:  # noqa: ARG002
        """The response to a request that is written already, or those to a batch."""
        asked = json.loads(body)
        return self._chain.answer(asked) if batch is None else [self._chain.answer(each) for each in asked]


def call_key(to: str, data: bytes) -> str:
    """By which a call's result is recorded."""
    return f"{to.lower()}:0x{data.hex()}"


def _matches(topics: Sequence[str], wanted: Sequence[Any]) -> bool:
    if len(topics) < len(wanted):
        return False
    return all(one is None or topic in one for topic, one in zip(topics, wanted, strict=False))
