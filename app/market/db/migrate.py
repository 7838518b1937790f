"""Bringing the index's tables to this version's form, by the migrations in this package."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Engine

from app.market.db import tables
from app.market.db.engine import BEGIN, hold_tables
from app.protocol.errors import UsageError

FOLDER = Path(__file__).with_name("migrations")


def migrate(engine: Engine) -> None:
    """Up to the newest form; nothing when it has it. Errors: UsageError for tables of a newer version."""
    with engine.connect().execution_options(**{BEGIN: "BEGIN IMMEDIATE"}) as connection, connection.begin():
        hold_tables(connection)
        settings = config()
        settings.attributes["connection"] = connection
        try:
            command.upgrade(settings, "head")
        except CommandError as error:
            raise UsageError(
                f"The tables of the index are of another version of Darkroom ({error}).",
                "Use that version, or another database: the index is rebuilt from the chain.",
            ) from None


def is_current(engine: Engine) -> bool:
    """Whether the newest migration was applied."""
    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision() == newest()


def newest() -> str | None:
    """The newest migration's name."""
    return ScriptDirectory.from_config(config()).get_current_head()


def differences(engine: Engine) -> list[object]:
    """What the tables of a migrated database lack, or have too much, beside the models; empty when they agree."""
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, tables.IndexTable.metadata))


def config() -> Config:
    """Alembic's settings for these migrations."""
    settings = Config()
    settings.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    settings.set_main_option("file_template", "%%(rev)s_%%(slug)s")
    settings.set_main_option("path_separator", "os")
    return settings
