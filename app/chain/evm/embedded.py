"""A whole EVM chain in one file: py-evm at the Prague rules, persisted in SQLite, shared by many processes.

Every transaction is mined at once into its own block. Nobody owns an account here: roles sign with their own keys, and
`fund` credits ether the way the beacon chain pays withdrawals, so there is no funded key to know. Block times follow
the wall clock (plus what `advance` added) and always grow by at least a second, as the protocol demands. There are no
reorganisations: the head is final.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eth_utils.address import to_checksum_address

from app.chain.evm.blockchain import CHAIN_ID, Blockchain, as_block, gas_limit, raw_address
from app.chain.evm.eth_api import EthApi
from app.chain.evm.pyevm import PragueVM, SignedTransactionAPI, Withdrawal
from app.chain.evm.sqlite import SqliteDB
from app.chain.json_rpc import Answer
from app.chain.node import Block, ExecutionReverted, Fates, Fees, Log, NonceTaken, Topics, TxReceipt
from app.chain.recursion_limit import limit_kept
from app.protocol.errors import BadInput, NotFound, Reverted
from app.protocol.ids import TxHash

if TYPE_CHECKING:
    from web3 import Web3

GWEI = 10**9

__all__ = ["CHAIN_ID", "EmbeddedChain"]


class EmbeddedChain:
    """A `DevNode` on the file at `path`, created when missing; safe to share among threads and processes.

    A process that forks opens the file after the fork: SQLite's locks do not survive one.
    """

    chain_id = CHAIN_ID

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Errors: Unavailable."""
        self._thread = threading.RLock()
        self._db = SqliteDB(Path(path))
        self._blockchain = Blockchain(self._db)
        self._api = EthApi(self, self._blockchain)

    def close(self) -> None:
        """Release the file."""
        with self._thread:
            self._db.close()

    # Reading

    def head(self) -> Block:
        """The newest block."""
        with self._thread:
            return as_block(self._blockchain.head())

    finalized = head

    def block(self, number: int) -> Block:
        """A canonical block. Errors: NotFound."""
        with self._thread:
            return as_block(self._blockchain.header(number))

    def blocks_at(self, numbers: Sequence[int]) -> list[Block]:
        """Canonical blocks. Errors: NotFound."""
        return [self.block(number) for number in numbers]

    def now(self) -> int:
        """The time that the next block would carry."""
        with self._thread:
            return self._blockchain.next_time(self._blockchain.head())

    def code(self, address: str) -> bytes:
        """Runtime code of an account."""
        with self._thread:
            return bytes(self._blockchain.state().get_code(raw_address(address)))

    def balance(self, address: str) -> int:
        """Ether in wei."""
        with self._thread:
            return int(self._blockchain.state().get_balance(raw_address(address)))

    def nonce(self, address: str) -> int:
        """The nonce of the account's next transaction."""
        with self._thread:
            return int(self._blockchain.state().get_nonce(raw_address(address)))

    def fees(self) -> Fees:
        """Twice the base fee: enough for the next six full blocks. There is nobody to tip."""
        with self._thread:
            base = int(self._blockchain.next_header().base_fee_per_gas or 0)
            return Fees(max_fee=2 * base, tip=0, base=base)

    def call(self, to: str, data: bytes, sender: str | None = None) -> bytes:
        """Run a function as in the next block, without a transaction. Errors: ExecutionReverted."""
        with self._thread:
            return self._blockchain.simulate(sender, to, data)[0]

    def calls(self, calls: Sequence[tuple[str, bytes]]) -> list[bytes | ExecutionReverted]:
        """Run functions as in the next block; what each returns, or its refusal."""
        found: list[bytes | ExecutionReverted] = []
        with self._thread:
            for to, data in calls:
                try:
                    found.append(self.call(to, data))
                except ExecutionReverted as error:
                    found.append(error)
        return found

    def estimate(self, sender: str, to: str | None, data: bytes) -> int:
        """The gas limit for what it uses in the next block. Errors: ExecutionReverted."""
        with self._thread:
            return gas_limit(self._blockchain.simulate(sender, to, data)[1])

    def receipt(self, tx: TxHash) -> TxReceipt:
        """The receipt of a mined transaction. Errors: NotFound."""
        with self._thread:
            return self._blockchain.receipt(self._blockchain.find(tx))

    def fates(self, account: str, txs: Sequence[TxHash]) -> Fates:
        """What became of transactions of an account."""
        found: dict[TxHash, TxReceipt] = {}
        with self._thread:
            for tx in txs:
                with contextlib.suppress(NotFound):
                    found[tx] = self.receipt(tx)
            return Fates(self.nonce(account), found)

    def logs(self, first: int, last: int, addresses: Collection[str], topics: Topics = ()) -> Sequence[Log]:
        """Events of these contracts in blocks [first, last]."""
        wanted = [None if topic is None else [topic] for topic in topics]
        with self._thread:
            who = {raw_address(address) for address in addresses}
            return self._blockchain.logs(first, last, who, wanted) if who else []

    def logs_in(self, blocks: Sequence[int], address: str) -> list[Sequence[Log]]:
        """A contract's events in each of these blocks."""
        with self._thread:
            return [self.logs(block, block, [address]) for block in blocks]

    # For web3, and for whoever speaks JSON-RPC

    def answer(self, request: Any) -> Answer:
        """The response to one JSON-RPC request (`app.chain.evm.eth_api`)."""
        with self._thread:
            return self._api.answer(request)

    def request(self, method: str, *params: Any) -> Any:
        """The result of a standard JSON-RPC method. Errors: ExecutionReverted, NonceTaken; BadInput; Unavailable."""
        with self._thread:
            return self._api.request(method, *params)

    def web3(self) -> Web3:
        """A new `Web3` on this chain; it takes most of a second to import."""
        with limit_kept():
            from web3 import Web3

        from app.chain.evm.provider import EmbeddedProvider

        return Web3(EmbeddedProvider(self))

    # Writing

    def send(self, raw: bytes) -> TxReceipt:
        """Mine a signed transaction in a block of its own; one that was mined before is not mined again.

        Errors: NonceTaken, BadInput, Reverted, Unavailable.
        """
        transaction = _signed(raw)
        sender = str(to_checksum_address(transaction.sender))
        with self._thread, self._db.exclusive():
            if self.nonce(sender) != transaction.nonce:
                try:
                    return self.receipt(TxHash("0x" + bytes(transaction.hash).hex()))
                except NotFound:
                    raise NonceTaken from None
            if self.balance(sender) < transaction.value + transaction.gas * transaction.max_fee_per_gas:
                raise Reverted(
                    f"Account {sender} has too little ether to pay for gas.",
                    "Send it some; on the embedded chain: darkroom account faucet.",
                    reason="InsufficientFunds",
                )
            return self._blockchain.receipt(self._blockchain.append([transaction]))

    def submit(self, raw: bytes) -> TxHash:
        """The same, for callers that look for the receipt themselves."""
        return self.send(raw).tx

    def fund(self, address: str, wei: int) -> None:
        """Credit ether, in whole gwei rounded up."""
        gift = Withdrawal(0, 0, raw_address(address), -(-wei // GWEI))
        with self._thread, self._db.exclusive():
            self._blockchain.append([], [gift])

    def advance(self, seconds: int) -> Block:
        """Move the clock of every process that uses this file forward, and mine an empty block. Errors: BadInput."""
        if seconds < 0:
            raise BadInput("A chain's clock only moves forward.")
        with self._thread, self._db.exclusive():
            self._blockchain.skip(seconds)
            return as_block(self._blockchain.append([]))

    def mine(self, blocks: int = 1) -> Block:
        """Mine empty blocks."""
        with self._thread:
            for _ in range(blocks):
                with self._db.exclusive():
                    self._blockchain.append([])
            return self.head()

    def wait_block(self, number: int, timeout: float = 60.0) -> Block:
        """Mine up to `number`, at once: nobody else would."""
        del timeout
        with self._thread:
            while (head := self.head()).number < number:
                with self._db.exclusive():
                    if self.head().number < number:
                        self._blockchain.append([])
            return head


def _signed(raw: bytes) -> SignedTransactionAPI:
    """A transaction from its bytes, with a signature for this chain. Errors: BadInput."""
    try:
        transaction = PragueVM.get_transaction_builder().decode(raw)
        _ = transaction.sender
    except Exception as error:  # noqa: BLE001 - RLP, typed-transaction, signature and range errors have no common base
        raise BadInput(f"These bytes are not a signed transaction: {error}.") from None
    if transaction.chain_id != CHAIN_ID:
        raise BadInput(f"This transaction was signed for chain {transaction.chain_id}, not for {CHAIN_ID}.")
    return transaction
