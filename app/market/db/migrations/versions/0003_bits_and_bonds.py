"""Bits that are sold, bonds of custodians, contests, capacity in use.

The contracts changed with it, so that an earlier index is one of another market, and its documents are of forms that
this version refuses: nothing of it is kept, and the index is built again from the present market's first block.

Revision 0003, after 0002.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from app.market.db.columns import AmountText, whole

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

EMPTIED = (
    *("place", "marks", "journal", "events", "payments", "datasets", "versions", "offers", "licenses", "jobs"),
    *("executions", "providers", "accounts", "revenue", "totals", "manifests", "policies", "listings", "terms"),
)
ADDED: dict[str, tuple[tuple[str, type[AmountText | sa.String | sa.Boolean] | None], ...]] = {  # None: a whole number
    "datasets": (
        ("micro_bits", AmountText),
        ("reserved", AmountText),
        ("custody_bond", AmountText),
        ("custody_held", AmountText),
        ("head", sa.String),
    ),
    "jobs": (("contested_from", None), ("penalty", AmountText)),
    "licenses": (("micro_bits", None), ("settled_at", None), ("used_micro_bits", None)),
    "offers": (("micro_bits", None), ("licenses_left", None), ("sold_out", sa.Boolean)),
    "providers": (("in_use", AmountText),),
    "totals": (("burned", AmountText),),
}


def upgrade() -> None:
    """To this form, empty."""
    _empty()
    for table, columns in ADDED.items():
        with op.batch_alter_table(table, recreate="always") as batch_op:
            for name, kind in columns:
                batch_op.add_column(sa.Column(name, whole() if kind is None else kind(), nullable=False))
            if table == "offers":
                batch_op.drop_column("taken")


def downgrade() -> None:
    """Back, empty."""
    _empty()
    for table, columns in reversed(ADDED.items()):
        with op.batch_alter_table(table, recreate="always") as batch_op:
            for name, _ in reversed(columns):
                batch_op.drop_column(name)
            if table == "offers":
                batch_op.add_column(sa.Column("taken", AmountText(), nullable=False))


def _empty() -> None:
    for table in EMPTIED:
        op.execute(sa.delete(sa.table(table)))
