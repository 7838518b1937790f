"""The index is what the chain says, however it came about."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event

from app.chain.evm.embedded import EmbeddedChain
from app.chain.market import Market
from app.market.db.database import Database
from app.market.db.tables import ExecutionRow, JobRow, ProviderRow, SyncStateRow
from app.market.indexer import listings
from app.market.indexer.indexed_event import IndexedEvent
from app.market.indexer.indexer import Indexer
from app.market.indexer.projections.project import RULES, fold
from app.market.indexer.repository import loader, rollback_to, save_checkpoint
from app.market.indexer.repository import store as keep
from app.market.indexer.rules import Rules
from app.market.indexer.unit_of_work import UnitOfWork
from app.protocol.errors import BadInput
from app.storage.folder import BlockStore
from tests.market.story import told
from tests.support.index_state import assert_mirrors, contents
from tests.support.market import MarketOnChain

HALVES = (slice(0, 1), slice(1, None))


@pytest.fixture
def market(history: EmbeddedChain, tmp_path_factory: pytest.TempPathFactory) -> Market:
    """The market on the session's chain."""
    return told(history, history_folder(tmp_path_factory))


def history_folder(factory: pytest.TempPathFactory) -> Path:
    """Where the session's chain keeps its deployment."""
    return next(factory.getbasetemp().glob("history*"))


def test_the_history_brings_about_every_event_that_has_a_rule(market: Market) -> None:
    """The other tests of this file say something of each rule."""
    seen = {(each.contract, each.name) for each in market.events(market.first_block, market.block_number)}
    # the first takes more than 32 seats, the others real results: tests/dispute has the first of them
    shown = {("Disputes", name) for name in ("DisputeShown", "DisputeSummed", "DisputeDescended", "DisputeCut")}
    assert RULES.keys() - seen == {("JobMarket", "DrawContinued"), *shown}


def test_a_draw_told_in_two_events_is_one_draw(happened: Facts, market: Market) -> None:
    """Executors found by an earlier call stand where they would stand if one call had found all."""
    whole, split = (UnitOfWork(lambda _entity, _key: None, Rules.of(market)) for _ in range(2))
    fold(whole, happened)
    told: list[IndexedEvent] = []
    for each in happened:
        if each.name == "JobAssigned" and len(each.args["providers"]) > 1:
            first, rest = ({name: each.args[name][part] for name in ("providers", "fees")} for part in HALVES)
            told.append(replace(each, name="DrawContinued", args={"job": each.args["job"], **first}))
            told.append(replace(each, args={**each.args, **rest}))
        else:
            told.append(each)
    fold(split, told)
    assert len(told) > len(happened)
    for entity in (JobRow, ExecutionRow, ProviderRow):
        rows = [[row.model_dump() for row in work.rows(entity)] for work in (whole, split)]
        assert rows[0] == rows[1]


def test_the_index_is_what_the_contracts_say(market: Market, database: Database, store: BlockStore) -> None:
    """Datasets, offers, licenses, jobs, executions, providers and claims equal the contracts' own answers."""
    synced = Indexer(market, store, database).sync()
    assert synced.height == market.block_number
    assert synced.behind == 0
    assert_mirrors(database, market)


def test_small_steps_and_restarts_give_the_same_index(
    market: Market, new_database: Callable[[], Database], store: BlockStore
) -> None:
    """An index built block by block through restarts equals one that was built at once, and a rebuilt one both."""
    at_once, slowly = new_database(), new_database()
    Indexer(market, store, at_once).sync()
    chance = random.Random(1)
    while Indexer(market, store, slowly)._step(chance.randint(1, 40)).behind:
        pass
    indexer = Indexer(market, store, slowly)
    indexer.sync()
    assert contents(slowly) == contents(at_once)
    assert indexer.sync().events == 0
    indexer.rebuild()
    assert contents(slowly) == contents(at_once)


def test_a_crash_between_any_two_statements_loses_nothing(
    market: Market, new_database: Callable[[], Database], store: BlockStore
) -> None:
    """Wherever a step is cut off, the next indexer goes on as if nothing had happened."""
    whole, broken = new_database(), new_database()
    Indexer(market, store, whole).sync()
    Indexer(market, store, broken).sync(documents=False)  # begins with everything there, and is then thrown away
    Indexer(market, store, broken).rebuild()
    expected, left = contents(whole), [0]

    class Crash(BaseException):
        pass

    def crash(*_: object) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise Crash

    with broken.writing() as session:
        rollback_to(session, -1)
        place = session.get_one(SyncStateRow, 1)
        place.height, place.hash = -1, ""
    event.listen(broken.engine, "before_cursor_execute", crash)
    statements, crashes = 0, 0
    while True:
        statements += 5
        left[0] = statements
        try:
            Indexer(market, store, broken).sync(limit=60)
        except Crash:
            crashes += 1
            continue
        break
    event.remove(broken.engine, "before_cursor_execute", crash)
    assert crashes > 5
    assert contents(broken) == expected


