"""Copies of a ledger: whole while it is in use, refused when they are not, and never an empty one in its place."""

from __future__ import annotations

import shutil
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from app.custodian import ledger_witness
from app.custodian.backup import back_up, look_through, restore
from app.custodian.ledger import Ledger
from app.protocol.errors import BadDocument, BadInput, NotAllowed, NotFound

SCOPE = "1:0x01"


@pytest.fixture(autouse=True)
def prompt(monkeypatch: pytest.MonkeyPatch) -> None:
    """The witness is written at each event."""
    monkeypatch.setattr(ledger_witness, "EVERY_SECONDS", 0.0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A ledger's place."""
    (tmp_path / "here").mkdir()
    return tmp_path / "here" / "ledger.sqlite"


def opened(path: Path) -> Ledger:
    """A ledger on a clock that stands still."""
    return Ledger(path, SCOPE, lambda: 1_000)


def test_a_copy_without_its_log_is_refused(path: Path, tmp_path: Path) -> None:
    """`cp ledger.sqlite` of one in use lacks what is in the log: it is not opened, alone or with its witness."""
    ledger = opened(path)
    for job in range(3):
        ledger.claim(job, 1)
    for together in (False, True):
        folder = tmp_path / f"copy {together}"
        folder.mkdir()
        shutil.copy(path, folder / path.name)
        if together:
            shutil.copy(path.with_name(path.name + ledger_witness.SEEN), folder)
        with pytest.raises(BadDocument, match="without"):
            opened(folder / path.name)
    whole = tmp_path / "whole"
    shutil.copytree(path.parent, whole)
    assert len(opened(whole / path.name).records()) == 3


def test_an_empty_file_in_use_is_no_ledger(path: Path) -> None:
    """What SQLite left of a copy without its log, a file without tables, is refused and not filled with new ones."""
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("CREATE TABLE t (x)")
        db.execute("DROP TABLE t")
    assert path.stat().st_size
    with pytest.raises(BadDocument, match="no tables"):
        opened(path)


def test_a_ledger_of_before_gets_its_witness(path: Path) -> None:
    """One that an earlier version wrote is opened as it is, and from then on only with its witness."""
    ledger = opened(path)
    ledger.claim(1, 1)
    witness = path.with_name(path.name + ledger_witness.SEEN)
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA application_id = 0")
    witness.unlink()
    assert len(opened(path).records()) == 1
    witness.unlink()
    with pytest.raises(BadDocument, match="restore"):
        opened(path)


def test_two_processes_make_one_ledger(path: Path) -> None:
    """Whoever opens a missing ledger at the same moment ends on the same one."""
    together, failures = threading.Barrier(4), list[Exception]()

    def work(job: int) -> None:
        together.wait()
        try:
            opened(path).claim(job, 1)
        except Exception as error:  # noqa: BLE001 - whatever it is fails the test below
            failures.append(error)

    threads = [threading.Thread(target=work, args=(job,)) for job in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert [each.job for each in opened(path).records()] == [0, 1, 2, 3]


def test_a_backup_of_a_ledger_in_use_is_whole(path: Path, tmp_path: Path) -> None:
    """While another thread writes, the copy is one file with all that was written before, private, and restorable."""
    ledger, stop = opened(path), threading.Event()
    for job in range(20):
        ledger.claim(job, 1)

    def write() -> None:
        job = 1000
        while not stop.is_set():
            ledger.claim(job, 1)
            job += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        facts = back_up(path, tmp_path / "copy")
    finally:
        stop.set()
        writer.join()
    assert facts.jobs >= 20
    assert sorted(each.name for each in tmp_path.iterdir()) == ["copy", "here"]
    assert (tmp_path / "copy").stat().st_mode & 0o077 == 0
    assert look_through(tmp_path / "copy") == facts
    with pytest.raises(BadInput, match="already"):
        back_up(path, tmp_path / "copy")
    other = tmp_path / "other" / "ledger.sqlite"
    other.parent.mkdir()
    assert restore(tmp_path / "copy", other, "before") == (None, facts)
    assert len(opened(other).records()) == facts.jobs


def test_a_backup_in_place_of_a_newer_ledger_is_asked_for(path: Path, tmp_path: Path) -> None:
    """An older copy is refused; asked for, it takes the place, and the newer ledger is kept aside, whole."""
    opened(path).claim(1, 1)
    back_up(path, tmp_path / "copy")
    opened(path).claim(2, 1)
    with pytest.raises(NotAllowed, match="older"):
        restore(tmp_path / "copy", path, "before")
    aside, _ = restore(tmp_path / "copy", path, "before", older=True)
    assert [each.job for each in opened(path).records()] == [1]
    assert aside is not None
    assert [each.job for each in Ledger(aside, SCOPE, lambda: 1_000).records()] == [1, 2]


def test_what_is_no_backup_is_refused_and_nothing_moves(path: Path, tmp_path: Path) -> None:
    """A missing, foreign, cut or flipped file leaves the ledger where it is."""
    opened(path).claim(1, 1)
    copy = tmp_path / "copy"
    with pytest.raises(NotFound):
        restore(copy, path, "before")
    back_up(path, copy)
    good = copy.read_bytes()
    for bad in (b"", b"no database" * 99, good[: len(good) // 2], good[:5000] + b"\xff" * 5000 + good[10_000:]):
        copy.write_bytes(bad)
        with pytest.raises(BadDocument):
            restore(copy, path, "before", older=True)
    assert [each.job for each in opened(path).records()] == [1]
