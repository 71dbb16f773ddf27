"""Warm instances: kept without users until a time, or at a scale that was asked for."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """From 0004 to 0005."""
    op.add_column("model_instances", sa.Column("warm_until", sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("model_instances", sa.Column("least_scale", sa.Integer(), nullable=False, server_default="1"))
