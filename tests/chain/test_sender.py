"""Sent transactions: none is lost, told as failed while it may still come, or sent twice."""

from __future__ import annotations

import hashlib
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from app.chain import sender as sending
from app.chain.evm.embedded import EmbeddedChain
from app.chain.node import Fees
from app.chain.outbox import Outbox, SentState
from app.chain.rpc.node import AnvilNode
from app.chain.sender import FEE_MARK, GWEI, Sender, bounded, raised
from app.protocol.errors import GasPriceTooHigh, TransactionPending, Unavailable
from app.protocol.ids import TxHash
from tests.support.market import ETHER, person

SINK = "0x" + "11" * 20
ANN = person("ann")
ROOT = Path(__file__).parents[2]


@pytest.fixture
def chain(tmp_path: Path) -> Iterator[EmbeddedChain]:
    """A chain on which ann has ether."""
    chain = EmbeddedChain(tmp_path / "chain.sqlite")
    chain.fund(ANN.address, ETHER)
    yield chain
    chain.close()


class Losing:
    """A chain whose answers are lost, so many times by method, after or before the chain did what was asked."""

    def __init__(self, chain: Any, *, before: bool = False, **times: int) -> None:
        self._chain, self._before, self.times = chain, before, times
        self.submitted: list[bytes] = []

    def __getattr__(self, name: str) -> Any:
        there = getattr(self._chain, name)
        if name not in ("submit", "fates"):
            return there

        def answered(*args: Any) -> Any:
            lost = self.times.get(name, 0) > 0
            self.times[name] = self.times.get(name, 0) - 1
            if name == "submit":
                self.submitted.append(args[0])
            value = None if lost and self._before else there(*args)
            if lost:
                raise Unavailable("The answer was lost.")
            return value

        return answered


def sender(node: Any, outbox: Outbox | None = None) -> Sender:
    """A sender that does not dawdle."""
    return Sender(node, outbox, pause=lambda seconds: None)


def left_behind(chain: EmbeddedChain, outbox: Outbox, *, join: bool = False) -> TransactionPending:
    """A transaction that was kept, never arrived, and that nobody waits for."""
    node = Losing(chain, before=True, submit=1000, fates=1000)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(sending, "RECEIPT_SECONDS", 0.0)
        with pytest.raises(TransactionPending) as caught:
            sender(node, outbox).send(ANN, SINK, b"\x01", join=join)
    return caught.value


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits minutes for a public chain waits a moment here."""
    monkeypatch.setattr(sending, "RESEND_SECONDS", 0.0)


@pytest.mark.parametrize("before", [False, True], ids=["executed", "never arrived"])
def test_a_lost_answer_is_no_lost_transaction(chain: EmbeddedChain, before: bool) -> None:
    """Whatever the node's silence meant, one transaction is in the chain, and its receipt is the answer."""
    node = Losing(chain, before=before, submit=2, fates=3)
    assert sender(node).send(ANN, SINK, b"\x01").ok
    assert chain.nonce(ANN.address) == 1
    assert len(set(node.submitted)) == 1


def test_a_failing_look_is_not_told_as_a_failure(chain: EmbeddedChain, monkeypatch: pytest.MonkeyPatch) -> None:
    """While receipts cannot be read the error says that it was sent; the same order again pays nothing."""
    monkeypatch.setattr(sending, "RECEIPT_SECONDS", 0.0)
    node = Losing(chain, fates=1)
    ours = sender(node)
    with pytest.raises(TransactionPending, match="was sent"):
        ours.send(ANN, SINK, b"\x01", purpose="an order")
    receipt = ours.send(ANN, SINK, b"\x01", purpose="an order")
    assert (chain.nonce(ANN.address), receipt.tx) == (1, TxHash(receipt.tx))


def test_an_order_is_carried_out_once(chain: EmbeddedChain, tmp_path: Path) -> None:
    """Repeated, also with another outbox object and other data: the first one's receipt. `again`: anew."""
    first = sender(chain, Outbox(tmp_path / "outbox.sqlite")).send(ANN, SINK, b"\x01", purpose="order")
    ours = sender(chain, Outbox(tmp_path / "outbox.sqlite"))
    assert ours.send(ANN, SINK, b"\x02", purpose="order") == first
    assert ours.earlier(ANN, "order") == first
    assert ours.earlier(ANN, "another") is None
    other = ours.send(ANN, SINK, b"\x01", purpose="order", again=True)
    assert other.tx != first.tx
    assert ours.earlier(ANN, "order") == other
    assert ours.earlier(person("ben"), "order") is None
    assert chain.nonce(ANN.address) == 2


