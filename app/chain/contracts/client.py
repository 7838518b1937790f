"""Contracts on a node: decoded reads, signed transactions that wait for their block, and errors by name."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from app.chain.contracts.abi import Interface, decode_revert
from app.chain.contracts.memory import ReadMemory
from app.chain.contracts.messages import reverted
from app.chain.events import Event
from app.chain.node import ChainNode, ExecutionReverted, Log, Topics, TxReceipt
from app.chain.sender import Sender
from app.chain.wallet.account import Account
from app.protocol.errors import NotAllowed, Reverted, VerificationFailed
from app.protocol.ids import TxHash

# What a contract takes once, so that an equal call that is under way is the same one, sent before a crash.
TAKEN_ONCE = frozenset(
    {"commit", "reveal", "release", "refuse", "decline", "contest", "draw", "expire", "heartbeat", "settleLicense"}
)

T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True)
class Sent(Generic[T]):
    """A transaction in the chain: its hash, block number, gas used, what the action yields, and its events."""

    tx: TxHash
    block: int
    gas: int
    value: T
    events: tuple[Event, ...] = ()

    def with_value(self, value: U) -> Sent[U]:
        """The same transaction, yielding something else."""
        return Sent(self.tx, self.block, self.gas, value, self.events)

    def event(self, name: str) -> Event:
        """The first event of this name. Errors: VerificationFailed when there is none."""
        for event in self.events:
            if event.name == name:
                return event
        raise VerificationFailed(f"Transaction {self.tx} did not emit {name}.", "Check the deployment's contracts.")


@dataclass(frozen=True)
class Contract:
    """A deployed contract."""

    name: str
    address: str
    interface: Interface


class ContractClient:
    """The contracts of one deployment, by name, on one node."""

    def __init__(
        self,
        node: ChainNode,
        contracts: Sequence[Contract],
        sender: Sender | None = None,
        closed: Collection[tuple[str, str]] = (),
    ) -> None:
        """Without a `sender`, one that remembers what it sent as long as it lives. `closed`: functions, as contract and
        name, that are not sent any more.
        """
        self._closed = frozenset(closed)
        self.node = node
        self.memory: ReadMemory | None = None  # for a program that reads the same again and again
        self.sender = sender or Sender(node)
        self.contracts: dict[str, Contract] = {}
        self._by_address: dict[str, Contract] = {}
        self._interfaces: list[Interface] = []
        for contract in contracts:
            self.add(contract)

    def add(self, contract: Contract) -> None:
        """One more, whose events and errors are known from now on."""
        self.contracts[contract.name] = self._by_address[contract.address] = contract
        self._interfaces.append(contract.interface)

    def address(self, contract: str) -> str:
        """Where a contract is."""
        return self.contracts[contract].address

    def read(self, contract: str, function: str, *args: Any) -> Any:
        """A view function's value: the value itself when there is one, else a tuple. Errors: Reverted, Unavailable."""
        there = self.contracts[contract]
        data = there.interface.encode_call(function, args)
        try:
            answer = (self.memory or self.node).call(there.address, data)
        except ExecutionReverted as error:
            raise self.refusal(error) from None
        values = there.interface.decode_result(function, args, answer)
        return values[0] if len(values) == 1 else values

    @property
    def drained(self) -> bool:
        """Whether this market takes nothing new, because a later edition stands in its place."""
        return bool(self._closed)

    def check_open(self, contract: str, function: str) -> None:
        """Errors: NotAllowed for what is not sent to a drained market any more."""
        if (contract, function) in self._closed:
            raise NotAllowed(
                f"This market is drained: it takes no new datasets, offers or licenses ({function}), and what is open"
                " runs to its end.",
                "Do it in the present edition: leave --edition and DARKROOM_EDITION out.",
            )

    def read_many(self, asked: Sequence[tuple[str, str, tuple[Any, ...]]]) -> list[Any]:
        """The values of many view functions (contract, function, arguments), in few questions; a Reverted where one
        refused. Errors: Unavailable.
        """
        calls = [
            (self.contracts[name].address, self.contracts[name].interface.encode_call(function, args))
            for name, function, args in asked
        ]
        values: list[Any] = []
        for (name, function, args), answer in zip(asked, (self.memory or self.node).calls(calls), strict=True):
            if isinstance(answer, ExecutionReverted):
                values.append(self.refusal(answer))
                continue
            found = self.contracts[name].interface.decode_result(function, args, answer)
            values.append(found[0] if len(found) == 1 else found)
        return values

    def send(
        self, account: Account, contract: str, function: str, *args: Any, purpose: str = "", again: bool = False
    ) -> Sent[None]:
        """Call a function in a signed transaction and wait for its block. `purpose` and `again`: `app.chain.sender`.

        Errors: NotAllowed in a drained market; Reverted, BadInput, GasPriceTooHigh; TransactionPending for one that was
        sent and may still come; Unavailable for one that was not.
        """
        self.check_open(contract, function)
        there, once = self.contracts[contract], function in TAKEN_ONCE
        data = there.interface.encode_call(function, args)
        return self._sent(self.transact(account, there.address, data, purpose=purpose, again=again, join=once))

    def ordered(self, account: Account, purpose: str) -> Sent[None] | None:
        """What an order became that this machine sent before, waited for; None for one that it never carried out."""
        receipt = self.sender.earlier(account, purpose) if purpose else None
        return None if receipt is None else self._sent(receipt)

    def _sent(self, receipt: TxReceipt) -> Sent[None]:
        return Sent(receipt.tx, receipt.block, receipt.gas, None, tuple(self.decode(receipt.logs)))

    def create(self, account: Account, interface: Interface, bytecode: bytes, args: Sequence[Any]) -> TxReceipt:
        """Deploy a contract. Errors: Reverted, Unavailable, BadInput."""
        return self.transact(account, None, bytecode + interface.constructor.inputs.encode(args, "constructor"))

    def transact(
        self,
        account: Account,
        to: str | None,
        data: bytes,
        *,
        purpose: str = "",
        again: bool = False,
        join: bool = False,
    ) -> TxReceipt:
        """Send a transaction as `app.chain.sender` does; its receipt. Errors: those of `send`."""
        try:
            receipt = self.sender.send(account, to, data, purpose=purpose, again=again, join=join)
        except ExecutionReverted as error:
            raise self.refusal(error) from None
        finally:
            if self.memory is not None:
                self.memory.forget()
        if not receipt.ok:
            raise self._late_refusal(account, to, data, receipt)
        return receipt

    def _late_refusal(self, account: Account, to: str | None, data: bytes, receipt: TxReceipt) -> Reverted:
        """Why a transaction passed the estimate and reverted in its block: ask again on the new state."""
        try:
            if to is not None:
                self.node.call(to, data, account.address)
        except ExecutionReverted as error:
            return self.refusal(error)
        return Reverted(
            f"Transaction {receipt.tx} reverted: the chain changed while it waited.", "Try again.", reason=""
        )

    def refusal(self, error: ExecutionReverted) -> Reverted:
        """A node's refusal in words."""
        return reverted(decode_revert(error.data, self._interfaces), error.detail)

    def decode(self, logs: Sequence[Log]) -> list[Event]:
        """The events that these contracts declare; those of others are left out. Errors: VerificationFailed."""
        events = []
        for log in logs:
            contract = self._by_address.get(log.address)
            decoded = contract.interface.decode_event(log.topics, log.data) if contract else None
            if contract and decoded:
                name, args = decoded
                events.append(Event(contract.name, name, args, log.block, log.block_hash, log.tx, log.index))
        return events

    def events(self, first: int, last: int) -> list[Event]:
        """Decoded events of all contracts in blocks [first, last], in order."""
        return self.decode(self.node.logs(first, last, list(self._by_address)))

    def find(self, contract: str, event: str, first: int, last: int, *indexed: int | None) -> list[Event]:
        """Events of one kind in blocks [first, last] whose leading indexed numbers are these, None for any."""
        there = self.contracts[contract]
        numbers = (None if number is None else number.to_bytes(32, "big") for number in indexed)
        topics: Topics = [there.interface.topic(event), *numbers]
        logs = self.node.logs(first, last, [there.address], topics)
        return self.decode([log for log in logs if _match(log.topics, topics)])  # a node may give more than was asked

    def events_in(self, contract: str, blocks: Sequence[int]) -> list[Event]:
        """A contract's events in each of these blocks, in few questions to the node. Errors: Unavailable."""
        return self.decode(
            [log for found in self.node.logs_in(blocks, self.contracts[contract].address) for log in found]
        )


def _match(topics: Sequence[bytes], wanted: Topics) -> bool:
    return len(topics) >= len(wanted) and all(b is None or a == b for a, b in zip(topics, wanted, strict=False))
