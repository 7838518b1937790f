"""What a provider remembers between commitment and reveal, also where two processes serve one account."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from app.protocol.errors import BadKey
from app.protocol.ids import Digest
from app.protocol.market.receipt import Receipt
from app.provider.journal import Journal, JournalEntry

RECEIPT = Receipt(
    chain_id=1, market="0x" + "0" * 40, job=7, manifest=Digest("1" * 64), data_root=Digest("2" * 64),
    circuit=Digest("3" * 64),
    profile=Digest("4" * 64), evaluator="darkroom-canonical-1", first_row=0, rows=4, form="bodies", output="bafk",
    output_bytes=32, output_root=Digest("5" * 64),
)  # fmt: skip


def test_a_salt_is_drawn_once_for_ever(tmp_path: Path) -> None:
    """A second process of the account commits to the first one's salt, so that both can reveal it."""
    first, second = Journal(tmp_path), Journal(tmp_path)
    entry = first.remember(7, RECEIPT, b"output")
    assert second.remember(7, RECEIPT, b"output") == entry == first.get(7) == second.get(7)
    assert [each.read_bytes() for each in second.files(7)] == [b"output", RECEIPT.to_bytes()]


def test_many_at_one_moment_agree(tmp_path: Path) -> None:
    """Whoever comes first, all have one entry."""
    barrier, found = threading.Barrier(16), []

    def serve() -> None:
        journal = Journal(tmp_path)
        barrier.wait()
        found.append(journal.remember(7, RECEIPT, b"output"))

    threads = [threading.Thread(target=serve) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 16
    assert set(found) == {Journal(tmp_path).get(7)}
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["7.json", "7.output", "7.receipt"]


def test_each_job_has_its_own_salt(tmp_path: Path) -> None:
    """Salts are 32 random bytes."""
    journal = Journal(tmp_path)
    salts = {journal.remember(job, RECEIPT, b"").salt for job in range(1, 9)}
    assert len(salts) == 8
    assert all(len(salt) == 64 for salt in salts)


def test_a_damaged_entry_is_named(tmp_path: Path) -> None:
    """It is not drawn anew, since another salt may be committed to already."""
    journal = Journal(tmp_path)
    (tmp_path / "7.json").write_bytes(b"{")
    with pytest.raises(BadKey, match="damaged"):
        journal.remember(7, RECEIPT, b"")


def test_a_damaged_entry_is_worked_out_again(tmp_path: Path) -> None:
    """Where salts follow from a key: from the receipt beside it, and without one the job is as new."""
    journal = Journal(tmp_path, lambda job, receipt: receipt[::-1])
    kept = journal.remember(7, RECEIPT, b"")
    (tmp_path / "7.json").write_bytes(b"")
    assert journal.get(7) == kept
    (tmp_path / "7.receipt").write_bytes(b"{")
    assert journal.get(7) is None
    assert journal.remember(7, RECEIPT, b"") == kept


def test_what_is_over_can_be_forgotten(tmp_path: Path) -> None:
    """Its salt and output first; then the receipt, which says what was published, and nothing of a job is left."""
    journal = Journal(tmp_path)
    assert isinstance(journal.remember(7, RECEIPT, b""), JournalEntry)
    journal.forget(7)
    assert journal.get(7) is None
    assert [each.name for each in tmp_path.iterdir()] == ["7.receipt"]
    journal.forget_receipt(7)
    assert not list(tmp_path.iterdir())
