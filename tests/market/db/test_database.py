"""The tables, their migrations, and what a database can hold."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from alembic import command
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Boolean, Connection, Integer, MetaData, event, inspect, literal, select, text
from sqlalchemy import Table as SqlTable

from app.market.db.columns import AmountText
from app.market.db.database import Database
from app.market.db.migrate import config, differences, newest
from app.market.db.tables import AccountRow, IndexTable
from app.market.web.auth.sessions import SessionStore
from app.protocol.errors import Unavailable, UsageError

AMOUNTS = st.integers(0, 2**256 - 1)


def move(database: Database, revision: str) -> None:
    """To another form of the tables: up to the newest, or down to an earlier one."""
    with database.engine.begin() as connection:
        settings = config()
        settings.attributes["connection"] = connection
        (command.upgrade if revision == "head" else command.downgrade)(settings, revision)


def test_migrations_lead_to_the_models(new_database: Callable[[], Database]) -> None:
    """A database made by the migrations has exactly the models' tables, columns, types and indexes."""
    database = new_database()
    assert not database.is_current()
    database.migrate()
    assert database.is_current()
    assert differences(database.engine) == []
    database.migrate()  # nothing to do


def test_every_migration_can_be_undone(new_database: Callable[[], Database]) -> None:
    """Downgrading to nothing leaves nothing, and upgrading again everything."""
    database = new_database()
    database.migrate()
    move(database, "base")
    assert len(differences(database.engine)) >= len(IndexTable.metadata.tables)
    database.migrate()
    assert differences(database.engine) == []


def test_an_index_of_the_earlier_contracts_begins_anew(new_database: Callable[[], Database]) -> None:
    """Nothing of an index that an earlier form can hold is kept: it is of a market that this version does not read."""
    database = new_database()
    database.migrate()
    move(database, "0002")
    with database.engine.begin() as connection:
        there = set(inspect(connection).get_table_names())
        for name in IndexTable.metadata.tables.keys() & there:
            _fill(connection, name)
    move(database, "head")
    assert differences(database.engine) == []
    with database.engine.begin() as connection:
        for table in IndexTable.metadata.tables.values():
            assert connection.execute(select(table)).all() == [], table.name


def _fill(connection: Connection, name: str) -> None:
    """One row in a table of whatever form: nothing but ones."""
    table = SqlTable(name, MetaData(), autoload_with=connection)
    values = {each.name: True if isinstance(each.type, Boolean) else "1" for each in table.columns}
    whole = {each.name: 1 for each in table.columns if isinstance(each.type, Integer)}
    connection.execute(table.insert().values(values | whole))


def test_a_file_that_is_busy_is_waited_for(tmp_path: Path) -> None:
    """Two programs that begin on one missing file do not refuse each other."""
    path = tmp_path / "index.sqlite"
    holder = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    holder.execute("BEGIN IMMEDIATE")
    release = threading.Timer(0.3, holder.execute, ["COMMIT"])
    release.start()
    database = Database(f"sqlite:///{path}")
    database.migrate()
    assert release.finished.is_set()
    assert database.is_current()
    database.close()
    holder.close()


def test_tables_are_made_beside_a_writer(tmp_path: Path) -> None:
    """The web server makes its tables while the index writes: neither is told that the file is locked."""
    path = tmp_path / "index.sqlite"
    database = Database(f"sqlite:///{path}")
    database.migrate()
    other = sqlite3.connect(path, timeout=0, isolation_level=None)
    refused: list[str] = []

    def write_between(*call: object) -> None:
        if "CREATE TABLE" in str(call[2]):
            try:
                other.execute("INSERT INTO marks (number, hash) SELECT coalesce(max(number), 0) + 1, '' FROM marks")
            except sqlite3.OperationalError as error:
                refused.append(str(error))

    event.listen(database.engine, "before_cursor_execute", write_between)
    access = SessionStore(database, lambda: 1.0)
    assert refused  # it is the other that would have to wait
    access.use_nonce(access.new_nonce()[0])
    database.close()
    other.close()


def test_tables_of_a_newer_version_are_left_alone(database: Database) -> None:
    """An older node refuses them and says what to do."""
    with database.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    assert newest() != "9999"
    assert not database.is_current()
    with pytest.raises(UsageError, match="another version") as caught:
        database.migrate()
    assert "another database" in caught.value.next_step


@given(AMOUNTS, AMOUNTS)
def test_amounts_are_ordered_as_text(one: int, other: int) -> None:
    """The text of an amount sorts as the amount does, and gives it back."""
    kind = AmountText()
    texts = [kind.process_bind_param(value, None) for value in (one, other)]  # type: ignore[arg-type]
    assert (texts[0] < texts[1]) == (one < other)  # type: ignore[operator]
    assert [kind.process_result_value(each, None) for each in texts] == [one, other]  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [-1, 10**78])
def test_what_is_no_amount_is_refused(value: int) -> None:
    """A negative number, or one above 256 bits' digits, is a mistake of ours and not stored."""
    with pytest.raises(ValueError, match="no amount"):
        AmountText().process_bind_param(value, None)  # type: ignore[arg-type]


def test_a_database_holds_and_compares_the_greatest_numbers(database: Database) -> None:
    """Amounts to 2^256 - 1 and times to 2^62 come back as they were, and compare as numbers."""
    with database.writing() as session:
        session.add(AccountRow(address="0x1", claim_jobs=2**256 - 1, claim_licenses=9))
        session.add(AccountRow(address="0x2", claim_jobs=10, claim_licenses=10))
    with database.session() as session:
        row = session.get_one(AccountRow, "0x1")
        assert (row.claim_jobs, row.claim_licenses) == (2**256 - 1, 9)
        column = IndexTable.metadata.tables["accounts"].c
        below = select(column.address).where(column.claim_licenses < literal(10, AmountText()))
        assert session.connection().execute(below).scalars().all() == ["0x1"]


def test_a_transaction_is_kept_whole_or_not_at_all(database: Database) -> None:
    """What raises inside takes everything back."""

    def fail() -> None:
        with database.writing() as session:
            session.add(AccountRow(address="0x1"))
            session.flush()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    with database.session() as session:
        assert session.get(AccountRow, "0x1") is None


@pytest.mark.parametrize(
    "url", ["", "index.sqlite", "mysql://host/name", "sqlite://", "sqlite:///:memory:", "sqlite:///a?mode=ro", "://"]
)
def test_a_url_of_another_kind_is_refused(url: str) -> None:
    """The message says how a database is named."""
    with pytest.raises(UsageError) as caught:
        Database(url)
    assert "sqlite:///PATH" in caught.value.next_step


def test_a_password_is_not_shown() -> None:
    """Neither in a database's text form nor in the error when it does not answer."""
    database = Database("postgresql://someone:secret-word@127.0.0.1:9/index")
    assert "secret-word" not in repr(database)
    with pytest.raises(Unavailable) as caught:
        database.migrate()
    assert "secret-word" not in str(caught.value)
    database.close()


def test_a_folder_that_cannot_be_made_is_unavailable(tmp_path: Path) -> None:
    """A path through a file is the user's to correct."""
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable, match="cannot be made"):
        Database(f"sqlite:///{tmp_path}/file/index.sqlite")