def test_a_final_order_is_remembered_without_its_bytes(chain: EmbeddedChain, tmp_path: Path) -> None:
    """What no reorganisation can take back leaves a hash for orders, and nothing for the rest."""
    outbox = Outbox(tmp_path / "outbox.sqlite")
    first = sender(chain, outbox).send(ANN, SINK, b"\x01", purpose="order")
    sender(chain, outbox).send(ANN, SINK, b"\x02")
    later = sender(chain, outbox)  # its first look reviews
    later.send(ANN, SINK, b"\x03")
    identity = f"{chain.chain_id}:{chain.block(0).hash}"
    (kept,) = outbox.ordered(identity, ANN.address, "order")
    assert (kept.state, kept.copies, kept.data) == (SentState.OVER, (), b"")
    assert [each.data for each in outbox.unfinished(identity, ANN.address)] == [b"\x03"]
    assert later.send(ANN, SINK, b"\x01", purpose="order") == first


KILLED = """
import os, signal, sys
from pathlib import Path
from app.chain.evm.embedded import EmbeddedChain
from app.chain.outbox import Outbox
from app.chain.sender import Sender
from tests.support.market import person

folder, when = Path(sys.argv[1]), sys.argv[2]
chain = EmbeddedChain(folder / "chain.sqlite")
class Deadly:
    def __getattr__(self, name):
        return getattr(chain, name)
    def submit(self, raw):
        if when == "after":
            chain.submit(raw)
        os.kill(os.getpid(), signal.SIGKILL)
Sender(Deadly(), Outbox(folder / "outbox.sqlite")).send(person("ann"), "0x" + "11" * 20, b"\\x01", purpose="order")
"""


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_killed_process_bought_once(chain: EmbeddedChain, tmp_path: Path, when: str) -> None:
    """Killed right before or right after the bytes left: the next process finds them, and the order is there once."""
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path), when], cwd=ROOT, capture_output=True, check=False
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()[-2000:]
    outbox = Outbox(tmp_path / "outbox.sqlite")
    assert outbox.counts() == {ANN.address: 1}
    assert (tmp_path / "outbox.sqlite").stat().st_mode & 0o077 == 0
    identity = f"{chain.chain_id}:{chain.block(0).hash}"
    (kept,) = outbox.unfinished(identity, ANN.address)
    receipt = sender(chain, outbox).send(ANN, SINK, b"\x02", purpose="order")
    assert receipt.tx == kept.copies[0].tx
    assert chain.nonce(ANN.address) == 1
    assert outbox.counts() == {}


@pytest.mark.parametrize("when", ["before", "after"])
def test_what_a_killed_process_never_sent_does_not_happen_later(
    chain: EmbeddedChain, tmp_path: Path, when: str
) -> None:
    """Another call of the account does not bring along what was kept and did not leave; what left is there."""
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path), when], cwd=ROOT, capture_output=True, check=False
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()[-2000:]
    outbox = Outbox(tmp_path / "outbox.sqlite")
    ours = sender(chain, outbox)
    ours.send(ANN, SINK, b"\x02")
    ours.send(ANN, SINK, b"\x03")
    assert chain.nonce(ANN.address) == (2 if when == "before" else 3)
    assert outbox.counts() == {}
    again = ours.send(ANN, SINK, b"\x01", purpose="order")
    assert chain.nonce(ANN.address) == 3
    assert ours.earlier(ANN, "order") == again


def test_an_interrupted_wait_leaves_it_to_the_next(chain: EmbeddedChain) -> None:
    """Ctrl-C while it waits, in a process that goes on: the same call afterwards is the same transaction."""
    node = Losing(chain)
    ours = sender(node)

    def interrupted(*_: Any) -> Any:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(ours, "_looked_for", interrupted)
        with pytest.raises(KeyboardInterrupt):
            ours.send(ANN, SINK, b"\x01")
    assert ours.send(ANN, SINK, b"\x01").ok
    assert chain.nonce(ANN.address) == 1


def test_a_command_repeated_after_it_gave_up_sends_no_other(chain: EmbeddedChain, tmp_path: Path) -> None:
    """An equal call that nobody waits for any more is the same one; while its process waits it is another one."""
    outbox = Outbox(tmp_path / "outbox.sqlite")
    assert "same command again" in left_behind(chain, outbox).next_step
    ours = sender(chain, outbox)
    first = ours.send(ANN, SINK, b"\x01")
    assert chain.nonce(ANN.address) == 1
    assert ours.send(ANN, SINK, b"\x01").tx != first.tx
    (entry, other) = outbox.unfinished(f"{chain.chain_id}:{chain.block(0).hash}", ANN.address)
    outbox.reopened(entry)
    outbox.reopened(other)
    call = hashlib.sha256(SINK.encode() + b"\x01").hexdigest()
    chain_name = f"{chain.chain_id}:{chain.block(0).hash}"
    assert outbox.same_call(chain_name, ANN.address, call, left=True) is None  # this process lives
    outbox.waited_for(entry, False)
    found = outbox.same_call(chain_name, ANN.address, call, left=True)
    assert found is not None
    assert found.id == entry.id


