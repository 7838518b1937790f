"""The ledger: fences, leases, budgets under concurrency, and what is given back."""

from __future__ import annotations

import sqlite3
import stat
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from app.custodian.ledger import Ledger, State
from app.protocol.errors import BadDocument, TryAgain
from app.protocol.forms import AFFINE, form
from app.protocol.leak import Released
from app.protocol.reasons import Reason
from app.protocol.release import Grant


class Time:
    """A clock that tests move."""

    def __init__(self) -> None:
        self.now = 1_000

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> Time:
    """Starts at 1,000 seconds."""
    return Time()


@pytest.fixture
def ledger(tmp_path: Path, clock: Time) -> Ledger:
    """A new ledger with leases of 30 seconds."""
    return Ledger(tmp_path / "ledger.sqlite", "1:0x1", clock)


ENTRY = Released(1, 0, 10, "score", (form({("age", AFFINE): 1 << 70, ("bins", 3): -2}),), ("c:y",), 7, "q" * 64)


def grant(job: int = 1, **changes: object) -> Grant:
    """A grant for a job."""
    return Grant(replace(ENTRY, job=job, **changes), rank=1, again=False)  # type: ignore[arg-type]


def test_whole_life(ledger: Ledger) -> None:
    """A job's states come in order, and everything that was kept is read back as it was."""
    claim = ledger.claim(1, 5)
    assert claim is not None
    assert ledger.reserve(claim, 5, lambda history, _: grant()) == grant()
    assert ledger.history(5) == [ENTRY]
    assert ledger.verified(claim, 5, 2, 10) is None
    ledger.sealed(claim, document=b"document", ciphertext=b"cipher", decision=b"decision", answer=("q" * 64, b"answer"))
    record = ledger.record(1)
    assert record is not None
    assert (record.state, record.document, record.ciphertext) == (State.SEALED, b"document", b"cipher")
    ledger.sending(claim)
    ledger.done(claim, "0xtx")
    record = ledger.record(1)
    assert record is not None
    assert (record.state, record.ciphertext, record.tx) == (State.DONE, None, "0xtx")
    assert ledger.history(5) == [replace(ENTRY, answered=True)]
    assert ledger.kept_answer("q" * 64) == b"answer"
    assert ledger.decryptions(5, 2) == 1
    assert [what for _, what in ledger.events(1)] == ["seen", "reserved", "verified", "sealed", "sent", "done"]
    assert ledger.claim(1, 5) is None


def test_file_is_private(ledger: Ledger, tmp_path: Path) -> None:
    """Only this user can read the ledger and its log."""
    ledger.claim(1, 5)
    for path in tmp_path.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


def test_lease_and_fence(ledger: Ledger, clock: Time) -> None:
    """A claim holds for its lease; after it a newer claim goes on and the older one can write nothing any more."""
    old = ledger.claim(1, 5)
    assert old is not None
    assert ledger.claim(1, 5) is None
    clock.now += 31
    new = ledger.claim(1, 5)
    assert new is not None
    assert new.fence > old.fence
    clock.now += 29
    assert ledger.claim(1, 5) is None
    with pytest.raises(TryAgain):
        ledger.reserve(old, 5, lambda history, _: grant())
    assert ledger.history(5) == []
    ledger.reserve(new, 5, lambda history, _: grant())
    for late in (
        lambda: ledger.verified(old, 5, 1, 10),
        lambda: ledger.refusing(old, Reason.RANK_BUDGET, b""),
        lambda: ledger.drop(old, "late"),
        lambda: ledger.give_up(old),
    ):
        with pytest.raises(TryAgain):
            late()
    assert ledger.record(1).state == State.RESERVED  # type: ignore[union-attr]


def test_work_renews_the_lease(ledger: Ledger, clock: Time) -> None:
    """Each write of a claim extends its lease, so that long work is not taken over; at its very end it is free."""
    claim = ledger.claim(1, 5)
    assert claim is not None
    clock.now += 20
    ledger.reserve(claim, 5, lambda history, _: grant())
    clock.now += 29
    assert ledger.claim(1, 5) is None
    clock.now += 1
    assert ledger.claim(1, 5) is not None


def test_states_cannot_be_skipped(ledger: Ledger) -> None:
    """Nothing can be sealed before it was verified, sent before sealed, or done before sent."""
    claim = ledger.claim(1, 5)
    assert claim is not None
    for early in (
        lambda: ledger.sealed(claim, document=b"", ciphertext=b"", decision=b"", answer=None),
        lambda: ledger.sending(claim),
        lambda: ledger.done(claim, ""),
        lambda: ledger.refused(claim, ""),
        lambda: ledger.verified(claim, 5, 1, 1),
    ):
        with pytest.raises(TryAgain):
            early()


