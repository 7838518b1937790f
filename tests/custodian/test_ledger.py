"""The ledger: fences, leases, budgets under concurrency, and what is given back."""

from __future__ import annotations

import sqlite3
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from app.custodian.ledger import Claim, DecisionState, Learned, Ledger
from app.custodian.ledger_file import put_aside
from app.custodian.records import AFTER_SEAL
from app.protocol.errors import BadDocument, TryAgain
from app.protocol.policy.leakage import Released
from app.protocol.policy.linear_forms import AFFINE, form
from app.protocol.policy.reasons import Reason
from app.protocol.policy.rules import Grant


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


FORM = form({("age", AFFINE): 1 << 70, ("bins", 3): -2})
ENTRY = Released(
    job=1, license=3, version=2, first=0, end=10, kind="score", forms=(FORM,), opaque=("c:y",), micro_bits=7,
    query="q" * 64,
)  # fmt: skip
SEALED = {"document": b"document", "ciphertext": b"cipher"}


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
    ledger.sealed(claim, **SEALED, answer=("q" * 64, b"answer"), repeatable=True)
    assert ledger.kept_answer("q" * 64) is None  # it has not left
    record = ledger.record(1)
    assert record is not None
    assert (record.state, record.document, record.ciphertext) == (DecisionState.SEALED, b"document", b"cipher")
    ledger.sending(claim, b"decision")
    assert ledger.history(5) == [ENTRY]
    ledger.done(claim, "0xtx")
    record = ledger.record(1)
    assert record is not None
    assert (record.state, record.ciphertext, record.tx) == (DecisionState.DONE, b"cipher", "0xtx")
    ledger.tidy(record.changed + 1)
    record = ledger.record(1)
    assert record is not None
    assert (record.ciphertext, record.decision) == (None, None)
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
    writes: tuple[Callable[[], object], ...] = (
        lambda: ledger.verified(old, 5, 1, 10),
        lambda: ledger.refusing(old, Reason.RANK_BUDGET, b""),
        lambda: ledger.drop(old, "late"),
        lambda: ledger.give_up(old),
    )
    for late in writes:
        with pytest.raises(TryAgain):
            late()
    assert ledger.record(1).state == DecisionState.RESERVED  # type: ignore[union-attr]


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
    writes: tuple[Callable[[], object], ...] = (
        lambda: ledger.sealed(claim, **SEALED, answer=None, repeatable=True),
        lambda: ledger.sending(claim, b""),
        lambda: ledger.done(claim, ""),
        lambda: ledger.refused(claim, ""),
        lambda: ledger.verified(claim, 5, 1, 1),
    )
    for early in writes:
        with pytest.raises(TryAgain):
            early()


def test_only_what_left_stays_charged(ledger: Ledger) -> None:
    """A refused or dropped job frees its reservation, also once it is sealed; one that the chain released does not."""
    for job, end in ((1, "refuse"), (2, "drop"), (3, "seal"), (4, "release")):
        claim = ledger.claim(job, 5)
        assert claim is not None
        ledger.reserve(claim, 5, lambda history, _, job=job: grant(job))  # type: ignore[misc]
        if end == "refuse":
            ledger.refusing(claim, Reason.OUTPUT_MISMATCH, b"decision")
            continue
        if end != "drop":
            ledger.verified(claim, 5, 1, 10)
            ledger.sealed(claim, **SEALED, answer=("q" * 64, b"of job %d" % job), repeatable=True)
        if end == "release":
            ledger.sending(claim, b"decision")
            ledger.done(claim, "0xtx")
            continue
        ledger.drop(claim, "expired")
    assert [entry.job for entry in ledger.history(5)] == [4]
    assert ledger.kept_answer("q" * 64) == b"of job 4"


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
            spent = sum(entry.micro_bits for entry in history)
            return grant(job) if spent + 7 <= 49 else Reason.BITS_PERSON

        return isinstance(ledger.reserve(claim, 5, decide), Grant)

    with ThreadPoolExecutor(50) as pool:
        granted = list(pool.map(take, range(1, 51)))
    assert sum(granted) == 7
    assert sum(entry.micro_bits for entry in ledger.history(5)) == 49


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
    assert [record.held for record in ledger.records(DecisionState.SEEN)] == [True]
    assert [what for _, what in ledger.events(1)] == ["seen", "held"]
    claim = ledger.claim(1, 5)
    assert claim is not None
    assert isinstance(ledger.reserve(claim, 5, lambda history, _: grant()), Grant)
    assert [record.held for record in ledger.records()] == [False]


def test_what_is_sealed_is_refused_for_public_reasons_only(ledger: Ledger) -> None:
    """No reason that could come from the data is taken after the seal; the owner's denial is, and nothing has left."""
    claim = ledger.claim(1, 5)
    assert claim is not None
    ledger.reserve(claim, 5, lambda history, _: grant())
    ledger.verified(claim, 5, 1, 10)
    ledger.sealed(claim, **SEALED, answer=None, repeatable=True)
    for reason in set(Reason) - AFTER_SEAL:
        with pytest.raises(TryAgain):
            ledger.refusing(claim, reason, b"refusal")
    ledger.refusing(claim, Reason.NOT_APPROVED, b"refusal")
    assert [(each.state, each.decision) for each in ledger.records()] == [(DecisionState.REFUSING, b"refusal")]
    assert ledger.history(5) == []


