"""The engine's database: the listener's cursor and events, and one row per subscription's service.

Used by listener, pipeline, reconcile, settlement and app. It is SQLite in WAL mode with synchronous=FULL, set before
the durable engine opens the same file, or PostgreSQL. Tables of MSIs, models and resources belong to their own rooms
and are registered on their own metadata; opening the store brings all of them up to date (`orchestrator.migrations`).
"""

import enum
import sqlite3
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from orchestrator.errors import StoreUnusable
from orchestrator.migrations import schema_with
from storage import DatabaseUnusable, database_url, is_postgresql, shown

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
    sa.Column("timestamp", sa.BigInteger, nullable=False),
)

FINAL_BLOCKS = sa.Table(
    "final_blocks",
    METADATA,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("hash", sa.String, nullable=False),
    sa.Column("timestamp", sa.BigInteger, nullable=False),
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


REQUEST_UPDATES = sa.Table(
    "request_updates",
    METADATA,
    sa.Column("subscription_id", sa.String, primary_key=True),
    sa.Column("revision", sa.BigInteger, primary_key=True),
    sa.Column("requirements_hash", sa.String, nullable=False),
    sa.Column("document", sa.JSON, nullable=False),
    sa.Column("deadline", sa.BigInteger, nullable=False),
    sa.Column("signature", sa.String, nullable=False),
    sa.Column("state", sa.String, nullable=False),
    sa.Column("refusal", sa.JSON, nullable=True),
    sa.Column("decision", sa.JSON, nullable=True),
    sa.Column("received_ms", sa.BigInteger, nullable=False),
    sa.Column("ended_ms", sa.BigInteger, nullable=True),
)
"""Updates of running requests, by revision; rows of `update_rows`."""


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
    of them read the same state; so `writer` opens each with BEGIN IMMEDIATE. Readers never wait for it (WAL). Under
    PostgreSQL transactions lock what they decide over: a turn (`take_turn`) or a service's row (`service`).
    """

    url: str
    """with its driver; holds the password, if there is one: never log it"""
    reader: sa.Engine
    writer: sa.Engine

    @property
    def shared(self) -> bool:
        """Whether several workers may work on it."""
        return is_postgresql(self.url)

    def close(self) -> None:
        """Give back all connections."""
        self.reader.dispose()
        self.writer.dispose()


def open_store(setting: str) -> Store:
    """Open (and make, or migrate) the store with all rooms' tables; before the durable engine opens it."""
    try:
        url = database_url(setting)
    except DatabaseUnusable as cause:
        raise StoreUnusable(f"S4M_DATABASE: {cause}") from cause
    try:
        if not is_postgresql(url):
            Path(url.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
        store = Store(url, _engine(url), _engine(url))
        if not store.shared:
            sa.event.listen(store.writer, "begin", _begin_immediate)
        with _closing_on_failure(store):
            schema_with(METADATA).bring_up_to_date(store.writer)
    except DatabaseUnusable as cause:
        raise StoreUnusable(f"The engine's database {shown(url)} cannot be used: {cause}") from cause
    except (sa.exc.SQLAlchemyError, OSError) as cause:
        raise StoreUnusable(
            f"The engine's database {shown(url)} cannot be opened: {cause}. {_REMEDY[is_postgresql(url)]}"
        ) from cause
    return store


@contextmanager
def _closing_on_failure(store: Store) -> Iterator[None]:
    try:
        yield
    except BaseException:
        store.close()
        raise


_REMEDY = {
    False: "Check that the folder exists, has room and belongs to this user.",
    True: "Check that the server answers, that the database exists (createdb) and that this user owns it.",
}


def _engine(url: str) -> sa.Engine:
    """Connections at most: under PostgreSQL 20 an engine, 40 a worker, of the server's `max_connections`.

    Under SQLite more than there can be threads: whoever holds the one write lock must never wait for a connection
    behind those who wait for the lock.
    """
    if is_postgresql(url):
        return sa.create_engine(url, pool_size=10, max_overflow=10, connect_args={"connect_timeout": 10})
    engine = sa.create_engine(url, pool_size=20, max_overflow=480)
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

_MINE = SERVICES.c.subscription_id == sa.bindparam("id")
_SERVICE = sa.select(SERVICES).where(_MINE)
_LOCKED_SERVICE = _SERVICE.with_for_update()
_LOCKED_SERVICES = (
    sa.select(SERVICES.c.subscription_id)
    .where(SERVICES.c.subscription_id.in_(sa.bindparam("ids", expanding=True)))
    .order_by(SERVICES.c.subscription_id)
    .with_for_update()
)
_CHANGE = sa.update(SERVICES).where(_MINE)


def service(reader: Executor, subscription_id: str) -> Row | None:
    """The row of one subscription's service; in a transactional step (a Session) it is locked until that ends."""
    if isinstance(reader, Session):
        return locked_service(reader, subscription_id)
    return reader.execute(_SERVICE, {"id": subscription_id}).mappings().one_or_none()


def locked_service(writer: Executor, subscription_id: str) -> Row | None:
    """The row for a change that depends on it: nobody else changes it before this transaction ends."""
    return writer.execute(_LOCKED_SERVICE, {"id": subscription_id}).mappings().one_or_none()


def lock_services(writer: Executor, subscription_ids: Collection[str]) -> None:
    """Lock several rows before the first of them is changed, always in one order: two that do so cannot deadlock."""
    writer.execute(_LOCKED_SERVICES, {"ids": sorted(subscription_ids)})


def services(reader: Executor, *states: ServiceState) -> Sequence[Row]:
    """All rows in these states, oldest purchase first; all rows where none is named."""
    query = sa.select(SERVICES).order_by(SERVICES.c.block_number, SERVICES.c.subscription_id)
    if states:
        query = query.where(SERVICES.c.state.in_([state.value for state in states]))
    return reader.execute(query).mappings().all()


_PAID = ~SERVICES.c.prepaid | (SERVICES.c.paid_through >= sa.bindparam("final"))
_CONTENT = (SERVICES.c.chain_status == ChainStatus.ACTIVE.value) & SERVICES.c.state.in_(sorted(SERVED)) & _PAID
_ASKING = sa.select(
    SERVICES.c.subscription_id, SERVICES.c.chain_status, SERVICES.c.state, SERVICES.c.attempt, SERVICES.c.due_ms,
    SERVICES.c.deadline, SERVICES.c.paid_through, SERVICES.c.prepaid,
).where(
    SERVICES.c.state.in_(sa.bindparam("states", expanding=True)), ~_CONTENT
).order_by(SERVICES.c.block_number, SERVICES.c.subscription_id)  # fmt: skip


def asking(reader: Executor, final_timestamp: int, *states: ServiceState) -> Sequence[Row]:
    """Of the rows in these states those that may ask for work, oldest purchase first; only the columns that say so.

    One that is active and paid at `final_timestamp` asks for nothing: of the many that run none is read.
    """
    return reader.execute(_ASKING, {"final": final_timestamp, "states": sorted(states)}).mappings().all()


def move(
    writer: Executor,
    subscription_id: str,
    state: ServiceState,
    allowed_from: Collection[ServiceState],
    **changes: Any,
) -> bool:
    """Move a service to `state` if it stands in one of `allowed_from`; says whether it did. Stamps `times[state]`."""
    row = locked_service(writer, subscription_id)
    if row is None or row["state"] not in {allowed.value for allowed in allowed_from}:
        return False
    times = {**row["times"], state.value: now_ms(), **changes.pop("times", {})}
    outcome = {**row["outcome"], **changes.pop("outcome", {})}
    changes |= {"state": state.value, "times": times, "outcome": outcome}
    writer.execute(_CHANGE, {"id": subscription_id, **changes})
    return True


def amend(writer: Executor, subscription_id: str, **changes: Any) -> None:
    """Change columns of a service without moving it; `outcome` and `times` are merged."""
    row = locked_service(writer, subscription_id)
    if row is None:
        return
    for merged in ("times", "outcome"):
        if merged in changes:
            changes[merged] = {**row[merged], **changes[merged]}
    writer.execute(_CHANGE, {"id": subscription_id, **changes})
