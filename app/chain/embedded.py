"""A whole EVM chain in one file: py-evm at the Prague rules, persisted in SQLite, shared by many processes.

Every transaction is mined at once into its own block. Nobody owns an account here: roles sign with their own keys, and
`fund` credits ether the way the beacon chain pays withdrawals, so there is no funded key to know. Block times follow
the wall clock (plus what `advance` added) and always grow by at least a second, as the protocol demands. There are no
reorganisations: the head is final.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from eth_bloom.bloom import BloomFilter
from eth_typing import Address, BlockNumber, Hash32
from eth_utils.address import to_canonical_address, to_checksum_address
from eth_utils.exceptions import ValidationError

from app.chain.evm import (
    BLANK_ROOT_HASH,
    POST_MERGE_DIFFICULTY,
    POST_MERGE_NONCE,
    ZERO_ADDRESS,
    AtomicDB,
    BlockHeaderAPI,
    CanonicalHeadNotFound,
    ComputationAPI,
    HeaderNotFound,
    MiningChain,
    PragueVM,
    Revert,
    SignedTransactionAPI,
    SpoofTransaction,
    TransactionNotFound,
    Withdrawal,
    generate_contract_address,
)
from app.chain.node import Block, ExecutionReverted, Fees, Log, NonceTaken, Topics, TxReceipt
from app.chain.sqlite import SqliteDB
from app.chain.stack import evm_depth
from app.protocol.errors import BadInput, NotFound, Reverted

CHAIN_ID = 0xDA2C00  # ours alone: signatures made here are worth nothing elsewhere
GAS_LIMIT = 30_000_000  # of a block, as on public networks; fits the largest deployment
GWEI = 10**9
TOO_DEEP = "its calls nest deeper than Python's stack"  # several hundred calls; Python 3.12 has less room than 3.11
OFFSET_KEY = b"darkroom:clock-offset"  # py-evm's own keys are 32-byte hashes or begin with "v1:" or "block-"


class _PragueChain(MiningChain):
    """py-evm's chain under our id, with a constant gas limit."""

    chain_id = CHAIN_ID
    vm_configuration = ((BlockNumber(0), PragueVM),)

    def create_header_from_parent(self, parent_header: BlockHeaderAPI, **header_params: Any) -> BlockHeaderAPI:
        return super().create_header_from_parent(parent_header, **{**header_params, "gas_limit": GAS_LIMIT})


