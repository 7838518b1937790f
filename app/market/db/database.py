"""The index's database by URL: `sqlite:///PATH` (WAL) or `postgresql://user:password@host/name`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, MetaData, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DatabaseError, DBAPIError, OperationalError
from sqlmodel import Session

from app.chain.wal import open_shared
from app.protocol.errors import Unavailable, UsageError

LOCK_SECONDS = 30.0
CACHE_KIB = 32 * 1024
MAP_BYTES = 1 << 28  # of the file, read without copying
CONNECTIONS = 8
TABLES_LOCK = 0x6461726B  # PostgreSQL's advisory lock under which tables are made and changed
BEGIN = "darkroom_begin"  # an execution option: the statement that begins a transaction in SQLite
BACKENDS = {"sqlite": "sqlite", "postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}


class Database:
    """One database. Its tables are made by `migrate`; nothing else creates or changes them."""

    def __init__(self, url: str) -> None:
        """Errors: UsageError for a URL of another kind; Unavailable for a folder that cannot be made."""
        self.url = _parse(url)
        self.engine = _engine(self.url)

    def __repr__(self) -> str:
        return f"Database({self.url.render_as_string(hide_password=True)})"

    @property
    def is_sqlite(self) -> bool:
        """Whether it is a SQLite file."""
        return self.engine.dialect.name == "sqlite"

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A session to read in. Errors: Unavailable."""
        with _translated(), Session(self.engine) as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """One transaction: everything done in it is kept at its end, or nothing. Errors: Unavailable."""
        # With SQLite, take the write lock before reading: what was read is then still so when it is written, and SQLite
        # waits for other writers, which it does not once this transaction has read.
        with _translated(), Session(self.engine) as session, session.begin():
            session.connection(execution_options={BEGIN: "BEGIN IMMEDIATE"})
            yield session

    @contextmanager
    def changing(self) -> Iterator[Connection]:
        """The same on a bare connection. Errors: Unavailable."""
        options = {BEGIN: "BEGIN IMMEDIATE"}
        with _translated(), self.engine.connect().execution_options(**options) as connection, connection.begin():
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A bare connection to read on. Errors: Unavailable."""
        with _translated(), self.engine.connect() as connection:
            yield connection

    def make(self, tables: MetaData) -> None:
        """Make the tables that are missing, however many programs do so at once. Errors: Unavailable."""
        with self.changing() as connection:
            hold_tables(connection)
            tables.create_all(connection)

    def migrate(self) -> None:
        """Bring the tables to this version's form. Errors: Unavailable, UsageError for tables of a newer version."""
        from app.market.db.migrate import migrate

        with _translated():
            migrate(self.engine)

    def is_current(self) -> bool:
        """Whether the tables have this version's form. Errors: Unavailable."""
        from app.market.db.migrate import is_current

        with _translated():
            return is_current(self.engine)

    def close(self) -> None:
        """Let go of all connections."""
        self.engine.dispose()


def _parse(text: str) -> URL:
    try:
        url = make_url(text)
        driver = BACKENDS[url.get_backend_name()]
    except (ArgumentError, KeyError):
        raise UsageError(
            "The database is not one that the index can use.",
            "Name it by sqlite:///PATH or postgresql://user@host/name.",
        ) from None
    if driver == "sqlite" and (not url.database or url.database == ":memory:" or url.query):
        raise UsageError("The index needs a SQLite file.", "Name it by sqlite:///PATH.")
    return url.set(drivername=driver)


def _engine(url: URL) -> Engine:
    if url.get_backend_name() != "sqlite":
        return create_engine(url, pool_size=CONNECTIONS, pool_pre_ping=True, connect_args={"connect_timeout": 10})
    path = Path(url.database or "")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Unavailable(f"The folder of the index {path} cannot be made: {error.strerror}.") from None
    engine = create_engine(url, pool_size=CONNECTIONS, creator=lambda: open_shared(path, LOCK_SECONDS))
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def _prepare(connection: Any, _record: object) -> None:
    for pragma in (
        f"cache_size = -{CACHE_KIB}",
        f"mmap_size = {MAP_BYTES}",
        "temp_store = MEMORY",
    ):
        connection.execute(f"PRAGMA {pragma}")


def hold_tables(connection: Connection) -> None:
    """Until the transaction ends no other program makes or changes tables; SQLite's write lock says so by itself."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": TABLES_LOCK})


def _begin(connection: Connection) -> None:
    """Every read sees one state of the database; a writer asks for the lock at once (`Database.writing`)."""
    mode = connection.get_execution_options().get(BEGIN, "BEGIN")
    connection.exec_driver_sql(mode)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except DatabaseError as error:
        if type(error) not in (OperationalError, DatabaseError):  # the others are this program's own mistakes
            raise
        raise Unavailable(
            f"The database of the index does not answer: {_first_line(error)}",
            "Check that it runs and that the URL and its permissions are right.",
        ) from None


def _first_line(error: DBAPIError) -> str:
    """What the driver says, in one line and without the statement or its values."""
    return (str(error.orig).strip().splitlines() or ["no reason given"])[0].rstrip(".") + "."
