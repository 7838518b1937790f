"""Files that several programs begin on at the same moment: nobody is refused, and all find one whole file."""

from __future__ import annotations

import multiprocessing
import threading
from multiprocessing.synchronize import Barrier
from pathlib import Path

from app.chain.evm.blockchain import Blockchain as ChainLedger
from app.chain.evm.sqlite import SqliteDB
from app.custodian.ledger import Ledger
from app.market.db.database import Database
from app.market.web.auth.sessions import SessionStore
from app.protocol.errors import BadDocument

ROOT = Path(__file__).parents[2]
PROGRAMS = 4
ROUNDS = 6


def index(path: Path) -> str:
    """Make or open an index's tables and the web server's beside them, write, and let go of them."""
    database = Database(f"sqlite:///{path}")
    database.migrate()
    access = SessionStore(database, lambda: 1.0)
    access.use_nonce(access.new_nonce()[0])
    current = database.is_current()
    database.close()
    return str(current)


def chain(path: Path) -> str:
    """Begin or open a chain; its first block."""
    opened = SqliteDB(path)
    first = ChainLedger(opened).header(0).hash.hex()
    opened.close()
    return first


def custody(path: Path) -> str:
    """Make or open a custodian's ledger, and write in it."""
    ledger = Ledger(path, "1:0x1", lambda: 1)
    ledger.claim(1, 1)
    return str([event for _, event in ledger.events(1)])


FILES = {"index": index, "chain": chain, "custody": custody}


def begin(folder: Path, barrier: Barrier, said: multiprocessing.Queue[tuple[str, str]]) -> None:
    """One program: each file at the same moment as all the others."""
    for number in range(ROUNDS):
        for name, work in FILES.items():
            barrier.wait()
            try:
                said.put((f"{name} {number}", work(folder / f"{name}-{number}.sqlite")))
            except Exception as error:  # noqa: BLE001 - whatever it is, the test shows it
                said.put((f"{name} {number}", repr(error)))


def test_programs_that_begin_on_one_file_do_not_refuse_each_other(tmp_path: Path) -> None:
    """The index's, the chain's and the custodian's file: every program opens it, and each sees the same."""
    programs = multiprocessing.get_context("forkserver")
    programs.set_forkserver_preload([__name__])
    barrier, said = programs.Barrier(PROGRAMS), programs.Queue()
    started = [programs.Process(target=begin, args=(tmp_path, barrier, said)) for _ in range(PROGRAMS)]
    for each in started:
        each.start()
    answers: dict[str, set[str]] = {}
    for _ in range(PROGRAMS * ROUNDS * len(FILES)):
        what, answer = said.get(timeout=120)
        answers.setdefault(what, set()).add(answer)
    for each in started:
        each.join()
    assert {what: each for what, each in answers.items() if len(each) != 1} == {}
    assert answers["index 0"] == {"True"}
    assert answers["custody 0"] == {"['seen']"}
    assert len(set.union(*(each for what, each in answers.items() if "chain" in what))) == ROUNDS


def test_a_ledger_of_many_threads_is_one_file(tmp_path: Path) -> None:
    """Threads that begin at once have a connection each, and one of them claims the job."""
    claims: list[object] = []
    threads = [
        threading.Thread(target=lambda: claims.append(Ledger(tmp_path / "l.sqlite", "1:0x1", lambda: 1).claim(1, 1)))
        for _ in range(8)
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(claims) == len(threads)
    assert len([claim for claim in claims if claim is not None]) == 1


def test_a_ledger_is_opened_while_another_writes(tmp_path: Path) -> None:
    """Its witness is compared with what was there before: a start beside a working custodian is never refused."""
    path, jobs = tmp_path / "l.sqlite", 150
    writer = threading.Thread(
        target=lambda: [Ledger(path, "1:0x1", lambda: 1).claim(job, 1) for job in range(1, jobs + 1)]
    )
    writer.start()
    refused: list[BadDocument] = []
    while writer.is_alive():
        try:
            Ledger(path, "1:0x1", lambda: 1)
        except BadDocument as error:
            refused.append(error)
    writer.join()
    assert not refused
    assert Ledger(path, "1:0x1", lambda: 1).claim(jobs, 1) is None


def test_there_is_one_way_to_open_a_shared_file() -> None:
    """Nothing in the product but `app.files.shared_sqlite` opens a SQLite file itself."""
    files = (each for folder in ("app", "fhe", "ingestion") for each in sorted((ROOT / folder).rglob("*.py")))
    opening = [each.relative_to(ROOT).as_posix() for each in files if "sqlite3.connect(" in each.read_text("utf-8")]
    assert opening == ["app/files/shared_sqlite.py"]
