"""The blocks behind the embedded chain: py-evm in a database, its clock and its execution. One caller at a time."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Sequence
from typing import Any

from eth_bloom.bloom import BloomFilter
from eth_typing import Address, BlockNumber, Hash32
from eth_utils.address import to_canonical_address, to_checksum_address
from eth_utils.exceptions import ValidationError

from app.chain.evm.pyevm import (
    BLANK_ROOT_HASH,
    POST_MERGE_DIFFICULTY,
    POST_MERGE_NONCE,
    ZERO_ADDRESS,
    AtomicDB,
    BlockAPI,
    BlockHeaderAPI,
    CanonicalHeadNotFound,
    ComputationAPI,
    HeaderNotFound,
    MiningChain,
    PragueVM,
    ReceiptAPI,
    Revert,
    SignedTransactionAPI,
    SpoofTransaction,
    TransactionNotFound,
    Withdrawal,
    generate_contract_address,
)
from app.chain.evm.sqlite import SqliteDB
from app.chain.node import Block, ExecutionReverted, Log, TxReceipt
from app.chain.recursion_limit import evm_depth
from app.protocol.errors import BadInput, NotFound
from app.protocol.ids import TxHash

CHAIN_ID = 0xDA2C00  # ours alone: signatures made here are worth nothing elsewhere
GAS_LIMIT = 30_000_000  # of a block, as on public networks; fits the largest deployment
TOO_DEEP = "its calls nest deeper than Python's stack"  # several hundred calls; Python 3.12 has less room than 3.11
OFFSET_KEY = b"darkroom:clock-offset"  # py-evm's own keys are 32-byte hashes or begin with "v1:" or "block-"


class _PragueChain(MiningChain):
    """py-evm's chain under our id, with a constant gas limit."""

    chain_id = CHAIN_ID
    vm_configuration = ((BlockNumber(0), PragueVM),)

    def create_header_from_parent(self, parent_header: BlockHeaderAPI, **header_params: Any) -> BlockHeaderAPI:
        return super().create_header_from_parent(parent_header, **{**header_params, "gas_limit": GAS_LIMIT})


