"""SQLite: the ways to open what several processes share, what nobody else has, and what is only looked at."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from urllib.parse import quote

PAUSE = 0.01  # seconds between two tries
PASSING = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_PROTOCOL)  # another process is at work


def open_shared(path: Path, patience: float, *, durable: bool = False) -> sqlite3.Connection:
    """Open or create a file in WAL mode: readers see the last whole state and never wait for the writer.

    Every wait for another process, this one included, lasts up to `patience` seconds. Transactions are the caller's:
    nothing begins one implicitly, so whoever writes what was read says `BEGIN IMMEDIATE` first. A committed transaction
    survives a killed process; a `durable` one a power cut too. The connection may pass between threads, one at a time.
    Errors: sqlite3.Error.
    """
    connection = sqlite3.connect(path, patience, isolation_level=None, check_same_thread=False)
    until = time.monotonic() + patience
    try:
        while not _in_wal_mode(connection):  # SQLite itself does not wait here for a process that is about to write
            if time.monotonic() > until:
                raise sqlite3.OperationalError("database is locked")
            time.sleep(PAUSE)
        connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
    except BaseException:
        connection.close()
        raise
    return connection


def open_alone(path: Path | None, patience: float = 60) -> sqlite3.Connection:
    """Open or create a file that no other process has, such as a copy under way; None: in memory. As with `open_shared`
    nothing begins a transaction implicitly, and the connection may pass between threads. Errors: sqlite3.Error.
    """
    return sqlite3.connect(path or ":memory:", patience, isolation_level=None, check_same_thread=False)


def open_to_look(path: Path, *, still: bool = False) -> sqlite3.Connection:
    """Open a file that others may write, to read alone; `still`: nobody writes it, and no log beside it is looked at.

    Errors: sqlite3.Error.
    """
    options = "mode=ro&immutable=1" if still else "mode=ro"
    return sqlite3.connect(f"file:{quote(str(path))}?{options}", uri=True)


def _in_wal_mode(connection: sqlite3.Connection) -> bool:
    try:
        connection.execute("PRAGMA journal_mode = WAL")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF not in PASSING:
            raise
        return False
    return True
