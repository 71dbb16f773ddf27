"""Sites where nothing can be started now, and why: their domain is down."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """From 0006 to 0010."""
    op.add_column("nodes", sa.Column("closed", sa.String(), nullable=False, server_default=""))