def sealed_job(ledger: Ledger, job: int, **changes: object) -> Claim:
    """A job that is ready to be sent."""
    claim = ledger.claim(job, 5)
    assert claim is not None
    ledger.reserve(claim, 5, lambda history, _: grant(job, **changes))
    ledger.verified(claim, 5, 1, 10)
    ledger.sealed(claim, **SEALED, answer=(str(changes.get("query", "q" * 64)), b"answer"), repeatable=True)
    return claim


def test_a_decision_is_taken_on_what_the_chain_has(ledger: Ledger) -> None:
    """Right before sending only released jobs count, never what is reserved, and the head is told with the verdict."""
    sealed_job(ledger, 1)
    claim = sealed_job(ledger, 2)
    other = Released(9, 1, 1, 0, 10, "label", (), (), 5, "r" * 64)
    ledger.learn(5, {9: "d" * 64}, [Learned(other, {"c:y": b"sample"}, 1)], "8" * 64)
    seen: list[list[int]] = []

    def decide(history: list[Released], kept: Callable[[str], bytes | None]) -> Grant:
        seen.append([entry.job for entry in history])
        assert kept("c:y") == b"sample"
        return replace(grant(2), rank=3)

    assert ledger.decide(claim, 5, decide) == (replace(grant(2), rank=3), "8" * 64)
    assert seen == [[9]]
    assert ledger.decide(claim, 5, lambda history, _: Reason.BITS_PERSON) == (Reason.BITS_PERSON, "8" * 64)
    assert len(ledger.history(5)) == 3


def test_what_was_answered_meanwhile_begins_anew(ledger: Ledger) -> None:
    """A sealed job whose query got an answer from another one gives its reservation back and is decided again."""
    first, second = sealed_job(ledger, 1), sealed_job(ledger, 2)
    ledger.sending(first, b"decision")
    ledger.done(first, "0xtx")
    assert ledger.decide(second, 5, lambda history, _: replace(grant(2), again=True))[0] is None
    record = ledger.record(2)
    assert record is not None
    assert (record.state, record.document, record.ciphertext) == (DecisionState.SEEN, None, None)
    assert [entry.job for entry in ledger.history(5)] == [1]
    assert ledger.kept_answer("q" * 64) == b"answer"


def test_learning_charges_once_and_counts_decryptions(ledger: Ledger) -> None:
    """A release learned from the chain is charged, counted as a decryption, and not changed by hearing of it again."""
    one = Learned(replace(ENTRY, job=7, answered=True), {}, epoch=2)
    for _ in range(2):
        ledger.learn(5, {7: "d" * 64}, [one], "1" * 64)
    assert ledger.history(5) == [replace(ENTRY, job=7, answered=True)]
    assert (ledger.head(5), ledger.head(6)) == ("1" * 64, "0" * 64)
    assert ledger.decryptions(5, 2) == 1
    assert ledger.knows(7, "d" * 64)
    assert not ledger.knows(8, "d" * 64)
    assert ledger.charged_to(3) == ledger.history(5)
    assert [(each.job, each.state) for each in ledger.records()] == [(7, DecisionState.DONE)]


def test_a_job_that_failed_waits_for_its_next_try(ledger: Ledger, clock: Time) -> None:
    """Attempts are counted until one goes through; until its next try nobody can claim the job."""
    for attempt, pause in ((1, 5), (2, 10)):
        claim = ledger.claim(1, 5)
        assert claim is not None
        ledger.failed(claim, "MemoryError", clock.now + pause)
        record = ledger.record(1)
        assert record is not None
        assert (record.attempts, record.error) == (attempt, "MemoryError")
        clock.now += pause - 1
        assert ledger.claim(1, 5) is None
        clock.now += 1
    assert [what for _, what in ledger.events(1)] == ["seen", "failed: MemoryError"]
    claim = ledger.claim(1, 5)
    assert claim is not None
    ledger.reserve(claim, 5, lambda history, _: grant())
    record = ledger.record(1)
    assert record is not None
    assert (record.attempts, record.error) == (0, "")


@pytest.mark.parametrize("version", [1, 2])
def test_a_ledger_that_did_not_count_bits_is_refused(tmp_path: Path, clock: Time, version: int) -> None:
    """Its charges mean something else; the next step is to make it anew from the chain, beside the old file."""
    path = tmp_path / "ledger.sqlite"
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA user_version = {version}")
    with pytest.raises(BadDocument, match="darkroom custodian rebuild"):
        Ledger(path, "1:0x1", clock)
    assert put_aside(path, "old") == tmp_path / "ledger.sqlite.old"
    assert Ledger(path, "1:0x1", clock).records() == []
    assert put_aside(tmp_path / "none", "old") is None


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
