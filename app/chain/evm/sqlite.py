"""py-evm's key-value database in one SQLite file that several processes share.

Readers never wait: the file is in WAL mode, and py-evm's state is content-addressed, so what a reader has begun to
read stays true while another process adds blocks. A writer holds SQLite's own write lock (`BEGIN IMMEDIATE`, a file
lock that dies with its process) from before it reads the head until its block is committed: after a crash the block is
there whole or not at all.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.chain.evm.pyevm import BaseDB
from app.files.shared_sqlite import open_shared
from app.protocol.errors import Unavailable

LOCK_SECONDS = 60.0  # how long a writer waits for other processes' blocks
CACHE_KIB = 16 * 1024
LOOK = "Check the path, its permissions and the room on the disk."
TABLE = "CREATE TABLE IF NOT EXISTS kv (k BLOB PRIMARY KEY, v BLOB NOT NULL) WITHOUT ROWID"


class SqliteDB(BaseDB):
    """bytes -> bytes over one table. Not thread-safe: its owner serialises the calls."""

    def __init__(self, path: Path) -> None:
        """Open or create the file. Errors: Unavailable."""
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = open_shared(path, LOCK_SECONDS)
            self._connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
            self._connection.execute(TABLE)
        except (sqlite3.Error, OSError) as error:
            raise Unavailable(f"The chain file {path} cannot be opened: {error}.", LOOK) from None

    def __getitem__(self, key: bytes) -> bytes:
        row = self._connection.execute("SELECT v FROM kv WHERE k = ?", (key,)).fetchone()
        if row is None:
            raise KeyError(key)
        return bytes(row[0])

    def __setitem__(self, key: bytes, value: bytes) -> None:
        self._connection.execute("INSERT OR REPLACE INTO kv VALUES (?, ?)", (key, value))

    def __delitem__(self, key: bytes) -> None:
        if not self._connection.execute("DELETE FROM kv WHERE k = ?", (key,)).rowcount:
            raise KeyError(key)

    def _exists(self, key: bytes) -> bool:
        return self._connection.execute("SELECT 1 FROM kv WHERE k = ?", (key,)).fetchone() is not None

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Hold the write lock of all processes; keep every write of the block, or none. Errors: Unavailable."""
        try:
            self._connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            raise Unavailable(
                f"The chain file {self._path} stayed locked for {LOCK_SECONDS:.0f} s: {error}.", "Try again."
            ) from None
        try:
            yield
            self._connection.execute("COMMIT")
        except sqlite3.OperationalError as error:
            self._undo()
            raise Unavailable(f"The chain file {self._path} cannot be written: {error}.", LOOK) from None
        except BaseException:
            self._undo()
            raise

    def _undo(self) -> None:
        if self._connection.in_transaction:  # SQLite ends one by itself when the disk is full
            self._connection.execute("ROLLBACK")

    def close(self) -> None:
        """Release the file."""
        self._connection.close()
