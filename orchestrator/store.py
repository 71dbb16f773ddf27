"""The engine's database: the listener's cursor and events, and one row per subscription's service.

Used by listener, pipeline, reconcile, settlement and app. On SQLite it runs in WAL mode with synchronous=FULL, set
before the durable engine opens the same file. Tables of MSIs, models and resources belong to their own rooms and are
registered on their own metadata; this file does not know them.
"""

import enum
import sqlite3
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from orchestrator.errors import StoreUnusable

METADATA = sa.MetaData()

FRACTIONS_SINCE = (3, 42, 0)
"""The first SQLite whose `unixepoch` knows fractions of a second; the durable engine counts on it from Python 3.12 on,
whatever library that Python was built with."""

Executor = sa.Connection | Session

CURSOR = sa.Table(
    "listener_cursor",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("chain_id", sa.String, nullable=False),
    sa.Column("genesis_hash", sa.String, nullable=False),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("hash", sa.String, nullable=False),
    sa.Column("timestamp", sa.Integer, nullable=False),
)

FINAL_BLOCKS = sa.Table(
    "final_blocks",
    METADATA,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("hash", sa.String, nullable=False),
    sa.Column("timestamp", sa.Integer, nullable=False),
)

EVENTS = sa.Table(
    "chain_events",
    METADATA,
    sa.Column("block_number", sa.Integer, primary_key=True),
    sa.Column("log_index", sa.Integer, primary_key=True),
    sa.Column("block_hash", sa.String, nullable=False),
    sa.Column("tx_hash", sa.String, nullable=False),
    sa.Column("name", sa.String, nullable=False),
    sa.Column("subscription_id", sa.String, nullable=False, index=True),
    sa.Column("fields", sa.JSON, nullable=False),
    sa.Column("seen_ms", sa.BigInteger, nullable=False),
)

SERVICES = sa.Table(
    "services",
    METADATA,
    sa.Column("subscription_id", sa.String, primary_key=True),
    sa.Column("plan_id", sa.String, nullable=False),
    sa.Column("buyer", sa.String, nullable=False),
    sa.Column("signer", sa.String, nullable=False),
    sa.Column("cap", sa.String, nullable=False),
    sa.Column("requirements_hash", sa.String, nullable=False),
    sa.Column("block_number", sa.Integer, nullable=False),
    sa.Column("deadline", sa.BigInteger, nullable=False),
    sa.Column("paid_through", sa.BigInteger, nullable=False, default=0),
    sa.Column("prepaid", sa.Boolean, nullable=False, default=False),
    sa.Column("chain_status", sa.String, nullable=False, index=True),
    sa.Column("state", sa.String, nullable=False, index=True),
    sa.Column("attempt", sa.Integer, nullable=False, default=0),
    sa.Column("due_ms", sa.BigInteger, nullable=False, default=0),
    sa.Column("route", sa.JSON, nullable=True),
    sa.Column("outcome", sa.JSON, nullable=False, default=dict),
    sa.Column("times", sa.JSON, nullable=False, default=dict),
)

VOUCHERS = sa.Table(
    "vouchers",
    METADATA,
    sa.Column("subscription_id", sa.String, primary_key=True),
    sa.Column("number", sa.BigInteger, nullable=False),
    sa.Column("units", sa.String, nullable=False),
    sa.Column("usage_root", sa.String, nullable=False),
    sa.Column("r", sa.String, nullable=False),
    sa.Column("vs", sa.String, nullable=False),
    sa.Column("result", sa.String, nullable=False, default=""),
)
"""The newest signed voucher of each subscription; `result` is empty while it waits for its settlement."""

SETTLEMENTS = sa.Table(
    "settlements",
    METADATA,
    sa.Column("batch", sa.String, primary_key=True),
    sa.Column("vouchers", sa.JSON, nullable=False),
    sa.Column("tx_hash", sa.String, nullable=False, default=""),
    sa.Column("gas_used", sa.BigInteger, nullable=False, default=0),
    sa.Column("result", sa.JSON, nullable=True),
    sa.Column("created_ms", sa.BigInteger, nullable=False),
)


class ChainStatus(enum.StrEnum):
    """What the final chain says of a subscription."""

    PURCHASED = "purchased"
    ACTIVE = "active"
    RELEASING = "releasing"
    RELEASED = "released"
    REFUNDED = "refunded"


class ServiceState(enum.StrEnum):
    """Where the service of a subscription stands."""

    REQUESTED = "requested"
    PREPARING = "preparing"
    PLANNING = "planning"
    RUNNING = "running"
    ACTIVE = "active"
    REFUSED = "refused"
    DECOMMISSIONED = "decommissioned"


