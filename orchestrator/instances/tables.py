"""The tables of MSIs, shares, their moves and measures, model instances, uses, offers, requirements and notices.

Each belongs to one function: requirements and notices to MSMF; MSIs, shares, moves and measures to VMOF; model
instances, uses and offers to MMF. They live in the engine's database and change only inside its transactional steps.
"""

import sqlalchemy as sa

from orchestrator.resources import payments as payments  # its tables, and those of the offers, are of the same set
from orchestrator.resources import repacks as repacks
from orchestrator.resources.pool import METADATA, NODES
from orchestrator.resources.triggers import keep_sums

TURNS = sa.Table(
    "turns",
    METADATA,
    sa.Column("name", sa.String, primary_key=True),
    sa.Column("turn", sa.BigInteger, nullable=False, server_default="0"),
)
"""Whoever decides over a cluster or the pool takes its turn first: one decision at a time, each seeing the last."""

REQUIREMENTS = sa.Table(
    "service_requirements",
    METADATA,
    sa.Column("key", sa.String, primary_key=True),
    sa.Column("subscription_id", sa.String, nullable=False, index=True),
    sa.Column("requirements", sa.JSON, nullable=False),
    sa.Column("at", sa.BigInteger, nullable=False),
)

NOTICES = sa.Table(
    "notices",
    METADATA,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("key", sa.String, nullable=False, unique=True),
    sa.Column("kind", sa.String, nullable=False),
    sa.Column("subject", sa.String, nullable=False),
    sa.Column("subscription_id", sa.String, nullable=False, index=True),
    sa.Column("detail", sa.JSON, nullable=False),
    sa.Column("at", sa.BigInteger, nullable=False),
)