def test_refusal_gives_back_and_release_does_not(ledger: Ledger) -> None:
    """A refused or dropped job frees its reservation; a sealed one keeps its charge even when the chain closed it."""
    for job, end in ((1, "refuse"), (2, "drop"), (3, "seal")):
        claim = ledger.claim(job, 5)
        assert claim is not None
        ledger.reserve(claim, 5, lambda history, _, job=job: grant(job))  # type: ignore[misc]
        if end == "refuse":
            ledger.refusing(claim, Reason.OUTPUT_MISMATCH, b"decision")
            continue
        if end == "seal":
            ledger.verified(claim, 5, 1, 10)
            ledger.sealed(claim, document=b"d", ciphertext=b"c", decision=b"e", answer=None)
        ledger.drop(claim, "expired")
    assert [entry.job for entry in ledger.history(5)] == [3]


def test_reservation_survives_a_crash_once(ledger: Ledger, clock: Time) -> None:
    """After a crash the reservation is found again and not made, or decided, a second time."""
    claim = ledger.claim(1, 5)
    assert claim is not None
    ledger.reserve(claim, 5, lambda history, _: grant())
    clock.now += 31
    again = ledger.claim(1, 5)
    assert again is not None
    assert ledger.reserve(again, 5, lambda history, _: pytest.fail("decided again")) == grant()
    assert len(ledger.history(5)) == 1


def test_fifty_at_once_share_one_budget(ledger: Ledger) -> None:
    """Of fifty concurrent reservations on a budget for seven, exactly seven are granted."""

    def take(job: int) -> bool:
        claim = ledger.claim(job, 5)
        assert claim is not None

        def decide(history: list[Released], _: object) -> Reason | Grant:
            spent = sum(entry.micro_epsilon for entry in history)
            return grant(job) if spent + 7 <= 49 else Reason.PRIVACY_BUDGET

        return isinstance(ledger.reserve(claim, 5, decide), Grant)

    with ThreadPoolExecutor(50) as pool:
        granted = list(pool.map(take, range(1, 51)))
    assert sum(granted) == 7
    assert sum(entry.micro_epsilon for entry in ledger.history(5)) == 49


def test_one_job_claimed_by_fifty(ledger: Ledger) -> None:
    """Fifty processes that see the same job at once: one gets it."""
    with ThreadPoolExecutor(50) as pool:
        claims = list(pool.map(lambda _: ledger.claim(1, 5), range(50)))
    assert sum(claim is not None for claim in claims) == 1


def test_decryption_limit(ledger: Ledger) -> None:
    """The limit of an epoch counts jobs, not attempts, and the one above it is refused and not counted."""
    for job in (1, 2, 3):
        claim = ledger.claim(job, 5)
        assert claim is not None
        ledger.reserve(claim, 5, lambda history, _, job=job: grant(job))  # type: ignore[misc]
        over = [ledger.verified(claim, 5, 1, 2) for _ in range(2)]
        assert over == ([None, None] if job < 3 else [Reason.EPOCH_LIMIT] * 2)
    assert ledger.decryptions(5, 1) == 2
    assert ledger.decryptions(5, 2) == 0


def test_a_held_job_is_noted_once_and_goes_on(ledger: Ledger) -> None:
    """Looking again at a job that waits for the owner writes no second line; what happens next ends the wait."""
    for _ in range(3):
        claim = ledger.claim(1, 5)
        assert claim is not None
        ledger.hold(claim)
    assert [record.held for record in ledger.records(State.SEEN)] == [True]
    assert [what for _, what in ledger.events(1)] == ["seen", "held"]
    claim = ledger.claim(1, 5)
    assert claim is not None
    assert isinstance(ledger.reserve(claim, 5, lambda history, _: grant()), Grant)
    assert [record.held for record in ledger.records()] == [False]