HELD = frozenset({ServiceState.PREPARING, ServiceState.PLANNING, ServiceState.RUNNING, ServiceState.ACTIVE})
"""States in which a service may hold a share of something that runs."""

SERVED = frozenset({ServiceState.RUNNING, ServiceState.ACTIVE})
"""States in which the gateway must know the route."""


def now_ms() -> int:
    """Wall-clock time, UTC milliseconds."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True)
class Store:
    """One database, two doors: `reader` for the engine and for reads, `writer` whose transactions lock at once.

    Under SQLite a transaction that reads before it writes must hold the write lock from its first statement, else two
    of them read the same state; so `writer` opens each with BEGIN IMMEDIATE. Readers never wait for it (WAL).
    """

    url: str
    reader: sa.Engine
    writer: sa.Engine

    def close(self) -> None:
        """Give back all connections."""
        self.reader.dispose()
        self.writer.dispose()


def open_store(url: str, *metadata: sa.MetaData) -> Store:
    """Open (and make) the store with this room's tables and those of `metadata`; before the durable engine opens it."""
    try:
        if url.startswith("sqlite:///"):
            Path(url.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
        reader, writer = _engine(url), _engine(url)
        if writer.dialect.name == "sqlite":
            sa.event.listen(writer, "begin", _begin_immediate)
        for tables in (METADATA, *metadata):
            tables.create_all(writer)
    except (sa.exc.SQLAlchemyError, OSError) as cause:
        raise StoreUnusable(
            f"The engine's database {sa.make_url(url).render_as_string()} cannot be opened: {cause}. "
            "Check that the folder exists, has room and belongs to this user."
        ) from cause
    return Store(url, reader, writer)


def _engine(url: str) -> sa.Engine:
    engine = sa.create_engine(url, pool_size=20, max_overflow=40)
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", prepare_sqlite)
    return engine


def prepare_sqlite(connection: Any, _record: Any) -> None:
    """What every SQLite connection of the engine's database needs; a listener of SQLAlchemy's `connect`."""
    if sqlite3.sqlite_version_info < FRACTIONS_SINCE:
        connection.create_function("unixepoch", -1, _unixepoch)
    connection.isolation_level = "IMMEDIATE"
    connection.execute("PRAGMA busy_timeout=30000")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA foreign_keys=ON")


def _unixepoch(*modifiers: str) -> float:
    """SQLite's `unixepoch('subsec')` for a library that does not know fractions yet."""
    return time.time() if "subsec" in modifiers else int(time.time())


def _begin_immediate(connection: sa.Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


Row = sa.RowMapping


def service(reader: Executor, subscription_id: str) -> Row | None:
    """The row of one subscription's service."""
    query = sa.select(SERVICES).where(SERVICES.c.subscription_id == subscription_id)
    return reader.execute(query).mappings().one_or_none()


def services(reader: Executor, *states: ServiceState) -> Sequence[Row]:
    """All rows in these states, oldest purchase first; all rows where none is named."""
    query = sa.select(SERVICES).order_by(SERVICES.c.block_number, SERVICES.c.subscription_id)
    if states:
        query = query.where(SERVICES.c.state.in_([state.value for state in states]))
    return reader.execute(query).mappings().all()


def move(
    writer: Executor,
    subscription_id: str,
    state: ServiceState,
    allowed_from: Collection[ServiceState],
    **changes: Any,
) -> bool:
    """Move a service to `state` if it stands in one of `allowed_from`; says whether it did. Stamps `times[state]`."""
    row = service(writer, subscription_id)
    if row is None or row["state"] not in {allowed.value for allowed in allowed_from}:
        return False
    times = {**row["times"], state.value: now_ms(), **changes.pop("times", {})}
    outcome = {**row["outcome"], **changes.pop("outcome", {})}
    change = sa.update(SERVICES).where(SERVICES.c.subscription_id == subscription_id)
    writer.execute(change.values(state=state.value, times=times, outcome=outcome, **changes))
    return True


def amend(writer: Executor, subscription_id: str, **changes: Any) -> None:
    """Change columns of a service without moving it; `outcome` and `times` are merged."""
    row = service(writer, subscription_id)
    if row is None:
        return
    for merged in ("times", "outcome"):
        if merged in changes:
            changes[merged] = {**row[merged], **changes[merged]}
    writer.execute(sa.update(SERVICES).where(SERVICES.c.subscription_id == subscription_id).values(**changes))
