"""The seam to a chain: what the facade needs from any node, embedded or remote, and nothing else.

Addresses are EIP-55 text; hashes of blocks and transactions are 0x-prefixed lower-case hex. A node raises
`ExecutionReverted` with the raw revert data and `NonceTaken` when another transaction used the nonce first; both stay
inside `app.chain`. Everything else leaves as an error of `app.protocol.errors`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from app.protocol.ids import TxHash

if TYPE_CHECKING:
    from web3 import Web3


class ExecutionReverted(Exception):
    """The EVM refused a call; `data` is what it returned (selector and arguments), empty when it gave no reason."""

    def __init__(self, data: bytes, detail: str = "") -> None:
        super().__init__(detail or "execution reverted")
        self.data = data
        self.detail = detail


class NonceTaken(Exception):
    """Another transaction of the same account got in between; sign again with the next nonce."""


@dataclass(frozen=True)
class Block:
    """A block's identity. `time` is seconds since the epoch."""

    number: int
    hash: str
    parent: str
    time: int


@dataclass(frozen=True)
class Log:
    """One raw event."""

    address: str
    topics: tuple[bytes, ...]
    data: bytes
    block: int
    block_hash: str
    tx: TxHash
    index: int  # within the block


@dataclass(frozen=True)
class TxReceipt:
    """What became of a transaction. `gas` is the gas it used."""

    tx: TxHash
    block: int
    block_hash: str
    gas: int
    ok: bool
    contract: str | None  # address it created
    logs: tuple[Log, ...]


@dataclass(frozen=True)
class Fees:
    """EIP-1559 bids in wei per unit of gas."""

    max_fee: int  # the reserve: twice the newest base fee, and the tip
    tip: int
    base: int = 0  # what the newest block asks for, where a node told these fees

    @property
    def present(self) -> int:
        """What a transaction of the next block would pay."""
        return self.base + self.tip


@dataclass(frozen=True)
class Fates:
    """What became of an account's transactions, in one view of the chain: those in a block, and how many nonces the
    chain has used of the account.
    """

    used: int
    receipts: Mapping[TxHash, TxReceipt]


Topics = Sequence[bytes | None]


class ChainNode(Protocol):
    """A chain to read from and to send raw transactions to. Every read sees the newest head."""

    @property
    def chain_id(self) -> int:
        """EIP-155 identifier."""

    def head(self) -> Block:
        """The newest block."""

    def finalized(self) -> Block:
        """The newest block that no reorganisation can remove."""

    def block(self, number: int) -> Block:
        """A canonical block. Errors: NotFound."""

    def blocks_at(self, numbers: Sequence[int]) -> list[Block]:
        """Canonical blocks, asked for in one go; of one view of the chain where the node answers batches from one.

        Errors: NotFound.
        """

    def now(self) -> int:
        """The time that the next block would carry, in seconds since the epoch."""

    def code(self, address: str) -> bytes:
        """Runtime code, empty for accounts without any."""

    def balance(self, address: str) -> int:
        """Ether in wei."""

    def nonce(self, address: str) -> int:
        """The nonce of the account's next transaction."""

    def fees(self) -> Fees:
        """Bids that the next few blocks accept."""

    def call(self, to: str, data: bytes, sender: str | None = None) -> bytes:
        """Run a function without a transaction. Errors: ExecutionReverted."""

    def calls(self, calls: Sequence[tuple[str, bytes]]) -> list[bytes | ExecutionReverted]:
        """The same for many functions (address, data), in as few questions as the node takes. Errors: Unavailable."""

    def estimate(self, sender: str, to: str | None, data: bytes) -> int:
        """A gas limit with which the transaction would succeed in the next block. Errors: ExecutionReverted."""

    def submit(self, raw: bytes) -> TxHash:
        """Hand over a signed transaction without waiting; its hash. Errors: NonceTaken, NotAllowed, Unavailable."""

    def receipt(self, tx: TxHash) -> TxReceipt:
        """The receipt of a transaction in the canonical chain. Errors: NotFound."""

    def fates(self, account: str, txs: Sequence[TxHash]) -> Fates:
        """What became of transactions of an account, asked in one go. Errors: Unavailable."""

    def logs(self, first: int, last: int, addresses: Collection[str], topics: Topics = ()) -> Sequence[Log]:
        """Events of these contracts in blocks [first, last], in order; a None topic matches any."""

    def logs_in(self, blocks: Sequence[int], address: str) -> list[Sequence[Log]]:
        """A contract's events in each of these blocks, in as few questions as the node takes. Errors: Unavailable."""

    def wait_block(self, number: int, timeout: float = 60.0) -> Block:
        """The head once it is at least `number`; an auto-mining chain mines up to there. Errors: Unavailable."""

    def request(self, method: str, *params: Any) -> Any:
        """The result of a JSON-RPC method, as JSON has it. Errors: ExecutionReverted, BadInput, Unavailable."""

    def web3(self) -> Web3:
        """A new web3.py client of this chain, for what this seam does not have. web3 is imported here and no earlier:
        it takes most of a second.
        """


GAS_MONEY = 10**19  # wei that a development chain's faucet gives an account that has less than half of it


@runtime_checkable
class DevNode(ChainNode, Protocol):
    """A chain for demonstrations and tests: it hands out ether and its clock can be moved."""

    def fund(self, address: str, wei: int) -> None:
        """Add ether to an account, out of nothing."""

    def advance(self, seconds: int) -> Block:
        """Move the chain's clock forward and mine one empty block."""

    def mine(self, blocks: int = 1) -> Block:
        """Mine empty blocks."""
