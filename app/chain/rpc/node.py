"""Any EVM chain behind a JSON-RPC URL, and the development node anvil with its clock and its ether.

Long because a node is one seam: every read and every transaction in the words of `ChainNode`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from app.chain.node import Block, ExecutionReverted, Fates, Fees, Log, NonceTaken, Topics, TxReceipt
from app.chain.rpc.pool import PooledProvider
from app.chain.rpc.provider import BoundedProvider, Endpoint
from app.chain.rpc.refusal import RpcRefused, read_refusal
from app.protocol.errors import BadInput, NotFound, Reverted, Unavailable
from app.protocol.ids import TxHash

if TYPE_CHECKING:
    from web3 import Web3

FIRST_POLL, LONGEST_POLL = 0.005, 1.0  # seconds; a local node answers in milliseconds, a public one is not hammered
BATCH = 50  # questions in one request
BATCHES_AGAIN = 600.0  # seconds after which a node that took no batch is offered one again
LOG_BLOCKS = 2_000  # blocks in one question, as public nodes allow
USUAL_TIP = 10**9  # wei a gas, for nodes that give no advice
FINALITY_BLOCKS = 64  # two epochs, for nodes that do not know the tag "finalized"

# How nodes name a failure of the contract's own code that gives no reason; other refusals are about the node.
MACHINE_WORDS = ("revert", "out of gas", "gas required exceeds", "opcode", "invalid jump", "stack", "vm execution")

T = TypeVar("T")


def connect(*urls: str) -> RpcNode:
    """The node at a URL, or the first one of several that answers, with a development node's powers when it is one.

    Errors: UsageError, Unavailable.
    """
    provider = BoundedProvider(*urls) if len(urls) == 1 else PooledProvider(urls)
    answer = provider.make_request("web3_clientVersion", [])
    anvil = str(answer.get("result", "")).startswith("anvil/")
    return AnvilNode(provider) if anvil else RpcNode(provider)


class RpcNode:
    """A `ChainNode` over JSON-RPC.

    What it reads is taken from the answers as they came: web3's formatters would also read `7`, `true` or `[]` as a
    balance, at twice the time.
    """

    def __init__(self, provider: Endpoint) -> None:
        """Errors: Unavailable."""
        self.provider = provider
        self._batches_from = float("-inf")  # when batches are tried, again where the node did not take one
        self.chain_id = self._ask(_quantity, "eth_chainId")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.host!r}, chain_id={self.chain_id})"

    @property
    def host(self) -> str:
        """The host that is asked."""
        return self.provider.host

    def web3(self) -> Web3:
        """A new `Web3` on this node, with a provider of its own: web3 keeps a client's middleware in its provider."""
        from app.chain.rpc.web3_provider import web3_on

        return web3_on(self.provider.again())

    def request(self, method: str, *params: Any) -> Any:
        """The result of a method, as it came. Errors: ExecutionReverted, Unavailable."""
        return self._ask(lambda answer: answer, method, *params)

    def _result(self, method: str, *params: Any) -> Any:
        """Errors: ExecutionReverted, RpcRefused, TooLarge, Unavailable."""
        answer = self.provider.make_request(method, params)
        if "error" in answer:
            raise read_refusal(answer["error"])
        return answer["result"]

    def _ask(self, parse: Callable[[Any], T], method: str, *params: Any) -> T:
        """A call whose refusal means that this node is of no use. Errors: ExecutionReverted, Unavailable."""
        try:
            return self._parsed(parse, method, self._result(method, *params))
        except RpcRefused as refusal:
            raise Unavailable(
                f"The chain node at {self.host} refused {method}: {refusal.message}.",
                "Use a node that offers the standard Ethereum methods.",
            ) from None

    def _try(self, parse: Callable[[Any], T], method: str, *params: Any) -> T | None:
        """A call that some nodes do not offer; None from those."""
        try:
            answer = self._result(method, *params)
        except (RpcRefused, ExecutionReverted):
            return None
        return None if answer is None else self._parsed(parse, method, answer)

    def _many(self, questions: Sequence[tuple[str, tuple[Any, ...]]]) -> list[Any]:
        """The results of several calls in their order, or the error of each, in as few requests as the node takes.

        Errors: TooLarge, Unavailable.
        """
        answers: list[Any] = []
        for start in range(0, len(questions), BATCH):
            asked = [(method, params) for method, params in questions[start : start + BATCH]]
            part: list[Any] | None = None
            if len(asked) > 1 and time.monotonic() >= self._batches_from:
                try:
                    part = list(self.provider.make_batch_request(asked))
                except Unavailable:
                    part = None  # a node without batches, or one that is away: the single questions tell
            if part is None:
                part = [self.provider.make_request(method, params) for method, params in asked]
                if len(asked) > 1:
                    self._batches_from = time.monotonic() + BATCHES_AGAIN
            answers += [read_refusal(each["error"]) if "error" in each else each["result"] for each in part]
        return answers

    def _answered(self, questions: Sequence[tuple[str, tuple[Any, ...]]]) -> list[Any]:
        """The results of several calls of which none may be refused. Errors: TooLarge, Unavailable."""
        answers = self._many(questions)
        for (method, _), answer in zip(questions, answers, strict=True):
            if isinstance(answer, RpcRefused | ExecutionReverted):
                raise Unavailable(f"The chain node at {self.host} refused {method}: {answer}.", "Use another node.")
        return answers

    def _parsed(self, parse: Callable[[Any], T], method: str, answer: Any) -> T:
        try:
            return parse(answer)
        except (KeyError, TypeError, ValueError, AttributeError):
            raise Unavailable(
                f"The chain node at {self.host} answered {method} in a form that is not Ethereum's.",
                "Use another node.",
            ) from None

    def head(self) -> Block:
        """The newest block."""
        block = self._block("latest")
        self.provider.saw_head(block.number)
        return block

    def finalized(self) -> Block:
        """The newest finalized block, or one that is two epochs old where the node knows no finality."""
        known = self._try(_block, "eth_getBlockByNumber", "finalized", False)
        block = known or self.block(max(0, self.head().number - FINALITY_BLOCKS))
        self.provider.saw_final(block.number, block.hash)
        return block

    def block(self, number: int) -> Block:
        """A canonical block. Errors: NotFound."""
        return self._block(hex(number))

    def blocks_at(self, numbers: Sequence[int]) -> list[Block]:
        """Canonical blocks, a batch in one request. Errors: NotFound."""
        method = "eth_getBlockByNumber"
        answers = self._answered([(method, (hex(number), False)) for number in numbers])
        if None in answers:
            raise NotFound("The chain does not have all of these blocks yet.", "Wait for them.")
        return [self._parsed(_block, method, answer) for answer in answers]

    def _block(self, which: str) -> Block:
        block = self._ask(_optional(_block), "eth_getBlockByNumber", which, False)
        if block is None:
            raise NotFound(f"The chain has no block {which} yet.", "Wait for it.")
        return block

    def now(self) -> int:
        """The pending block's time; the newest block's where the node shows no pending one."""
        pending = self._try(lambda answer: _quantity(answer["timestamp"]), "eth_getBlockByNumber", "pending", False)
        return self.head().time if pending is None else pending

    def code(self, address: str) -> bytes:
        """Runtime code of an account."""
        return self._ask(_bytes, "eth_getCode", address, "latest")

    def balance(self, address: str) -> int:
        """Ether in wei."""
        return self._ask(_quantity, "eth_getBalance", address, "latest")

    def nonce(self, address: str) -> int:
        """The nonce of the account's next transaction, counting those that wait for a block."""
        return self._ask(_quantity, "eth_getTransactionCount", address, "pending")

    def fees(self) -> Fees:
        """Twice the newest base fee and the node's own advice for the tip."""
        base = self._ask(lambda answer: _quantity(answer["baseFeePerGas"]), "eth_getBlockByNumber", "latest", False)
        tip = self._try(_quantity, "eth_maxPriorityFeePerGas")
        tip = USUAL_TIP if tip is None else tip
        return Fees(max_fee=2 * base + tip, tip=tip, base=base)

    def call(self, to: str, data: bytes, sender: str | None = None) -> bytes:
        """Run a function on the newest state. Errors: ExecutionReverted."""
        request = {"to": to, "data": "0x" + data.hex()} | ({"from": sender} if sender else {})
        return self._execute(_bytes, "eth_call", request, "latest")

    def calls(self, calls: Sequence[tuple[str, bytes]]) -> list[bytes | ExecutionReverted]:
        """Run functions on the newest state, a batch in one request. Errors: Unavailable."""
        asked = [("eth_call", ({"to": to, "data": "0x" + data.hex()}, "latest")) for to, data in calls]
        return [self._called(answer) for answer in self._many(asked)]

    def _called(self, answer: Any) -> bytes | ExecutionReverted:
        """What a call returned, or the contract's refusal of it. Errors: Unavailable for trouble of the node."""
        if isinstance(answer, RpcRefused):
            try:
                raise self._read_refused("eth_call", answer)
            except ExecutionReverted as error:
                return error
        return answer if isinstance(answer, ExecutionReverted) else self._parsed(_bytes, "eth_call", answer)

    def estimate(self, sender: str, to: str | None, data: bytes) -> int:
        """The node's estimate for the pending block plus a quarter. Errors: ExecutionReverted, Reverted."""
        request = {"from": sender, "data": "0x" + data.hex()} | ({"to": to} if to else {})
        used = self._execute(_quantity, "eth_estimateGas", request, "pending")
        return used + used // 4 + 20_000

    def _execute(self, parse: Callable[[Any], T], method: str, *params: Any) -> T:
        try:
            return self._parsed(parse, method, self._result(method, *params))
        except RpcRefused as refusal:
            _raise_refusal(refusal)
            raise self._read_refused(method, refusal) from None

    def _read_refused(self, method: str, refusal: RpcRefused) -> ExecutionReverted | Unavailable:
        """What a refusal of an execution means: the contract's own, or trouble of the node."""
        if any(words in refusal.message.lower() for words in MACHINE_WORDS):
            return ExecutionReverted(b"", refusal.message)
        return Unavailable(
            f"The chain node at {self.host} refused {method}: {refusal.message}.", "Try again, or another node."
        )

    def submit(self, raw: bytes) -> TxHash:
        """Hand over a signed transaction, which may be there already; its hash.

        Errors: NonceTaken for one whose nonce another transaction used, BadInput, Reverted, Unavailable.
        """
        tx = _hash(raw)
        try:
            return TxHash(str(self._result("eth_sendRawTransaction", "0x" + raw.hex())))
        except ExecutionReverted as error:  # some nodes try it first
            raise BadInput(f"The chain node does not accept this transaction: {error.detail}.") from None
        except RpcRefused as refusal:
            if any(words in refusal.message for words in ("already known", "already imported")):
                return tx
            asked = [("eth_getTransactionReceipt", (tx,)), ("eth_getTransactionByHash", (tx,))]
            if any(isinstance(answer, dict) for answer in self._many(asked)):
                return tx  # it arrived before: its own nonce is what is "too low"
            _raise_refusal(refusal)
            raise BadInput(f"The chain node does not accept this transaction: {refusal.message}.") from None

    def fates(self, account: str, txs: Sequence[TxHash]) -> Fates:
        """What became of transactions of an account; the first of the questions is which nonces are used."""
        asked = [("eth_getTransactionCount", (account, "latest"))]
        answers = self._answered([*asked, *(("eth_getTransactionReceipt", (tx,)) for tx in txs)])
        used = self._parsed(_quantity, asked[0][0], answers[0])
        receipts = [
            self._parsed(_receipt, "eth_getTransactionReceipt", each) for each in answers[1:] if each is not None
        ]
        return Fates(used, {each.tx: each for each in receipts})

    def receipt(self, tx: TxHash) -> TxReceipt:
        """The receipt of a mined transaction. Errors: NotFound."""
        receipt = self._ask(_optional(_receipt), "eth_getTransactionReceipt", tx)
        if receipt is None:
            raise NotFound(f"This chain holds no transaction {tx}.", "Check the chain and the hash.")
        return receipt

    def logs(self, first: int, last: int, addresses: Collection[str], topics: Topics = ()) -> Sequence[Log]:
        """Events of these contracts in blocks [first, last], asked for in ranges that shrink when a node minds."""
        found: list[Log] = []
        step = LOG_BLOCKS
        while first <= last:
            until = min(last, first + step - 1)
            question: dict[str, Any] = {"fromBlock": hex(first), "toBlock": hex(until), "address": list(addresses)}
            question["topics"] = [None if topic is None else "0x" + topic.hex() for topic in topics]
            try:
                answer = self._result("eth_getLogs", question)
            except RpcRefused as refusal:
                if step == 1:
                    raise Unavailable(
                        f"The chain node at {self.host} refused eth_getLogs: {refusal.message}.", "Try another."
                    ) from None
                step = max(1, step // 4)
                continue
            step = min(
                LOG_BLOCKS, step + step // 4 + 1
            )  # one crowded stretch of blocks does not make all later ones small
            found += self._parsed(_logs, "eth_getLogs", answer)
            first = until + 1
        return found

    def logs_in(self, blocks: Sequence[int], address: str) -> list[Sequence[Log]]:
        """A contract's events in each of these blocks, a batch in one request. Errors: Unavailable."""
        asked = [
            ("eth_getLogs", ({"fromBlock": hex(block), "toBlock": hex(block), "address": [address]},))
            for block in blocks
        ]
        return [self._parsed(_logs, "eth_getLogs", answer) for answer in self._answered(asked)]

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
        self._ask(_done, "anvil_setBalance", address, hex(self.balance(address) + wei))

    def advance(self, seconds: int) -> Block:
        """Move the clock forward and mine an empty block."""
        if seconds < 0:
            raise BadInput("A chain's clock only moves forward.")
        self._ask(_done, "evm_increaseTime", hex(seconds))
        return self.mine()

    def mine(self, blocks: int = 1) -> Block:
        """Mine empty blocks."""
        self._ask(_done, "anvil_mine", hex(blocks))
        return self.head()

    def wait_block(self, number: int, timeout: float = 60.0) -> Block:
        """Mine up to `number` where blocks come only with transactions; wait otherwise."""
        missing = number - self.head().number
        if missing > 0 and self._ask(bool, "anvil_getAutomine"):
            return self.mine(missing)
        return super().wait_block(number, timeout)


def _raise_refusal(refusal: RpcRefused) -> None:
    """Name the refusals that callers handle; the words are those of geth, which other nodes repeat."""
    message = refusal.message.lower()
    if "nonce too low" in message or "replacement transaction underpriced" in message:
        raise NonceTaken from None
    if "less than block base fee" in message or "transaction underpriced" in message:
        raise Unavailable(
            f"The chain has become dearer than this transaction pays: {refusal.message}.", "Send it with higher fees."
        ) from None
    if "insufficient funds" in message:
        raise Reverted(
            "The account has too little ether to pay for gas.", "Send it some.", reason="InsufficientFunds"
        ) from None


def _hash(raw: bytes) -> TxHash:
    return TxHash("0x" + bytes(keccak(raw)).hex())


def _quantity(text: str) -> int:
    return int(text, 16)


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))


