"""Reading a custodian's ledger."""

from __future__ import annotations

import sqlite3

from app.custodian.ledger_file import LedgerFile
from app.custodian.records import DecisionState, LedgerRecord, record_of, released_of
from app.protocol.documents import sha256
from app.protocol.ids import Digest
from app.protocol.market.entities import ZERO
from app.protocol.policy.leakage import Released


class LedgerView(LedgerFile):
    """What a ledger knows; nothing here writes."""

    def head(self, dataset: int) -> Digest:
        """The dataset's decision on chain up to which everything is known here; zeros at first."""
        with self._transaction(write=False) as db:
            return self._head(db, dataset)

    def knows(self, job: int, decision: str) -> bool:
        """Whether the release of a job with this decision is charged, or reserved to be."""
        with self._transaction(write=False) as db:
            key = (self._scope, job)
            row = db.execute("SELECT state, decision FROM jobs WHERE scope = ? AND job = ?", key).fetchone()
            own = self._entry(db, job)
            if row is None or own is None:
                return False
            kept = row["decision"] is not None and sha256(bytes(row["decision"])) == decision
            return kept or bool(own["charged"])

    def record(self, job: int) -> LedgerRecord | None:
        """What is known of a job."""
        with self._transaction(write=False) as db:
            row = db.execute("SELECT * FROM jobs WHERE scope = ? AND job = ?", (self._scope, job)).fetchone()
            return None if row is None else record_of(row)

    def records(self, *states: DecisionState) -> list[LedgerRecord]:
        """Jobs in these states (all when none is named), by number."""
        with self._transaction(write=False) as db:
            which = f"AND state IN ({', '.join('?' * len(states))})" if states else ""
            query = f"SELECT * FROM jobs WHERE scope = ? {which} ORDER BY job"  # noqa: S608 - question marks alone
            return [record_of(row) for row in db.execute(query, (self._scope, *states)).fetchall()]

    def history(self, dataset: int, *, chain_only: bool = False) -> list[Released]:
        """Everything released or reserved on a dataset, by job; only what the chain has with `chain_only`."""
        with self._transaction(write=False) as db:
            return self._history(db, dataset, chain_only=chain_only)

    def seen_at(self, job: int) -> int:
        """When a job was first looked at, in seconds; now for one that was not."""
        with self._transaction(write=False) as db:
            key = (self._scope, job)
            row = db.execute("SELECT MIN(at) FROM events WHERE scope = ? AND job = ?", key).fetchone()
            return int(row[0]) if row[0] is not None else self.now()

    def charged_to(self, license: int) -> list[Released]:
        """What the chain released under a license."""
        with self._transaction(write=False) as db:
            query = "SELECT * FROM entries WHERE scope = ? AND license = ? AND charged = 1 ORDER BY job"
            return [released_of(row) for row in db.execute(query, (self._scope, license)).fetchall()]

    def kept_answer(self, query: str) -> bytes | None:
        """The answer that left for a query first."""
        with self._transaction(write=False) as db:
            row = db.execute(
                "SELECT answer FROM answers JOIN entries USING (scope, job, query)"
                " WHERE scope = ? AND query = ? AND charged = 1 ORDER BY job LIMIT 1",
                (self._scope, query),
            ).fetchone()
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

    # --- inside a transaction ---------------------------------------------------------------------------------------

    def _entry(self, db: sqlite3.Connection, job: int) -> sqlite3.Row | None:
        row: sqlite3.Row | None = db.execute(
            "SELECT * FROM entries WHERE scope = ? AND job = ?", (self._scope, job)
        ).fetchone()
        return row

    def _head(self, db: sqlite3.Connection, dataset: int) -> Digest:
        key = (self._scope, dataset)
        row = db.execute("SELECT head FROM heads WHERE scope = ? AND dataset = ?", key).fetchone()
        return ZERO if row is None else Digest(row["head"])

    def _history(self, db: sqlite3.Connection, dataset: int, *, chain_only: bool = False) -> list[Released]:
        query = "SELECT * FROM entries WHERE scope = ? AND dataset = ? AND charged >= ? ORDER BY job"
        rows = db.execute(query, (self._scope, dataset, int(chain_only))).fetchall()
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
