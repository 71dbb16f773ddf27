"""Links, reservations and supply offers; the pool's history begins with what stands on the sites now."""

from collections.abc import Mapping

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

RESOURCES = (
    "computing_mcores",
    "bandwidth_mbps",
    "protocol_stack_sessions",
    "rendering_k",
    "storage_mib",
    "spectrum_mhz",
)
EVENTS = ("INSERT", "DELETE", "UPDATE")


def upgrade() -> None:
    """From 0001. SQLite makes `nodes` and `allocations` anew: triggers that name them go first and come back last."""
    for child in ("supplies", "allocations"):
        for event in EVENTS:
            drop_trigger(f"{child}_{event.lower()}_moves_nodes", child)
    change_nodes()
    add_links_and_reservations()
    change_allocations()
    add_supply_offers()
    add_history()
    move_sums()


def change_nodes() -> None:
    """What is reserved of a node counts against it like what is used."""
    with op.batch_alter_table("nodes") as nodes:
        for name in RESOURCES:
            nodes.add_column(sa.Column(f"reserved_{name}", sa.BigInteger(), server_default="0", nullable=False))
            if not on_sqlite():  # there the rebuilt table has the new checks only
                nodes.drop_constraint(f"{name}_not_over_allocated", type_="check")
            nodes.create_check_constraint(
                f"{name}_not_over_allocated",
                sa.text(
                    f"used_{name} >= 0 AND reserved_{name} >= 0 AND used_{name} + reserved_{name} <= capacity_{name}"
                ),
            )


