"""A chain that was recorded: what a node said of one market up to a block, said again without any node.

It is for auditors' vectors: answers are given as they stand in the recording, and a question that was not recorded has
none. Logs are filtered as `eth_getLogs` says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.chain.evm.provider import EmbeddedProvider
from app.chain.json_rpc import Answer, Methods, answer, to_data, to_quantity, to_text
from app.protocol.errors import NotFound


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
            "eth_getBlockByNumber": lambda _at, _full=False: dict(self.block),
            "eth_call": lambda call, _at="latest": self._called(call),
            "eth_getLogs": self._logs,
            "eth_getTransactionByHash": self.transactions.get,
        }
        return answer(request, methods, lambda error: error.detail)

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


class RecordedProvider(EmbeddedProvider):
    """A recording in the place of an endpoint, for `app.chain.rpc.node.RpcNode`."""

    host = "a recording"

    def again(self) -> RecordedProvider:
        """Another provider of the same recording."""
        return RecordedProvider(self._chain)

    def saw_head(self, number: int) -> None:
        """A recording does not go on."""

    def saw_final(self, number: int, digest: str) -> None:
        """Nothing of a recording is reorganised."""


def call_key(to: str, data: bytes) -> str:
    """By which a call's result is recorded."""
    return f"{to.lower()}:0x{data.hex()}"


def _matches(topics: Sequence[str], wanted: Sequence[Any]) -> bool:
    if len(topics) < len(wanted):
        return False
    return all(one is None or topic in one for topic, one in zip(topics, wanted, strict=False))
