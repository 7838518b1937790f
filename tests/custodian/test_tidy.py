"""What a ledger forgets, and what it never does."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from app.custodian.ledger import DecisionState, Ledger
from app.protocol.policy.leakage import Released
from app.protocol.policy.reasons import Reason
from app.protocol.policy.rules import Grant

NOW = 1_000


def grant(job: int, name: str) -> Grant:
    """A grant with one output that no form tells of."""
    entry = Released(
        job=job, license=3, version=2, first=0, end=10, kind="score", forms=(), opaque=(name,), micro_bits=7,
        query=f"{job:064x}",
    )  # fmt: skip
    return Grant(entry, rank=1, again=False)


def test_what_nothing_needs_any_more_goes(tmp_path: Path) -> None:
    """Years of jobs leave what was charged and what has to be repeated; decisions, old events and samples go, and the
    ledger still opens beside its witness. A job that is open loses nothing.
    """
    ledger = Ledger(tmp_path / "ledger.sqlite", "1:0x1", lambda: NOW)

    def samples(name: str) -> dict[str, bytes]:
        return {name: b"12345678"}

    def rows(what: str) -> int:
        with closing(sqlite3.connect(tmp_path / "ledger.sqlite")) as db:
            return int(db.execute(f"SELECT COUNT(*) FROM {what}").fetchone()[0])

    for job in range(1, 21):
        claim = ledger.claim(job, 5)
        assert claim is not None
        names = samples(f"c{job}:y")
        ledger.reserve(claim, 5, lambda *_, job=job: grant(job, f"c{job}:y"), names)
        if job % 2:
            ledger.refusing(claim, Reason.RANK_BUDGET, b"refusal")
            ledger.refused(claim, "0xno")
            continue
        ledger.verified(claim, 5, 1, None)
        ledger.sealed(
            claim, document=b"document", ciphertext=b"cipher", answer=(f"{job:064x}", b"answer"), repeatable=True
        )
        ledger.sending(claim, b"decision")
        if job < 20:
            ledger.done(claim, "0xtx")
    before = (ledger.history(5), ledger.charged_to(3))
    assert (rows("events"), rows("samples")) == (10 * 4 + 9 * 6 + 5, 20)
    ledger.tidy(NOW + 1, NOW + 1)
    assert (ledger.history(5), ledger.charged_to(3)) == before
    assert rows("samples") == 10  # those of refused jobs count against nobody
    assert {each.job for each in ledger.records() if each.document or each.decision or each.ciphertext} == {20}
    assert rows("answers") == 10
    assert [what for _, what in ledger.events(20)] == ["seen", "reserved", "verified", "sealed", "sent"]
    assert rows("events") == 5
    assert ledger.knows(2, "0" * 64)
    assert [
        each.job for each in Ledger(tmp_path / "ledger.sqlite", "1:0x1", lambda: NOW).records(DecisionState.SENT)
    ] == [20]
    ledger.reopen(3)  # a reorganisation deeper than anything that was final
    assert ledger.records(DecisionState.SEEN)[0].job == 3