def add_links_and_reservations() -> None:
    """New tables that refer to nodes."""
    op.create_table(
        "links",
        sa.Column("link_id", sa.String(), nullable=False),
        sa.Column("a", sa.String(), nullable=False),
        sa.Column("b", sa.String(), nullable=False),
        sa.Column("length_km", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["link_id"], ["nodes.node_id"]),
        sa.PrimaryKeyConstraint("link_id"),
    )
    amounts = [f"{prefix}{name}" for prefix in ("", "drawn_") for name in RESOURCES]
    op.create_table(
        "reservations",
        sa.Column("reservation_id", sa.String(), nullable=False),
        sa.Column("node_id", sa.String(), nullable=False),
        sa.Column("cluster", sa.String(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.Column("ended", sa.Boolean(), server_default=sa.false(), nullable=False),
        *(sa.Column(name, sa.BigInteger(), server_default="0", nullable=False) for name in amounts),
        *(
            sa.CheckConstraint(f"drawn_{name} BETWEEN 0 AND {name}", name=f"{name}_within_reserved")
            for name in RESOURCES
        ),
        sa.ForeignKeyConstraint(["node_id"], ["nodes.node_id"]),
        sa.PrimaryKeyConstraint("reservation_id"),
        sa.UniqueConstraint("reservation_id", "node_id"),
    )
    op.create_index("ix_reservations_node_id", "reservations", ["node_id"])


def change_allocations() -> None:
    """An allocation may be drawn from a reservation, and be one of several parts; those of before are neither."""
    with op.batch_alter_table("allocations") as allocations:
        allocations.add_column(sa.Column("part_of", sa.String(), server_default="", nullable=False))
        allocations.add_column(sa.Column("reservation_id", sa.String(), nullable=True))
        allocations.create_index("ix_allocations_part_of", ["part_of"])
        allocations.create_index("ix_allocations_reservation_id", ["reservation_id"])
        key = ["reservation_id", "node_id"]
        allocations.create_foreign_key("allocations_draw_on_reservations", "reservations", key, key)


def add_supply_offers() -> None:
    """New tables of what providers offer and are paid."""
    op.create_table(
        "supply_offers",
        sa.Column("offer_id", sa.String(), nullable=False),
        sa.Column("model_id", sa.String(), nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("site", sa.String(), nullable=False),
        sa.Column("amounts", sa.JSON(), nullable=False),
        sa.Column("prices", sa.JSON(), nullable=False),
        sa.Column("pay_cap", sa.String(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.Column("nonce", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("moving", sa.JSON(), nullable=False),
        sa.Column("offered_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("offer_id"),
    )
    for name in ("model_id", "site", "state"):
        op.create_index(f"ix_supply_offers_{name}", "supply_offers", [name])
    op.create_table(
        "supply_nonces",
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("nonce", sa.String(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("owner", "nonce"),
    )
    op.create_table(
        "supply_payments",
        sa.Column("payment_id", sa.String(), nullable=False),
        sa.Column("offer_id", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("payee", sa.String(), nullable=False),
        sa.Column("amount", sa.String(), nullable=False),
        sa.Column("through_ms", sa.BigInteger(), nullable=False),
        sa.Column("tx_hash", sa.String(), server_default="", nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["offer_id"], ["supply_offers.offer_id"]),
        sa.PrimaryKeyConstraint("payment_id"),
        sa.UniqueConstraint("offer_id", "number"),
    )


def add_history() -> None:
    """A statement needs a site's whole capacity and use, so the history begins with what stands: supplies first."""
    op.create_table(
        "pool_history",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("node_id", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("subscription_id", sa.String(), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in RESOURCES),
        sa.PrimaryKeyConstraint("number"),
    )
    op.create_index("ix_pool_history_node_id", "pool_history", ["node_id"])
    record("supplies", "supply", "{row}.supplier", "''")
    record("allocations", "allocation", "{row}.allocation_id", "{row}.subscription_id")
    for event in ("UPDATE", "DELETE"):
        forbid(event)


def move_sums() -> None:
    """The triggers of `nodes` and of `reservations`."""
    node = "nodes", "node_id"
    capacity, reserved, used = (
        {f"{prefix}_{name}": f"{{row}}.{name}" for name in RESOURCES} for prefix in ("capacity", "reserved", "used")
    )
    not_drawn = {
        f"reserved_{name}": f"-(CASE WHEN {{row}}.reservation_id IS NULL THEN 0 ELSE {{row}}.{name} END)"
        for name in RESOURCES
    }
    drawn = {f"drawn_{name}": f"{{row}}.{name}" for name in RESOURCES}
    kept = {name: f"(CASE WHEN ended THEN {{row}}.{name} ELSE 0 END)" for name in RESOURCES}
    keep_sums("supplies", (*node, capacity))
    keep_sums("reservations", (*node, reserved))
    keep_sums("allocations", (*node, used | not_drawn), ("reservations", "reservation_id", drawn | kept))


# orchestrator/resources/triggers.py as it was at this revision


def on_sqlite() -> bool:
    """Or on PostgreSQL."""
    return op.get_bind().dialect.name == "sqlite"


def drop_trigger(name: str, table: str) -> None:
    """And on PostgreSQL its function of the same name."""
    if on_sqlite():
        op.execute(f"DROP TRIGGER {name}")
        return
    op.execute(f"DROP TRIGGER {name} ON {table}")
    op.execute(f"DROP FUNCTION {name}()")


def add_trigger(name: str, when: str, table: str, body: str) -> None:
    """After `when` happened to a row of the table."""
    if on_sqlite():
        op.execute(f"CREATE TRIGGER {name} AFTER {when} ON {table} FOR EACH ROW BEGIN {body} END")
        return
    op.execute(f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} RETURN NULL; END $$")
    op.execute(f"CREATE TRIGGER {name} AFTER {when} ON {table} FOR EACH ROW EXECUTE FUNCTION {name}()")


def keep_sums(child: str, *parents: tuple[str, str, Mapping[str, str]]) -> None:
    """Every change of a child moves its parents' columns: (table, the column that both share, column → part)."""
    for event, terms in {"INSERT": ["+ NEW"], "DELETE": ["- OLD"], "UPDATE": ["- OLD", "+ NEW"]}.items():
        row = terms[-1][2:]
        body = " ".join(_move(row, terms, *parent) for parent in parents)
        add_trigger(f"{child}_{event.lower()}_moves_{parents[0][0]}", event, child, body)


def _move(row: str, terms: list[str], parent: str, key: str, sums: Mapping[str, str]) -> str:
    moved = {
        column: " ".join(f"{term[0]} {part.format(row=term[2:])}" for term in terms) for column, part in sums.items()
    }
    sets = ", ".join(f"{column} = {column} {change}" for column, change in moved.items())
    return f"UPDATE {parent} SET {sets} WHERE {key} = {row}.{key};"  # noqa: S608 (our own tables)


def record(child: str, kind: str, subject: str, subscription: str) -> None:
    """Append to the history what stands in `child`, and from now on each of its changes, on sites only."""
    clock = (
        "CAST((julianday('now') - 2440587.5) * 86400000.0 AS INTEGER)"
        if on_sqlite()
        else "(EXTRACT(EPOCH FROM clock_timestamp()) * 1000)::bigint"
    )
    columns = ", ".join(["at_ms", "kind", "node_id", "subject", "subscription_id", *RESOURCES])
    begin = f"INSERT INTO pool_history ({columns}) SELECT {clock}, '{kind}', "
    who = f"{{row}}.node_id, {subject}, {subscription}, "
    where = "WHERE EXISTS (SELECT 1 FROM nodes WHERE nodes.node_id = {row}.node_id AND nodes.kind = 'site')"
    stands = who + ", ".join(f"{{row}}.{name}" for name in RESOURCES) + f" FROM {child} {where} ORDER BY {subject}"
    op.execute(begin + stands.format(row=child))
    for event, row, amount in (
        ("INSERT", "NEW", "NEW.{0}"),
        ("DELETE", "OLD", "0 - OLD.{0}"),
        ("UPDATE", "NEW", "NEW.{0} - OLD.{0}"),
    ):
        amounts = [amount.format(name) for name in RESOURCES]
        moved = " OR ".join(f"{one} <> 0" for one in amounts)
        body = begin + who.format(row=row) + ", ".join(amounts) + f" {where.format(row=row)} AND ({moved});"
        add_trigger(f"{child}_{event.lower()}_is_recorded", event, child, body)


def forbid(event: str) -> None:
    """The history is append-only."""
    name, why = f"pool_history_never_{event.lower()}", "pool_history is append-only"
    start = f"CREATE TRIGGER {name} BEFORE {event} ON pool_history FOR EACH ROW"
    if on_sqlite():
        op.execute(f"{start} BEGIN SELECT RAISE(ABORT, '{why}'); END")
        return
    op.execute(
        f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"RAISE EXCEPTION '{why}' USING ERRCODE = 'integrity_constraint_violation'; END $$"
    )
    op.execute(f"{start} EXECUTE FUNCTION {name}()")
