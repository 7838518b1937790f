"""Disputes about results: what an order states, who says that a value is wrong, and how it ends.

Jobs of earlier editions state nothing and have none.

Revision 0007, after 0006.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from app.market.db.columns import AmountText, whole

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """To this form."""
    op.create_table(
        "disputes",
        sa.Column("id", whole(), autoincrement=False, nullable=False),
        sa.Column("job", whole(), nullable=False),
        sa.Column("position", whole(), nullable=False),
        sa.Column("executor", sa.String(), nullable=False),
        sa.Column("challenger", sa.String(), nullable=False),
        sa.Column("value", AmountText(), nullable=False),
        sa.Column("bond", AmountText(), nullable=False),
        sa.Column("phase", whole(), nullable=False),
        sa.Column("deadline", whole(), nullable=False),
        sa.Column("about", sa.String(), nullable=False),
        sa.Column("moves", whole(), nullable=False),
        sa.Column("verdict", sa.String(), nullable=False),
        sa.Column("opened_at", whole(), nullable=False),
        sa.Column("ended_at", whole(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_disputes")),
    )
    with op.batch_alter_table("disputes") as batch_op:
        batch_op.create_index("ix_disputes_job", ["job", "id"], unique=False)
    _add("executions", sa.Column("convicted_by", whole(), server_default="0", nullable=False))
    _add("jobs", sa.Column("program", sa.String(), server_default="", nullable=False))
    _add("jobs", sa.Column("disputes", whole(), server_default="0", nullable=False))


def downgrade() -> None:
    """Back to the form before."""
    for table, column in (("jobs", "disputes"), ("jobs", "program"), ("executions", "convicted_by")):
        with op.batch_alter_table(table) as batch_op:
            batch_op.drop_column(column)
    op.drop_table("disputes")


def _add(table: str, column: sa.Column[object]) -> None:
    """A column whose default is for the rows that are there: those to come say it."""
    with op.batch_alter_table(table) as batch_op:
        batch_op.add_column(column)
    with op.batch_alter_table(table) as batch_op:
        batch_op.alter_column(column.name, server_default=None)
