"""The index's database by URL: `sqlite:///PATH` (WAL) or `postgresql://user:password@host/name`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, MetaData
from sqlalchemy.exc import DatabaseError, DBAPIError, OperationalError
from sqlmodel import Session

from app.market.db.engine import BEGIN, hold_tables, make_engine, parse_url
from app.market.db.migrate import is_current, migrate
from app.protocol.errors import Unavailable


class Database:
    """One database. Its tables are made by `migrate`; nothing else creates or changes them."""

    def __init__(self, url: str) -> None:
        """Errors: UsageError for a URL of another kind; Unavailable for a folder that cannot be made."""
        self.url = parse_url(url)
        self.engine = make_engine(self.url)

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
        with _translated():
            migrate(self.engine)

    def is_current(self) -> bool:
        """Whether the tables have this version's form. Errors: Unavailable."""
        with _translated():
            return is_current(self.engine)

    def close(self) -> None:
        """Let go of all connections."""
        self.engine.dispose()


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
