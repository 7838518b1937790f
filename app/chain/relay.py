"""A JSON-RPC endpoint for browser wallets, made of the node seam: a few methods, and only for this market.

A wallet needs it where the chain has no endpoint of its own (the embedded chain). Calls and transactions that are
neither to one of the market's contracts nor plain transfers are refused: this node does not execute strangers' code.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any

from app.chain.market import Market
from app.chain.node import Block, ExecutionReverted, Log, NonceTaken
from app.chain.wallet.envelope import Envelope, read_envelope, to_address
from app.protocol.errors import BadInput, DarkroomError, NotAllowed, NotFound

MAX_GAS = 5_000_000  # of a relayed transaction; the market's dearest call takes far less
MAX_CALL_BYTES = 64 << 10
INVALID, NO_METHOD, BAD_PARAMS, SERVER = -32600, -32601, -32602, -32000
REVERT = 3  # as geth

Answer = dict[str, Any]


class Relay:
    """Answers JSON-RPC requests for one market."""

    def __init__(self, market: Market) -> None:
        self._market, self._node = market, market.node
        self.methods: Mapping[str, Callable[..., Any]] = {
            "eth_chainId": lambda: hex(self._node.chain_id),
            "net_version": lambda: str(self._node.chain_id),
            "web3_clientVersion": lambda: "darkroom",
            "eth_blockNumber": lambda: hex(self._node.head().number),
            "eth_getBlockByNumber": self._block,
            "eth_getBalance": lambda who, _="latest": hex(self._node.balance(to_address(_text(who)))),
            "eth_getCode": lambda who, _="latest": "0x" + self._node.code(to_address(_text(who))).hex(),
            "eth_getTransactionCount": lambda who, _="latest": hex(self._node.nonce(to_address(_text(who)))),
            "eth_gasPrice": lambda: hex(self._node.fees().max_fee),
            "eth_maxPriorityFeePerGas": lambda: hex(self._node.fees().tip),
            "eth_call": self._call,
            "eth_estimateGas": self._estimate,
            "eth_sendRawTransaction": lambda raw: self.send(_data(raw)),
            "eth_getTransactionReceipt": self._receipt,
        }

    def answer(self, request: Any) -> Answer:
        """The response to one request; never raises for what a client or the chain did."""
        if not isinstance(request, dict) or request.get("jsonrpc") != "2.0":
            return _error(None, INVALID, "This is not a JSON-RPC 2.0 request.")
        key, name, params = request.get("id"), request.get("method"), request.get("params", [])
        if key is not None and not isinstance(key, str | int | float):
            return _error(None, INVALID, "A request's id is text or a number.")
        method = self.methods.get(name) if isinstance(name, str) else None
        if method is None:
            return _error(key, NO_METHOD, "This relay does not offer that method.")
        if not isinstance(params, list) or not _fits(method, params):
            return _error(key, BAD_PARAMS, f"{name} takes other parameters.")
        try:
            return {"jsonrpc": "2.0", "id": key, "result": method(*params)}
        except ExecutionReverted as error:
            why = self._market.desk.refusal(error)
            return _error(key, REVERT, f"execution reverted: {why.message}", "0x" + error.data.hex())
        except NonceTaken:
            return _error(key, SERVER, "nonce too low")
        except BadInput as error:
            return _error(key, BAD_PARAMS, str(error))
        except DarkroomError as error:
            return _error(key, SERVER, str(error))

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
        data = _data(request.get("input", request.get("data", "0x")))
        if len(data) > MAX_CALL_BYTES:
            raise BadInput(f"A call's data has at most {MAX_CALL_BYTES} bytes.")
        where = to_address(_text(to)) if to is not None else None
        self._ours(where, data)
        assert where is not None
        return where, data, to_address(_text(sender)) if sender is not None else None

    def _block(self, which: Any, _full: Any = False) -> Answer | None:
        head = self._node.head()
        if which in ("latest", "pending", "safe"):
            block = head
        elif which == "finalized":
            block = self._node.finalized()
        elif isinstance(which, str) and re.fullmatch(r"0x[0-9a-f]{1,12}", which):
            try:
                block = self._node.block(int(which, 16))
            except NotFound:
                return None
        else:
            raise BadInput("A block is named by a number or a tag.")
        fees = self._node.fees()
        return _block(block) | ({"baseFeePerGas": hex((fees.max_fee - fees.tip) // 2)} if block == head else {})

    def _receipt(self, tx: Any) -> Answer | None:
        if not isinstance(tx, str) or not re.fullmatch(r"0x[0-9a-fA-F]{64}", tx):
            raise BadInput("A transaction is named by 0x and 64 hex digits.")
        try:
            found = self._node.receipt(tx.lower())
        except NotFound:
            return None
        return {
            "transactionHash": found.tx,
            "blockNumber": hex(found.block),
            "blockHash": found.block_hash,
            "gasUsed": hex(found.gas),
            "status": hex(found.ok),
            "contractAddress": found.contract,
            "logs": [_log(log) for log in found.logs],
            "type": "0x2",
        }


def _block(block: Block) -> Answer:
    """What the node seam knows of a block; wallets read no more of it."""
    return {
        "number": hex(block.number),
        "hash": block.hash,
        "parentHash": block.parent,
        "timestamp": hex(block.time),
        "transactions": [],
    }


def _log(log: Log) -> Answer:
    return {
        "address": log.address,
        "topics": ["0x" + topic.hex() for topic in log.topics],
        "data": "0x" + log.data.hex(),
        "blockNumber": hex(log.block),
        "blockHash": log.block_hash,
        "transactionHash": log.tx,
        "logIndex": hex(log.index),
        "removed": False,
    }


def _fits(method: Callable[..., Any], params: list[Any]) -> bool:
    try:
        inspect.signature(method).bind(*params)
    except TypeError:
        return False
    return True


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise BadInput("An address is text.")
    return value


def _data(value: Any) -> bytes:
    if not isinstance(value, str) or not re.fullmatch(r"0x([0-9a-fA-F]{2})*", value):
        raise BadInput("Bytes are 0x and an even number of hex digits.")
    return bytes.fromhex(value[2:])


def _error(key: Any, code: int, message: str, data: str | None = None) -> Answer:
    error = {"code": code, "message": message} | ({"data": data} if data is not None else {})
    return {"jsonrpc": "2.0", "id": key, "error": error}
