"""What Alembic runs: our tables on the connection that `migrate` hands over."""

from __future__ import annotations

from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext
from sqlalchemy import BigInteger, String

from app.market.db import tables
from app.market.db.columns import AmountText

OURS = ((AmountText, "AmountText()"), (BigInteger, "whole()"))


def render(kind: str, item: Any, autogenerate: AutogenContext) -> str | Literal[False]:
    """Our own column types in a migration's source; everything else as Alembic writes it."""
    if kind != "type":
        return False
    text = next((text for type_, text in OURS if isinstance(item, type_)), None)
    if isinstance(item, String) and "postgresql" in item._variant_mapping:
        text = f"binary_text({item.length})"
    if text is not None:
        autogenerate.imports.add(f"from {AmountText.__module__} import {text.partition('(')[0]}")
        return text
    return False


connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=tables.IndexTable.metadata,
    render_as_batch=connection.dialect.name == "sqlite",  # SQLite alters a table by copying it
    compare_type=True,
    render_item=render,
)
with context.begin_transaction():
    context.run_migrations()
