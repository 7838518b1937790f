"""What each version changed.

Revision 0005, after 0004.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from app.market.db.columns import whole

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """To this form."""
    op.create_table(
        "changes",
        sa.Column("after", sa.String(), nullable=False),
        sa.Column("before", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("tries", whole(), nullable=False),
        sa.Column("next_try", whole(), nullable=False),
        sa.Column("facts", sa.Text(), nullable=False),
        sa.Column("change", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("after", "before", name=op.f("pk_changes")),
    )


def downgrade() -> None:
    """Back to the form before."""
    op.drop_table("changes")
