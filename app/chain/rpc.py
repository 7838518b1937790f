"""Any EVM chain behind a JSON-RPC URL, and the development node anvil with its clock and its ether."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from typing import Any

from eth_utils.address import to_checksum_address

from app.chain.jsonrpc import JsonRpc, RpcRefused
from app.chain.node import Block, ExecutionReverted, Fees, Log, NonceTaken, Topics, TxReceipt
from app.protocol.errors import BadInput, NotFound, Reverted, Unavailable

RECEIPT_SECONDS = 180.0
FIRST_POLL, LONGEST_POLL = 0.005, 1.0  # seconds; a local node answers in milliseconds, a public one is not hammered
LOG_BLOCKS = 2_000  # blocks in one question, as public nodes allow
FINALITY_BLOCKS = 64  # two epochs, for nodes that do not know the tag "finalized"


def connect(url: str) -> RpcNode:
    """The node at `url`, with a development node's powers when it is one. Errors: Unavailable."""
    rpc = JsonRpc(url)
    try:
        version = str(rpc.call("web3_clientVersion"))
    except RpcRefused:
        version = ""
    return AnvilNode(rpc) if version.startswith("anvil/") else RpcNode(rpc)


class RpcNode:
    """A `Node` over JSON-RPC."""

    def __init__(self, rpc: JsonRpc) -> None:
        """Errors: Unavailable."""
        self._rpc = rpc
        self.chain_id = int(self._ask("eth_chainId"), 16)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._rpc.host!r}, chain_id={self.chain_id})"

    def _ask(self, method: str, *params: Any) -> Any:
        """A call whose refusal means that this node is of no use. Errors: ExecutionReverted, Unavailable."""
        try:
            return self._rpc.call(method, *params)
        except RpcRefused as refusal:
            raise Unavailable(
                f"The chain node at {self._rpc.host} refused {method}: {refusal.message}.",
                "Use a node that offers the standard Ethereum methods.",
            ) from None

    def head(self) -> Block:
        """The newest block."""
        return self._block("latest")

    def finalized(self) -> Block:
        """The newest finalized block, or one that is two epochs old where the node knows no finality."""
        try:
            answer = self._rpc.call("eth_getBlockByNumber", "finalized", False)
        except (RpcRefused, ExecutionReverted):
            answer = None
        return _block(answer) if answer else self.block(max(0, self.head().number - FINALITY_BLOCKS))

    def block(self, number: int) -> Block:
        """A canonical block. Errors: NotFound."""
        return self._block(hex(number))

    def _block(self, which: str) -> Block:
        answer = self._ask("eth_getBlockByNumber", which, False)
        if not answer:
            raise NotFound(f"The chain has no block {which} yet.", "Wait for it.")
        return _block(answer)

    def now(self) -> int:
        """The pending block's time; the newest block's where the node shows no pending one."""
        try:
            pending = self._rpc.call("eth_getBlockByNumber", "pending", False)
        except (RpcRefused, ExecutionReverted):
            pending = None
        return int(pending["timestamp"], 16) if pending else self.head().time

    def code(self, address: str) -> bytes:
        """Runtime code of an account."""
        return _bytes(self._ask("eth_getCode", address, "latest"))

    def balance(self, address: str) -> int:
        """Ether in wei."""
        return int(self._ask("eth_getBalance", address, "latest"), 16)

    def nonce(self, address: str) -> int:
        """The nonce of the account's next transaction, counting those that wait for a block."""
        return int(self._ask("eth_getTransactionCount", address, "pending"), 16)

    def fees(self) -> Fees:
        """Twice the newest base fee and the node's own advice for the tip."""
        base = int(self._ask("eth_getBlockByNumber", "latest", False).get("baseFeePerGas", "0x0"), 16)
        try:
            tip = int(self._rpc.call("eth_maxPriorityFeePerGas"), 16)
        except (RpcRefused, ExecutionReverted):
            tip = 10**9
        return Fees(max_fee=2 * base + tip, tip=tip)

    def call(self, to: str, data: bytes, sender: str | None = None) -> bytes:
        """Run a function on the newest state. Errors: ExecutionReverted."""
        request = {"to": to, "data": "0x" + data.hex()} | ({"from": sender} if sender else {})
        return _bytes(self._execute("eth_call", request, "latest"))

    def estimate(self, sender: str, to: str | None, data: bytes) -> int:
        """The node's estimate for the pending block plus a quarter. Errors: ExecutionReverted, Reverted."""
        request = {"from": sender, "data": "0x" + data.hex()} | ({"to": to} if to else {})
        used = int(self._execute("eth_estimateGas", request, "pending"), 16)
        return used + used // 4 + 20_000

    def _execute(self, method: str, *params: Any) -> Any:
        try:
            return self._rpc.call(method, *params)
        except RpcRefused as refusal:
            _raise_refusal(refusal)
            raise ExecutionReverted(b"", refusal.message) from None

    def send(self, raw: bytes) -> TxReceipt:
        """Send a signed transaction and wait for its block. Errors: NonceTaken, BadInput, Reverted, Unavailable."""
        try:
            tx = str(self._rpc.call("eth_sendRawTransaction", "0x" + raw.hex()))
        except RpcRefused as refusal:
            if "already known" not in refusal.message and "already imported" not in refusal.message:
                _raise_refusal(refusal)
                raise BadInput(f"The chain node does not accept this transaction: {refusal.message}.") from None
            tx = _tx_hash(raw)
        pause, limit = FIRST_POLL, time.monotonic() + RECEIPT_SECONDS
        while time.monotonic() < limit:
            if answer := self._ask("eth_getTransactionReceipt", tx):
                return _receipt(answer)
            time.sleep(pause)
            pause = min(pause * 1.3, LONGEST_POLL)
        raise Unavailable(
            f"Transaction {tx} is in no block after {RECEIPT_SECONDS:.0f} s.", "Look for it before you send another."
        )

    def receipt(self, tx: str) -> TxReceipt:
        """The receipt of a mined transaction. Errors: NotFound."""
        answer = self._ask("eth_getTransactionReceipt", tx)
        if not answer:
            raise NotFound(f"This chain holds no transaction {tx}.", "Check the chain and the hash.")
        return _receipt(answer)

    def logs(self, first: int, last: int, addresses: Collection[str], topics: Topics = ()) -> Sequence[Log]:
        """Events of these contracts in blocks [first, last], asked for in ranges that shrink when a node minds."""
        found: list[Log] = []
        step = LOG_BLOCKS
        while first <= last:
            until = min(last, first + step - 1)
            question: dict[str, Any] = {"fromBlock": hex(first), "toBlock": hex(until), "address": list(addresses)}
            question["topics"] = [None if topic is None else "0x" + topic.hex() for topic in topics]
            try:
                answer = self._rpc.call("eth_getLogs", question)
            except RpcRefused as refusal:
                if step == 1:
                    raise Unavailable(
                        f"The chain node at {self._rpc.host} refused eth_getLogs: {refusal.message}.", "Try another."
                    ) from None
                step = max(1, step // 4)
                continue
            found += [_log(entry) for entry in answer]
            first = until + 1
        return found

    def wait_block(self, number: int, timeout: float = 60.0) -> Block:
        """The head once it is at least `number`. Errors: Unavailable."""
        pause, limit = FIRST_POLL, time.monotonic() + timeout
        while (head := self.head()).number < number:
            if time.monotonic() > limit:
                raise Unavailable(
                    f"The chain is at block {head.number} and not at {number} after {timeout:.0f} s.", "Wait for it."
                )
            time.sleep(pause)
            pause = min(pause * 1.3, LONGEST_POLL)
        return head


class AnvilNode(RpcNode):
    """A `DevNode`: anvil mints ether, and moves its clock."""

    def fund(self, address: str, wei: int) -> None:
        """Add ether to an account."""
        self._ask("anvil_setBalance", address, hex(self.balance(address) + wei))

    def advance(self, seconds: int) -> Block:
        """Move the clock forward and mine an empty block."""
        if seconds < 0:
            raise BadInput("A chain's clock only moves forward.")
        self._ask("evm_increaseTime", hex(seconds))
        return self.mine()

    def mine(self, blocks: int = 1) -> Block:
        """Mine empty blocks."""
        self._ask("anvil_mine", hex(blocks))
        return self.head()

    def wait_block(self, number: int, timeout: float = 60.0) -> Block:
        """Mine up to `number` where blocks come only with transactions; wait otherwise."""
        missing = number - self.head().number
        if missing > 0 and self._ask("anvil_getAutomine"):
            return self.mine(missing)
        return super().wait_block(number, timeout)


def _raise_refusal(refusal: RpcRefused) -> None:
    """Name the refusals that callers handle; the words are those of geth, which other nodes repeat."""
    message = refusal.message.lower()
    if "nonce too low" in message or "replacement transaction underpriced" in message:
        raise NonceTaken from None
    if "insufficient funds" in message:
        raise Reverted(
            "The account has too little ether to pay for gas.", "Send it some.", reason="InsufficientFunds"
        ) from None


def _block(answer: dict[str, Any]) -> Block:
    return Block(int(answer["number"], 16), answer["hash"], answer["parentHash"], int(answer["timestamp"], 16))


def _receipt(answer: dict[str, Any]) -> TxReceipt:
    created = answer.get("contractAddress")
    return TxReceipt(
        tx=answer["transactionHash"],
        block=int(answer["blockNumber"], 16),
        block_hash=answer["blockHash"],
        gas=int(answer["gasUsed"], 16),
        ok=int(answer["status"], 16) == 1,
        contract=to_checksum_address(created) if created else None,
        logs=tuple(_log(entry) for entry in answer["logs"]),
    )


def _log(entry: dict[str, Any]) -> Log:
    return Log(
        address=to_checksum_address(entry["address"]),
        topics=tuple(_bytes(topic) for topic in entry["topics"]),
        data=_bytes(entry["data"]),
        block=int(entry["blockNumber"], 16),
        block_hash=entry["blockHash"],
        tx=entry["transactionHash"],
        index=int(entry["logIndex"], 16),
    )


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))


def _tx_hash(raw: bytes) -> str:
    from eth_utils.crypto import keccak

    return "0x" + keccak(raw).hex()
