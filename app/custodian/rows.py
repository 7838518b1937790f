"""The rows of a custodian's ledger: its tables, the states of a job, and how rows become values."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from enum import StrEnum

from app.protocol.forms import Form
from app.protocol.leak import Released

SCHEMA = """
CREATE TABLE jobs (
    scope TEXT, job INTEGER, dataset INTEGER, state TEXT, fence INTEGER, leased_until INTEGER,
    changed INTEGER, reason TEXT, decision BLOB, document BLOB, ciphertext BLOB, tx TEXT,
    held INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (scope, job));
CREATE TABLE entries (
    scope TEXT, job INTEGER, dataset INTEGER, license INTEGER, version INTEGER, first INTEGER, past INTEGER,
    kind TEXT, forms TEXT, opaque TEXT, micro_bits INTEGER, query TEXT, answered INTEGER, charged INTEGER,
    rank INTEGER, again INTEGER, PRIMARY KEY (scope, job));
CREATE INDEX entries_by_dataset ON entries (scope, dataset);
CREATE TABLE answers (scope TEXT, query TEXT, answer BLOB, PRIMARY KEY (scope, query));
CREATE TABLE samples (scope TEXT, name TEXT, outputs BLOB, PRIMARY KEY (scope, name));
CREATE TABLE decryptions (scope TEXT, dataset INTEGER, epoch INTEGER, job INTEGER, PRIMARY KEY (scope, dataset, job));
CREATE TABLE events (id INTEGER PRIMARY KEY, at INTEGER, scope TEXT, job INTEGER, what TEXT);
"""
# What leads from each earlier version to the next. The first one kept the owner's words itself: those that it had are
# void, since the chain's is the only one now, and their jobs wait for it.
UPGRADES = {
    1: (
        "ALTER TABLE jobs ADD COLUMN held INTEGER NOT NULL DEFAULT 0",
        "UPDATE jobs SET held = 1 WHERE approval = 'pending'",
        "ALTER TABLE jobs DROP COLUMN approval",
    ),
}


class State(StrEnum):
    """Where a job stands in the ledger."""

    SEEN = "seen"
    RESERVED = "reserved"
    VERIFIED = "verified"
    SEALED = "sealed"
    SENT = "sent"
    DONE = "done"
    REFUSING = "refusing"
    REFUSED = "refused"
    DROPPED = "dropped"


OPEN = (State.SEEN, State.RESERVED, State.VERIFIED, State.SEALED, State.SENT, State.REFUSING)
BEFORE_SEAL = (State.SEEN, State.RESERVED, State.VERIFIED)
BEFORE_DONE = (*BEFORE_SEAL, State.SEALED, State.SENT)


@dataclass(frozen=True)
class Record:
    """One job in the ledger. Byte fields are None before they are known."""

    job: int
    dataset: int
    state: State
    held: bool  # until the owner approves it on the chain, or denies it
    changed: int
    reason: str
    decision: bytes | None
    document: bytes | None
    ciphertext: bytes | None
    tx: str


def record_of(row: sqlite3.Row) -> Record:
    """A job's row."""
    blobs = (row["decision"], row["document"], row["ciphertext"])
    decision, document, ciphertext = (None if blob is None else bytes(blob) for blob in blobs)
    kept = (decision, document, ciphertext, row["tx"])
    return Record(
        row["job"], row["dataset"], State(row["state"]), bool(row["held"]), row["changed"], row["reason"], *kept
    )


def released_of(row: sqlite3.Row) -> Released:
    """A row of what was released or reserved."""
    forms, opaque = unpack_forms(row["forms"]), tuple(json.loads(row["opaque"]))
    place = (row["job"], row["license"], row["version"], row["first"], row["past"], row["kind"])
    return Released(*place, forms, opaque, row["micro_bits"], row["query"], bool(row["answered"]))


def pack_forms(forms: tuple[Form, ...]) -> str:
    """Forms as JSON; weights are integers of any size."""
    return json.dumps([[[column, index, weight] for (column, index), weight in form] for form in forms])


def unpack_forms(text: str) -> tuple[Form, ...]:
    """Inverse of `pack_forms`."""
    return tuple(tuple(((column, index), weight) for column, index, weight in form) for form in json.loads(text))
