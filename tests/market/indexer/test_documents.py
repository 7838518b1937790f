"""Manifests and policies: fetched when they are named, missed without harm, believed only when they fit the chain."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from sqlmodel import select

from app.market.db.database import Database
from app.market.db.tables import ManifestRow
from app.market.indexer.indexer import Indexer
from app.market.queries.catalogue import CatalogueEntry, CatalogueFilter, search
from app.market.queries.dataset import dataset
from app.market.queries.licensing import offer
from app.market.queries.status import status
from app.protocol.data.manifest import Manifest, write_manifest
from app.protocol.documents import sha256
from app.protocol.errors import Unavailable
from app.protocol.market.receipt import OutputPolicy
from app.storage.folder import BlockStore
from tests.support.documents import manifest, terms
from tests.support.market import BITS, DOLLAR, HOUR, MarketOnChain


def publish(stage: MarketOnChain, made: Manifest, **changed: Any) -> int:
    """Record a manifest on chain; the dataset's id."""
    return stage.market.publish_dataset(stage.owner, **(terms(made) | changed)).value


def listed(database: Database, number: int) -> CatalogueEntry:
    """A dataset as the catalogue has it."""
    with database.session() as session:
        return next(each for each in search(session).items if each.id == number)


class Clock:
    """Seconds that a test moves."""

    now = 1_000_000

    def __call__(self) -> int:
        return self.now


def test_a_manifest_is_shown_once_it_is_read(stage: MarketOnChain, database: Database, store: BlockStore) -> None:
    """Title, size, columns, policy and words of a dataset come from its manifest."""
    made = manifest("Credit of the coast", columns=("age", "income"), keywords=("bank",), rows=3000)
    number = publish(stage, made)
    store.put(write_manifest(made))
    Indexer(stage.market, store, database).sync()
    entry = listed(database, number)
    assert (entry.availability, entry.title, entry.rows, entry.columns) == ("available", made.card.title, 3000, 2)
    assert entry.bytes == 2 * 2 * 2048 * 8
    assert entry.classes == ("linear", "trees", "additive")
    with database.session() as session:
        detail = dataset(session, number)
        assert [column.name for column in detail.columns] == ["age", "income"]
        assert detail.policy is not None
        assert detail.policy.digest == made.policy.digest
        assert detail.codebook == made.codebook.digest
        assert detail.custodian == stage.owner.address
        for text in ("credit", "COAST", "inc", "bank cre"):
            assert [each.id for each in search(session, CatalogueFilter(text=text)).items] == [number]
        assert not search(session, CatalogueFilter(text="credit valley")).items


def test_a_missing_manifest_stops_nothing(stage: MarketOnChain, sqlite: Database, store: BlockStore) -> None:
    """Its dataset is unavailable, the others are not; when it comes, it is found, though it is looked for ever less."""
    late, there, clock = manifest("Late"), manifest("There"), Clock()
    first, second = publish(stage, late), publish(stage, there)
    store.put(write_manifest(there))
    indexer = Indexer(stage.market, store, sqlite, clock=clock)
    assert indexer.sync().documents > 0
    assert listed(sqlite, first).availability == "unavailable"
    assert listed(sqlite, first).title == f"Dataset {first}"
    assert listed(sqlite, second).availability == "available"
    with sqlite.session() as session:
        assert status(session).manifests_unavailable == 2  # and that of the stage's own dataset
    store.put(write_manifest(late))
    assert indexer.sync().documents == 0
    assert listed(sqlite, first).availability == "unavailable"
    clock.now += 2
    indexer.sync()
    assert listed(sqlite, first).availability == "available"
    waits = []
    for _ in range(14):
        clock.now += 3600
        indexer.sync()
        with sqlite.session() as session:
            rows = [row for row in session.exec(select(ManifestRow)) if row.state == "unavailable"]
            waits.append(rows[0].next_try - clock.now)
    assert waits[0] < waits[-1] == 3600


@pytest.mark.parametrize("changed", [{"rows": 999}, {"data_root": "ab" * 32}, {"profile": "cd" * 32}])
def test_a_manifest_that_contradicts_the_chain_is_invalid(
    stage: MarketOnChain, sqlite: Database, store: BlockStore, changed: dict[str, Any]
) -> None:
    """What the chain records counts; a manifest that says otherwise is not shown."""
    made = manifest("Contradiction")
    number = publish(stage, made, **changed)
    store.put(write_manifest(made))
    Indexer(stage.market, store, sqlite).sync()
    entry = listed(sqlite, number)
    assert (entry.availability, entry.title) == ("invalid", f"Dataset {number}")
    with sqlite.session() as session:
        assert not dataset(session, number).columns
        assert not search(session, CatalogueFilter(text="contradiction")).items


