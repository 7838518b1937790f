"""What is left of jobs that are over: listed first, removed when it is asked for, and nothing that is needed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.chain.evm.embedded import EmbeddedChain
from app.chain.market import Market
from app.execution.ended import DAY
from app.protocol.documents import sha256
from app.protocol.errors import NotFound
from app.protocol.market.receipt import Receipt
from app.provider.collect import leftovers, remove
from app.provider.journal import Journal
from app.storage.content import file_cid
from app.storage.folder import BlockStore
from app.storage.unixfs import LEAF_BYTES
from tests.support.counting import CountingNode
from tests.support.market import HOUR, MarketOnChain, digest, open_market, set_stage

SHARED = b"the same rows" * (LEAF_BYTES // 13 + 1)  # more than a leaf: what two outputs may have in common
OUTPUTS = {"one": SHARED[:LEAF_BYTES] + b"one", "two": SHARED[:LEAF_BYTES] + b"two"}


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[MarketOnChain]:
    """A market on an embedded chain."""
    chain = EmbeddedChain(tmp_path / "chain.sqlite")
    yield set_stage(open_market(chain, tmp_path / "deployment.json"))
    chain.close()


def worked(stage: MarketOnChain, journal: Journal, store: BlockStore, label: str, license: int = 0) -> int:
    """A job with an entry in the journal, whose output and receipt are published."""
    job, output = stage.open(label, license=license), OUTPUTS[label]
    names = {name: digest(name) for name in ("manifest", "data_root", "circuit", "profile")}
    claim = {"first_row": 0, "rows": 100, "form": "lwe", "evaluator": "darkroom-canonical-1"}
    result = {"output": file_cid(output), "output_bytes": len(output), "output_root": sha256(output)}
    place = {"chain_id": stage.market.chain_id, "market": stage.market.address, "job": job}
    receipt = Receipt.model_validate(names | claim | result | place)
    journal.remember(job, receipt, output)
    for data in (each.read_bytes() for each in journal.files(job)):
        store.put(data)
    return job


def end(stage: MarketOnChain, *jobs: int) -> None:
    """Let the draw's deadline pass."""
    stage.market.node.advance(2 * HOUR + 1)  # type: ignore[attr-defined]
    for job in jobs:
        stage.market.expire(stage.buyer, job)


def test_only_what_is_over_for_days_may_go(stage: MarketOnChain, tmp_path: Path) -> None:
    """A live job, one of yesterday and one that the chain does not know stay; looking removes nothing."""
    journal, store = Journal(tmp_path / "jobs"), BlockStore(tmp_path / "store")
    old = worked(stage, journal, store, "one")
    end(stage, old)
    stage.market.node.advance(8 * DAY)  # type: ignore[attr-defined]
    live = worked(stage, journal, store, "two")
    (tmp_path / "jobs" / "999.json").write_text("{}")
    journals = {"provider-1": journal}
    found = leftovers(stage.market, journals)
    assert [(each.role, each.job, each.what, each.days) for each in found] == [("provider-1", old, "journal", 8)]
    assert found[0].size > len(OUTPUTS["one"])
    assert leftovers(stage.market, journals) == found
    assert leftovers(stage.market, journals, journal_days=9) == []
    assert list(remove(found, journals)) == found
    assert (journal.get(old), journal.size(old)) == (None, 0)
    assert journal.receipt(old) is not None  # small, and says what was published
    assert journal.get(live) is not None
    assert store.read(file_cid(OUTPUTS["one"]), limit=1 << 22) == OUTPUTS["one"]
    assert leftovers(stage.market, journals) == []


def test_a_published_output_goes_without_the_blocks_of_others(stage: MarketOnChain, tmp_path: Path) -> None:
    """Asked for, months later: what two outputs have in common stays for the one that is kept."""
    journals = {name: Journal(tmp_path / name) for name in ("a", "b")}
    store = BlockStore(tmp_path / "store")
    old = worked(stage, journals["a"], store, "one")
    end(stage, old)
    stage.market.node.advance(91 * DAY)  # type: ignore[attr-defined]
    fresh = stage.market.buy_license(stage.buyer, stage.offer).value
    live = worked(stage, journals["b"], store, "two", fresh)
    assert [each.what for each in leftovers(stage.market, journals)] == ["journal"]
    found = leftovers(stage.market, journals, output_days=90)
    assert [(each.job, each.what) for each in found] == [(old, "journal"), (old, "output")]
    assert list(remove(found, journals, store)) == found
    with pytest.raises(NotFound):
        store.read(file_cid(OUTPUTS["one"]), limit=1 << 22)
    assert store.read(file_cid(OUTPUTS["two"]), limit=1 << 22) == OUTPUTS["two"]
    assert journals["b"].get(live) is not None
    assert leftovers(stage.market, journals, output_days=90) == []


def test_what_both_executors_published_goes_once(stage: MarketOnChain, tmp_path: Path) -> None:
    """Two providers of one home have equal outputs of a job: the second finds nothing left, which is no error."""
    journals = {name: Journal(tmp_path / name) for name in ("a", "b")}
    store = BlockStore(tmp_path / "store")
    old = worked(stage, journals["a"], store, "one")
    receipt = journals["a"].receipt(old)
    assert receipt is not None
    journals["b"].remember(old, receipt, OUTPUTS["one"])
    end(stage, old)
    stage.market.node.advance(91 * DAY)  # type: ignore[attr-defined]
    found = leftovers(stage.market, journals, output_days=90)
    assert len(list(remove(found, journals, store))) == 4
    assert list(store.blocks()) == []


def test_looking_for_what_may_go_takes_few_questions(stage: MarketOnChain, tmp_path: Path) -> None:
    """However many jobs a provider has finished: whoever starts again has work to do, and not one question a job."""
    journal, store = Journal(tmp_path / "jobs"), BlockStore(tmp_path / "store")
    jobs = [worked(stage, journal, store, "one") for _ in range(4)]
    end(stage, *jobs)
    stage.market.node.advance(8 * DAY)  # type: ignore[attr-defined]
    node = CountingNode(stage.market.node)
    market = Market.open(node, tmp_path / "deployment.json")
    node.asked = 0
    assert [each.job for each in leftovers(market, {"a": journal})] == jobs
    assert node.asked <= 3 + len(jobs)  # the blocks of the ends count one by one, and are one batch
