"""The tables of the first release; a store of a time before revisions gets what it lacks of them."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """From nothing, or from what a store without revisions has."""
    op.create_table(
        "chain_events",
        sa.Column("block_number", sa.Integer(), nullable=False),
        sa.Column("log_index", sa.Integer(), nullable=False),
        sa.Column("block_hash", sa.String(), nullable=False),
        sa.Column("tx_hash", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("subscription_id", sa.String(), nullable=False),
        sa.Column("fields", sa.JSON(), nullable=False),
        sa.Column("seen_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("block_number", "log_index"),
        if_not_exists=True,
    )
    op.create_index("ix_chain_events_subscription_id", "chain_events", ["subscription_id"], if_not_exists=True)

    op.create_table(
        "final_blocks",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("hash", sa.String(), nullable=False),
        sa.Column("timestamp", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("number"),
        if_not_exists=True,
    )
    op.create_table(
        "listener_cursor",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("chain_id", sa.String(), nullable=False),
        sa.Column("genesis_hash", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("hash", sa.String(), nullable=False),
        sa.Column("timestamp", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        if_not_exists=True,
    )
    op.create_table(
        "services",
        sa.Column("subscription_id", sa.String(), nullable=False),
        sa.Column("plan_id", sa.String(), nullable=False),
        sa.Column("buyer", sa.String(), nullable=False),
        sa.Column("signer", sa.String(), nullable=False),
        sa.Column("cap", sa.String(), nullable=False),
        sa.Column("requirements_hash", sa.String(), nullable=False),
        sa.Column("block_number", sa.Integer(), nullable=False),
        sa.Column("deadline", sa.BigInteger(), nullable=False),
        sa.Column("paid_through", sa.BigInteger(), nullable=False),
        sa.Column("prepaid", sa.Boolean(), nullable=False),
        sa.Column("chain_status", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("due_ms", sa.BigInteger(), nullable=False),
        sa.Column("route", sa.JSON(), nullable=True),
        sa.Column("outcome", sa.JSON(), nullable=False),
        sa.Column("times", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("subscription_id"),
        if_not_exists=True,
    )
    op.create_index("ix_services_chain_status", "services", ["chain_status"], if_not_exists=True)
    op.create_index("ix_services_state", "services", ["state"], if_not_exists=True)

    op.create_table(
        "settlements",
        sa.Column("batch", sa.String(), nullable=False),
        sa.Column("vouchers", sa.JSON(), nullable=False),
        sa.Column("tx_hash", sa.String(), nullable=False),
        sa.Column("gas_used", sa.BigInteger(), nullable=False),
        sa.Column("result", sa.JSON(), nullable=True),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("batch"),
        if_not_exists=True,
    )
    op.create_table(
        "vouchers",
        sa.Column("subscription_id", sa.String(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("units", sa.String(), nullable=False),
        sa.Column("usage_root", sa.String(), nullable=False),
        sa.Column("r", sa.String(), nullable=False),
        sa.Column("vs", sa.String(), nullable=False),
        sa.Column("result", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("subscription_id"),
        if_not_exists=True,
    )
    op.create_table(
        "msis",
        sa.Column("msi_id", sa.String(), nullable=False),
        sa.Column("service", sa.String(), nullable=False),
        sa.Column("cluster", sa.String(), nullable=False),
        sa.Column("isolation", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("latency_ms", sa.Float(), nullable=False),
        sa.Column("reliability", sa.Float(), nullable=False),
        sa.Column("max_shares", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("msi_id"),
        if_not_exists=True,
    )
    op.create_index("ix_msis_service", "msis", ["service"], if_not_exists=True)
    op.create_index("ix_msis_state", "msis", ["state"], if_not_exists=True)

    op.create_table(
        "nodes",
        sa.Column("node_id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("latency_ms", sa.Float(), server_default="0", nullable=False),
        sa.Column("capacity_computing_mcores", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("capacity_bandwidth_mbps", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("capacity_protocol_stack_sessions", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("capacity_rendering_k", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("capacity_storage_mib", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("capacity_spectrum_mhz", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("used_computing_mcores", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("used_bandwidth_mbps", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("used_protocol_stack_sessions", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("used_rendering_k", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("used_storage_mib", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("used_spectrum_mhz", sa.BigInteger(), server_default="0", nullable=False),
        sa.CheckConstraint(
            "used_bandwidth_mbps BETWEEN 0 AND capacity_bandwidth_mbps", name="bandwidth_mbps_not_over_allocated"
        ),
        sa.CheckConstraint(
            "used_computing_mcores BETWEEN 0 AND capacity_computing_mcores", name="computing_mcores_not_over_allocated"
        ),
        sa.CheckConstraint(
            "used_protocol_stack_sessions BETWEEN 0 AND capacity_protocol_stack_sessions",
            name="protocol_stack_sessions_not_over_allocated",
        ),
        sa.CheckConstraint(
            "used_rendering_k BETWEEN 0 AND capacity_rendering_k", name="rendering_k_not_over_allocated"
        ),
        sa.CheckConstraint(
            "used_spectrum_mhz BETWEEN 0 AND capacity_spectrum_mhz", name="spectrum_mhz_not_over_allocated"
        ),
        sa.CheckConstraint(
            "used_storage_mib BETWEEN 0 AND capacity_storage_mib", name="storage_mib_not_over_allocated"
        ),
        sa.PrimaryKeyConstraint("node_id"),
        if_not_exists=True,
    )
    op.create_table(
        "notices",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("subscription_id", sa.String(), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("number"),
        sa.UniqueConstraint("key"),
        if_not_exists=True,
    )
    op.create_index("ix_notices_subscription_id", "notices", ["subscription_id"], if_not_exists=True)

    op.create_table(
        "offers",
        sa.Column("offer_id", sa.String(), nullable=False),
        sa.Column("subscription_id", sa.String(), nullable=False),
        sa.Column("msi_id", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("request", sa.JSON(), nullable=False),
        sa.Column("decision", sa.JSON(), nullable=False),
        sa.Column("cause", sa.Text(), server_default="", nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("offer_id"),
        if_not_exists=True,
    )
    op.create_index("ix_offers_subscription_id", "offers", ["subscription_id"], if_not_exists=True)

    op.create_table(
        "service_requirements",
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("subscription_id", sa.String(), nullable=False),
        sa.Column("requirements", sa.JSON(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key"),
        if_not_exists=True,
    )
    op.create_index(
        "ix_service_requirements_subscription_id", "service_requirements", ["subscription_id"], if_not_exists=True
    )

    op.create_table(
        "turns",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("turn", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("name"),
        if_not_exists=True,
    )
    op.create_table(
        "allocations",
        sa.Column("allocation_id", sa.String(), nullable=False),
        sa.Column("node_id", sa.String(), nullable=False),
        sa.Column("instance_id", sa.String(), nullable=False),
        sa.Column("subscription_id", sa.String(), server_default="", nullable=False),
        sa.Column("computing_mcores", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("bandwidth_mbps", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("protocol_stack_sessions", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("rendering_k", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("storage_mib", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("spectrum_mhz", sa.BigInteger(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(["node_id"], ["nodes.node_id"]),
        sa.PrimaryKeyConstraint("allocation_id"),
        if_not_exists=True,
    )
    op.create_index("ix_allocations_instance_id", "allocations", ["instance_id"], if_not_exists=True)
    op.create_index("ix_allocations_node_id", "allocations", ["node_id"], if_not_exists=True)
    op.create_index("ix_allocations_subscription_id", "allocations", ["subscription_id"], if_not_exists=True)

    op.create_table(
        "model_instances",
        sa.Column("instance_id", sa.String(), nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("node_id", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("isolation", sa.Integer(), nullable=False),
        sa.Column("cluster", sa.String(), nullable=False),
        sa.Column("msi_id", sa.String(), nullable=False),
        sa.Column("supply", sa.Boolean(), nullable=False),
        sa.Column("scale", sa.Integer(), nullable=False),
        sa.Column("max_shares", sa.Integer(), nullable=False),
        sa.Column("shares", sa.Integer(), server_default="0", nullable=False),
        sa.Column("socket", sa.String(), server_default="", nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("shares BETWEEN 0 AND max_shares * scale", name="shares_within_bound"),
        sa.ForeignKeyConstraint(["node_id"], ["nodes.node_id"]),
        sa.PrimaryKeyConstraint("instance_id"),
        if_not_exists=True,
    )
    op.create_index("ix_model_instances_model", "model_instances", ["model"], if_not_exists=True)
    op.create_index("ix_model_instances_state", "model_instances", ["state"], if_not_exists=True)

    op.create_table(
        "shares",
        sa.Column("subscription_id", sa.String(), nullable=False),
        sa.Column("msi_id", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("reused", sa.Boolean(), nullable=False),
        sa.Column("rendering_k", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("rendering_instance", sa.String(), server_default="", nullable=False),
        sa.Column("requirements", sa.JSON(), nullable=False),
        sa.Column("models", sa.JSON(), nullable=False),
        sa.Column("grant", sa.JSON(), nullable=False),
        sa.Column("decision", sa.JSON(), nullable=True),
        sa.Column("refusal", sa.JSON(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["msi_id"], ["msis.msi_id"]),
        sa.PrimaryKeyConstraint("subscription_id"),
        if_not_exists=True,
    )
    op.create_index("ix_shares_msi_id", "shares", ["msi_id"], if_not_exists=True)
    op.create_index("ix_shares_rendering_instance", "shares", ["rendering_instance"], if_not_exists=True)

    op.create_table(
        "supplies",
        sa.Column("supplier", sa.String(), nullable=False),
        sa.Column("node_id", sa.String(), nullable=False),
        sa.Column("computing_mcores", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("bandwidth_mbps", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("protocol_stack_sessions", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("rendering_k", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("storage_mib", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("spectrum_mhz", sa.BigInteger(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(["node_id"], ["nodes.node_id"]),
        sa.PrimaryKeyConstraint("supplier"),
        if_not_exists=True,
    )
    op.create_index("ix_supplies_node_id", "supplies", ["node_id"], if_not_exists=True)

    op.create_table(
        "uses",
        sa.Column("subscription_id", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("msi_id", sa.String(), nullable=False),
        sa.Column("instance_id", sa.String(), nullable=False),
        sa.Column("verdict", sa.String(), nullable=False),
        sa.Column("offer_id", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["instance_id"], ["model_instances.instance_id"]),
        sa.PrimaryKeyConstraint("subscription_id", "role"),
        if_not_exists=True,
    )
    op.create_index("ix_uses_instance_id", "uses", ["instance_id"], if_not_exists=True)
    op.create_index("ix_uses_msi_id", "uses", ["msi_id"], if_not_exists=True)

    for name in ("pool", "ar_vr", "digital_twin"):
        op.execute(f"INSERT INTO turns (name) VALUES ('{name}') ON CONFLICT DO NOTHING")  # noqa: S608
    capacity = {f"capacity_{name}": name for name in RESOURCES}
    used = {f"used_{name}": name for name in RESOURCES}
    keep_sums("supplies", "nodes", "node_id", capacity)
    keep_sums("allocations", "nodes", "node_id", used)
    keep_sums("uses", "model_instances", "instance_id", {"shares": "1"})


RESOURCES = (
    "computing_mcores",
    "bandwidth_mbps",
    "protocol_stack_sessions",
    "rendering_k",
    "storage_mib",
    "spectrum_mhz",
)


def keep_sums(child: str, parent: str, key: str, sums: dict[str, str]) -> None:
    """The triggers of orchestrator/resources/triggers.py as they were at this revision."""
    for event, row, terms in (("INSERT", "NEW", ("+ NEW",)), ("DELETE", "OLD", ("- OLD",)), ("UPDATE", "NEW", MOVED)):
        sets = ", ".join(f"{column} = {column} {_sum(terms, part)}" for column, part in sums.items())
        body = f"UPDATE {parent} SET {sets} WHERE {key} = {row}.{key};"  # noqa: S608 (our own tables)
        name = f"{child}_{event.lower()}_moves_{parent}"
        if op.get_bind().dialect.name == "sqlite":
            op.execute(f"CREATE TRIGGER IF NOT EXISTS {name} AFTER {event} ON {child} FOR EACH ROW BEGIN {body} END")
            continue
        op.execute(f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} RETURN NULL; END $$")
        op.execute(f"CREATE TRIGGER {name} AFTER {event} ON {child} FOR EACH ROW EXECUTE FUNCTION {name}()")


MOVED = ("- OLD", "+ NEW")


def _sum(terms: tuple[str, ...], part: str) -> str:
    return " ".join(f"{term[0]} {part}" if part.isdigit() else f"{term}.{part}" for term in terms)