def _done(answer: Any) -> None:
    """Of commands that yield nothing worth reading."""


def _optional(parse: Callable[[Any], T]) -> Callable[[Any], T | None]:
    return lambda answer: None if answer is None else parse(answer)


def _block(answer: dict[str, Any]) -> Block:
    return Block(
        number=_quantity(answer["number"]),
        hash=str(answer["hash"]),
        parent=str(answer["parentHash"]),
        time=_quantity(answer["timestamp"]),
    )


def _receipt(answer: dict[str, Any]) -> TxReceipt:
    created = answer.get("contractAddress")
    return TxReceipt(
        tx=TxHash(answer["transactionHash"]),
        block=_quantity(answer["blockNumber"]),
        block_hash=str(answer["blockHash"]),
        gas=_quantity(answer["gasUsed"]),
        ok=_quantity(answer["status"]) == 1,
        contract=str(to_checksum_address(created)) if created else None,
        logs=tuple(_log(entry) for entry in answer["logs"]),
    )


def _logs(entries: Any) -> list[Log]:
    return [_log(entry) for entry in entries]


def _log(entry: dict[str, Any]) -> Log:
    return Log(
        address=str(to_checksum_address(entry["address"])),
        topics=tuple(_bytes(topic) for topic in entry["topics"]),
        data=_bytes(entry["data"]),
        block=_quantity(entry["blockNumber"]),
        block_hash=str(entry["blockHash"]),
        tx=TxHash(entry["transactionHash"]),
        index=_quantity(entry["logIndex"]),
    )
