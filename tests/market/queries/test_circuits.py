"""Circuits that were used before, as the index tells them."""

from __future__ import annotations

from app.market.db.database import Database
from app.market.indexer.indexer import Indexer
from app.market.queries.circuits import used_circuits
from app.storage.folder import BlockStore
from tests.support.market import MarketOnChain, digest


def test_circuits_of_settled_jobs_stand_with_the_latest_first(
    stage: MarketOnChain, database: Database, store: BlockStore
) -> None:
    """Each circuit once, with how many jobs settled; jobs that did not end in a release do not count."""
    market = stage.market

    def released(label: str) -> int:
        job = stage.compute(label)
        market.release(stage.owner, job, sealed=digest("sealed"), decision=digest("decision"))
        return job

    released("one")
    two = released("two")
    last = released("one")
    market.refuse(stage.owner, stage.compute("three"), reason="concentration", decision=digest("decision"))
    Indexer(market, store, database).sync()
    with database.session() as session:
        found = used_circuits(session, stage.dataset)
        assert used_circuits(session, stage.dataset + 1) == ()
    assert [(each.circuit, each.jobs, each.latest_job) for each in found] == [
        (digest("circuit of one"), 2, last),
        (digest("circuit of two"), 1, two),
    ]
    assert found[0].latest_at >= found[1].latest_at > 0