class Facts(list[IndexedEvent]):
    """With a short text form: hypothesis shows what a test was called with."""

    def __repr__(self) -> str:
        return f"{len(self)} events"


@pytest.fixture
def happened(market: Market) -> Facts:
    """Everything that happened on it, with its blocks' times."""
    times: dict[int, int] = {}
    return Facts([
        IndexedEvent(
            e.contract, e.name, e.args, e.block, e.block_hash, e.tx, e.index,
            times.setdefault(e.block, market.node.block(e.block).time),
        )
        for e in market.events(market.first_block, market.block_number)
        if e.contract != "TestUSD"
    ])  # fmt: skip


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(parts=st.lists(st.integers(0, 1000), min_size=1, max_size=6))
def test_going_back_and_forth_ends_where_going_straight_does(
    market: Market, happened: Facts, tmp_path_factory: pytest.TempPathFactory, parts: list[int]
) -> None:
    """Any sequence of steps forward and rollbacks, deep or shallow, leaves the rows of the blocks that remain."""
    rules, last = Rules.of(market), market.block_number
    places = [part * last // 1000 for part in parts]
    straight = UnitOfWork(lambda _entity, _key: None, rules, journal_from=last)
    database = Database(f"sqlite:///{tmp_path_factory.mktemp('walk')}/index.sqlite")
    database.migrate()
    here = kept = 0  # the last block, and the first that is remembered: as of `app.chain.cursor.Checkpoint`
    for place in [*places, last // 2]:
        with database.writing() as session:
            if place < here:
                touched, wiped = rollback_to(session, place)
                listings.refresh(session, touched, words=touched)
                here, kept = (0, 0) if wiped else (place, kept)
            kept = max(place - 128, kept)
            work = UnitOfWork(loader(session), rules, journal_from=kept + 1)
            fold(work, [each for each in happened if here < each.block <= place])
            keep(session, work)
            save_checkpoint(session, [(number, "0x") for number in range(kept, place + 1)])
            here = place
    fold(straight, [each for each in happened if each.block <= here])
    with database.session() as session:
        reread = UnitOfWork(loader(session), rules)
        for entity, rows in straight.changes()[0].items():
            for row in rows:
                key = tuple(getattr(row, column.name) for column in entity.__table__.primary_key)  # type: ignore[attr-defined]
                found = reread.find(entity, *key)
                assert found is not None
                assert found.model_dump() == row.model_dump()
    found_rows = sum(len(rows) for name, rows in contents(database).items() if name not in {"listings", "terms"})
    expected_rows = sum(len(rows) for rows in straight.changes()[0].values())
    assert found_rows == expected_rows + len(straight.events) + len(straight.payments)
    database.close()


def test_two_indexers_on_one_database_do_each_step_once(
    market: Market, new_database: Callable[[], Database], store: BlockStore
) -> None:
    """The slower one drops its work, and nothing is there twice."""
    alone, shared = new_database(), new_database()
    Indexer(market, store, alone).sync()
    first, second = Indexer(market, store, shared), Indexer(market, store, shared)
    while first._step(25).behind:
        second._step(10)
    second.sync()
    assert contents(shared) == contents(alone)


def test_a_database_of_another_market_is_refused(
    market: Market, stage: MarketOnChain, database: Database, store: BlockStore
) -> None:
    """An index never mixes two markets."""
    Indexer(market, store, database)
    other = stage.market
    if (other.chain_id, other.address, other.first_block) != (market.chain_id, market.address, market.first_block):
        with pytest.raises(BadInput, match="another database"):
            Indexer(other, store, database)
    else:  # the same deployment on another chain of the same number: seen by its blocks' hashes
        Indexer(market, store, database).sync()
        synced = Indexer(other, store, database).sync()
        assert synced.reorganisations == 1
        assert_mirrors(database, other)


def test_numbers_above_what_a_database_holds_do_not_stop_the_index(
    stage: MarketOnChain, database: Database, store: BlockStore
) -> None:
    """Whoever offers at the greatest price, or asks for the greatest cost, is indexed like everybody else."""
    market = stage.market
    market.create_offer(
        stage.owner, stage.dataset, price_license=2**80 - 1, price_job=2**72 - 1, price_row=2**64 - 1,
        max_jobs=2**24 - 1, max_rows=2**40 - 1, duration=2**32 - 1, policy="11" * 32,
        micro_bits=2**32 - 1, licenses=2**32 - 2, budget=2**64 - 1,
    )  # fmt: skip
    stage.open("greedy", units=2**64 - 1)
    market.set_terms(stage.providers[0], fixed_fee=2**48 - 1, price=2**48 - 1, capacity=2**64 - 1)
    Indexer(market, store, database).sync()
    assert_mirrors(database, market)
