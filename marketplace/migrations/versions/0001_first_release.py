"""The tables of the first release; a store of a time before revisions gets what it lacks of them."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """From nothing, or from what a store without revisions has."""
    op.create_table(
        "assets",
        sa.Column("asset_id", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("creator", sa.Text(), nullable=False),
        sa.Column("subscription_id", sa.Text(), nullable=False),
        sa.Column("content_hash", sa.Text(), nullable=False),
        sa.Column("uri", sa.Text(), nullable=False),
        sa.Column("price", sa.Text(), nullable=True),
        sa.Column("user", sa.Text(), nullable=True),
        sa.Column("user_expires", sa.BigInteger(), nullable=True),
        sa.Column("burned", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("asset_id"),
        if_not_exists=True,
    )
    op.create_index("ix_assets_owner", "assets", ["owner"], if_not_exists=True)
    op.create_index("ix_assets_subscription_id", "assets", ["subscription_id"], if_not_exists=True)

    op.create_table(
        "cursor",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("block_number", sa.Integer(), nullable=False),
        sa.Column("block_hash", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
        if_not_exists=True,
    )
    op.create_table(
        "models",
        sa.Column("model_id", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("spec_hash", sa.Text(), nullable=False),
        sa.Column("uri", sa.Text(), nullable=False),
        sa.Column("royalty_bps", sa.Integer(), nullable=False),
        sa.Column("meter_key", sa.Text(), nullable=False),
        sa.Column("ask_bps", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("model_id"),
        if_not_exists=True,
    )
    op.create_table(
        "plans",
        sa.Column("plan_id", sa.Text(), nullable=False),
        sa.Column("model_id", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("unit_price", sa.Text(), nullable=False),
        sa.Column("period_price", sa.Text(), nullable=False),
        sa.Column("period", sa.BigInteger(), nullable=False),
        sa.Column("release_window", sa.BigInteger(), nullable=False),
        sa.Column("activation_window", sa.BigInteger(), nullable=False),
        sa.Column("qoe_floor", sa.Integer(), nullable=False),
        sa.Column("terms_hash", sa.Text(), nullable=False),
        sa.Column("shares", sa.JSON(), nullable=False),
        sa.Column("retired", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("plan_id"),
        if_not_exists=True,
    )
    op.create_index("ix_plans_model_id", "plans", ["model_id"], if_not_exists=True)

    op.create_table(
        "settlements",
        sa.Column("block_number", sa.Integer(), nullable=False),
        sa.Column("log_index", sa.Integer(), nullable=False),
        sa.Column("subscription_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("units", sa.Text(), nullable=False),
        sa.Column("amount", sa.Text(), nullable=False),
        sa.Column("usage_root", sa.Text(), nullable=True),
        sa.Column("tx_hash", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("block_number", "log_index"),
        if_not_exists=True,
    )
    op.create_index("ix_settlements_subscription_id", "settlements", ["subscription_id"], if_not_exists=True)

    op.create_table(
        "subscriptions",
        sa.Column("subscription_id", sa.Text(), nullable=False),
        sa.Column("plan_id", sa.Text(), nullable=False),
        sa.Column("buyer", sa.Text(), nullable=False),
        sa.Column("signer", sa.Text(), nullable=False),
        sa.Column("cap", sa.Text(), nullable=False),
        sa.Column("used", sa.Text(), nullable=False),
        sa.Column("periods", sa.Integer(), nullable=False),
        sa.Column("reserved", sa.Text(), nullable=False),
        sa.Column("deadline", sa.BigInteger(), nullable=False),
        sa.Column("requirements_hash", sa.Text(), nullable=False),
        sa.Column("endpoint_hash", sa.Text(), nullable=True),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("paid_through", sa.BigInteger(), nullable=False),
        sa.Column("releasable_at", sa.BigInteger(), nullable=True),
        sa.Column("ended", sa.Text(), nullable=True),
        sa.Column("returned", sa.Text(), nullable=False),
        sa.Column("tx_hash", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("subscription_id"),
        if_not_exists=True,
    )
    op.create_index("ix_subscriptions_buyer", "subscriptions", ["buyer"], if_not_exists=True)
    op.create_index("ix_subscriptions_plan_id", "subscriptions", ["plan_id"], if_not_exists=True)
    op.create_index("ix_subscriptions_tx_hash", "subscriptions", ["tx_hash"], if_not_exists=True)

    op.create_table(
        "documents",
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("schema", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("hash"),
        if_not_exists=True,
    )
    op.create_table(
        "orders",
        sa.Column("order_id", sa.Text(), nullable=False),
        sa.Column("quote_id", sa.Text(), nullable=False),
        sa.Column("buyer", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("tx_hash", sa.Text(), nullable=True),
        sa.Column("subscription_id", sa.Text(), nullable=True),
        sa.Column("problem", sa.JSON(), nullable=True),
        sa.PrimaryKeyConstraint("order_id"),
        if_not_exists=True,
    )
    op.create_table(
        "quotes",
        sa.Column("quote_id", sa.Text(), nullable=False),
        sa.Column("plan_id", sa.Text(), nullable=False),
        sa.Column("cap", sa.Text(), nullable=False),
        sa.Column("periods", sa.Integer(), nullable=False),
        sa.Column("buyer", sa.Text(), nullable=False),
        sa.Column("total", sa.Text(), nullable=False),
        sa.Column("nonce", sa.Text(), nullable=False),
        sa.Column("deadline", sa.BigInteger(), nullable=False),
        sa.Column("expires", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("quote_id"),
        if_not_exists=True,
    )
