"""The file under a custodian's ledger: opening it, transactions, claims that are checked on every write."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from app.custodian.ledger_witness import REBUILD, SEEN, Witness, check_version, create, mark
from app.custodian.records import DecisionState
from app.files.shared_sqlite import open_shared
from app.protocol.errors import BadDocument, TryAgain, Unavailable
from app.protocol.ports import Clock

BUSY_SECONDS = 60.0
LEASE_SECONDS = 30


@dataclass(frozen=True)
class Claim:
    """The right to write about one job, until a newer claim is made."""

    job: int
    fence: int


class LedgerFile:
    """One SQLite file for one market, which `scope` names (chain id and contract)."""

    def __init__(self, path: Path, scope: str, clock: Clock, *, lease: int = LEASE_SECONDS) -> None:
        """Open or make the file, readable by this user alone.

        Errors: BadDocument for another kind of file, or one of another version.
        """
        self._path, self._scope, self._clock, self._lease = path, scope, clock, lease
        self._threads = threading.local()
        self._witness = Witness(path)
        if not path.exists() or not path.stat().st_size:
            create(path, self._witness)
        told = self._witness.told()
        with self._transaction(write=False) as db:
            check_version(db)
            self._witness.check(db, told)
        if self._witness.begin():
            mark(self._connection())

    def now(self) -> int:
        """The time by the ledger's clock, which is the chain's; the same throughout one transaction."""
        at: int | None = getattr(self._threads, "at", None)
        if at is None:
            at = self._clock()
            if getattr(self._threads, "inside", False):
                self._threads.at = at
        return at

    def _connection(self) -> sqlite3.Connection:
        """This thread's connection; it stays open, since closing the last one copies the log into the file."""
        db: sqlite3.Connection | None = getattr(self._threads, "db", None)
        if db is None:
            try:
                db = open_shared(self._path, BUSY_SECONDS, durable=True)  # an effect follows each write
            except sqlite3.OperationalError as error:
                raise Unavailable(f"The ledger cannot be opened: {error}.", "Check the custodian's folder.") from None
            except sqlite3.DatabaseError as error:
                raise BadDocument(f"This is not a ledger: {error}.", "Name the custodian's ledger file.") from None
            db.row_factory = sqlite3.Row
            self._threads.db = db
        return db

    @contextmanager
    def _transaction(self, *, write: bool = True) -> Iterator[sqlite3.Connection]:
        db = self._connection()
        try:
            db.execute("BEGIN IMMEDIATE" if write else "BEGIN")
            self._threads.inside = True
            yield db
            db.execute("COMMIT")
            if write:
                self._witness.saw(db)
        except sqlite3.OperationalError as error:
            raise Unavailable(f"The ledger is busy or out of reach: {error}.", "Try again.") from None
        except sqlite3.DatabaseError as error:
            raise BadDocument(f"The ledger is damaged: {error}.", REBUILD) from None
        finally:
            self._threads.inside, self._threads.at = False, None
            if db.in_transaction:
                db.execute("ROLLBACK")

    def _write(self, db: sqlite3.Connection, claim: Claim, before: tuple[DecisionState, ...], **fields: object) -> None:
        """Change a claimed job that is in one of these states; refused for a claim that is no longer the newest."""
        now = self.now()
        values: dict[str, object] = {"leased_until": now + self._lease, "changed": now}
        if "state" in fields:
            values |= {"held": 0, "attempts": 0, "next_try": 0, "error": ""}
        values |= fields
        key = (self._scope, claim.job)
        row = db.execute("SELECT state, fence FROM jobs WHERE scope = ? AND job = ?", key).fetchone()
        if row is None or row["fence"] != claim.fence or row["state"] not in before:
            raise TryAgain(f"Another custodian process took over job {claim.job}.", "Let that one go on.")
        names = ", ".join(f"{name} = ?" for name in values)  # our own column names
        db.execute(f"UPDATE jobs SET {names} WHERE scope = ? AND job = ?", (*values.values(), *key))  # noqa: S608
        if "state" in fields:
            self._event(db, claim.job, str(fields["state"]))

    def _event(self, db: sqlite3.Connection, job: int, what: str) -> None:
        values = (self.now(), self._scope, job, what)
        db.execute("INSERT INTO events (at, scope, job, what) VALUES (?, ?, ?, ?)", values)


def put_aside(path: Path, mark: str) -> Path | None:
    """Rename a ledger and its log, so that a new one can begin in its place; where it is now, None without one."""
    moved = None
    for suffix in ("", "-wal", "-shm", SEEN):
        old = path.with_name(path.name + suffix)
        if old.exists():
            new = path.with_name(f"{path.name}.{mark}{suffix}")
            old.rename(new)
            moved = moved or new
    return moved
