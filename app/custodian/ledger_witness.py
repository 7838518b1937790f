"""How a ledger shows that it is whole: it is made whole, and a small file beside it says how far it was.

A SQLite file in WAL mode may hold nothing of what was written: that is in its log. A copy without the log opens without
complaint, as an older ledger or an empty one. So a ledger appears under its name with all its tables, is marked, and a
marked one is opened only together with its witness, a file that says how many events it had at least. A copy that is
good by itself is made by `darkroom custodian backup` and put in place by `restore`.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from contextlib import closing, suppress
from pathlib import Path

from app.custodian.records import SCHEMA, VERSION
from app.files.shared_sqlite import open_alone
from app.protocol.errors import BadDocument, Unavailable

REBUILD = "Make a new one from the chain: darkroom custodian rebuild."
RESTORE = "Put a backup in its place (darkroom custodian restore), or make one anew: darkroom custodian rebuild."
SEEN = ".seen"  # the witness's name after the ledger's
MARK = 0x44524B4C  # SQLite's application_id of a ledger that has a witness
EVERY_SECONDS = 2.0  # between two entries of the witness
MAX_WITNESS_BYTES = 1000


class Witness:
    """The file beside a ledger."""

    def __init__(self, ledger: Path) -> None:
        self._path, self._written = ledger.with_name(ledger.name + SEEN), float("-inf")

    def begin(self) -> bool:
        """Make the file where there is none; whether it was made."""
        if self._path.exists():
            return False
        self.write(0)
        return True

    def write(self, events: int) -> None:
        """Say that the ledger had so many events. Not awaited on the disk: one that is behind proves less, not wrong.

        Errors: Unavailable.
        """
        aside = self._path.with_name(f".{self._path.name}.{os.getpid()}.{time.monotonic_ns()}")
        try:
            descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as file:
                json.dump({"events": events}, file)
            aside.replace(self._path)
        except OSError as error:
            with suppress(OSError):
                aside.unlink(missing_ok=True)
            raise Unavailable(f"{self._path} cannot be written: {error.strerror}.", "Free some space.") from None

    def saw(self, db: sqlite3.Connection) -> None:
        """Note how far the ledger is, now and then."""
        if time.monotonic() - self._written < EVERY_SECONDS:
            return
        self._written = time.monotonic()
        with suppress(Unavailable, sqlite3.Error):  # the ledger itself has what counts
            self.write(_events(db))

    def told(self) -> int | None:
        """How many events the ledger had at least; None without a witness. Errors: BadDocument for a damaged one."""
        try:
            return int(json.loads(self._path.read_bytes()[:MAX_WITNESS_BYTES])["events"])
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError):
            raise BadDocument(f"{self._path} is damaged.", RESTORE) from None

    def check(self, db: sqlite3.Connection, told: int | None) -> None:
        """Compare a ledger with what its witness `told` before the ledger was looked at: others write both meanwhile,
        the ledger first, so that a witness read later may know more than what is seen here.

        Errors: BadDocument for a ledger that was copied without its log, or lost a part.
        """
        marked = db.execute("PRAGMA application_id").fetchone()[0] == MARK
        if told is None and not self._path.exists() and (marked or not _events(db)):  # it appears before the mark
            raise BadDocument(
                f"This ledger is a copy without {self._path.name}, and may lack what was in its log.", RESTORE
            )
        if told is not None and told > (found := _events(db)):
            raise BadDocument(
                f"This ledger had {told} events and has {found}: it was copied without its log, or lost it.", RESTORE
            )


def check_version(db: sqlite3.Connection) -> None:
    """Errors: BadDocument for a file of another version, or without the tables of a ledger."""
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version > VERSION:
        raise BadDocument(f"This ledger has version {version}.", "Use the version of Darkroom that wrote it.")
    if 0 < version < VERSION:
        raise BadDocument(f"This ledger has version {version}, which did not count bits.", REBUILD)
    if not version:
        raise BadDocument("This ledger has no tables: it is a copy without its log, or another file.", RESTORE)


def create(path: Path, witness: Witness) -> None:
    """Make an empty ledger, which is there whole or not at all; another process's stays.

    Errors: Unavailable.
    """
    aside = path.with_name(f".{path.name}.{os.getpid()}.{time.monotonic_ns()}")
    try:
        os.close(os.open(aside, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        with closing(open_alone(aside)) as db:
            for statement in SCHEMA.strip().split(";\n"):
                db.execute(statement)
            db.execute(f"PRAGMA user_version = {VERSION}")
            db.execute(f"PRAGMA application_id = {MARK}")
        witness.begin()
        if path.exists() and not path.stat().st_size:
            path.unlink(missing_ok=True)
        with suppress(FileExistsError):
            path.hardlink_to(aside)
    except (sqlite3.Error, OSError) as error:
        raise Unavailable(f"The ledger cannot be made: {error}.", "Check the custodian's folder.") from None
    finally:
        aside.unlink(missing_ok=True)


def mark(db: sqlite3.Connection) -> None:
    """From now on this ledger is opened with its witness only; what is in its log goes into the file."""
    with suppress(sqlite3.OperationalError):  # another process writes: it is marked at another start
        db.execute(f"PRAGMA application_id = {MARK}")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _events(db: sqlite3.Connection) -> int:
    return int(db.execute("SELECT COALESCE(MAX(id), 0) FROM events").fetchone()[0])
