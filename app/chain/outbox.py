"""Transactions that this machine sent, on disk before they leave: hash, nonce and signed bytes, in one SQLite file.

An entry is one intention with one nonce; its copies are the bytes signed for it, the later ones with higher fees, of
which the chain takes one at most. The file outlives any process: what was sent is looked for, sent again and paid more
for by the next one, and an order that is repeated finds what the first one became. It holds no key.

    open ---> mined ---> over      (final: the bytes are dropped, the hash stays with an order)
      |  <------+                  (a reorganisation took its block)
      +-----> lost                 (another transaction of the account used its nonce)

What a node has taken is brought into a block, whoever sent it. What was kept by a process that was killed before a node
took it may have left or not: the same order or call goes on with it, and nothing else makes it happen.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from app.chain.node import Fees, TxReceipt
from app.files.shared_sqlite import open_alone, open_shared
from app.protocol.errors import BadDocument, Unavailable
from app.protocol.ids import TxHash

FILE = "outbox.sqlite"  # in a home
BUSY_SECONDS = 30.0  # how long a write waits for other processes
LINE_SECONDS = 120.0  # how long an account waits for another process that is sending with it
UNHEARD_SECONDS = 3600  # for which a call that nobody heard of again answers an equal one, once it is in a block
TOLD = "told"
PAUSE = 0.02  # seconds between two looks at a line that is taken
VERSION = 2
SCHEMA = """
CREATE TABLE IF NOT EXISTS entries (
    id INTEGER PRIMARY KEY, chain TEXT NOT NULL, account TEXT NOT NULL, nonce INTEGER NOT NULL, call TEXT NOT NULL,
    purpose TEXT NOT NULL, target TEXT, data BLOB, gas INTEGER NOT NULL, state INTEGER NOT NULL, block INTEGER NOT NULL,
    tx TEXT NOT NULL, waits TEXT NOT NULL, handed INTEGER NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS purposes ON entries (chain, account, purpose);
CREATE INDEX IF NOT EXISTS states ON entries (chain, account, state);
CREATE TABLE IF NOT EXISTS copies (
    tx TEXT PRIMARY KEY, entry INTEGER NOT NULL, raw BLOB NOT NULL, max_fee INTEGER NOT NULL, tip INTEGER NOT NULL,
    at INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS copies_of ON copies (entry);
"""


class SentState(IntEnum):
    """Where a transaction stands, as far as this machine has seen."""

    OPEN = 0
    MINED = 1
    OVER = 2
    LOST = 3


@dataclass(frozen=True)
class SignedCopy:
    """Signed bytes of one entry. `at` is seconds since the epoch."""

    tx: TxHash
    raw: bytes
    fees: Fees
    at: int


@dataclass(frozen=True)
class OutboxEntry:
    """One transaction. `purpose` names the order that it carries out, "" for none; `copies` are oldest first."""

    id: int
    nonce: int
    purpose: str
    to: str | None
    data: bytes
    gas: int
    state: SentState
    block: int  # that held it last
    tx: TxHash  # of the copy that was mined, else of the newest one
    copies: tuple[SignedCopy, ...]
    handed: bool  # a node has taken it
    waited: bool  # a process that lives waits for it
    heard: bool  # whoever wanted it knows what became of it

    @property
    def under_way(self) -> bool:
        """Whether it is to be brought into a block; not what a killed process may never have sent."""
        return self.state is SentState.OPEN and (self.handed or self.waited)


class Outbox:
    """The transactions of one machine. Safe among threads and processes."""

    def __init__(self, path: Path | None = None) -> None:
        """The file is opened or made at its first use; without a path it lives as long as this object."""
        self._path, self._guard = path, threading.RLock()
        self._lines: dict[str, threading.Lock] = {}
        self._db: sqlite3.Connection | None = None

    def _opened(self) -> sqlite3.Connection:
        """The database, readable by this user alone. Errors: Unavailable, BadDocument."""
        if self._db is not None:
            return self._db
        try:
            if self._path is None:
                db = open_alone(None)
            else:
                os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))
                db = open_shared(self._path, BUSY_SECONDS, durable=True)  # the bytes leave right after
            db.row_factory = sqlite3.Row
            db.execute("BEGIN IMMEDIATE")
            if (version := db.execute("PRAGMA user_version").fetchone()[0]) > VERSION:
                raise BadDocument(f"This outbox has version {version}.", "Use the version of Darkroom that wrote it.")
            for statement in SCHEMA.strip().split(";\n"):
                db.execute(statement)
            if version == 1:
                db.execute("ALTER TABLE entries ADD COLUMN handed INTEGER NOT NULL DEFAULT 1")
            db.execute(f"PRAGMA user_version = {VERSION}")
            db.execute("COMMIT")
        except (sqlite3.OperationalError, OSError) as error:
            raise Unavailable(
                f"The outbox {self._path} cannot be opened: {error}.", "Check the home's folder."
            ) from None
        except sqlite3.DatabaseError as error:
            raise BadDocument(f"{self._path} is not an outbox: {error}.", "Restore it from a backup.") from None
        self._db = db
        return db

    @contextmanager
    def line(self, account: str) -> Iterator[None]:
        """Hold an account's nonces alone, among all threads and processes of this machine. Errors: Unavailable."""
        limit = time.monotonic() + LINE_SECONDS
        if self._path is None:
            with self._guard:
                lock = self._lines.setdefault(account, threading.Lock())
            if not lock.acquire(timeout=LINE_SECONDS):
                raise _busy(account)
            try:
                yield
            finally:
                lock.release()
            return
        file = os.open(self._path.with_name(f"{self._path.name}.{account}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            while True:
                with contextlib.suppress(BlockingIOError):
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                if time.monotonic() > limit:
                    raise _busy(account)
                time.sleep(PAUSE)
            yield
        finally:
            os.close(file)

    def add(
        self, chain: str, account: str, *, nonce: int, call: str, purpose: str, to: str | None, data: bytes, gas: int,
        copy: SignedCopy,
    ) -> OutboxEntry:  # fmt: skip
        """Keep a transaction that is about to be sent for the first time. `call` names its target and data."""
        with self._writing() as db:
            values = (chain, account, nonce, call, purpose, to, data, gas, SentState.OPEN, copy.tx, _process())
            row = db.execute(
                "INSERT INTO entries (chain, account, nonce, call, purpose, target, data, gas, state, block, tx,"
                " waits) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?, ?) RETURNING id",
                values,
            ).fetchone()
            self._put_copy(db, row["id"], copy)
            return self._entry(db, row["id"])

    def add_copy(self, entry: OutboxEntry, copy: SignedCopy) -> OutboxEntry:
        """Keep other bytes of the same transaction, with higher fees, that are about to be sent."""
        with self._writing() as db:
            self._put_copy(db, entry.id, copy)
            db.execute("UPDATE entries SET tx = ? WHERE id = ?", (copy.tx, entry.id))
            return self._entry(db, entry.id)

    def mined(self, entry: OutboxEntry, receipt: TxReceipt) -> None:
        """A block holds one of its copies."""
        self._set(entry, SentState.MINED, receipt.block, receipt.tx)

    def reopened(self, entry: OutboxEntry) -> None:
        """No block holds it any more."""
        self._set(entry, SentState.OPEN, 0, entry.copies[-1].tx if entry.copies else entry.tx)

    def lost(self, entry: OutboxEntry) -> None:
        """Another transaction used its nonce, or the node would not have it: it will never be sent again."""
        self._set(entry, SentState.LOST, 0, entry.tx)

    def handed(self, entry: OutboxEntry) -> None:
        """A node has taken its bytes."""
        with self._writing() as db:
            db.execute("UPDATE entries SET handed = 1 WHERE id = ? AND handed = 0", (entry.id,))

    def waited_for(self, entry: OutboxEntry, waits: bool) -> None:
        """Whether this process waits for it from now on: one that nobody waits for is joined by an equal call."""
        self._note(entry, _process() if waits else "")

    def told(self, entry: OutboxEntry) -> None:
        """Whoever wanted it has heard what became of it: from now on an equal call is another one."""
        self._note(entry, TOLD)

    def finish(self, chain: str, account: str, block: int) -> None:
        """Up to this block nothing can be taken back: drop what is not an order, and the bytes of what is.

        What nobody heard of stays for an hour, for who repeats the call.
        """
        keys: dict[str, object] = {"chain": chain, "account": account, "block": block}
        keys |= {"young": int(time.time()) - UNHEARD_SECONDS, "told": TOLD}
        with self._writing() as db:
            db.execute("CREATE TEMP TABLE IF NOT EXISTS over (id INTEGER PRIMARY KEY)")
            db.execute(
                "INSERT INTO over SELECT id FROM entries WHERE chain = :chain AND account = :account"
                " AND (state = 1 AND block <= :block OR state = 3) AND (waits = :told OR purpose != '' OR state = 3"
                " OR id NOT IN (SELECT entry FROM copies WHERE at > :young))",
                keys,
            )
            db.execute("DELETE FROM copies WHERE entry IN (SELECT id FROM over)")
            db.execute("DELETE FROM entries WHERE purpose = '' AND id IN (SELECT id FROM over)")
            db.execute("UPDATE entries SET state = 2, data = NULL WHERE state = 1 AND id IN (SELECT id FROM over)")
            db.execute("DELETE FROM over")

    def unfinished(self, chain: str, account: str) -> list[OutboxEntry]:
        """What is open or mined and not final, by nonce."""
        query = "SELECT id FROM entries WHERE chain = ? AND account = ? AND state <= 1 ORDER BY nonce, id"
        with self._reading() as db:
            return [self._entry(db, row["id"]) for row in db.execute(query, (chain, account)).fetchall()]

    def same_call(self, chain: str, account: str, call: str, *, left: bool) -> OutboxEntry | None:
        """The newest transaction with this target and data that is not final; with `left`, one whose process has ended
        or waits no more, and of which nobody has heard what became of it: in no block yet, or sent within the hour.
        """
        query = "SELECT id FROM entries WHERE chain = ? AND account = ? AND call = ? AND state <= 1 ORDER BY id DESC"
        with self._reading() as db:
            for row in db.execute(query, (chain, account, call)).fetchall():
                entry = self._entry(db, row["id"])
                young = entry.copies[-1].at > time.time() - UNHEARD_SECONDS
                if not left or (not entry.waited and not entry.heard and (young or entry.state is SentState.OPEN)):
                    return entry
        return None

    def ordered(self, chain: str, account: str, purpose: str) -> list[OutboxEntry]:
        """The transactions that carried out an order and were not lost, newest first."""
        query = "SELECT id FROM entries WHERE chain = ? AND account = ? AND purpose = ? AND state <= 2 ORDER BY id DESC"
        with self._reading() as db:
            return [self._entry(db, row["id"]) for row in db.execute(query, (chain, account, purpose)).fetchall()]

    def entry(self, id: int) -> OutboxEntry:
        """An entry as it is now."""
        with self._reading() as db:
            return self._entry(db, id)

    def counts(self) -> dict[str, int]:
        """How many transactions are open, by account."""
        query = "SELECT account, COUNT(*) AS many FROM entries WHERE state = 0 GROUP BY account"
        with self._reading() as db:
            return {row["account"]: row["many"] for row in db.execute(query).fetchall()}

    def close(self) -> None:
        """Release the file."""
        with self._guard:
            if self._db is not None:
                self._db.close()
                self._db = None

    def _note(self, entry: OutboxEntry, waits: str) -> None:
        with self._writing() as db:
            db.execute("UPDATE entries SET waits = ? WHERE id = ?", (waits, entry.id))

    def _set(self, entry: OutboxEntry, state: SentState, block: int, tx: str) -> None:
        with self._writing() as db:
            db.execute("UPDATE entries SET state = ?, block = ?, tx = ? WHERE id = ?", (state, block, tx, entry.id))

    def _put_copy(self, db: sqlite3.Connection, entry: int, copy: SignedCopy) -> None:
        values = (copy.tx, entry, copy.raw, copy.fees.max_fee, copy.fees.tip, copy.at)
        db.execute("INSERT INTO copies (tx, entry, raw, max_fee, tip, at) VALUES (?, ?, ?, ?, ?, ?)", values)

    def _entry(self, db: sqlite3.Connection, id: int) -> OutboxEntry:
        row = db.execute("SELECT * FROM entries WHERE id = ?", (id,)).fetchone()
        rows = db.execute("SELECT * FROM copies WHERE entry = ? ORDER BY rowid", (id,)).fetchall()
        copies = tuple(
            SignedCopy(TxHash(each["tx"]), bytes(each["raw"]), Fees(each["max_fee"], each["tip"]), each["at"])
            for each in rows
        )
        state, data = SentState(row["state"]), bytes(row["data"] or b"")
        return OutboxEntry(
            id, row["nonce"], row["purpose"], row["target"], data, row["gas"], state, row["block"], TxHash(row["tx"]),
            copies, bool(row["handed"]), _alive(row["waits"]), row["waits"] == TOLD,
        )  # fmt: skip

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._transaction("BEGIN IMMEDIATE") as db:
            yield db

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._transaction("BEGIN") as db:
            yield db

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[sqlite3.Connection]:
        with self._guard:
            db = self._opened()
            try:
                db.execute(begin)
                yield db
                db.execute("COMMIT")
            except sqlite3.OperationalError as error:
                raise Unavailable(
                    f"The outbox of sent transactions cannot be written: {error}.", "Free some space and try again."
                ) from None
            except sqlite3.DatabaseError as error:
                raise BadDocument(f"The outbox is damaged: {error}.", f"Restore {self._path} from a backup.") from None
            finally:
                if db.in_transaction:
                    db.execute("ROLLBACK")


def _busy(account: str) -> Unavailable:
    return Unavailable(
        f"Another process has been sending with {account} for {LINE_SECONDS:.0f} s.", "Wait for it, or end it."
    )


def _process() -> str:
    """This process, by its number and when it began: numbers are used again."""
    return f"{os.getpid()} {_began(os.getpid())}"


def _alive(process: str) -> bool:
    number, _, began = process.partition(" ")
    if not number.isdecimal():
        return False
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return _began(int(number)) == began


def _began(number: int) -> str:
    """When a process began, in the system's ticks; "" where the system does not say."""
    try:
        stat = Path(f"/proc/{number}/stat").read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
    return stat.rpartition(")")[2].split()[19]