class Blockchain:
    """Reads and appends blocks. Who appends holds the database's lock from before the head is read."""

    def __init__(self, db: SqliteDB) -> None:
        """The chain in `db`, begun with an empty state when there is none."""
        self._db = db
        base = AtomicDB(db)
        try:
            self._chain = _PragueChain(base)
        except CanonicalHeadNotFound:
            with db.exclusive():
                self._chain = _begin(base)

    def head(self) -> BlockHeaderAPI:
        """The newest block's header."""
        return self._chain.get_canonical_head()

    def header(self, number: int) -> BlockHeaderAPI:
        """A canonical block's header. Errors: NotFound."""
        try:
            return self._chain.get_canonical_block_header_by_number(BlockNumber(number))
        except (HeaderNotFound, ValidationError):
            raise NotFound(f"This chain has no block {number} yet.", "Wait for it.") from None

    def header_of(self, block_hash: str) -> BlockHeaderAPI:
        """The header with this hash. Errors: NotFound."""
        try:
            return self._chain.get_block_header_by_hash(Hash32(bytes.fromhex(block_hash.removeprefix("0x"))))
        except (HeaderNotFound, ValidationError, ValueError):
            raise NotFound(f"This chain has no block {block_hash}.", "Check the chain and the hash.") from None

    def block(self, header: BlockHeaderAPI) -> BlockAPI:
        """The whole block of a canonical header."""
        return self._chain.get_block_by_header(header)

    def next_header(self, parent: BlockHeaderAPI | None = None) -> BlockHeaderAPI:
        """The header that the block after `parent`, by default the head, begins with; its randomness is the operating
        system's.
        """
        parent = parent or self.head()
        return self._chain.create_header_from_parent(
            parent, timestamp=self.next_time(parent), mix_hash=Hash32(os.urandom(32))
        )

    def next_time(self, parent: BlockHeaderAPI) -> int:
        """The wall clock plus what was skipped, and always after the parent."""
        return max(int(parent.timestamp) + 1, int(time.time()) + self._offset())

    def skip(self, seconds: int) -> None:
        """Let the next block be `seconds` later than it would have been; the caller holds the write lock."""
        target = self.next_time(self.head()) + seconds
        self._db[OFFSET_KEY] = str(target - int(time.time())).encode()

    def state(self, parent: BlockHeaderAPI | None = None) -> Any:
        """The accounts as the block after `parent`, by default the head, finds them (py-evm's StateAPI)."""
        return self._vm(parent).state

    def append(
        self, transactions: list[SignedTransactionAPI], withdrawals: Sequence[Withdrawal] = ()
    ) -> BlockHeaderAPI:
        """Add one block to the newest head; the caller holds the write lock. Errors: BadInput."""
        self._chain.header = self.next_header()
        try:
            with evm_depth():
                result, _, _ = self._chain.mine_all(transactions, withdrawals=withdrawals)
        except (ValidationError, RecursionError) as error:
            what = TOO_DEEP if isinstance(error, RecursionError) else error
            raise BadInput(f"The chain does not accept this transaction: {what}.") from None
        return result.imported_block.header

    def simulate(
        self, sender: str | None, to: str | None, data: bytes, value: int = 0, parent: BlockHeaderAPI | None = None
    ) -> tuple[bytes, int]:
        """Execute as in the block after `parent`, by default the head, and keep nothing: the output, and the gas taken
        before refunds.

        Errors: ExecutionReverted; BadInput for a sender that has not `value` wei.
        """
        vm = self._vm(parent)
        origin = raw_address(sender) if sender else ZERO_ADDRESS
        unsigned = vm.create_unsigned_transaction(
            nonce=vm.state.get_nonce(origin),
            gas_price=0,
            gas=GAS_LIMIT,
            to=raw_address(to) if to else Address(b""),
            value=value,
            data=data,
        )
        try:
            with evm_depth():
                computation = vm.state.apply_transaction(SpoofTransaction(unsigned, from_=origin))
        except ValidationError as error:
            raise BadInput(f"The chain does not accept this call: {error}.") from None
        except RecursionError:
            raise ExecutionReverted(b"", TOO_DEEP) from None
        _raise_for(computation)
        floor = 21_000 + 10 * (4 * len(data) - 3 * data.count(0))  # EIP-7623
        return bytes(computation.output), max(GAS_LIMIT - computation.get_gas_remaining(), floor)

    def find(self, tx: str) -> BlockHeaderAPI:
        """The header of the block that holds a transaction. Errors: NotFound."""
        try:
            number, _ = self._chain.get_canonical_transaction_index(Hash32(bytes.fromhex(tx.removeprefix("0x"))))
        except (TransactionNotFound, ValueError):
            raise NotFound(f"This chain holds no transaction {tx}.", "Check the chain and the hash.") from None
        return self.header(number)

    def executed(self, header: BlockHeaderAPI) -> tuple[SignedTransactionAPI, ReceiptAPI]:
        """The only transaction of a block that has one, and its receipt."""
        (receipt,) = self._chain.chaindb.get_receipts(header, PragueVM.get_receipt_builder())
        return self._chain.get_canonical_transaction_by_index(header.block_number, 0), receipt

    def receipt(self, header: BlockHeaderAPI) -> TxReceipt:
        """The receipt of the only transaction of a block that has one."""
        transaction, receipt = self.executed(header)
        tx, block_hash, number = TxHash(_hex(transaction.hash)), _hex(header.hash), int(header.block_number)
        created = None if transaction.to else generate_contract_address(transaction.sender, transaction.nonce)
        logs = tuple(
            Log(
                address=str(to_checksum_address(log.address)),
                topics=tuple(int(topic).to_bytes(32, "big") for topic in log.topics),
                data=bytes(log.data),
                block=number,
                block_hash=block_hash,
                tx=tx,
                index=index,
            )
            for index, log in enumerate(receipt.logs)
        )
        contract = str(to_checksum_address(created)) if created else None
        succeeded = receipt.state_root == b"\x01"
        return TxReceipt(tx, number, block_hash, int(receipt.gas_used), succeeded, contract, logs)

    def logs(
        self, first: int, last: int, who: Collection[Address], topics: Sequence[Collection[bytes] | None]
    ) -> list[Log]:
        """Events in blocks [first, last] of any of `who` and, in each place, with any of these topics.

        No address, or None for a topic, is any. Only blocks whose bloom filter may match are opened.
        """
        wanted: list[Collection[bytes] | None] = [who or None, *topics]
        found: list[Log] = []
        for number in range(max(first, 1), min(last, int(self.head().block_number)) + 1):
            header = self.header(number)
            bloom = BloomFilter(header.bloom)
            if header.bloom and all(some is None or any(each in bloom for each in some) for some in wanted):
                found += [log for log in self.receipt(header).logs if _matches(log, who, topics)]
        return found

    def _offset(self) -> int:
        return int(self._db[OFFSET_KEY]) if OFFSET_KEY in self._db else 0

    def _vm(self, parent: BlockHeaderAPI | None) -> Any:
        """A machine on the state after a block, where gas is free."""
        return self._chain.get_vm(self.next_header(parent).copy(base_fee_per_gas=0))


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


def _raise_for(computation: ComputationAPI) -> None:
    if computation.is_error:
        if isinstance(computation.error, Revert):
            raise ExecutionReverted(bytes(computation.output))
        raise ExecutionReverted(b"", type(computation.error).__name__)


def as_block(header: BlockHeaderAPI) -> Block:
    """A header as the node seam names it."""
    return Block(int(header.block_number), _hex(header.hash), _hex(header.parent_hash), int(header.timestamp))


def gas_limit(used: int) -> int:
    """Gas with which a call that used so much will succeed: inner calls get 63/64, and refunds come at the end."""
    return min(used + used // 4 + 20_000, GAS_LIMIT)


def _matches(log: Log, who: Collection[Address], topics: Sequence[Collection[bytes] | None]) -> bool:
    """As eth_getLogs: position by position, None for any."""
    if (who and raw_address(log.address) not in who) or len(log.topics) < len(topics):
        return False
    return all(some is None or have in some for some, have in zip(topics, log.topics, strict=False))


def raw_address(address: str) -> Address:
    """The 20 bytes of an address. Errors: BadInput."""
    try:
        return to_canonical_address(address)
    except (ValueError, TypeError):
        raise BadInput(f"{address!r} is not an address.", "Write 0x and 40 hex digits.") from None


def _hex(data: bytes) -> str:
    return "0x" + bytes(data).hex()
