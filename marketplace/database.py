"""The tables of the marketplace's store, and how it is opened by `app.py`; features query the tables declared here.

`projected` tables are folded from chain events by `projection.py` and may be dropped at any time; `kept` tables hold
what the chain does not know (documents, quotes, orders, webhooks). Ids, money and units are decimal text, hashes 0x-hex
text.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Engine,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    create_engine,
    event,
)
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry

from marketplace.errors import StoreUnusable
from marketplace.identity.tables import declare
from storage import DatabaseUnusable, Schema, database_url, is_postgresql, shown

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
    Column("period", BigInteger, nullable=False),
    Column("release_window", BigInteger, nullable=False),
    Column("activation_window", BigInteger, nullable=False),
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
    Column("deadline", BigInteger, nullable=False),
    Column("requirements_hash", Text, nullable=False),
    Column("endpoint_hash", Text),
    Column("since", BigInteger, nullable=False),
    Column("paid_through", BigInteger, nullable=False),
    Column("releasable_at", BigInteger),
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
    Column("user_expires", BigInteger),
    Column("burned", Boolean, nullable=False),
)

activity = Table(
    "activity",
    projected,
    Column("block_number", Integer, primary_key=True),
    Column("log_index", Integer, primary_key=True),
    Column("name", Text, nullable=False),
    Column("contract", Text, nullable=False),
    Column("subscription_id", Text, index=True),
    Column("tx_hash", Text, nullable=False),
    Column("at", BigInteger, nullable=False),  # its block's time, UTC seconds
    Column("fields", JSON, nullable=False),
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
    Column("deadline", BigInteger, nullable=False),
    Column("expires", BigInteger, nullable=False),
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

answers = Table(
    "answers",  # of mutating requests, by the Idempotency-Key that the caller chose
    kept,
    Column("key", Text, primary_key=True),
    Column("fingerprint", Text, nullable=False),  # SHA-256 of method, target and body
    Column("status", Integer),  # none: the request is at work
    Column("content_type", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("until", BigInteger, nullable=False, index=True),  # UTC seconds: of the answer, or of the work's lease
)

webhooks = Table(
    "webhooks",
    kept,
    Column("webhook_id", Text, primary_key=True),
    Column("owner", Text, nullable=False, index=True),
    Column("url", Text, nullable=False),
    Column("kinds", JSON, nullable=False),
    Column("subscription_id", Text),  # none: all that concern the owner
    Column("created", BigInteger, nullable=False),  # UTC seconds
)

deliveries = Table(
    "deliveries",
    kept,
    Column("message_id", Text, primary_key=True),
    Column("webhook_id", Text, nullable=False, index=True),
    Column("kind", Text, nullable=False),
    Column("place", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("state", Text, nullable=False),  # "pending" | "delivered" | "dead"
    Column("tries", Integer, nullable=False),
    Column("next_try", BigInteger, nullable=False, index=True),  # UTC milliseconds
    Column("last_status", Integer),
    Column("last_error", Text),
)

feeds = Table(
    "feeds",  # how far each reader of `activity` has come
    kept,
    Column("name", Text, primary_key=True),
    Column("block_number", Integer, nullable=False),
)

gifts = Table(
    "gifts",  # of the faucet within the last hour
    kept,
    Column("gift_id", Text, primary_key=True),
    Column("account", Text, nullable=False),
    Column("at", BigInteger, nullable=False, index=True),  # UTC seconds
)

nonces, sign_ins, passkeys = declare(kept)

SCHEMA = Schema("market", (projected, kept), Path(__file__).parent / "migrations")


def open_database(setting: str) -> Engine:
    """Opens (and creates, or migrates) the database; every commit is on disk before it is acknowledged.

    SQLite: write-ahead log. Raises StoreUnusable.
    """
    try:
        url = database_url(setting)
    except DatabaseUnusable as cause:
        raise StoreUnusable(f"S4M_MARKETPLACE_DATABASE: {cause}") from cause
    try:
        engine = _postgresql(url) if is_postgresql(url) else _sqlite(url)
        try:
            SCHEMA.bring_up_to_date(engine)
        except BaseException:
            engine.dispose()
            raise
    except DatabaseUnusable as cause:
        raise StoreUnusable(f"{shown(url)}: {cause}") from cause
    except (SQLAlchemyError, OSError) as cause:
        raise StoreUnusable(
            f"{shown(url)} cannot be opened: {cause}.",
            remedy="Check that the server answers and has this database, or that the folder is writable and has room.",
        ) from cause
    return engine


def _postgresql(url: str) -> Engine:
    return create_engine(url, connect_args={"connect_timeout": 10})


def _sqlite(url: str) -> Engine:
    Path(url.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url, connect_args={"check_same_thread": False, "timeout": 10})

    @event.listens_for(engine, "connect")
    def _pragmas(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
        handle = connection.cursor()
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=10000"):
            handle.execute(f"PRAGMA {pragma}")  # safe: sql — our own words, a line above
        handle.close()

    return engine