class EmbeddedChain:
    """A `DevNode` on the file at `path`, created when missing; safe to share among threads and processes."""

    chain_id = CHAIN_ID

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Errors: Unavailable."""
        self._thread = threading.RLock()
        self._db = SqliteDB(Path(path))
        base = AtomicDB(self._db)
        try:
            self._chain = _PragueChain(base)
        except CanonicalHeadNotFound:
            with self._db.exclusive():
                self._chain = self._begin(base)

    @staticmethod
    def _begin(base: AtomicDB) -> _PragueChain:
        """The chain that another process has just created, or a new one with an empty state."""
        try:
            return _PragueChain(base)
        except CanonicalHeadNotFound:
            genesis: dict[str, Any] = {
                "coinbase": ZERO_ADDRESS,
                "difficulty": POST_MERGE_DIFFICULTY,
                "extra_data": b"darkroom",
                "gas_limit": GAS_LIMIT,
                "mix_hash": Hash32(os.urandom(32)),  # so that no two chains share a block hash
                "nonce": POST_MERGE_NONCE,
                "receipt_root": BLANK_ROOT_HASH,
                "timestamp": int(time.time()),
                "transaction_root": BLANK_ROOT_HASH,
            }
            chain = _PragueChain.from_genesis(base, genesis, {})
            assert isinstance(chain, _PragueChain)
            return chain

    def close(self) -> None:
        """Release the file."""
        with self._thread:
            self._db.close()

    # Reading

    def head(self) -> Block:
        """The newest block."""
        with self._thread:
            return _block(self._chain.get_canonical_head())

    finalized = head

    def block(self, number: int) -> Block:
        """A canonical block. Errors: NotFound."""
        return _block(self._header(number))

    def now(self) -> int:
        """The time that the next block would carry."""
        with self._thread:
            return self._next_time(self._chain.get_canonical_head())

    def code(self, address: str) -> bytes:
        """Runtime code of an account."""
        with self._at_head() as vm:
            return bytes(vm.state.get_code(_raw(address)))

    def balance(self, address: str) -> int:
        """Ether in wei."""
        with self._at_head() as vm:
            return int(vm.state.get_balance(_raw(address)))

    def nonce(self, address: str) -> int:
        """The nonce of the account's next transaction."""
        with self._at_head() as vm:
            return int(vm.state.get_nonce(_raw(address)))

    def fees(self) -> Fees:
        """Twice the base fee: enough for the next six full blocks. There is nobody to tip."""
        with self._thread:
            header = self._chain.create_header_from_parent(self._chain.get_canonical_head())
            return Fees(max_fee=2 * int(header.base_fee_per_gas or 0), tip=0)

    def call(self, to: str, data: bytes, sender: str | None = None) -> bytes:
        """Run a function as in the next block, without a transaction. Errors: ExecutionReverted."""
        computation, _ = self._simulate(sender, to, data)
        return bytes(computation.output)

    def estimate(self, sender: str, to: str | None, data: bytes) -> int:
        """Gas used in the next block plus a quarter, since inner calls get 63/64 and refunds come at the end.

        Errors: ExecutionReverted.
        """
        _, used = self._simulate(sender, to, data)
        return min(used + used // 4 + 20_000, GAS_LIMIT)

    def receipt(self, tx: str) -> TxReceipt:
        """The receipt of a mined transaction. Errors: NotFound."""
        with self._thread:
            try:
                number, _ = self._chain.get_canonical_transaction_index(Hash32(bytes.fromhex(tx.removeprefix("0x"))))
            except TransactionNotFound:
                raise NotFound(f"This chain holds no transaction {tx}.", "Check the chain and the hash.") from None
            return self._receipt(self._header(number))

    def logs(self, first: int, last: int, addresses: Collection[str], topics: Topics = ()) -> Sequence[Log]:
        """Events of these contracts in blocks [first, last]; only blocks whose bloom filter may match are opened."""
        wanted = {_raw(address) for address in addresses}
        found: list[Log] = []
        with self._thread:
            for number in range(max(first, 1), min(last, self.head().number) + 1):
                header = self._header(number)
                bloom = BloomFilter(header.bloom)
                if any(address in bloom for address in wanted) and all(t is None or t in bloom for t in topics):
                    found += [log for log in self._receipt(header).logs if _matches(log, addresses, topics)]
        return found

    # Writing

    def send(self, raw: bytes) -> TxReceipt:
        """Mine a signed transaction in a block of its own. Errors: NonceTaken, BadInput, Reverted."""
        try:
            transaction = PragueVM.get_transaction_builder().decode(raw)
            sender = transaction.sender
        except Exception as error:  # noqa: BLE001 - RLP, typed-transaction, signature and range errors have no common base
            raise BadInput(f"These bytes are not a signed transaction: {error}.") from None
        if transaction.chain_id != CHAIN_ID:
            raise BadInput(f"This transaction was signed for chain {transaction.chain_id}, not for {CHAIN_ID}.")
        with self._thread, self._db.exclusive():
            if self.nonce(to_checksum_address(sender)) != transaction.nonce:
                raise NonceTaken
            if self._balance_of(sender) < transaction.value + transaction.gas * transaction.max_fee_per_gas:
                raise Reverted(
                    f"Account {to_checksum_address(sender)} has too little ether to pay for gas.",
                    "Send it some; on the embedded chain: darkroom account fund.",
                    reason="InsufficientFunds",
                )
            return self._receipt(self._mine([transaction]))

    def fund(self, address: str, wei: int) -> None:
        """Credit ether, in whole gwei rounded up."""
        gift = Withdrawal(0, 0, _raw(address), -(-wei // GWEI))
        with self._thread, self._db.exclusive():
            self._mine([], [gift])

    def advance(self, seconds: int) -> Block:
        """Move the clock of every process that uses this file forward, and mine an empty block."""
        if seconds < 0:
            raise BadInput("A chain's clock only moves forward.")
        with self._thread, self._db.exclusive():
            target = self._next_time(self._chain.get_canonical_head()) + seconds
            self._db[OFFSET_KEY] = str(target - int(time.time())).encode()
            return _block(self._mine([]))

    def mine(self, blocks: int = 1) -> Block:
        """Mine empty blocks."""
        with self._thread:
            for _ in range(blocks):
                with self._db.exclusive():
                    self._mine([])
            return self.head()

    def wait_block(self, number: int, timeout: float = 60.0) -> Block:
        """Mine up to `number`, at once: nobody else would."""
        del timeout
        with self._thread:
            while (head := self.head()).number < number:
                with self._db.exclusive():
                    if self.head().number < number:
                        self._mine([])
            return head

    # Inside

    def _mine(self, transactions: list[SignedTransactionAPI], withdrawals: Sequence[Withdrawal] = ()) -> BlockHeaderAPI:
        """Append one block to the newest head; the caller holds the write lock."""
        parent = self._chain.get_canonical_head()
        self._chain.header = self._next_header(parent)
        try:
            with evm_depth():
                result, _, _ = self._chain.mine_all(transactions, withdrawals=withdrawals)
        except (ValidationError, RecursionError) as error:
            what = TOO_DEEP if isinstance(error, RecursionError) else error
            raise BadInput(f"The chain does not accept this transaction: {what}.") from None
        return result.imported_block.header

    def _next_header(self, parent: BlockHeaderAPI) -> BlockHeaderAPI:
        return self._chain.create_header_from_parent(
            parent, timestamp=self._next_time(parent), mix_hash=Hash32(os.urandom(32))
        )

    def _next_time(self, parent: BlockHeaderAPI) -> int:
        return max(int(parent.timestamp) + 1, int(time.time()) + self._offset())

    def _offset(self) -> int:
        return int(self._db[OFFSET_KEY]) if OFFSET_KEY in self._db else 0

    @contextmanager
    def _at_head(self) -> Iterator[Any]:
        """A VM on the state after the newest block, where the next block would execute."""
        with self._thread:
            header = self._next_header(self._chain.get_canonical_head())
            yield self._chain.get_vm(header.copy(base_fee_per_gas=0))  # so that a call needs no ether

    def _balance_of(self, address: Address) -> int:
        return self.balance(to_checksum_address(address))

    def _simulate(self, sender: str | None, to: str | None, data: bytes) -> tuple[ComputationAPI, int]:
        """Execute without keeping anything; the computation and the gas it took before refunds."""
        origin = _raw(sender) if sender else ZERO_ADDRESS
        with self._at_head() as vm, evm_depth():
            unsigned = vm.create_unsigned_transaction(
                nonce=vm.state.get_nonce(origin),
                gas_price=0,
                gas=GAS_LIMIT,
                to=_raw(to) if to else Address(b""),
                value=0,
                data=data,
            )
            try:
                computation = vm.state.apply_transaction(SpoofTransaction(unsigned, from_=origin))
            except RecursionError:
                raise ExecutionReverted(b"", TOO_DEEP) from None
        if computation.is_error:
            if isinstance(computation.error, Revert):
                raise ExecutionReverted(bytes(computation.output))
            raise ExecutionReverted(b"", type(computation.error).__name__)
        floor = 21_000 + 10 * (4 * len(data) - 3 * data.count(0))  # EIP-7623
        return computation, max(GAS_LIMIT - computation.get_gas_remaining(), floor)

    def _header(self, number: int) -> BlockHeaderAPI:
        with self._thread:
            try:
                return self._chain.get_canonical_block_header_by_number(BlockNumber(number))
            except (HeaderNotFound, ValidationError):
                raise NotFound(f"This chain has no block {number} yet.", "Wait for it.") from None

    def _receipt(self, header: BlockHeaderAPI) -> TxReceipt:
        """The receipt of the only transaction of a block."""
        builder = PragueVM.get_receipt_builder()
        (receipt,) = self._chain.chaindb.get_receipts(header, builder)
        transaction = self._chain.get_canonical_transaction_by_index(header.block_number, 0)
        tx = _hex(transaction.hash)
        contract = None
        if not transaction.to:
            contract = to_checksum_address(generate_contract_address(transaction.sender, transaction.nonce))
        return TxReceipt(
            tx=tx,
            block=int(header.block_number),
            block_hash=_hex(header.hash),
            gas=int(receipt.gas_used),
            ok=receipt.state_root == b"\x01",
            contract=contract,
            logs=tuple(
                Log(
                    address=to_checksum_address(log.address),
                    topics=tuple(int(topic).to_bytes(32, "big") for topic in log.topics),
                    data=bytes(log.data),
                    block=int(header.block_number),
                    block_hash=_hex(header.hash),
                    tx=tx,
                    index=index,
                )
                for index, log in enumerate(receipt.logs)
            ),
        )


def _block(header: BlockHeaderAPI) -> Block:
    return Block(int(header.block_number), _hex(header.hash), _hex(header.parent_hash), int(header.timestamp))


def _hex(data: bytes) -> str:
    return "0x" + bytes(data).hex()


def _raw(address: str) -> Address:
    return to_canonical_address(address)


def _matches(log: Log, addresses: Collection[str], topics: Topics) -> bool:
    """As eth_getLogs: position by position, None for any."""
    if log.address not in addresses or len(log.topics) < len(topics):
        return False
    return all(want is None or want == have for want, have in zip(topics, log.topics, strict=False))
