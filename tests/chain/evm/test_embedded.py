"""The embedded chain: one file, many processes, no torn block."""

from __future__ import annotations

import itertools
import json
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.chain.contracts.client import ContractClient
from app.chain.evm import sqlite as sqlite_module
from app.chain.evm.embedded import CHAIN_ID, EmbeddedChain
from app.chain.node import DevNode, ExecutionReverted, Fees
from app.chain.open import open_node
from app.chain.sender import Sender
from app.protocol.errors import BadInput, NotFound, Reverted, Unavailable, UsageError
from app.protocol.ids import TxHash
from tests.support.market import ETHER, person

ROOT = Path(__file__).parents[3]
SINK = "0x" + "11" * 20


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A chain file that is not there yet."""
    return tmp_path / "shared" / "chain.sqlite"


@pytest.fixture
def chain(path: Path) -> Iterator[EmbeddedChain]:
    """The chain on it, with ether for two people."""
    opened = EmbeddedChain(path)
    for name in ("ann", "ben"):
        opened.fund(person(name).address, ETHER)
    yield opened
    opened.close()


def worker(path: Path, *arguments: object) -> subprocess.Popen[str]:
    """Another process on the same file."""
    command = [sys.executable, "-m", "tests.chain.evm.worker", str(path), *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def lines(process: subprocess.Popen[str]) -> list[dict[str, int]]:
    """What a process printed until it ended."""
    out, _ = process.communicate(timeout=60)
    return [json.loads(line) for line in out.splitlines()]


def raw(chain: EmbeddedChain, name: str, **changed: int) -> bytes:
    """A signed transfer of nothing."""
    fields = {"chain_id": CHAIN_ID, "nonce": chain.nonce(person(name).address), "gas": 50_000} | changed
    return person(name).sign_transaction(to=SINK, data=b"", fees=Fees(10**10, 0), **fields)


def assert_whole(chain: EmbeddedChain) -> None:
    """Every block links to the one before it, times grow, and the state at the head can be read."""
    blocks = [chain.block(number) for number in range(chain.head().number + 1)]
    for parent, child in itertools.pairwise(blocks):
        assert child.parent == parent.hash
        assert child.time > parent.time
    assert blocks[-1] == chain.head()
    assert chain.balance(SINK) == 0


def test_a_chain_survives_being_closed(chain: EmbeddedChain, path: Path) -> None:
    """Height, hash, balances, receipts and events are the same after reopening the file."""
    receipt = chain.send(raw(chain, "ann"))
    head, balance = chain.head(), chain.balance(person("ann").address)
    chain.close()
    again = EmbeddedChain(path)
    assert (again.head(), again.balance(person("ann").address)) == (head, balance)
    assert again.receipt(receipt.tx) == receipt
    again.close()


def test_two_chains_never_share_a_block(tmp_path: Path) -> None:
    """Genesis blocks differ, so nobody takes one chain's block for another's."""
    first, second = EmbeddedChain(tmp_path / "a"), EmbeddedChain(tmp_path / "b")
    assert first.block(0).hash != second.block(0).hash
    first.close()
    second.close()


def test_another_process_is_seen_at_once(chain: EmbeddedChain, path: Path) -> None:
    """Blocks that another process adds are the next read's head here, and ours are theirs."""
    before = chain.head().number
    (seen,) = lines(worker(path, "send", "ann", 1))
    assert seen == {"block": before + 1, "hash": chain.head().hash}
    assert chain.nonce(person("ann").address) == 1
    chain.send(raw(chain, "ben"))
    (seen,) = lines(worker(path, "send", "ann", 1))
    assert seen["block"] == before + 3
    assert_whole(chain)


def test_concurrent_writers_lose_nothing(chain: EmbeddedChain, path: Path) -> None:
    """Three processes, two of them with one account, write at the same time: every transaction has its own block."""
    before = chain.head().number
    processes = [worker(path, "send", name, 12) for name in ("ann", "ann", "ben")]
    blocks = [line["block"] for process in processes for line in lines(process)]
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert sorted(blocks) == list(range(before + 1, before + 37))
    assert (chain.nonce(person("ann").address), chain.nonce(person("ben").address)) == (24, 12)
    assert_whole(chain)


class Overtaken:
    """A chain on which somebody with the same key is always quicker, so many times."""

    def __init__(self, chain: EmbeddedChain, times: int) -> None:
        self._chain, self.times = chain, times

    def __getattr__(self, name: str) -> object:
        return getattr(self._chain, name)

    def fees(self) -> Fees:
        if self.times > 0:
            self.times -= 1
            self._chain.send(raw(self._chain, "ann"))
        return self._chain.fees()


