"""A JSON-RPC endpoint for browser wallets, over any node: a few methods, and only for this market.

A wallet needs it where the chain has no endpoint of its own (the embedded chain). Calls and transactions that are
neither to one of the market's contracts nor plain transfers are refused: this node does not execute strangers' code.
"""

from __future__ import annotations

import re
from typing import Any, cast

from app.chain.json_rpc import Answer, Methods, answer, to_data, to_hash, to_text
from app.chain.market import Market
from app.chain.wallet.envelope import Envelope, read_envelope, to_address
from app.protocol.errors import BadInput, NotAllowed

MAX_GAS = 5_000_000  # of a relayed transaction; the market's dearest call takes far less
MAX_CALL_BYTES = 64 << 10
TAGS = ("latest", "pending", "safe", "finalized")
WHO = "An address"


class Relay:
    """Answers JSON-RPC requests for one market."""

    def __init__(self, market: Market) -> None:
        self._market, self._node = market, market.node
        self.methods: Methods = {
            "eth_chainId": lambda: hex(self._node.chain_id),
            "net_version": lambda: str(self._node.chain_id),
            "web3_clientVersion": lambda: "darkroom",
            "eth_blockNumber": lambda: hex(self._node.head().number),
            "eth_getBlockByNumber": self._block,
            "eth_getBalance": lambda who, _="latest": hex(self._node.balance(to_address(to_text(who, WHO)))),
            "eth_getCode": lambda who, _="latest": "0x" + self._node.code(to_address(to_text(who, WHO))).hex(),
            "eth_getTransactionCount": lambda who, _="latest": hex(self._node.nonce(to_address(to_text(who, WHO)))),
            "eth_gasPrice": lambda: hex(self._node.fees().max_fee),
            "eth_maxPriorityFeePerGas": lambda: hex(self._node.fees().tip),
            "eth_call": self._call,
            "eth_estimateGas": self._estimate,
            "eth_sendRawTransaction": lambda raw: self.send(to_data(raw)),
            "eth_getTransactionReceipt": lambda tx: self._node.request("eth_getTransactionReceipt", to_hash(tx)),
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

    def _call(self, request: Any, _tag: Any = "latest") -> str:
        to, data, sender = self._message(request)
        return "0x" + self._node.call(to, data, sender).hex()

    def _estimate(self, request: Any, _tag: Any = "latest") -> str:
        to, data, sender = self._message(request)
        return hex(self._node.estimate(sender or "0x" + "00" * 20, to, data))

    def _message(self, request: Any) -> tuple[str, bytes, str | None]:
        if not isinstance(request, dict):
            raise BadInput("A call is an object.")
        to, sender = request.get("to"), request.get("from")
        data = to_data(request.get("input", request.get("data", "0x")))
        if len(data) > MAX_CALL_BYTES:
            raise BadInput(f"A call's data has at most {MAX_CALL_BYTES} bytes.")
        where = to_address(to_text(to, WHO)) if to is not None else None
        self._ours(where, data)
        assert where is not None
        return where, data, to_address(to_text(sender, WHO)) if sender is not None else None

    def _block(self, which: Any, _full: Any = False) -> Answer | None:
        if which not in TAGS and not (isinstance(which, str) and re.fullmatch(r"0x[0-9a-f]{1,12}", which)):
            raise BadInput("A block is named by a number or a tag.")
        return cast("Answer | None", self._node.request("eth_getBlockByNumber", which, False))
