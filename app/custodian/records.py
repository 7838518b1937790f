"""The rows of a custodian's ledger: its tables, the states of a job, and how rows become values."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from app.protocol.policy.leakage import Released
from app.protocol.policy.linear_forms import Form
from app.protocol.policy.reasons import Reason

VERSION = 3  # of the tables; what earlier versions counted (rank, epsilons) says nothing about bits
SCHEMA = """
CREATE TABLE jobs (
    scope TEXT, job INTEGER, dataset INTEGER, state TEXT, fence INTEGER, leased_until INTEGER,
    changed INTEGER, reason TEXT, decision BLOB, document BLOB, ciphertext BLOB, tx TEXT,
    held INTEGER NOT NULL DEFAULT 0, contested INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0, next_try INTEGER NOT NULL DEFAULT 0, error TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (scope, job));
CREATE TABLE entries (
    scope TEXT, job INTEGER, dataset INTEGER, license INTEGER, version INTEGER, first INTEGER, past INTEGER,
    kind TEXT, forms TEXT, opaque TEXT, micro_bits INTEGER, query TEXT, repeatable INTEGER, charged INTEGER,
    rank INTEGER, again INTEGER, PRIMARY KEY (scope, job));
CREATE INDEX entries_by_dataset ON entries (scope, dataset);
CREATE TABLE heads (scope TEXT, dataset INTEGER, head TEXT, PRIMARY KEY (scope, dataset));
CREATE TABLE answers (scope TEXT, job INTEGER, query TEXT, answer BLOB, PRIMARY KEY (scope, job));
CREATE INDEX answers_by_query ON answers (scope, query);
CREATE TABLE samples (scope TEXT, name TEXT, outputs BLOB, PRIMARY KEY (scope, name));
CREATE TABLE decryptions (scope TEXT, dataset INTEGER, epoch INTEGER, job INTEGER, PRIMARY KEY (scope, dataset, job));
CREATE TABLE events (id INTEGER PRIMARY KEY, at INTEGER, scope TEXT, job INTEGER, what TEXT);
"""


class DecisionState(StrEnum):
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


OPEN = (
    DecisionState.SEEN,
    DecisionState.RESERVED,
    DecisionState.VERIFIED,
    DecisionState.SEALED,
    DecisionState.SENT,
    DecisionState.REFUSING,
)
BEFORE_SEAL = (DecisionState.SEEN, DecisionState.RESERVED, DecisionState.VERIFIED)
BEFORE_DONE = (*BEFORE_SEAL, DecisionState.SEALED, DecisionState.SENT)
# What may still refuse a job that was decrypted: none of it depends on the data, and nothing has left yet.
AFTER_SEAL = frozenset(
    {
        Reason.NOT_APPROVED,
        Reason.UNAVAILABLE,
        Reason.WRONG_RECEIPT,  # the agreed result became another one while a contract judged it
        Reason.BITS_LICENSE,
        Reason.BITS_PERSON,
        Reason.RANK_BUDGET,
        Reason.CONCENTRATION,
        Reason.ENTANGLED,
        Reason.RANGES_TOO_CLOSE,
    }
)


@dataclass(frozen=True)
class LedgerRecord:
    """One job in the ledger. Byte fields are None before they are known; times are seconds."""

    job: int
    dataset: int
    state: DecisionState
    held: bool  # until the owner approves it on the chain, or denies it
    changed: int
    reason: str
    decision: bytes | None
    document: bytes | None
    ciphertext: bytes | None
    tx: str
    contested: bool = False  # the agreed result was wrong, and others were asked for
    attempts: int = 0  # that failed in a row
    next_try: int = 0
    error: str = ""  # of the last attempt; "" after one that went through


@dataclass(frozen=True)
class Learned:
    """A release that the chain knows and the ledger did not: worked out from public records."""

    entry: Released
    samples: dict[str, bytes]  # its outputs with lookups on the public sample
    epoch: int
    rank: int = 0


def record_of(row: sqlite3.Row) -> LedgerRecord:
    """A job's row."""
    blobs = (row["decision"], row["document"], row["ciphertext"])
    decision, document, ciphertext = (None if blob is None else bytes(blob) for blob in blobs)
    return LedgerRecord(
        job=row["job"],
        dataset=row["dataset"],
        state=DecisionState(row["state"]),
        held=bool(row["held"]),
        changed=row["changed"],
        reason=row["reason"],
        decision=decision,
        document=document,
        ciphertext=ciphertext,
        tx=row["tx"],
        contested=bool(row["contested"]),
        attempts=row["attempts"],
        next_try=row["next_try"],
        error=row["error"],
    )


def released_of(row: sqlite3.Row) -> Released:
    """A row of what was released or reserved; it counts as answered once the chain has the release."""
    forms, opaque = unpack_forms(row["forms"]), unpack_names(row["opaque"])
    place = (row["job"], row["license"], row["version"], row["first"], row["past"], row["kind"])
    answered = bool(row["charged"] and row["repeatable"])
    return Released(*place, forms, opaque, row["micro_bits"], row["query"], answered)


def entry_row(entry: Released, *, repeatable: bool, charged: bool, rank: int, again: bool) -> tuple[object, ...]:
    """The columns of an entry after its scope, job and dataset."""
    place = (entry.license, entry.version, entry.first, entry.end, entry.kind)
    said = (pack_forms(entry.forms), json.dumps(entry.opaque), entry.micro_bits, entry.query)
    return (*place, *said, int(repeatable), int(charged), rank, int(again))


def pack_forms(forms: tuple[Form, ...]) -> str:
    """Forms as JSON; weights are integers of any size."""
    return json.dumps([[[column, index, weight] for (column, index), weight in form] for form in forms])


@lru_cache(maxsize=512)
def unpack_names(text: str) -> tuple[str, ...]:
    """Names of outputs, from JSON."""
    return tuple(json.loads(text))


@lru_cache(maxsize=512)  # a history has far fewer models than jobs
def unpack_forms(text: str) -> tuple[Form, ...]:
    """Inverse of `pack_forms`."""
    return tuple(tuple(((column, index), weight) for column, index, weight in form) for form in json.loads(text))