def test_a_taken_nonce_is_tried_again(chain: EmbeddedChain) -> None:
    """Who is overtaken by another process with the same account signs again, and gives up only after many times."""
    assert ContractClient(Overtaken(chain, 3), []).transact(person("ann"), SINK, b"").ok  # type: ignore[arg-type]
    assert chain.nonce(person("ann").address) == 4
    pauses: list[float] = []
    with pytest.raises(Unavailable, match="keep sending"):
        Sender(Overtaken(chain, 100), pause=pauses.append).send(person("ann"), SINK, b"")  # type: ignore[arg-type]
    assert len(set(pauses)) > 8  # drawn, so that two processes with one account do not meet again and again
    assert max(pauses) > 0.1


def test_the_same_bytes_are_mined_once(chain: EmbeddedChain) -> None:
    """Whoever sends a signed transaction again after a lost answer gets its receipt, not another nonce."""
    signed = raw(chain, "ann")
    first = chain.send(signed)
    assert chain.send(signed) == first
    assert chain.submit(signed) == first.tx
    assert chain.head().number == first.block


def test_threads_share_one_chain(chain: EmbeddedChain) -> None:
    """Threads of one process may send and read at the same time."""
    client, failures = ContractClient(chain, []), []

    def work(name: str) -> None:
        try:
            for _ in range(8):
                client.transact(person(name), SINK, b"")
                chain.now()
        except Exception as error:  # noqa: BLE001 - whatever it is fails the test below
            failures.append(error)

    threads = [threading.Thread(target=work, args=(name,)) for name in ("ann", "ben")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert chain.nonce(person("ann").address) == chain.nonce(person("ben").address) == 8
    assert_whole(chain)


def test_two_processes_create_one_chain(path: Path) -> None:
    """Whoever opens a missing file at the same moment as another ends on the same genesis."""
    together = threading.Barrier(4)
    chains: list[EmbeddedChain] = []

    def create() -> None:
        together.wait()
        chains.append(EmbeddedChain(path))

    threads = [threading.Thread(target=create) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({each.block(0).hash for each in chains}) == 1
    assert len(chains) == 4
    for each in chains:
        each.close()


def test_a_file_that_is_busy_is_waited_for(path: Path) -> None:
    """SQLite refuses at once to share a file that another process is about to change; opening tries again."""
    path.parent.mkdir(parents=True, exist_ok=True)
    holder = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    holder.execute("BEGIN IMMEDIATE")
    release = threading.Timer(0.3, holder.execute, ["COMMIT"])
    release.start()
    chain = EmbeddedChain(path)
    assert release.finished.is_set()
    assert chain.head().number == 0
    chain.close()
    holder.close()


@pytest.mark.parametrize("writes", [1, 3, 6])
def test_a_crash_inside_a_block_leaves_no_trace(chain: EmbeddedChain, path: Path, writes: int) -> None:
    """A process killed between two writes of its block changes nothing, and blocks nobody."""
    before, nonce = chain.head(), chain.nonce(person("ann").address)
    process = worker(path, "die", "ann", writes)
    assert lines(process) == []
    assert process.returncode == -signal.SIGKILL
    again = EmbeddedChain(path)
    assert (again.head(), again.nonce(person("ann").address)) == (before, nonce)
    assert again.send(raw(again, "ann")).block == before.number + 1
    assert chain.head() == again.head()
    assert_whole(again)
    again.close()


def test_a_crash_at_any_moment_leaves_a_whole_chain(chain: EmbeddedChain, path: Path) -> None:
    """A process killed while it sends as fast as it can loses at most what it had not been told was done."""
    process = worker(path, "send", "ann", 10_000)
    assert process.stdout
    told = [json.loads(process.stdout.readline())["block"] for _ in range(5)]
    time.sleep(random.uniform(0, 0.05))
    process.kill()
    told += [line["block"] for line in lines(process)]
    again = EmbeddedChain(path)
    assert again.head().number >= told[-1]
    assert again.nonce(person("ann").address) == again.head().number - told[0] + 1
    assert_whole(again)
    again.close()


def test_the_clock_follows_the_wall_and_moves_only_forward(chain: EmbeddedChain, path: Path) -> None:
    """Block times are the wall clock's, later ones are larger, and `advance` reaches every process."""
    assert abs(chain.now() - time.time()) < 30
    first = chain.head()
    chain.advance(3600)
    assert chain.head().time - first.time >= 3600
    other = EmbeddedChain(path)
    assert other.now() - time.time() > 3590
    other.advance(0)
    assert other.head().time > chain.block(chain.head().number - 1).time
    with pytest.raises(BadInput):
        chain.advance(-1)
    assert_whole(chain)
    other.close()


def test_ether_comes_out_of_nothing_on_request(chain: EmbeddedChain) -> None:
    """`fund` adds what was asked, rounded up to a gwei, and nobody holds a funded key."""
    chain.fund(SINK, 1)
    assert chain.balance(SINK) == 10**9
    chain.fund(SINK, 5 * ETHER)
    assert chain.balance(SINK) == 5 * ETHER + 10**9


def test_a_foreign_transaction_is_refused(chain: EmbeddedChain) -> None:
    """Another chain's signature, garbage, and too little gas change nothing."""
    before = chain.head()
    for data in (raw(chain, "ann", chain_id=1), b"", b"\x02\xc0", b"\xff" * 200, raw(chain, "ann", gas=100)):
        with pytest.raises(BadInput):
            chain.send(data)
    assert chain.head() == before
    assert chain.send(raw(chain, "ann")).ok


def test_what_is_not_there_is_not_found(chain: EmbeddedChain) -> None:
    """Blocks above the head and unknown transactions raise NotFound."""
    with pytest.raises(NotFound):
        chain.block(chain.head().number + 1)
    with pytest.raises(NotFound):
        chain.block(-1)
    with pytest.raises(NotFound):
        chain.receipt(TxHash("0x" + "22" * 32))


def test_a_call_without_a_contract_tells_its_fault(chain: EmbeddedChain) -> None:
    """Execution that fails without data says what the machine found."""
    with pytest.raises(ExecutionReverted, match="InvalidInstruction"):
        chain.estimate(person("ann").address, None, b"\xfe")


def test_a_file_that_stays_locked_is_unavailable(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A writer gives up with a typed error when another process holds the lock too long."""
    monkeypatch.setattr(sqlite_module, "LOCK_SECONDS", 0.2)
    chain = EmbeddedChain(path)
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable, match="locked"):
        chain.mine()
    holder.execute("ROLLBACK")
    holder.close()
    assert chain.mine().number == 1
    chain.close()


def test_a_file_that_is_no_chain_is_unavailable(tmp_path: Path) -> None:
    """A folder, or a file of something else, is refused with a typed error."""
    other = tmp_path / "notes.txt"
    other.write_text("not a database, " * 500)
    for wrong in (tmp_path, other):
        with pytest.raises(Unavailable):
            EmbeddedChain(wrong)


CALLS_ITSELF = "5f5f5f5f5f305af1"  # CALL(gas, self, 0, no data), answers nothing


def test_deeply_nested_calls_end_by_a_rule(chain: EmbeddedChain) -> None:
    """A contract that calls itself ends by gas or the standard's depth, or is refused where Python's stack is less."""
    code = bytes.fromhex(CALLS_ITSELF)
    create = bytes.fromhex(f"60{len(code):02x}600a5f3960{len(code):02x}5ff3").ljust(10, b"\0") + code
    client = ContractClient(chain, [])
    contract = client.transact(person("ann"), None, create).contract
    assert contract
    assert chain.code(contract) == code
    head = chain.head()
    transaction = person("ann").sign_transaction(
        chain_id=CHAIN_ID, nonce=1, to=contract, data=b"", gas=29_000_000, fees=Fees(10**10, 0)
    )
    if sys.version_info < (3, 12):
        assert chain.call(contract, b"") == b""
        assert chain.send(transaction).ok
    else:
        with pytest.raises(Reverted, match="nest deeper"):
            client.transact(person("ann"), contract, b"")
        with pytest.raises(BadInput, match="nest deeper"):
            chain.send(transaction)
        assert chain.head() == head
    assert chain.send(raw(chain, "ann")).ok


def test_a_node_is_opened_by_its_name(tmp_path: Path) -> None:
    """embedded:PATH gives a development node; other schemes are a mistake of whoever wrote them."""
    opened = open_node(f"embedded:{tmp_path / 'chain.sqlite'}")
    assert isinstance(opened, EmbeddedChain)
    assert isinstance(opened, DevNode)
    opened.close()
    for wrong in ("embedded:", "ipc:/tmp/x", "", "chain.sqlite"):
        with pytest.raises(UsageError):
            open_node(wrong)


def test_a_hostile_document_does_not_kill_the_process(embedded: EmbeddedChain) -> None:
    """py-evm and py_ecc raise the recursion limit; with ours, nested JSON is an error and not an overrun stack."""
    person("ann").sign_text("imports everything")
    embedded.mine()
    assert sys.getrecursionlimit() <= 12 * 1024
    code = (
        "import json, app.chain.evm.embedded as e, app.chain.wallet.account as a; a.Account.generate()\n"
        "try: json.loads('[' * 10**6)\n"
        "except RecursionError: print('refused')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "refused\n"