@pytest.mark.parametrize("data", [b"", b"{}", b"[" * 100_000, b'{"darkroom":' + b"1" * 5000 + b"}", b"\x00\xff"])
def test_bytes_that_are_no_manifest_are_invalid_for_good(
    stage: MarketOnChain, sqlite: Database, store: BlockStore, data: bytes
) -> None:
    """They are read once, never again, and harm nobody else."""
    number = publish(stage, manifest("Nothing"), manifest=sha256(data))
    store.put(data)
    clock = Clock()
    indexer = Indexer(stage.market, store, sqlite, clock=clock)
    indexer.sync()
    assert listed(sqlite, number).availability == "invalid"
    clock.now += 100_000
    assert indexer.sync().documents == 2  # the stage's own manifest and policy, which nobody has


def test_a_text_that_a_database_refuses_is_cleaned(stage: MarketOnChain, database: Database, store: BlockStore) -> None:
    """Zero bytes and characters that turn writing around come out as spaces."""
    made = manifest("Zero \x00 and \u202eturned", columns=("a\x00b",), keywords=("k\x00y",), description="\x00 d \x07.")
    number = publish(stage, made)
    store.put(write_manifest(made))
    Indexer(stage.market, store, database).sync()
    entry = listed(database, number)
    assert (entry.title, entry.keywords, entry.summary) == ("Zero   and  turned", ("k y",), "d  .")
    with database.session() as session:
        assert dataset(session, number).columns[0].name == "a b"


def test_a_new_version_replaces_what_is_shown(stage: MarketOnChain, sqlite: Database, store: BlockStore) -> None:
    """Words of the old manifest find the dataset no more."""
    old, new = manifest("Old harbour"), manifest("New valley", rows=1500)
    number = publish(stage, old)
    for made in (old, new):
        store.put(write_manifest(made))
    indexer = Indexer(stage.market, store, sqlite)
    indexer.sync()
    stage.market.new_version(stage.owner, number, **terms(new))
    indexer.sync()
    with sqlite.session() as session:
        assert not search(session, CatalogueFilter(text="harbour")).items
        assert [each.title for each in search(session, CatalogueFilter(text="valley")).items] == ["New valley"]
        assert [each.version for each in dataset(session, number).versions] == [2, 1]


def test_an_offers_own_policy_decides_what_the_catalogue_says(
    stage: MarketOnChain, sqlite: Database, store: BlockStore
) -> None:
    """An offer under another policy than the manifest's shows its classes and release; nobody's policy shows none."""
    made = manifest("Offered")
    number = publish(stage, made)
    policy = OutputPolicy(circuits=("linear",), release="label", epsilon_micro_per_job=5, approval="manual")
    sent = stage.market.create_offer(
        stage.owner, number, price_license=DOLLAR, price_job=1, price_row=1, max_jobs=1, max_rows=1, duration=HOUR,
        policy=policy.digest, **BITS,
    )  # fmt: skip
    store.put(write_manifest(made))
    clock = Clock()
    indexer = Indexer(stage.market, store, sqlite, clock=clock)
    indexer.sync()
    assert listed(sqlite, number).classes == ()
    with sqlite.session() as session:
        assert not offer(session, sent.value).policy.known
    store.put(policy.to_bytes())
    clock.now += 2
    indexer.sync()
    entry = listed(sqlite, number)
    assert (entry.classes, entry.releases, entry.private, entry.automatic) == (("linear",), ("label",), True, False)
    with sqlite.session() as session:
        shown = offer(session, sent.value)
        assert (shown.policy.release, shown.sellable, shown.price_license) == ("label", True, DOLLAR)


def test_a_node_follows_until_it_is_stopped(stage: MarketOnChain, sqlite: Database, store: BlockStore) -> None:
    """A running indexer shows what happens within moments, and a failing chain in its status, then goes on."""
    indexer, stop = Indexer(stage.market, store, sqlite), threading.Event()
    thread = threading.Thread(target=indexer.run, args=(stop,), kwargs={"every": 0.02})
    thread.start()
    try:
        made = manifest("Followed")
        number = publish(stage, made)
        store.put(write_manifest(made))
        wait_until(lambda: _shown(sqlite, number))
        failing = _failing(stage)
        wait_until(lambda: "not answer" in _status(sqlite))
        failing()
        wait_until(lambda: _status(sqlite) == "")
    finally:
        stop.set()
        thread.join(10)
    assert not thread.is_alive()


def _shown(database: Database, number: int) -> bool:
    with database.session() as session:
        return any(each.id == number and each.availability == "available" for each in search(session).items)


def _status(database: Database) -> str:
    with database.session() as session:
        return status(session).error


def _failing(stage: MarketOnChain) -> Callable[[], None]:
    """Cut the chain off; what is returned connects it again."""
    node: Any = stage.market.node

    def fail(*_: object) -> None:
        raise Unavailable("The chain does not answer.", "Wait.")

    node.head = fail
    return lambda: delattr(node, "head")


def wait_until(true: Callable[[], bool], seconds: float = 20.0) -> None:
    """Until it is so."""
    limit = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < limit, "it never became so"
        time.sleep(0.02)
