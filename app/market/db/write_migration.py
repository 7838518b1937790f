"""Writing a migration, after a change in `tables`: `python -m app.market.db.write_migration "what changes"`."""

from __future__ import annotations

import sys
import tempfile

from alembic import command

from app.market.db.database import Database
from app.market.db.migrate import FOLDER, config


def write(message: str) -> None:
    """Write the migration from the newest form to that of the models."""
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{folder}/index.sqlite")
        database.migrate()
        with database.engine.begin() as connection:
            settings = config()
            settings.attributes["connection"] = connection
            number = len(list((FOLDER / "versions").glob("[0-9]*.py"))) + 1
            command.revision(settings, message, autogenerate=True, rev_id=f"{number:04d}")


if __name__ == "__main__":
    write(" ".join(sys.argv[1:]) or "change")
