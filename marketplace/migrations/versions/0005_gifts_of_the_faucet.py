"""Who was given test money by the faucet, so that its limits outlive a restart."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0003"


def upgrade() -> None:
    """From 0003 to 0005."""
    op.create_table(
        "gifts",
        sa.Column("gift_id", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("gift_id"),
    )
    op.create_index("ix_gifts_at", "gifts", ["at"])