def test_only_the_owners_denial_refuses_what_is_sealed(ledger: Ledger) -> None:
    """No other reason is taken after the seal; what was charged stays charged."""
    claim = ledger.claim(1, 5)
    assert claim is not None
    ledger.reserve(claim, 5, lambda history, _: grant())
    ledger.verified(claim, 5, 1, 10)
    ledger.sealed(claim, document=b"document", ciphertext=b"cipher", decision=b"release", answer=None)
    with pytest.raises(TryAgain):
        ledger.refusing(claim, Reason.RANK_BUDGET, b"refusal")
    ledger.refusing(claim, Reason.NOT_APPROVED, b"refusal")
    assert [(each.state, each.decision) for each in ledger.records()] == [(State.REFUSING, b"refusal")]
    assert len(ledger.history(5)) == 1


FIRST_VERSION = """
CREATE TABLE jobs (
    scope TEXT, job INTEGER, dataset INTEGER, state TEXT, fence INTEGER, leased_until INTEGER, approval TEXT,
    changed INTEGER, reason TEXT, decision BLOB, document BLOB, ciphertext BLOB, tx TEXT, PRIMARY KEY (scope, job));
CREATE TABLE entries (
    scope TEXT, job INTEGER, dataset INTEGER, first INTEGER, past INTEGER, kind TEXT, forms TEXT, opaque TEXT,
    micro_epsilon INTEGER, query TEXT, answered INTEGER, charged INTEGER, rank INTEGER, again INTEGER,
    PRIMARY KEY (scope, job));
CREATE INDEX entries_by_dataset ON entries (scope, dataset);
CREATE TABLE answers (scope TEXT, query TEXT, answer BLOB, PRIMARY KEY (scope, query));
CREATE TABLE samples (scope TEXT, name TEXT, outputs BLOB, PRIMARY KEY (scope, name));
CREATE TABLE decryptions (scope TEXT, dataset INTEGER, epoch INTEGER, job INTEGER, PRIMARY KEY (scope, dataset, job));
CREATE TABLE events (id INTEGER PRIMARY KEY, at INTEGER, scope TEXT, job INTEGER, what TEXT);
INSERT INTO jobs VALUES ('1:0x1', 1, 5, 'done', 3, 9, '', 9, '', x'01', x'02', NULL, '0xaa');
INSERT INTO jobs VALUES ('1:0x1', 2, 5, 'seen', 1, 0, 'pending', 9, '', NULL, NULL, NULL, '');
INSERT INTO jobs VALUES ('1:0x1', 3, 5, 'seen', 1, 0, 'approved', 9, '', NULL, NULL, NULL, '');
INSERT INTO entries VALUES ('1:0x1', 1, 5, 0, 10, 'score', '[]', '[]', 7, 'q', 0, 1, 1, 0);
INSERT INTO decryptions VALUES ('1:0x1', 5, 1, 1);
PRAGMA user_version = 1;
"""


def test_a_ledger_of_the_first_version_is_brought_along(tmp_path: Path, clock: Time) -> None:
    """Budgets, decryptions and states stay; its own words of the owner are void, since the chain's alone counts."""
    path = tmp_path / "ledger.sqlite"
    with closing(sqlite3.connect(path)) as db:
        db.executescript(FIRST_VERSION)
    for _ in range(2):  # and again, as what it is now
        ledger = Ledger(path, "1:0x1", clock)
        assert [(each.job, each.state, each.held) for each in ledger.records()] == [
            (1, State.DONE, False), (2, State.SEEN, True), (3, State.SEEN, False),
        ]  # fmt: skip
        done = ledger.record(1)
        assert done is not None
        assert (done.decision, done.document, done.tx) == (b"\1", b"\2", "0xaa")
        assert [each.micro_epsilon for each in ledger.history(5)] == [7]
        assert ledger.decryptions(5, 1) == 1
    claim = ledger.claim(3, 5)
    assert claim is not None
    assert claim.fence == 2
    ledger.hold(claim)


def test_scopes_are_apart(ledger: Ledger, tmp_path: Path, clock: Time) -> None:
    """Jobs of another market in the same file are not seen."""
    ledger.claim(1, 5)
    other = Ledger(tmp_path / "ledger.sqlite", "1:0x2", clock)
    assert other.records() == []
    assert other.record(1) is None


def test_foreign_and_newer_files_are_refused(tmp_path: Path, clock: Time) -> None:
    """A file that is no ledger, or one of a later version, is refused before it is used."""
    junk = tmp_path / "junk"
    junk.write_bytes(b"not a database, but long enough to be read as one" * 100)
    with pytest.raises(BadDocument):
        Ledger(junk, "1:0x1", clock)
    newer = tmp_path / "newer.sqlite"
    with sqlite3.connect(newer) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(BadDocument):
        Ledger(newer, "1:0x1", clock)
