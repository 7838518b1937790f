"""The custodian's memory: one SQLite file, written before each effect, from which a killed custodian goes on.

A job's states, each written before the effect it announces:

    seen ---> reserved ---> verified ---> sealed ---> sent ---> done
      |          |             |            |           |
      +----------+-------------+------------+-----------+--> refusing ---> refused
      any of them but done and refused -> dropped   (the chain closed the job)
      back to seen: the result was contested, or what the job costs changed before it was sent

- reserved: its forms and bits count against the budgets of its rows. Given back by refusing and dropped.
- verified: its output was recomputed; the decryption is counted, then made.
- sealed: the sealed bytes and the answer are kept, and nothing else ever leaves for this job.
- sent: the decision is signed for the history that the chain has. The ciphertext goes to the store only after the chain
  took the release, so that every bit that left is on the chain, whatever becomes of this file.
- done: the chain has the release and the store the result.
- held: it waits for the owner's word, which is on the chain and never here.

What the chain knows: `head` names a dataset's last decision up to which the entries here are complete. A release is
sent with the head on which it was decided, and the contract takes it only while that is the newest.

Fencing: `claim` gives a growing token; every later write names it and is refused when a newer claim exists. A claim is
leased, so that two processes do not take one job from each other while both are alive. Budgets are read and reserved in
one immediate transaction, so any number of releases at once cannot overdraw them. A job that failed is claimed again
only after its next try.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from app.custodian.ledger_file import Claim
from app.custodian.ledger_view import LedgerView
from app.custodian.records import (
    AFTER_SEAL,
    BEFORE_DONE,
    BEFORE_SEAL,
    OPEN,
    DecisionState,
    Learned,
    LedgerRecord,
    entry_row,
    released_of,
    unpack_names,
)
from app.protocol.ids import Digest
from app.protocol.policy.leakage import Released
from app.protocol.policy.reasons import Reason
from app.protocol.policy.rules import Grant

__all__ = ["OPEN", "Claim", "DecisionState", "Learned", "Ledger", "LedgerRecord"]

Decide = Callable[[list[Released], Callable[[str], bytes | None]], Reason | Grant]


class Ledger(LedgerView):
    """The ledger of one custodian for one market."""

    # --- claims -----------------------------------------------------------------------------------------------------

    def claim(self, job: int, dataset: int) -> Claim | None:
        """The next claim on a job; None while another process holds it, before its next try, or when it is over."""
        with self._transaction() as db:
            now = self.now()
            row = db.execute("SELECT * FROM jobs WHERE scope = ? AND job = ?", (self._scope, job)).fetchone()
            if row is None:
                db.execute(
                    "INSERT INTO jobs (scope, job, dataset, state, fence, leased_until, changed, reason, tx)"
                    " VALUES (?, ?, ?, ?, 1, ?, ?, '', '')",
                    (self._scope, job, dataset, DecisionState.SEEN, now + self._lease, now),
                )
                self._event(db, job, DecisionState.SEEN)
                return Claim(job, 1)
            if row["state"] not in OPEN or row["leased_until"] > now or row["next_try"] > now:
                return None
            fence = row["fence"] + 1
            db.execute(
                "UPDATE jobs SET fence = ?, leased_until = ? WHERE scope = ? AND job = ?",
                (fence, now + self._lease, self._scope, job),
            )
            return Claim(job, fence)

    def renew(self, claim: Claim) -> None:
        """Hold a claim longer, during long work. Errors: TryAgain when another process took over."""
        with self._transaction() as db:
            self._write(db, claim, OPEN)

    def give_up(self, claim: Claim) -> None:
        """Let others claim the job at once; nothing else changes."""
        with self._transaction() as db:
            self._write(db, claim, OPEN, leased_until=0)

    def failed(self, claim: Claim, error: str, next_try: int) -> None:
        """Note that an attempt failed, and let the job be claimed again from `next_try` on."""
        with self._transaction() as db:
            key = (self._scope, claim.job)
            row = db.execute("SELECT attempts, error FROM jobs WHERE scope = ? AND job = ?", key).fetchone()
            fields = {"attempts": row["attempts"] + 1, "next_try": next_try, "error": error}
            self._write(db, claim, OPEN, leased_until=0, **fields)
            if row["error"] != error:
                self._event(db, claim.job, f"failed: {error}")

    def hold(self, claim: Claim) -> None:
        """Note that the job waits for the owner's word, and let others claim it at once."""
        with self._transaction() as db:
            key = (self._scope, claim.job)
            held = db.execute("SELECT held FROM jobs WHERE scope = ? AND job = ?", key).fetchone()
            self._write(db, claim, (DecisionState.SEEN,), held=1, leased_until=0)
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
            own = self._entry(db, claim.job)
            if own is not None:
                self._write(db, claim, BEFORE_SEAL, state=DecisionState.RESERVED)
                return Grant(released_of(own), own["rank"], bool(own["again"]))
            verdict = decide(self._history(db, dataset), lambda name: self._sample(db, name))
            if isinstance(verdict, Grant):
                self._write(db, claim, (DecisionState.SEEN,), state=DecisionState.RESERVED)
                rank, again = verdict.rank, verdict.again
                self._put(db, claim.job, dataset, verdict.entry, False, charged=False, rank=rank, again=again)
                self._put_samples(db, samples or {})
            return verdict

    def contested(self, claim: Claim, *, others: bool = True) -> None:
        """The result does not stand: give the reservation back and wait. `others` were asked, which is done once."""
        with self._transaction() as db:
            asked = {"contested": 1} if others else {}
            self._write(db, claim, BEFORE_SEAL, state=DecisionState.SEEN, leased_until=0, **asked)
            self._give_back(db, claim.job)

    def verified(self, claim: Claim, dataset: int, epoch: int, most: int | None) -> Reason | None:
        """Count one decryption of the epoch, once a job; EPOCH_LIMIT when that would be more than `most`.

        `most` is None for an answer that needs no decryption.
        """
        with self._transaction() as db:
            self._write(db, claim, (DecisionState.RESERVED, DecisionState.VERIFIED), state=DecisionState.VERIFIED)
            if most is None:
                return None
            self._count(db, dataset, epoch, claim.job)
            if self._decryptions(db, dataset, epoch) > most:
                db.execute("DELETE FROM decryptions WHERE scope = ? AND job = ?", (self._scope, claim.job))
                return Reason.EPOCH_LIMIT
            return None

    def sealed(
        self,
        claim: Claim,
        *,
        document: bytes,
        ciphertext: bytes,
        answer: tuple[str, bytes] | None,
        repeatable: bool,
    ) -> None:
        """Keep what will be released. `answer`: query digest and bytes to serve it again; `repeatable`: the same query
        has the same answer, from there or because there is no noise in it.
        """
        with self._transaction() as db:
            fields = {"document": document, "ciphertext": ciphertext}
            self._write(db, claim, (DecisionState.VERIFIED,), state=DecisionState.SEALED, **fields)
            key = (self._scope, claim.job)
            db.execute("UPDATE entries SET repeatable = ? WHERE scope = ? AND job = ?", (int(repeatable), *key))
            if answer is not None:
                db.execute("INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?)", (*key, *answer))

    def decide(self, claim: Claim, dataset: int, decide: Decide) -> tuple[Reason | Grant | None, Digest]:
        """Decide again, on what the chain has, right before sending: the verdict, and the head that it holds for.

        None: what was sealed no longer costs what it did (its query was answered meanwhile, or no longer was), so that
        the job began anew.
        """
        with self._transaction() as db:
            own, head = self._entry(db, claim.job), self._head(db, dataset)
            assert own is not None
            history = [entry for entry in self._history(db, dataset, chain_only=True) if entry.job != claim.job]
            verdict = decide(history, lambda name: self._sample(db, name))
            if isinstance(verdict, Reason):
                return verdict, head
            if verdict.again != bool(own["again"]):
                fields = {"document": None, "ciphertext": None, "decision": None}
                self._write(
                    db,
                    claim,
                    (DecisionState.SEALED, DecisionState.SENT),
                    state=DecisionState.SEEN,
                    leased_until=0,
                    **fields,
                )
                self._give_back(db, claim.job)
                return None, head
            key = (self._scope, claim.job)
            db.execute("UPDATE entries SET rank = ? WHERE scope = ? AND job = ?", (verdict.rank, *key))
            return verdict, head

    def sending(self, claim: Claim, decision: bytes) -> None:
        """The release is about to be sent with this decision."""
        with self._transaction() as db:
            self._write(
                db, claim, (DecisionState.SEALED, DecisionState.SENT), state=DecisionState.SENT, decision=decision
            )

    def released(self, claim: Claim, tx: str) -> None:
        """The chain has the release in this transaction, though a reorganisation may still take it back."""
        with self._transaction() as db:
            self._write(db, claim, (DecisionState.SENT,), tx=tx)

    def done(self, claim: Claim, tx: str) -> None:
        """Chain and store have the release. The ciphertext stays while the chain may still lose it: `tidy`."""
        with self._transaction() as db:
            self._write(db, claim, (DecisionState.SENT,), state=DecisionState.DONE, tx=tx)
            db.execute("UPDATE entries SET charged = 1 WHERE scope = ? AND job = ?", (self._scope, claim.job))

    def refusing(self, claim: Claim, reason: Reason, decision: bytes) -> None:
        """Give the reservation back and keep the decision that is about to be sent.

        After the seal only a reason of `AFTER_SEAL` is taken: none depends on the data.
        """
        before = BEFORE_DONE if reason in AFTER_SEAL else BEFORE_SEAL
        with self._transaction() as db:
            fields = {"reason": reason, "decision": decision, "document": None, "ciphertext": None}
            self._write(db, claim, before, state=DecisionState.REFUSING, **fields)
            self._give_back(db, claim.job)

    def refused(self, claim: Claim, tx: str) -> None:
        """The chain has the refusal."""
        with self._transaction() as db:
            self._write(db, claim, (DecisionState.REFUSING,), state=DecisionState.REFUSED, tx=tx)

    def drop(self, claim: Claim, why: str) -> None:
        """The chain closed the job; what did not leave is given back."""
        with self._transaction() as db:
            self._write(db, claim, OPEN, state=DecisionState.DROPPED, reason=why, ciphertext=None)
            self._give_back(db, claim.job)

    def reopen(self, job: int) -> None:
        """Go on with a job that is over here and not on the chain: a reorganisation took what was sent."""
        key = (self._scope, job)
        with self._transaction() as db:
            row = db.execute("SELECT state, decision, ciphertext FROM jobs WHERE scope = ? AND job = ?", key).fetchone()
            sealed = row["state"] == DecisionState.DONE and row["ciphertext"] is not None
            refused = row["state"] == DecisionState.REFUSED and row["decision"] is not None
            state = DecisionState.SEALED if sealed else DecisionState.REFUSING if refused else DecisionState.SEEN
            db.execute("UPDATE jobs SET state = ?, leased_until = 0 WHERE scope = ? AND job = ?", (state, *key))
            self._event(db, job, f"again {state}")

    def tidy(self, before: int, events_before: int = 0) -> None:
        """Forget what nothing needs any more: sealed bytes and decisions, which the chain names and stores hold, of
        jobs that were over before a time by which their end is final; events that are older than `events_before`, of
        jobs that are over; outputs on the sample that no charged or reserved job has.

        What was charged, and answers that are to be repeated, stay for ever. So does the newest event: the ledger's
        witness counts them.
        """
        over = (DecisionState.DONE, DecisionState.REFUSED, DecisionState.DROPPED)
        with self._transaction() as db:
            db.execute(
                "UPDATE jobs SET ciphertext = NULL, document = NULL, decision = NULL WHERE scope = ? AND changed < ?"
                " AND state IN (?, ?, ?) AND COALESCE(ciphertext, document, decision) IS NOT NULL",
                (self._scope, before, *over),
            )
            db.execute(
                "DELETE FROM events WHERE scope = ? AND at < ? AND id < (SELECT MAX(id) FROM events)"
                " AND job IN (SELECT job FROM jobs WHERE scope = ? AND state IN (?, ?, ?))",
                (self._scope, events_before, self._scope, *over),
            )
            key = (self._scope,)
            packed = db.execute("SELECT DISTINCT opaque FROM entries WHERE scope = ?", key).fetchall()
            needed = {name for row in packed for name in unpack_names(row["opaque"])}
            names = {row["name"] for row in db.execute("SELECT name FROM samples WHERE scope = ?", key).fetchall()}
            unused = [(self._scope, name) for name in names - needed]
            db.executemany("DELETE FROM samples WHERE scope = ? AND name = ?", unused)

    # --- what the chain knows ---------------------------------------------------------------------------------------

    def learn(self, dataset: int, decided: Mapping[int, str], learned: Sequence[Learned], head: str) -> None:
        """Charge what the chain released, and move the head. `decided`: the digest of each job's release decision.

        Jobs that are in `decided` and not in `learned` are released with the very decision that is kept here.
        """
        with self._transaction() as db:
            for job in decided:
                db.execute("UPDATE entries SET charged = 1 WHERE scope = ? AND job = ?", (self._scope, job))
            for each in learned:
                entry, again = each.entry, each.entry.micro_bits == 0
                self._put(db, entry.job, dataset, entry, entry.answered, charged=True, rank=each.rank, again=again)
                self._put_samples(db, each.samples)
                self._count(db, dataset, each.epoch, each.entry.job)
                place = (
                    self._scope,
                    each.entry.job,
                    dataset,
                    DecisionState.DONE,
                    self.now(),
                    "learned from the chain",
                )
                db.execute(
                    "INSERT OR IGNORE INTO jobs (scope, job, dataset, state, fence, leased_until, changed, reason, tx)"
                    " VALUES (?, ?, ?, ?, 0, 0, ?, ?, '')",
                    place,
                )
                self._event(db, each.entry.job, "learned")
            db.execute("INSERT OR REPLACE INTO heads VALUES (?, ?, ?)", (self._scope, dataset, head))

    # --- inside -----------------------------------------------------------------------------------------------------

    def _put(
        self,
        db: sqlite3.Connection,
        job: int,
        dataset: int,
        entry: Released,
        repeatable: bool,
        *,
        charged: bool,
        rank: int,
        again: bool,
    ) -> None:
        columns = entry_row(replace(entry, job=job), repeatable=repeatable, charged=charged, rank=rank, again=again)
        db.execute(
            "INSERT OR REPLACE INTO entries VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (self._scope, job, dataset, *columns),
        )

    def _put_samples(self, db: sqlite3.Connection, samples: Mapping[str, bytes]) -> None:
        rows = [(self._scope, name, outputs) for name, outputs in samples.items()]
        db.executemany("INSERT OR IGNORE INTO samples VALUES (?, ?, ?)", rows)

    def _give_back(self, db: sqlite3.Connection, job: int) -> None:
        """Forget what a job reserved, and its answer, which never left."""
        key = (self._scope, job)
        if db.execute("DELETE FROM entries WHERE scope = ? AND job = ? AND charged = 0", key).rowcount:
            db.execute("DELETE FROM answers WHERE scope = ? AND job = ?", key)

    def _count(self, db: sqlite3.Connection, dataset: int, epoch: int, job: int) -> None:
        db.execute("INSERT OR IGNORE INTO decryptions VALUES (?, ?, ?, ?)", (self._scope, dataset, epoch, job))
