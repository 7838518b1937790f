"""Fixed fees of providers, and prices that are for a million units.

What an index holds of providers' prices means something else since, so nothing of it is kept: it is built again from
the market's first block.

Revision 0004, after 0003.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from app.market.db.columns import AmountText

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

EMPTIED = (
    *("place", "marks", "journal", "events", "payments", "datasets", "versions", "offers", "licenses", "jobs"),
    *("executions", "providers", "accounts", "revenue", "totals", "manifests", "policies", "listings", "terms"),
)


def upgrade() -> None:
    """To this form, empty."""
    _empty()
    with op.batch_alter_table("providers") as batch_op:
        batch_op.add_column(sa.Column("fixed_fee", AmountText(), nullable=False))


def downgrade() -> None:
    """Back, empty."""
    _empty()
    with op.batch_alter_table("providers") as batch_op:
        batch_op.drop_column("fixed_fee")


def _empty() -> None:
    for table in EMPTIED:
        op.execute(sa.delete(sa.table(table)))
