"""The tables of db/market.db, and how it is opened. Called by `app.py`; features query the tables declared here.

`projected` tables are folded from chain events by `projection.py` and may be dropped at any time; `kept` tables hold
what the chain does not know (documents, quotes, orders). Ids, money and units are decimal text, hashes 0x-hex text.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import JSON, Boolean, Column, Engine, Integer, LargeBinary, MetaData, Table, Text, create_engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

projected = MetaData()
kept = MetaData()

cursor = Table(
    "cursor",
    projected,
    Column("name", Text, primary_key=True),
    Column("block_number", Integer, nullable=False),
    Column("block_hash", Text, nullable=False),
)

models = Table(
    "models",
    projected,
    Column("model_id", Text, primary_key=True),
    Column("owner", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("spec_hash", Text, nullable=False),
    Column("uri", Text, nullable=False),
    Column("royalty_bps", Integer, nullable=False),
    Column("meter_key", Text, nullable=False),
    Column("ask_bps", Integer, nullable=False),
)

plans = Table(
    "plans",
    projected,
    Column("plan_id", Text, primary_key=True),
    Column("model_id", Text, nullable=False, index=True),
    Column("version", Integer, nullable=False),
    Column("unit_price", Text, nullable=False),
    Column("period_price", Text, nullable=False),
    Column("period", Integer, nullable=False),
    Column("release_window", Integer, nullable=False),
    Column("activation_window", Integer, nullable=False),
    Column("qoe_floor", Integer, nullable=False),
    Column("terms_hash", Text, nullable=False),
    Column("shares", JSON, nullable=False),
    Column("retired", Boolean, nullable=False),
)

subscriptions = Table(
    "subscriptions",
    projected,
    Column("subscription_id", Text, primary_key=True),
    Column("plan_id", Text, nullable=False, index=True),
    Column("buyer", Text, nullable=False, index=True),
    Column("signer", Text, nullable=False),
    Column("cap", Text, nullable=False),
    Column("used", Text, nullable=False),
    Column("periods", Integer, nullable=False),
    Column("reserved", Text, nullable=False),
    Column("deadline", Integer, nullable=False),
    Column("requirements_hash", Text, nullable=False),
    Column("endpoint_hash", Text),
    Column("since", Integer, nullable=False),
    Column("paid_through", Integer, nullable=False),
    Column("releasable_at", Integer),
    Column("ended", Text),  # "released" | "refunded"
    Column("returned", Text, nullable=False),  # money given back to the buyer so far
    Column("tx_hash", Text, nullable=False, index=True),
)

settlements = Table(
    "settlements",
    projected,
    Column("block_number", Integer, primary_key=True),
    Column("log_index", Integer, primary_key=True),
    Column("subscription_id", Text, nullable=False, index=True),
    Column("kind", Text, nullable=False),  # "voucher" | "time"
    Column("units", Text, nullable=False),
    Column("amount", Text, nullable=False),
    Column("usage_root", Text),
    Column("tx_hash", Text, nullable=False),
)

assets = Table(
    "assets",
    projected,
    Column("asset_id", Text, primary_key=True),
    Column("owner", Text, nullable=False, index=True),
    Column("creator", Text, nullable=False),
    Column("subscription_id", Text, nullable=False, index=True),
    Column("content_hash", Text, nullable=False),
    Column("uri", Text, nullable=False),
    Column("price", Text),
    Column("user", Text),
    Column("user_expires", Integer),
    Column("burned", Boolean, nullable=False),
)

documents = Table(
    "documents",
    kept,
    Column("hash", Text, primary_key=True),
    Column("schema", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
)

quotes = Table(
    "quotes",
    kept,
    Column("quote_id", Text, primary_key=True),
    Column("plan_id", Text, nullable=False),
    Column("cap", Text, nullable=False),
    Column("periods", Integer, nullable=False),
    Column("buyer", Text, nullable=False),
    Column("total", Text, nullable=False),
    Column("nonce", Text, nullable=False),
    Column("deadline", Integer, nullable=False),
    Column("expires", Integer, nullable=False),
)

orders = Table(
    "orders",
    kept,
    Column("order_id", Text, primary_key=True),  # the order's EIP-712 digest
    Column("quote_id", Text, nullable=False),
    Column("buyer", Text, nullable=False),
    Column("state", Text, nullable=False),  # "relaying" | "bought" | "failed"
    Column("tx_hash", Text),
    Column("subscription_id", Text),
    Column("problem", JSON),
)


def open_database(path: Path) -> Engine:
    """Opens (and creates) the database: write-ahead log, every commit on disk before it is acknowledged."""
    path.parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(f"sqlite:///{path}", connect_args={"check_same_thread": False, "timeout": 10})

    @event.listens_for(engine, "connect")
    def _pragmas(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
        handle = connection.cursor()
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=10000"):
            handle.execute(f"PRAGMA {pragma}")
        handle.close()

    projected.create_all(engine)
    kept.create_all(engine)
    return engine
