"""The owner's word on a job, and a custodian for every dataset.

Revision 0002, after 0001.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from alembic import op

from app.market.db.columns import whole

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

WORD: dict[str, object] = {"approval": 0, "approval_by": "", "approval_at": 0, "approval_tx": ""}
JOURNAL = sa.table("journal", sa.column("block"), sa.column("entity"), sa.column("key"), sa.column("before"))


def upgrade() -> None:
    """To this form. What no event said before is unknown: no word, and no name for a first custodian."""
    with op.batch_alter_table("jobs") as batch_op:
        batch_op.add_column(sa.Column("approval", whole(), nullable=False, server_default="0"))
        batch_op.add_column(sa.Column("approval_by", sa.String(), nullable=False, server_default=""))
        batch_op.add_column(sa.Column("approval_at", whole(), nullable=False, server_default="0"))
        batch_op.add_column(sa.Column("approval_tx", sa.String(), nullable=False, server_default=""))
    with op.batch_alter_table("jobs") as batch_op:
        for name in WORD:
            batch_op.alter_column(name, server_default=None)
    op.execute("UPDATE datasets SET custodian = '' WHERE custodian IS NULL")
    with op.batch_alter_table("datasets") as batch_op:
        batch_op.alter_column("custodian", existing_type=sa.String(), nullable=False)
    _rewrite("jobs", lambda row: {**row, **WORD})
    _rewrite("datasets", lambda row: {**row, "custodian": row["custodian"] or ""})


def downgrade() -> None:
    """Back."""
    _rewrite("jobs", lambda row: {name: value for name, value in row.items() if name not in WORD})
    with op.batch_alter_table("datasets") as batch_op:
        batch_op.alter_column("custodian", existing_type=sa.String(), nullable=True)
    with op.batch_alter_table("jobs") as batch_op:
        for name in reversed(WORD):
            batch_op.drop_column(name)


def _rewrite(entity: str, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Give the journal's earlier rows of an entity the columns that the entity has now."""
    connection = op.get_bind()
    kept = connection.execute(sa.select(JOURNAL).where(JOURNAL.c.entity == entity, JOURNAL.c.before.is_not(None))).all()
    for row in kept:
        before = json.dumps(change(json.loads(row.before)), separators=(",", ":"))
        here = (JOURNAL.c.block == row.block, JOURNAL.c.entity == entity, JOURNAL.c.key == row.key)
        connection.execute(JOURNAL.update().where(*here).values(before=before))
