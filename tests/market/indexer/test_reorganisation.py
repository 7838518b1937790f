"""A chain that takes blocks back takes them out of the index too."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.chain.rpc.node import AnvilNode
from app.market.db.database import Database
from app.market.indexer.indexer import Indexer
from app.market.queries.jobs import feed, job
from app.market.queries.status import status
from app.protocol.errors import NotFound
from app.storage.folder import BlockStore
from tests.support.index_state import assert_mirrors, contents
from tests.support.market import DOLLAR, MarketOnChain, digest, open_market, person, set_stage

pytestmark = pytest.mark.anvil


@pytest.fixture
def forked(start_anvil: Callable[[], AnvilNode], tmp_path: Path) -> MarketOnChain:
    """A market on anvil, whose blocks can be taken back."""
    return set_stage(open_market(start_anvil(), tmp_path / "deployment.json"), 3)


def actions(stage: MarketOnChain, branch: str) -> list[Callable[[], object]]:
    """One block each; the two branches change the same rows in other ways."""
    market, other = stage.market, person(branch)
    stage.market.approve(stage.owner, "JobMarket", 100 * DOLLAR)
    publication: dict[str, Any] = {
        "manifest": digest(branch),
        "data_root": digest("root"),
        "profile": digest("profile"),
        "rows": 700,
    }
    return [
        lambda: market.set_custodian(stage.owner, stage.dataset, other.address),
        lambda: stage.open(f"job of {branch}"),
        lambda: (market.deny_job if branch == "lost" else market.approve_job)(stage.owner, market.job_count()),
        lambda: market.draw(stage.buyer, market.job_count()),
        lambda: market.bond_custodian(stage.owner, stage.dataset, len(branch) * DOLLAR),
        lambda: stage.sell(micro_bits=len(branch), licenses=1),
        lambda: market.buy_license(stage.buyer, market.offer_count()),
        lambda: market.new_version(stage.owner, stage.dataset, **publication),
        lambda: market.publish_dataset(stage.owner, **publication, custodian=other.address),
        lambda: market.register_provider(stage.providers[0], bond=DOLLAR, price=len(branch) * 10**6, capacity=10**6),
        lambda: market.buy_license(stage.buyer, stage.offer),
        lambda: market.client.send(
            stage.owner, "DatasetRegistry", "transferFrom", stage.owner.address, other.address, 1
        ),
    ]


def test_blocks_taken_back_leave_no_trace(
    forked: MarketOnChain, new_database: Callable[[], Database], store: BlockStore
) -> None:
    """After reorganisations of depth 1, 2, 5, 64 and deeper than memory, the index equals one built from genesis."""
    market, node = forked.market, forked.market.node
    assert isinstance(node, AnvilNode)
    followed = new_database()
    indexer = Indexer(market, store, followed)
    indexer.sync()
    for count, depth in enumerate((1, 2, 5, 64, 140), start=1):
        snapshot = node.request("evm_snapshot")
        height = market.block_number
        for action in actions(forked, "lost")[:depth]:
            action()
            if depth > 5:
                indexer.sync()
        node.mine(max(depth - (market.block_number - height), 0) or 1)
        indexer.sync()
        assert node.request("evm_revert", snapshot) is True
        if depth == 5:
            indexer.sync()  # the shorter chain, before the other branch grows
            assert_mirrors(followed, market)
        snapshot = node.request("evm_snapshot")
        for action in actions(forked, "kept branch")[: max(depth, 3)]:
            action()
        indexer.sync()
        assert_mirrors(followed, market)
        fresh = new_database()
        Indexer(market, store, fresh).sync()
        assert contents(followed) == contents(fresh)
        with followed.session() as session:
            assert status(session).reorganisations >= count
            assert status(session).hash == node.head().hash
        assert node.request("evm_revert", snapshot) is True
        indexer.sync()


def test_a_stream_learns_that_what_it_showed_is_gone(
    forked: MarketOnChain, database: Database, store: BlockStore
) -> None:
    """A cursor into a removed block says so: a job's stream begins again, and a job that never was is not found."""
    market, node = forked.market, forked.market.node
    assert isinstance(node, AnvilNode)
    indexer = Indexer(market, store, database)
    kept = forked.open("kept")
    snapshot = node.request("evm_snapshot")
    forked.draw(kept)
    lost = forked.open("lost")
    indexer.sync()
    with database.session() as session:
        shown = feed(session, job=kept)
        assert [each.name for each in shown.items] == ["JobOpened", "JobAssigned"]
        everything = feed(session)
        assert job(session, lost, now=0).job.state == "open"
    assert node.request("evm_revert", snapshot) is True
    node.mine(3)
    indexer.sync()
    with database.session() as session:
        again = feed(session, job=kept, after=shown.last)
        assert again.reorganised
        assert [each.name for each in again.items] == ["JobOpened"]
        assert not feed(session, job=kept, after=again.last).items
        assert feed(session, after=everything.last).reorganised
        with pytest.raises(NotFound):
            job(session, lost, now=0)
