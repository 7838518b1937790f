"""The custodian's memory: one SQLite file, written before each effect, from which a killed custodian goes on.

A job's states, each written before the effect it announces:

    seen ---> reserved ---> verified ---> sealed ---> sent ---> done
      |          |             |           :         :
      +----------+-------------+--------> refusing ----------> refused   (: when the owner denied it meanwhile)
      any of them but done and refused -> dropped   (the chain closed the job)

- reserved: its forms and micro-epsilons count against the budgets of its rows. Given back by refusing and dropped.
- verified: its output was recomputed or agreed on; the decryption is counted, then made.
- sealed: the sealed bytes, the decision and (with noise) the answer are kept; from here on the entry is charged, and
  the job is only ever released with these bytes.
- held: it waits for the owner's word, which is on the chain and never here.
- sent, refusing: store and chain may have it. Sending again sends the same digests, which the contract takes once.

Fencing: `claim` gives a growing token; every later write names it and is refused when a newer claim exists. A claim is
leased, so that two processes do not take one job from each other while both are alive. Budgets are read and reserved in
one immediate transaction, so any number of releases at once cannot overdraw them.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from app.chain.wal import open_shared
from app.custodian.rows import (
    BEFORE_DONE,
    BEFORE_SEAL,
    OPEN,
    SCHEMA,
    UPGRADES,
    Record,
    State,
    pack_forms,
    record_of,
    released_of,
)
from app.protocol.errors import BadDocument, TryAgain, Unavailable
from app.protocol.leak import Released
from app.protocol.reasons import Reason
from app.protocol.release import Grant
from app.protocol.seams import Clock

__all__ = ["OPEN", "Claim", "Ledger", "Record", "State"]

VERSION = 2
BUSY_SECONDS = 60.0
LEASE_SECONDS = 30


Decide = Callable[[list[Released], Callable[[str], bytes | None]], Reason | Grant]


@dataclass(frozen=True)
class Claim:
    """The right to write about one job, until a newer claim is made."""

    job: int
    fence: int


class Ledger:
    """The ledger of one custodian for one market, which `scope` names (chain id and contract)."""

    def __init__(self, path: Path, scope: str, clock: Clock, *, lease: int = LEASE_SECONDS) -> None:
        """Open or make the file, readable by this user alone; one of an earlier version is brought along.

        Errors: BadDocument for another kind of file, or one of a later version.
        """
        self._path, self._scope, self._clock, self._lease = path, scope, clock, lease
        self._threads = threading.local()
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        with self._transaction() as db:
            version = db.execute("PRAGMA user_version").fetchone()[0]
            if not 0 <= version <= VERSION:
                raise BadDocument(f"This ledger has version {version}.", "Use the version of Darkroom that wrote it.")
            steps = [UPGRADES[each] for each in range(version, VERSION)] if version else [SCHEMA.strip().split(";\n")]
            for statement in (each for step in steps for each in step):
                db.execute(statement)
            db.execute(f"PRAGMA user_version = {VERSION}")

    # --- claims -----------------------------------------------------------------------------------------------------

    def claim(self, job: int, dataset: int) -> Claim | None:
        """The next claim on a job; None while another process holds it, or when it needs nothing more."""
        with self._transaction() as db:
            now = self._clock()
            row = db.execute("SELECT * FROM jobs WHERE scope = ? AND job = ?", (self._scope, job)).fetchone()
            if row is None:
                db.execute(
                    "INSERT INTO jobs (scope, job, dataset, state, fence, leased_until, changed, reason, tx)"
                    " VALUES (?, ?, ?, ?, 1, ?, ?, '', '')",
                    (self._scope, job, dataset, State.SEEN, now + self._lease, now),
                )
                self._event(db, job, State.SEEN)
                return Claim(job, 1)
            if row["state"] not in OPEN or row["leased_until"] > now:
                return None
            fence = row["fence"] + 1
            db.execute(
                "UPDATE jobs SET fence = ?, leased_until = ? WHERE scope = ? AND job = ?",
                (fence, now + self._lease, self._scope, job),
            )
            return Claim(job, fence)

    def give_up(self, claim: Claim) -> None:
        """Let others claim the job at once; nothing else changes."""
        with self._transaction() as db:
            self._write(db, claim, OPEN, leased_until=0)

    def hold(self, claim: Claim) -> None:
        """Note that the job waits for the owner's word, and let others claim it at once."""
        with self._transaction() as db:
            key = (self._scope, claim.job)
            held = db.execute("SELECT held FROM jobs WHERE scope = ? AND job = ?", key).fetchone()
            self._write(db, claim, (State.SEEN,), held=1, leased_until=0)
            if not held["held"]:
                self._event(db, claim.job, "held")

    # --- transitions, in order --------------------------------------------------------------------------------------

    def reserve(
        self, claim: Claim, dataset: int, decide: Decide, samples: Mapping[str, bytes] | None = None
    ) -> Reason | Grant:
        """Decide on what all other jobs released or reserved, and reserve what is granted; one transaction.

        `samples`: this job's outputs with lookups on the public sample, by name; `decide` is given those of others.
        """
        with self._transaction() as db:
            own = db.execute("SELECT * FROM entries WHERE scope = ? AND job = ?", (self._scope, claim.job)).fetchone()
            if own is not None:
                self._write(db, claim, OPEN)
                return Grant(released_of(own), own["rank"], bool(own["again"]))
            verdict = decide(self._history(db, dataset), lambda name: self._sample(db, name))
            if isinstance(verdict, Grant):
                self._write(db, claim, (State.SEEN,), state=State.RESERVED)
                entry = verdict.entry
                db.execute(
                    "INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0, ?, ?)",
                    (
                        *(self._scope, claim.job, dataset, entry.license, entry.version, entry.first, entry.end),
                        *(entry.kind, pack_forms(entry.forms), json.dumps(entry.opaque)),
                        *(entry.micro_bits, entry.query),
                        *(verdict.rank, int(verdict.again)),
                    ),
                )
                db.executemany(
                    "INSERT OR IGNORE INTO samples VALUES (?, ?, ?)",
                    [(self._scope, name, outputs) for name, outputs in (samples or {}).items()],
                )
            return verdict

    def verified(self, claim: Claim, dataset: int, epoch: int, most: int | None) -> Reason | None:
        """Count one decryption of the epoch, once a job; EPOCH_LIMIT when that would be more than `most`.

        `most` is None for an answer that needs no decryption.
        """
        with self._transaction() as db:
            self._write(db, claim, (State.RESERVED, State.VERIFIED), state=State.VERIFIED)
            if most is None:
                return None
            key = (self._scope, dataset, epoch, claim.job)
            db.execute("INSERT OR IGNORE INTO decryptions VALUES (?, ?, ?, ?)", key)
            if self._decryptions(db, dataset, epoch) > most:
                db.execute("DELETE FROM decryptions WHERE scope = ? AND job = ?", (self._scope, claim.job))
                return Reason.EPOCH_LIMIT
            return None

    def sealed(
        self, claim: Claim, *, document: bytes, ciphertext: bytes, decision: bytes, answer: tuple[str, bytes] | None
    ) -> None:
        """Keep what will be released, and charge the budgets. `answer`: query digest and bytes to serve it again."""
        with self._transaction() as db:
            fields = {"document": document, "ciphertext": ciphertext, "decision": decision}
            self._write(db, claim, (State.VERIFIED,), state=State.SEALED, **fields)
            db.execute(
                "UPDATE entries SET charged = 1, answered = ? WHERE scope = ? AND job = ?",
                (int(answer is not None), self._scope, claim.job),
            )
            if answer is not None:
                db.execute("INSERT OR IGNORE INTO answers VALUES (?, ?, ?)", (self._scope, *answer))

    def sending(self, claim: Claim) -> None:
        """The sealed result is about to leave."""
        with self._transaction() as db:
            self._write(db, claim, (State.SEALED, State.SENT), state=State.SENT)

    def done(self, claim: Claim, tx: str) -> None:
        """The chain has the release; the ciphertext is the store's to keep."""
        with self._transaction() as db:
            self._write(db, claim, (State.SENT,), state=State.DONE, tx=tx, ciphertext=None)

    def refusing(self, claim: Claim, reason: Reason, decision: bytes) -> None:
        """Give the reservation back and keep the decision that is about to be sent.

        After the seal only the owner's denial is a reason: it does not depend on the data, and the contract takes no
        release after it. What was charged by then stays charged.
        """
        before = BEFORE_DONE if reason is Reason.NOT_APPROVED else BEFORE_SEAL
        with self._transaction() as db:
            self._write(db, claim, before, state=State.REFUSING, reason=reason, decision=decision)
            self._give_back(db, claim.job)

    def refused(self, claim: Claim, tx: str) -> None:
        """The chain has the refusal."""
        with self._transaction() as db:
            self._write(db, claim, (State.REFUSING,), state=State.REFUSED, tx=tx)

    def drop(self, claim: Claim, why: str) -> None:
        """The chain closed the job; what was not yet charged is given back."""
        with self._transaction() as db:
            self._write(db, claim, OPEN, state=State.DROPPED, reason=why, ciphertext=None)
            self._give_back(db, claim.job)

    # --- reading ----------------------------------------------------------------------------------------------------

    def record(self, job: int) -> Record | None:
        """What is known of a job."""
        with self._transaction(write=False) as db:
            row = db.execute("SELECT * FROM jobs WHERE scope = ? AND job = ?", (self._scope, job)).fetchone()
            return None if row is None else record_of(row)

    def records(self, *states: State) -> list[Record]:
        """Jobs in these states (all when none is named), by number."""
        with self._transaction(write=False) as db:
            rows = db.execute("SELECT * FROM jobs WHERE scope = ? ORDER BY job", (self._scope,)).fetchall()
            return [record_of(row) for row in rows if not states or row["state"] in states]

    def history(self, dataset: int) -> list[Released]:
        """Everything released or reserved on a dataset."""
        with self._transaction(write=False) as db:
            return self._history(db, dataset)

    def kept_answer(self, query: str) -> bytes | None:
        """The answer that was given to a query before."""
        with self._transaction(write=False) as db:
            key = (self._scope, query)
            row = db.execute("SELECT answer FROM answers WHERE scope = ? AND query = ?", key).fetchone()
            return None if row is None else bytes(row[0])

    def decryptions(self, dataset: int, epoch: int) -> int:
        """Jobs whose outputs were decrypted with the keys of an epoch."""
        with self._transaction(write=False) as db:
            return self._decryptions(db, dataset, epoch)

    def events(self, job: int) -> list[tuple[int, str]]:
        """(time, what) of everything that happened to a job, in order."""
        with self._transaction(write=False) as db:
            key = (self._scope, job)
            rows = db.execute("SELECT at, what FROM events WHERE scope = ? AND job = ? ORDER BY id", key).fetchall()
            return [(row["at"], row["what"]) for row in rows]

    # --- inside -----------------------------------------------------------------------------------------------------

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
            yield db
            db.execute("COMMIT")
        except sqlite3.OperationalError as error:
            raise Unavailable(f"The ledger is busy or out of reach: {error}.", "Try again.") from None
        except sqlite3.DatabaseError as error:
            raise BadDocument(f"The ledger is damaged: {error}.", "Restore it from a copy before releasing.") from None
        finally:
            if db.in_transaction:
                db.execute("ROLLBACK")

    def _write(self, db: sqlite3.Connection, claim: Claim, before: tuple[State, ...], **fields: object) -> None:
        """Change a claimed job that is in one of these states; refused for a claim that is no longer the newest."""
        now = self._clock()
        values = (
            {"leased_until": now + self._lease, "changed": now} | ({"held": 0} if "state" in fields else {}) | fields
        )
        row = db.execute(
            "SELECT state, fence FROM jobs WHERE scope = ? AND job = ?", (self._scope, claim.job)
        ).fetchone()
        if row is None or row["fence"] != claim.fence or row["state"] not in before:
            raise TryAgain(f"Another custodian process took over job {claim.job}.", "Let that one go on.")
        names = ", ".join(f"{name} = ?" for name in values)  # our own column names
        db.execute(f"UPDATE jobs SET {names} WHERE scope = ? AND job = ?", (*values.values(), self._scope, claim.job))  # noqa: S608
        if "state" in fields:
            self._event(db, claim.job, str(fields["state"]))

    def _event(self, db: sqlite3.Connection, job: int, what: str) -> None:
        values = (self._clock(), self._scope, job, what)
        db.execute("INSERT INTO events (at, scope, job, what) VALUES (?, ?, ?, ?)", values)

    def _give_back(self, db: sqlite3.Connection, job: int) -> None:
        db.execute("DELETE FROM entries WHERE scope = ? AND job = ? AND charged = 0", (self._scope, job))

    def _history(self, db: sqlite3.Connection, dataset: int) -> list[Released]:
        key = (self._scope, dataset)
        rows = db.execute("SELECT * FROM entries WHERE scope = ? AND dataset = ? ORDER BY job", key).fetchall()
        return [released_of(row) for row in rows]

    def _sample(self, db: sqlite3.Connection, name: str) -> bytes | None:
        key = (self._scope, name)
        row = db.execute("SELECT outputs FROM samples WHERE scope = ? AND name = ?", key).fetchone()
        return None if row is None else bytes(row[0])

    def _decryptions(self, db: sqlite3.Connection, dataset: int, epoch: int) -> int:
        key = (self._scope, dataset, epoch)
        row = db.execute(
            "SELECT COUNT(*) FROM decryptions WHERE scope = ? AND dataset = ? AND epoch = ?", key
        ).fetchone()
        return int(row[0])