MSIS = sa.Table(
    "msis",
    METADATA,
    sa.Column("msi_id", sa.String, primary_key=True),
    sa.Column("service", sa.String, nullable=False, index=True),
    sa.Column("cluster", sa.String, nullable=False),
    sa.Column("isolation", sa.Integer, nullable=False),
    sa.Column("state", sa.String, nullable=False, index=True),
    sa.Column("latency_ms", sa.Float, nullable=False),
    sa.Column("reliability", sa.Float, nullable=False),
    sa.Column("max_shares", sa.Integer, nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("changed_at", sa.BigInteger, nullable=False),
    sa.Column("composition", sa.String, nullable=False, server_default="", index=True),
)

SHARES = sa.Table(
    "shares",
    METADATA,
    sa.Column("subscription_id", sa.String, primary_key=True),
    sa.Column("msi_id", sa.ForeignKey(MSIS.c.msi_id), nullable=False, index=True),
    sa.Column("state", sa.String, nullable=False),
    sa.Column("reused", sa.Boolean, nullable=False),
    sa.Column("rendering_k", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("rendering_instance", sa.String, nullable=False, server_default="", index=True),
    sa.Column("requirements", sa.JSON, nullable=False),
    sa.Column("models", sa.JSON, nullable=False),
    sa.Column("grant", sa.JSON, nullable=False),
    sa.Column("decision", sa.JSON, nullable=True),
    sa.Column("refusal", sa.JSON, nullable=True),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("changed_at", sa.BigInteger, nullable=False),
)

MOVES = sa.Table(
    "moves",
    METADATA,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("kind", sa.String, nullable=False),
    sa.Column("subject", sa.String, nullable=False, index=True),
    sa.Column("move", sa.String, nullable=False),
    sa.Column("before", sa.String, nullable=False),
    sa.Column("after", sa.String, nullable=False),
    sa.Column("why", sa.Text, nullable=False),
    sa.Column("at", sa.BigInteger, nullable=False),
)
"""Every move of every MSI and share, written in the transaction that makes it."""

PERFORMANCE = sa.Table(
    "performance",
    METADATA,
    sa.Column("subject", sa.String, primary_key=True),
    sa.Column("kind", sa.String, nullable=False),
    sa.Column("calls", sa.Integer, nullable=False),
    sa.Column("latency_ms", sa.Float, nullable=True),
    sa.Column("queue", sa.Float, nullable=False),
    sa.Column("error_rate", sa.Float, nullable=False),
    sa.Column("immersion", sa.Float, nullable=True),
    sa.Column("under_floor", sa.Integer, nullable=False),
    sa.Column("free_shares", sa.Integer, nullable=False),
    sa.Column("shares", sa.Integer, nullable=False),
    sa.Column("strained", sa.Boolean, nullable=False, index=True),
    sa.Column("at", sa.BigInteger, nullable=False),
)
"""VMOF's global view of what stands: how each MSI and model instance did lately, and how many shares it still takes."""

VMOF_CALLS = sa.Table(
    "vmof_calls",
    METADATA,
    sa.Column("key", sa.String, primary_key=True),
    sa.Column("call", sa.String, nullable=False),
    sa.Column("answer", sa.JSON(none_as_null=True), nullable=True),
    sa.Column("at", sa.BigInteger, nullable=False),
)
"""VMOF's Idempotency-Keys: the SHA-256 of what was asked, and of an instantiation what was answered."""

INSTANCES = sa.Table(
    "model_instances",
    METADATA,
    sa.Column("instance_id", sa.String, primary_key=True),
    sa.Column("model", sa.String, nullable=False, index=True),
    sa.Column("node_id", sa.ForeignKey(NODES.c.node_id), nullable=False),
    sa.Column("state", sa.String, nullable=False, index=True),
    sa.Column("isolation", sa.Integer, nullable=False),
    sa.Column("cluster", sa.String, nullable=False),
    sa.Column("msi_id", sa.String, nullable=False),
    sa.Column("supply", sa.Boolean, nullable=False),
    sa.Column("scale", sa.Integer, nullable=False),
    sa.Column("max_shares", sa.Integer, nullable=False),
    sa.Column("shares", sa.Integer, nullable=False, server_default="0"),
    sa.Column("socket", sa.String, nullable=False, server_default=""),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("changed_at", sa.BigInteger, nullable=False),
    sa.Column("warm_until", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("least_scale", sa.Integer, nullable=False, server_default="1"),
    sa.Column("deaths", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("up_s", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("down_s", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("down_since", sa.BigInteger, nullable=False, server_default="0"),
    sa.CheckConstraint("shares BETWEEN 0 AND max_shares * scale", name="shares_within_bound"),
)

MODEL_LIVES = sa.Table(
    "model_lives",
    METADATA,
    sa.Column("model", sa.String, primary_key=True),
    sa.Column("deaths", sa.BigInteger, nullable=False),
    sa.Column("up_s", sa.BigInteger, nullable=False),
    sa.Column("down_s", sa.BigInteger, nullable=False),
)
"""What was seen of each model's instances that have ended; of those that stand their own rows tell."""

USES = sa.Table(
    "uses",
    METADATA,
    sa.Column("subscription_id", sa.String, primary_key=True),
    sa.Column("role", sa.String, primary_key=True),
    sa.Column("msi_id", sa.String, nullable=False, index=True),
    sa.Column("instance_id", sa.ForeignKey(INSTANCES.c.instance_id), nullable=False, index=True),
    sa.Column("verdict", sa.String, nullable=False),
    sa.Column("offer_id", sa.String, nullable=False),
)

keep_sums(USES, INSTANCES, "instance_id", {"shares": "1"})

OFFERS = sa.Table(
    "offers",
    METADATA,
    sa.Column("offer_id", sa.String, primary_key=True),
    sa.Column("subscription_id", sa.String, nullable=False, index=True),
    sa.Column("msi_id", sa.String, nullable=False),
    sa.Column("state", sa.String, nullable=False),
    sa.Column("request", sa.JSON, nullable=False),
    sa.Column("decision", sa.JSON, nullable=False),
    sa.Column("cause", sa.Text, nullable=False, server_default=""),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("instead_of", sa.String, nullable=False, server_default="", index=True),
    sa.Column("change", sa.JSON(none_as_null=True), nullable=True),
    sa.Column("turn", sa.BigInteger, nullable=False, server_default="0"),
)
"""`instead_of`: the offer that this one takes the place of; `change`: what a counter-offer has otherwise than asked;
`turn`: the last turn of the pool that it was decided after."""

NUMBERING = 7_305_115_104
"""PostgreSQL's advisory lock of whoever writes a notice."""


def create_tables(engine: sa.Engine) -> None:
    """Create what is missing of the pool's and the instances' tables, with their triggers and turns."""
    METADATA.create_all(engine)
    with engine.begin() as rows:
        add_turns(rows)


def add_turns(rows: sa.Connection) -> None:
    """The turns that are taken, where they are not there yet."""
    known = set(rows.scalars(sa.select(TURNS.c.name)))
    missing = [{"name": name} for name in ("pool", "ar_vr", "digital_twin") if name not in known]
    if missing:
        rows.execute(sa.insert(TURNS), missing)


_TURN: sa.BindParameter[str] = sa.bindparam("name_")
_TURN_OF = sa.select(TURNS.c.turn).where(TURNS.c.name == _TURN)
_TAKE = sa.update(TURNS).where(TURNS.c.name == _TURN).values(turn=TURNS.c.turn + 1).returning(TURNS.c.turn)


def take_turn(rows: sa.Connection, name: str) -> int:
    """Take the turn of a cluster or of the pool until this transaction ends; returns its number.

    It writes first, so that on SQLite, too, everything read afterwards is of this turn. On PostgreSQL the transaction
    must be READ COMMITTED (as `transact` opens it): what it reads afterwards is then what the last turn left.
    """
    return int(rows.scalars(_TAKE, {"name_": name}).one())


def turn_of(rows: sa.Connection, name: str) -> int:
    """The number of the last turn that this transaction sees."""
    return int(rows.scalars(_TURN_OF, {"name_": name}).one())


def number_in_order(rows: sa.Connection) -> None:
    """Before a row gets a number by which others read on: until this transaction ends nobody else gets one.

    PostgreSQL gives numbers at once and shows rows at their commit: a reader could see 5, and 4 a moment later, and
    would never ask for it. SQLite has one writer at a time.
    """
    if rows.dialect.name == "postgresql":
        rows.execute(sa.text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": NUMBERING})
