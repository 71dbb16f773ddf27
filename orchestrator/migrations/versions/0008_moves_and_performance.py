"""Moves of MSIs and shares, what is measured of them, what an MSI is made of, and which offer answers which."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """From 0006 to 0008."""
    op.create_table(
        "moves",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("move", sa.String(), nullable=False),
        sa.Column("before", sa.String(), nullable=False),
        sa.Column("after", sa.String(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("number"),
    )
    op.create_index("ix_moves_subject", "moves", ["subject"])
    op.create_table(
        "performance",
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("calls", sa.Integer(), nullable=False),
        sa.Column("latency_ms", sa.Float(), nullable=True),
        sa.Column("queue", sa.Float(), nullable=False),
        sa.Column("error_rate", sa.Float(), nullable=False),
        sa.Column("immersion", sa.Float(), nullable=True),
        sa.Column("under_floor", sa.Integer(), nullable=False),
        sa.Column("free_shares", sa.Integer(), nullable=False),
        sa.Column("shares", sa.Integer(), nullable=False),
        sa.Column("strained", sa.Boolean(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("subject"),
    )
    op.create_index("ix_performance_strained", "performance", ["strained"])
    op.add_column("offers", sa.Column("instead_of", sa.String(), nullable=False, server_default=""))
    op.add_column("offers", sa.Column("change", sa.JSON(none_as_null=True), nullable=True))
    op.create_index("ix_offers_instead_of", "offers", ["instead_of"])
    op.add_column("msis", sa.Column("composition", sa.String(), nullable=False, server_default=""))
    op.create_index("ix_msis_composition", "msis", ["composition"])
    _tell_of_what_they_are_made()


def _tell_of_what_they_are_made() -> None:
    """Of an MSI in which shares stood, the roles and models of any of them."""
    shares = sa.table("shares", sa.column("msi_id"), sa.column("requirements", sa.JSON))
    msis = sa.table("msis", sa.column("msi_id"), sa.column("composition"))
    rows = op.get_bind()
    roles = {row.msi_id: row.requirements["roles"] for row in rows.execute(sa.select(shares))}
    for msi_id, filled in roles.items():
        made_of = ",".join(f"{role}={model}" for role, model in sorted(filled.items()))
        rows.execute(sa.update(msis).where(msis.c.msi_id == msi_id).values(composition=made_of))
