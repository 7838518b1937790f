"""Mandates of software agents: what payers granted, what was done under it, and what they ended.

Revision 0006, after 0005.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from app.market.db.columns import AmountText, whole

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """To this form."""
    op.create_table(
        "mandate_endings",
        sa.Column("payer", sa.String(), nullable=False),
        sa.Column("mandate", sa.String(), nullable=False),
        sa.Column("below", AmountText(), nullable=False),
        sa.Column("at", whole(), nullable=False),
        sa.PrimaryKeyConstraint("payer", "mandate", name=op.f("pk_mandate_endings")),
    )
    op.create_table(
        "mandate_uses",
        sa.Column("mandate", sa.String(), nullable=False),
        sa.Column("occurrence", whole(), autoincrement=False, nullable=False),
        sa.Column("action", whole(), nullable=False),
        sa.Column("subject", whole(), nullable=False),
        sa.Column("dataset", whole(), nullable=False),
        sa.Column("policy", sa.String(), nullable=False),
        sa.Column("amount", AmountText(), nullable=False),
        sa.Column("at", whole(), nullable=False),
        sa.Column("tx", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("mandate", "occurrence", name=op.f("pk_mandate_uses")),
    )
    op.create_table(
        "mandates",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("payer", sa.String(), nullable=False),
        sa.Column("agent", sa.String(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("terms", sa.Text(), nullable=False),
        sa.Column("spent", AmountText(), nullable=False),
        sa.Column("occurrences", whole(), nullable=False),
        sa.Column("granted_at", whole(), nullable=False),
        sa.Column("tx", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mandates")),
    )
    with op.batch_alter_table("mandates") as batch_op:
        batch_op.create_index(batch_op.f("ix_mandates_agent"), ["agent"], unique=False)
        batch_op.create_index(batch_op.f("ix_mandates_payer"), ["payer"], unique=False)


def downgrade() -> None:
    """Back to the form before."""
    op.drop_table("mandates")
    op.drop_table("mandate_uses")
    op.drop_table("mandate_endings")