def test_an_agents_call_under_way_is_joined(chain: EmbeddedChain, tmp_path: Path) -> None:
    """What was kept and never arrived goes out with the next equal call; once it is mined the next is another."""
    outbox = Outbox(tmp_path / "outbox.sqlite")
    left_behind(chain, outbox, join=True)
    ours = sender(chain, outbox)
    joined = ours.send(ANN, SINK, b"\x01", join=True)
    assert (joined.tx, chain.nonce(ANN.address)) == (TxHash(joined.tx), 1)
    assert ours.send(ANN, SINK, b"\x01", join=True).tx != joined.tx


def test_processes_share_one_line_of_nonces(chain: EmbeddedChain, tmp_path: Path) -> None:
    """Two senders with one account and one outbox never take one nonce twice, so that none is refused."""
    node = Losing(chain)
    failures: list[Exception] = []

    def work() -> None:
        ours = sender(node, Outbox(tmp_path / "outbox.sqlite"))
        try:
            for _ in range(6):
                ours.send(ANN, SINK, b"\x01")
        except Exception as error:  # noqa: BLE001 - whatever it is fails the test below
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert chain.nonce(ANN.address) == 12
    assert len(set(node.submitted)) == 12


def test_a_dear_chain_is_not_paid(chain: EmbeddedChain) -> None:
    """Above the bound nothing is signed, kept or sent; below it the fee stays below it."""
    with pytest.raises(GasPriceTooHigh, match="gwei"):
        Sender(chain, most=chain.fees().present - 1).send(ANN, SINK, b"")
    assert chain.nonce(ANN.address) == 0
    most = chain.fees().present + FEE_MARK
    outbox = Outbox()
    assert Sender(chain, outbox, most=most).send(ANN, SINK, b"").ok
    (kept,) = outbox.unfinished(f"{chain.chain_id}:{chain.block(0).hash}", ANN.address)
    assert kept.copies[0].fees.max_fee <= most


def test_fees_grow_as_nodes_demand_and_within_the_bound() -> None:
    """At least an eighth more, never for nothing, never above the bound."""
    old = Fees(max_fee=10 * GWEI, tip=GWEI)
    assert raised(old, Fees(12 * GWEI, GWEI, base=5 * GWEI), 500 * GWEI) is None
    more = raised(old, Fees(41 * GWEI, GWEI, base=20 * GWEI), 500 * GWEI)
    assert more is not None
    assert (more.max_fee, more.tip) == (41 * GWEI, GWEI + GWEI // 8 + 1)
    assert raised(old, Fees(41 * GWEI, GWEI, base=20 * GWEI), 40 * GWEI) is None
    assert bounded(Fees(41 * GWEI, GWEI, base=20 * GWEI), 30 * GWEI) == Fees(30 * GWEI - FEE_MARK, GWEI)


@pytest.mark.anvil
def test_a_stuck_transaction_is_paid_more_for(
    start_anvil: Callable[..., AnvilNode], monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the chain becomes dearer while it waits, the same nonce goes out with higher fees, and is mined once."""
    monkeypatch.setattr(sending, "BUMP_SECONDS", 0)
    node = start_anvil("--no-mining")
    node.fund(ANN.address, ETHER)
    outbox, done = Outbox(), list[Any]()
    ours = Sender(node, outbox)
    thread = threading.Thread(target=lambda: done.append(ours.send(ANN, SINK, b"")))
    first = node.fees()
    thread.start()
    identity = f"{node.chain_id}:{node.block(0).hash}"
    while not outbox.unfinished(identity, ANN.address):
        thread.join(0.01)
    for _ in range(60):
        node.request("anvil_setNextBlockBaseFeePerGas", hex(first.max_fee * 3))
        node.mine()
        thread.join(0.2)
        if done:
            break
    thread.join(5)
    assert done, "it was not mined"
    assert done[0].ok
    assert node.nonce(ANN.address) == 1
    (entry,) = outbox.unfinished(identity, ANN.address)
    assert len(entry.copies) > 1
    assert done[0].tx in {each.tx for each in entry.copies[1:]}


@pytest.mark.anvil
def test_a_reorganised_order_is_sent_again(start_anvil: Callable[..., AnvilNode]) -> None:
    """A block that vanishes takes its transactions along; the order repeated is the same transaction."""
    node = start_anvil()
    node.fund(ANN.address, ETHER)
    ours = Sender(node)
    snapshot = node.request("evm_snapshot")
    first = ours.send(ANN, SINK, b"", purpose="order")
    assert node.request("evm_revert", snapshot) is True
    assert node.nonce(ANN.address) == 0
    again = ours.send(ANN, SINK, b"\x07", purpose="order")
    assert again.tx == first.tx
    assert node.nonce(ANN.address) == 1
