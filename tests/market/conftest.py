"""Databases and chains for the index: SQLite and a PostgreSQL server of our own, the embedded chain and anvil."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.chain.evm.embedded import EmbeddedChain
from app.market.db.database import Database
from app.storage.folder import BlockStore
from tests.market.story import told
from tests.support import postgres
from tests.support.anvil import start_anvil
from tests.support.market import MarketOnChain, open_market, set_stage

__all__ = ["start_anvil"]


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[postgres.Server]:
    """One server for all tests."""
    with postgres.started() as server:
        yield server


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def new_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], Database]]:
    """Makes empty databases, of both kinds one after the other; all are closed with the test."""
    made: list[Database] = []

    def make() -> Database:
        if request.param == "postgres":
            url = request.getfixturevalue("postgres_server").new_database()
        else:
            url = f"sqlite:///{tmp_path / f'index-{len(made)}.sqlite'}"
        made.append(Database(url))
        return made[-1]

    yield make
    for database in made:
        database.close()


@pytest.fixture
def database(new_database: Callable[[], Database]) -> Database:
    """An empty, migrated database."""
    made = new_database()
    made.migrate()
    return made


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Database]:
    """An empty, migrated SQLite file, where the kind of database makes no difference."""
    made = Database(f"sqlite:///{tmp_path}/index.sqlite")
    made.migrate()
    yield made
    made.close()


@pytest.fixture
def store(tmp_path: Path) -> BlockStore:
    """An empty block store."""
    return BlockStore(tmp_path / "store")


@pytest.fixture(scope="session")
def history(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedChain]:
    """A chain on which everything that can happen has happened; only read by tests. Its market is `told`'s."""
    folder = tmp_path_factory.mktemp("history")
    chain = EmbeddedChain(folder / "chain.sqlite")
    told(chain, folder)
    yield chain
    chain.close()


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[MarketOnChain]:
    """A market of one dataset, offer and license on a new embedded chain."""
    chain = EmbeddedChain(tmp_path / "chain.sqlite")
    yield set_stage(open_market(chain, tmp_path / "deployment.json"), 3)
    chain.close()
