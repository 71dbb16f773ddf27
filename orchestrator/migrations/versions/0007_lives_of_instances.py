"""What was measured of the lives of model instances, and of each model's instances that have ended."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """From 0006 to 0007."""
    for name in ("deaths", "up_s", "down_s", "down_since"):
        op.add_column("model_instances", sa.Column(name, sa.BigInteger(), nullable=False, server_default="0"))
    op.create_table(
        "model_lives",
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("deaths", sa.BigInteger(), nullable=False),
        sa.Column("up_s", sa.BigInteger(), nullable=False),
        sa.Column("down_s", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("model"),
    )
