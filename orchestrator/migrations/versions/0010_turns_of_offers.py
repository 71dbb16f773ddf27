"""The turn of the pool that an offer was decided after."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Offers from before are decided again when they are accepted."""
    op.add_column("offers", sa.Column("turn", sa.BigInteger(), nullable=False, server_default="0"))
