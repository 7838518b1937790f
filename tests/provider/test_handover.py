"""Two homes of one account, and work that moves from one to the other: no stake is lost, no answer told twice."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from app.protocol.errors import BadInput, NotAllowed, NotFound, VerificationFailed
from app.protocol.ids import Digest
from app.protocol.market.entities import ZERO, JobState
from app.protocol.market.receipt import Receipt
from app.provider.actions import Done
from app.provider.agent import ProviderAgent
from app.provider.handover import HANDOVER, WorkFolder
from app.provider.journal import Journal
from tests.provider.shop import Shop
from tests.support.market import person

RECEIPT = Receipt(
    chain_id=1, market="0x" + "0" * 40, job=7, manifest=Digest("1" * 64), data_root=Digest("2" * 64),
    circuit=Digest("3" * 64),
    profile=Digest("4" * 64), evaluator="darkroom-canonical-1", first_row=0, rows=4, form="bodies", output="bafk",
    output_bytes=32, output_root=Digest("5" * 64),
)  # fmt: skip


def here(shop: Shop, home: str, place: int = 0) -> ProviderAgent:
    """An agent of one account in a home of its own."""
    account = shop.stage.providers[place]
    return ProviderAgent(
        shop.stage.market, shop.world.store, account, shop.folder / home, threads=1, keep_drawing=False
    )


def test_two_machines_of_one_account_lose_nothing(shop: Shop) -> None:
    """Both compute, one commits, and the other can reveal when the first one is gone for good."""
    market, job = shop.stage.market, shop.open()
    market.draw(shop.stage.buyer, job)
    first, second = here(shop, "one"), here(shop, "two")
    assert [each.what for each in first.step()] == [Done.COMMITTED]
    assert not [each for each in second.step() if each.what is Done.FAILED]  # computes, in case the other never comes
    shop.agent(shop.stage.providers[1], keep_drawing=False).step()
    assert [each.what for each in second.step()] == [Done.REVEALED]
    assert not [each for each in first.step() if each.what is not Done.FAILED]
    shop.agent(shop.stage.providers[1], keep_drawing=False).step()
    assert market.job(job).state is JobState.COMPUTED
    assert all(not each.out for each in market.job(job).executions)


def test_a_home_without_any_journal_reveals_what_was_committed(shop: Shop) -> None:
    """Even in the reveal window: the receipt is computed again, and the salt follows from the key."""
    market, job = shop.stage.market, shop.open()
    market.draw(shop.stage.buyer, job)
    here(shop, "lost").step()
    shop.agent(shop.stage.providers[1], keep_drawing=False).step()
    assert market.job(job).revealing
    assert [each.what for each in here(shop, "new").step()] == [Done.REVEALED]


def test_a_salt_by_chance_is_told_and_not_sent(shop: Shop) -> None:
    """A commitment of an earlier version, whose salt is in another home alone, costs no gas to try."""
    market, job = shop.stage.market, shop.open()
    market.draw(shop.stage.buyer, job)
    account = shop.stage.providers[0]
    receipt = here(shop, "one")
    entry = receipt._evaluate(market.job(job), lambda *_: None)
    market.commit(account, job, entry.receipt, "ab" * 32)
    shop.agent(shop.stage.providers[1], keep_drawing=False).step()
    nonce = market.node.nonce(account.address)
    (failed,) = receipt.step()
    assert failed.what is Done.FAILED
    assert "darkroom provider import" in failed.detail
    assert market.node.nonce(account.address) == nonce
    journal = market.folder(shop.folder / "one") / "jobs" / f"{job}.json"
    journal.write_text(json.dumps({"receipt": entry.receipt, "salt": "ab" * 32}))
    assert [each.what for each in receipt.step()] == [Done.REVEALED]  # the entry of that version is read as it is


def test_salts_follow_from_key_market_job_and_receipt() -> None:
    """Whoever has the key gets the same; nothing else gives it."""
    one = person("provider 0")
    labels = [f"salt:1:0xa:{job}:{ZERO}" for job in range(50)]
    assert len({each.derive(label) for each in (one, person("provider 1")) for label in labels}) == 100
    assert person("provider 0").derive(labels[0]) == one.derive(labels[0])
    assert len(bytes.fromhex(one.derive(labels[0]))) == 32


@pytest.fixture
def machines(tmp_path: Path) -> tuple[WorkFolder, WorkFolder]:
    """Two machines of one account; the first remembers two jobs."""
    journal = Journal(tmp_path / "a" / "jobs")
    for job in (7, 8):
        journal.remember(job, RECEIPT, b"output %d" % job)
    return WorkFolder(tmp_path / "a", "1-0xm", "0xp"), WorkFolder(tmp_path / "b", "1-0xm", "0xp")


def test_work_moves_with_its_journal(machines: tuple[WorkFolder, WorkFolder], tmp_path: Path) -> None:
    """Entry by entry; the first machine stops, and the work can come back with a later number."""
    one, other = machines
    done = one.export(tmp_path / "carried", {7, 9})
    assert (done.number, [each.name for each in done.files]) == (2, ["7.output", "7.receipt", "7.json"])
    assert all(path.stat().st_mode & 0o077 == 0 for path in (tmp_path / "carried").rglob("*") if path.is_file())
    with pytest.raises(NotAllowed, match="handed over"), one.serving():
        pass
    assert one.export(tmp_path / "carried", {7, 9}) == done  # it was killed before the end, say
    assert other.take(tmp_path / "carried") == other.take(tmp_path / "carried") == done
    with other.serving():
        kept, before = Journal(tmp_path / "b" / "jobs"), Journal(tmp_path / "a" / "jobs")
        assert kept.get(7) == before.get(7)
        assert [each.read_bytes() for each in kept.files(7)] == [each.read_bytes() for each in before.files(7)]
        assert kept.get(8) is None
    assert other.export(tmp_path / "back", {7}).number == 3
    with pytest.raises(NotAllowed, match="lease 2, and lease 2 was here since"):
        other.take(tmp_path / "carried")
    one.take(tmp_path / "back")
    with one.serving():
        pass
    with pytest.raises(NotAllowed, match="lease 2, and lease 3"):
        one.take(tmp_path / "carried")


def test_what_is_kept_here_is_not_overwritten(machines: tuple[WorkFolder, WorkFolder], tmp_path: Path) -> None:
    """An entry is written once: another salt may be committed to already."""
    one, other = machines
    own = Journal(tmp_path / "b" / "jobs").remember(7, RECEIPT, b"output 7")
    one.export(tmp_path / "carried", {7, 8})
    other.take(tmp_path / "carried")
    kept = Journal(tmp_path / "b" / "jobs")
    assert kept.get(7) == own
    assert kept.get(8) == Journal(tmp_path / "a" / "jobs").get(8)


def test_changed_and_foreign_work_is_refused(machines: tuple[WorkFolder, WorkFolder], tmp_path: Path) -> None:
    """And nothing of it is taken."""
    one, other = machines
    with pytest.raises(NotFound):
        other.take(tmp_path / "nothing")
    one.export(tmp_path / "carried", {7})
    with pytest.raises(NotAllowed, match="work of 0xp on market 1-0xm"):
        WorkFolder(tmp_path / "b", "1-0xm", "0xq").take(tmp_path / "carried")
    (tmp_path / "carried" / "jobs" / "7.output").write_bytes(b"other")
    with pytest.raises(VerificationFailed, match="was changed"):
        other.take(tmp_path / "carried")
    (tmp_path / "carried" / "jobs" / "7.output").unlink()
    with pytest.raises(VerificationFailed, match="is missing"):
        other.take(tmp_path / "carried")
    assert not (tmp_path / "b" / "jobs").exists()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thing").touch()
    with pytest.raises(BadInput):
        one.export(tmp_path / "full", {7})
    assert (tmp_path / "carried" / HANDOVER).is_file()


def test_one_process_serves_at_a_time(machines: tuple[WorkFolder, WorkFolder], tmp_path: Path) -> None:
    """A second one on the machine waits, and nothing is handed over under the first one's hands."""
    one, _ = machines
    second = WorkFolder(tmp_path / "a", "1-0xm", "0xp")
    with one.serving():
        with pytest.raises(NotAllowed, match="Another process serves 0xp"), second.serving():
            pass
        with pytest.raises(NotAllowed, match="Another process"):
            second.export(tmp_path / "carried", {7})
    with second.serving():
        pass
