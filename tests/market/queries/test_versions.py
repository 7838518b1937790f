"""A dataset's versions and what each changed, from the index: bounded, believed only when they fit the chain."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from app.market.db.database import Database
from app.market.indexer.indexer import Indexer
from app.market.queries.versions import ChangedVersion, versions
from app.protocol.data.listing import link
from app.protocol.data.manifest import Manifest, write_manifest
from app.protocol.documents import sha256
from app.protocol.errors import BadInput, NotFound
from app.storage.folder import BlockStore
from tests.support.documents import manifest, terms
from tests.support.market import MarketOnChain

OLD, NEW, LAST = manifest("Harbour"), manifest("Harbour", rows=1500), manifest("Harbour", columns=("age", "wage"))


def published(stage: MarketOnChain, *made: Manifest, **changed: Any) -> int:
    """A dataset of these versions, the last one recorded with `changed`; its id."""
    number = stage.market.publish_dataset(stage.owner, **terms(made[0])).value
    for each in made[1:]:
        said = terms(each) | (changed if each is made[-1] else {})
        stage.market.new_version(stage.owner, number, **said)
    return number


def told(database: Database, number: int, **place: Any) -> tuple[list[ChangedVersion], str | None]:
    """A page of versions, and the next one's place."""
    with database.session() as session:
        page = versions(session, number, **place)
    return list(page.items), page.next


def test_each_version_says_what_it_changed(stage: MarketOnChain, database: Database, store: BlockStore) -> None:
    """Newest first, in words and in names, a page at a time; the first version is compared with nothing."""
    for made in (OLD, NEW, LAST):
        store.put(write_manifest(made))
    number = published(stage, OLD, NEW, LAST)
    Indexer(stage.market, store, database).sync()
    (third, second), follows = told(database, number, limit=2)
    assert (third.version.version, third.status) == (3, "known")
    assert third.change is not None
    assert third.change.columns_added.names == ("wage",)
    assert third.change.words == (
        "500 rows fewer", "new column wage", "without column income", "1 of 2 files kept"
    )  # fmt: skip
    assert second.change is not None
    assert (second.change.rows, second.change.rows_before, second.change.words[0]) == (1500, 1000, "500 rows more")
    (first,), end = told(database, number, after=follows)
    assert (first.version.version, first.status, first.change, end) == (1, "first", None, None)
    assert told(database, number, limit=1, after=follows)[0] == [first]
    with pytest.raises(BadInput):
        told(database, number, after="nonsense")
    with pytest.raises(NotFound):
        told(database, number + 1)


def test_a_missing_manifest_is_waited_for(stage: MarketOnChain, sqlite: Database, store: BlockStore) -> None:
    """What changed is pending until it was looked for, and unavailable while one of the two manifests is."""
    store.put(write_manifest(NEW))
    number, now = published(stage, OLD, NEW), [1_000_000]
    indexer = Indexer(stage.market, store, sqlite, clock=lambda: now[0])
    indexer.sync(documents=False)
    assert told(sqlite, number)[0][0].status == "pending"
    indexer.sync()
    assert told(sqlite, number)[0][0].status == "unavailable"
    store.put(write_manifest(OLD))
    now[0] += 2
    indexer.sync()
    assert told(sqlite, number)[0][0].status == "known"
    indexer.rebuild()
    assert told(sqlite, number)[0][0].status == "known"


@pytest.mark.parametrize("changed", [{"rows": 999}, {"data_root": "ab" * 32}])
def test_a_manifest_that_contradicts_the_chain_is_not_compared(
    stage: MarketOnChain, sqlite: Database, store: BlockStore, changed: dict[str, Any]
) -> None:
    """Neither as the later nor as the earlier one; bytes that are no manifest are as little."""
    for made in (OLD, NEW):
        store.put(write_manifest(made))
    store.put(junk := b"{}")
    number = published(stage, OLD, NEW, **changed)
    stage.market.new_version(stage.owner, number, **terms(OLD))
    stage.market.new_version(stage.owner, number, **terms(OLD) | {"manifest": sha256(junk)})
    Indexer(stage.market, store, sqlite).sync()
    assert [each.status for each in told(sqlite, number)[0]] == ["invalid", "invalid", "invalid", "first"]


def test_a_list_of_files_that_nobody_has_stops_nothing(
    stage: MarketOnChain, sqlite: Database, store: BlockStore, tmp_path: Path
) -> None:
    """A manifest that links what no store has is unavailable like one that is not there; others are read."""
    elsewhere = BlockStore(tmp_path / "elsewhere")
    listed = link(elsewhere, NEW.table, NEW.checks, ("affine",), 2048)
    linked = NEW.model_copy(update={"table": NEW.table.model_copy(update={"listed": listed})})
    store.put(write_manifest(OLD))
    data = linked.to_bytes()
    store.put(data)
    number = published(stage, OLD)
    stage.market.new_version(stage.owner, number, **terms(NEW) | {"manifest": sha256(data)})
    other = published(stage, OLD, OLD)
    now = [1_000_000]
    indexer = Indexer(stage.market, store, sqlite, clock=lambda: now[0])
    indexer.sync()
    assert told(sqlite, number)[0][0].status == "unavailable"
    assert told(sqlite, other)[0][0].status == "known"
    for cid in (listed.cid, listed.codebook):
        for each in elsewhere.tree(cid):
            store.put(elsewhere.read(each.text, limit=1 << 20))
    now[0] += 2
    indexer.sync()
    change = told(sqlite, number)[0][0].change
    assert change is not None
    assert change.words == ("500 rows more", "2 of 2 files kept")
