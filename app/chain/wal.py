"""SQLite files that several processes share, at the moment when they begin to."""

from __future__ import annotations

import sqlite3
import time

PAUSE = 0.01  # seconds between two tries


def share(connection: sqlite3.Connection, patience: float) -> None:
    """Put a file into WAL mode: readers see the last whole state and never wait for the writer.

    SQLite does not wait here for another process that is about to write; this does, for `patience` seconds.
    Errors: sqlite3.OperationalError.
    """
    until = time.monotonic() + patience
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(PAUSE)
        else:
            return
