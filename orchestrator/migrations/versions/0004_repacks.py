"""Repacks: running instances moved to make room."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """From 0003 to 0004."""
    op.create_table(
        "repacks",
        sa.Column("repack_id", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("decision", sa.JSON(), nullable=False),
        sa.Column("moves", sa.JSON(), nullable=False),
        sa.Column("moving", sa.JSON(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False, server_default=""),
        sa.Column("begun_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("repack_id"),
        if_not_exists=True,
    )
    op.create_index("ix_repacks_state", "repacks", ["state"], if_not_exists=True)
    op.create_index("ix_repacks_begun_at", "repacks", ["begun_at"], if_not_exists=True)
