"""How the index's database is reached and its transactions begin; what database and migrations both stand on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError

from app.files.shared_sqlite import open_shared
from app.protocol.errors import Unavailable, UsageError

LOCK_SECONDS = 30.0
CACHE_KIB = 32 * 1024
MAP_BYTES = 1 << 28  # of the file, read without copying
CONNECTIONS = 8
TABLES_LOCK = 0x6461726B  # PostgreSQL's advisory lock under which tables are made and changed
BEGIN = "darkroom_begin"  # an execution option: the statement that begins a transaction in SQLite
BACKENDS = {"sqlite": "sqlite", "postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}


def parse_url(text: str) -> URL:
    """The URL of a database that the index can use. Errors: UsageError."""
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


def make_engine(url: URL) -> Engine:
    """Connections to the database, each prepared. Errors: Unavailable for a folder that cannot be made."""
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
