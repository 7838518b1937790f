"""A JSON-RPC endpoint for browser wallets, over any node: a few methods, and only for this market.

A wallet needs it where the chain has no endpoint of its own (the embedded chain). Calls and transactions that are
neither to one of the market's contracts nor plain transfers are refused: this node does not execute strangers' code.
"""

from __future__ import annotations

import re
from typing import Any

from app.chain.json_rpc import Answer, Methods, answer, to_data, to_hash, to_quantity, to_text
from app.chain.market import Market
from app.chain.wallet.envelope import Envelope, read_envelope, to_address
from app.protocol.errors import BadInput, NotAllowed

MAX_GAS = 5_000_000  # of a relayed transaction; the market's dearest call takes far less
MAX_CALL_BYTES = 64 << 10
MAX_LOG_BLOCKS = 10_000  # that one eth_getLogs looks through
MAX_FEE_BLOCKS = 1024  # that a history may ask for, as geth; the newest of them are told
MAX_LOOKED_AT = 10
TAGS = ("latest", "pending", "safe", "finalized", "earliest")
WHO = "An address"


class Relay:
    """Answers JSON-RPC requests for one market."""

    def __init__(self, market: Market) -> None:
        self._market, self._node = market, market.node
        ask = self._node.request
        self.methods: Methods = {
            "eth_chainId": lambda: hex(self._node.chain_id),
            "net_version": lambda: str(self._node.chain_id),
            "web3_clientVersion": lambda: "darkroom",
            "eth_syncing": lambda: False,
            "eth_accounts": lambda: [],  # noqa: PIE807 - list itself has no signature
            "eth_blockNumber": lambda: hex(self._node.head().number),
            "eth_getBlockByNumber": lambda at, full=False: ask("eth_getBlockByNumber", _at(at), full is True),
            "eth_getBlockByHash": lambda block, full=False: ask(
                "eth_getBlockByHash", to_hash(block, "A block"), full is True
            ),
            "eth_getBalance": lambda who, at="latest": ask("eth_getBalance", _who(who), _at(at)),
            "eth_getCode": lambda who, at="latest": ask("eth_getCode", _who(who), _at(at)),
            "eth_getStorageAt": lambda who, slot, at="latest": ask(
                "eth_getStorageAt", _who(who), f"0x{to_quantity(slot):064x}", _at(at)
            ),
            "eth_getTransactionCount": lambda who, at="latest": ask("eth_getTransactionCount", _who(who), _at(at)),
            "eth_gasPrice": lambda: hex(self._node.fees().max_fee),
            "eth_maxPriorityFeePerGas": lambda: hex(self._node.fees().tip),
            "eth_feeHistory": self._fee_history,
            "eth_call": lambda call, at="latest": ask("eth_call", self._message(call), _at(at)),
            "eth_estimateGas": self._estimate,
            "eth_sendRawTransaction": lambda raw: self.send(to_data(raw)),
            "eth_getTransactionByHash": lambda tx: ask("eth_getTransactionByHash", to_hash(tx)),
            "eth_getTransactionReceipt": lambda tx: ask("eth_getTransactionReceipt", to_hash(tx)),
            "eth_getLogs": self._logs,
        }

    def answer(self, request: Any) -> Answer:
        """The response to one request; never raises for what a client or the chain did."""
        return answer(request, self.methods, lambda error: self._market.client.refusal(error).message)

    def send(self, raw: bytes) -> str:
        """Pass a signed transaction on; its hash. Errors: BadInput, NotAllowed, NonceTaken, Reverted, Unavailable."""
        self.check(read_envelope(raw))
        return self._node.submit(raw)

    def check(self, envelope: Envelope) -> None:
        """Whether this node passes a transaction on. Errors: BadInput, NotAllowed."""
        if envelope.chain_id != self._node.chain_id:
            raise BadInput(
                f"This transaction was signed for chain {envelope.chain_id}, not for {self._node.chain_id}.",
                "Switch the wallet to this network.",
            )
        if envelope.gas > MAX_GAS:
            raise NotAllowed(f"This relay takes transactions of at most {MAX_GAS} gas.", "Lower the gas limit.")
        self._ours(envelope.to, envelope.data)

    def _ours(self, to: str | None, data: bytes) -> None:
        if to in self._market.addresses.values() or (to is not None and not data and not self._node.code(to)):
            return
        raise NotAllowed("This relay serves the market's contracts only.", "Use a node of your own for others.")

    def _estimate(self, request: Any, _tag: Any = "latest") -> str:
        said = self._message(request)
        sender = to_address(said.get("from", "0x" + "00" * 20))
        return hex(self._node.estimate(sender, to_address(said["to"]), to_data(said["data"])))

    def _message(self, request: Any) -> dict[str, str]:
        """A call as it is passed on. Errors: BadInput, NotAllowed."""
        if not isinstance(request, dict):
            raise BadInput("A call is an object.")
        to, sender = request.get("to"), request.get("from")
        data = to_data(request.get("input", request.get("data", "0x")))
        if len(data) > MAX_CALL_BYTES:
            raise BadInput(f"A call's data has at most {MAX_CALL_BYTES} bytes.")
        where = _who(to) if to is not None else None
        self._ours(where, data)
        assert where is not None
        said = {"to": where, "data": "0x" + data.hex()}
        return said if sender is None else said | {"from": _who(sender)}

    def _logs(self, wanted: Any) -> Any:
        """Events of the market's contracts alone, in so many blocks. Errors: BadInput, NotAllowed."""
        if not isinstance(wanted, dict) or not isinstance(wanted.get("topics") or [], list):
            raise BadInput("A filter is an object, and its topics are a list.")
        given = wanted.get("address") or list(self._market.addresses.values())
        addresses = [_who(each) for each in (given if isinstance(given, list) else [given])]
        if not set(addresses) <= set(self._market.addresses.values()):
            raise NotAllowed("This relay serves the market's contracts only.", "Use a node of your own for others.")
        said: dict[str, Any] = {"address": addresses, "topics": wanted.get("topics") or []}
        if "blockHash" in wanted:
            return self._node.request("eth_getLogs", said | {"blockHash": to_hash(wanted["blockHash"], "A block")})
        head = self._node.head().number
        first, last = (self._number(wanted.get(key, "latest"), head) for key in ("fromBlock", "toBlock"))
        if last - first >= MAX_LOG_BLOCKS:
            raise BadInput(f"A filter spans {MAX_LOG_BLOCKS:,} blocks at most.", "Ask in parts.")
        return self._node.request("eth_getLogs", said | {"fromBlock": hex(first), "toBlock": hex(last)})

    def _number(self, at: Any, head: int) -> int:
        at = _at(at)
        return (0 if at == "earliest" else head) if at in TAGS else int(at, 16)

    def _fee_history(self, count: Any, newest: Any = "latest", rewards: Any = None) -> Answer:
        """What base fees were: from the blocks themselves, whose tips this market's chain does not bid for."""
        wanted = to_quantity(count if isinstance(count, str) else hex(count) if isinstance(count, int) else None)
        if not 1 <= wanted <= MAX_FEE_BLOCKS or not isinstance(rewards or [], list):
            raise BadInput(f"A history has 1 to {MAX_FEE_BLOCKS} blocks, and a list of percentiles.")
        last = self._number(newest, self._node.head().number)
        blocks = [
            self._node.request("eth_getBlockByNumber", hex(number), False)
            for number in range(max(0, last - min(wanted, MAX_LOOKED_AT) + 1), last + 1)
        ]
        if not blocks or None in blocks:
            raise BadInput("There is no such block.")
        base = [block["baseFeePerGas"] for block in blocks]
        used = [int(block["gasUsed"], 16) / int(block["gasLimit"], 16) for block in blocks]
        answer: Answer = {
            "oldestBlock": blocks[0]["number"], "baseFeePerGas": [*base, hex(_next_base(blocks[-1]))],
            "gasUsedRatio": used,
        }  # fmt: skip
        return answer | ({"reward": [[hex(self._node.fees().tip)] * len(rewards)] * len(blocks)} if rewards else {})


def _next_base(block: Answer) -> int:
    """The base fee of the block after this one: EIP-1559."""
    base, used, target = (int(block[name], 16) for name in ("baseFeePerGas", "gasUsed", "gasLimit"))
    target //= 2
    if used > target:
        return base + max(1, base * (used - target) // target // 8)
    return base - base * (target - used) // target // 8


def _at(which: Any) -> str:
    """A block's number or tag. Errors: BadInput."""
    if which in TAGS or (isinstance(which, str) and re.fullmatch(r"0x[0-9a-f]{1,12}", which)):
        return str(which)
    raise BadInput("A block is named by a number or a tag.")


def _who(value: Any) -> str:
    """An address. Errors: BadInput."""
    return to_address(to_text(value, WHO))
