"""usage.db: routes, records, answers to repeat, signed vouchers, ended sessions. One writer: this process.

SQLite in WAL mode with synchronous=FULL: a voucher that has left the process names a Merkle root, and a record lost to
a power cut after that would make the log contradict what both sides signed. The extra fsync costs a millisecond or two
per use, under the link's own time. All methods block briefly: call them through `asyncio.to_thread`.
"""

import json
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ledger.usage_log import UsageRecord

_TABLES = """
CREATE TABLE IF NOT EXISTS routes (subscription TEXT PRIMARY KEY, document TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS records (
    subscription TEXT NOT NULL, seq INTEGER NOT NULL, record TEXT NOT NULL, gross INTEGER NOT NULL, info TEXT NOT NULL,
    request_id TEXT NOT NULL, content_type TEXT NOT NULL, provenance TEXT NOT NULL, body BLOB,
    again INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (subscription, seq), UNIQUE (subscription, request_id));
CREATE TABLE IF NOT EXISTS vouchers (
    id INTEGER PRIMARY KEY AUTOINCREMENT, subscription TEXT NOT NULL, units TEXT NOT NULL, usage_root BLOB NOT NULL,
    size INTEGER NOT NULL, signer TEXT NOT NULL, signature BLOB NOT NULL, meter_signature BLOB NOT NULL,
    accepted_ms INTEGER NOT NULL, UNIQUE (subscription, size, signer));
CREATE TABLE IF NOT EXISTS ended (subscription TEXT PRIMARY KEY, reason TEXT NOT NULL, at_ms INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""


@dataclass(frozen=True)
class Kept:
    """A record as it stands in the store, with what is needed to give the same answer again."""

    record: UsageRecord
    gross: int
    info: dict[str, Any]
    request_id: str
    content_type: str
    provenance: str
    body: bytes | None
    again: int = 0


@dataclass(frozen=True)
class KeptVoucher:
    """A voucher that both sides signed. `rowid` orders vouchers by acceptance."""

    subscription: int
    units: int
    usage_root: bytes
    size: int
    signer: str
    signature: bytes
    meter_signature: bytes
    rowid: int = 0


class UsageStore:
    """The gateway's one database connection; its lock makes each method one transaction."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=10)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=FULL")
        self._connection.executescript(_TABLES)

    def close(self) -> None:
        self._connection.close()

    def bound_to(self, chain: str) -> str:
        """The chain (genesis hash) that this store belongs to: the first one that it was opened for."""
        with self._transaction() as connection:
            connection.execute("INSERT OR IGNORE INTO meta VALUES ('chain', ?)", (chain,))
            return str(connection.execute("SELECT value FROM meta WHERE name = 'chain'").fetchone()[0])

    # routes

    def put_routes(self, documents: Iterable[tuple[int, str]]) -> None:
        rows = [(str(subscription), document) for subscription, document in documents]
        with self._transaction() as connection:
            connection.executemany("INSERT OR REPLACE INTO routes VALUES (?, ?)", rows)

    def delete_route(self, subscription: int) -> None:
        with self._transaction() as connection:
            connection.execute("DELETE FROM routes WHERE subscription = ?", (str(subscription),))

    def routes(self) -> list[str]:
        return [row[0] for row in self._read("SELECT document FROM routes")]

    # records

    def add(self, kept: Kept) -> None:
        """Commit one record with its answer: after this returns, the record stands."""
        row = (
            str(kept.record.subscription_id),
            kept.record.seq,
            json.dumps(kept.record.to_json()),
            kept.gross,
            json.dumps(kept.info),
            kept.request_id,
            kept.content_type,
            kept.provenance,
            kept.body,
        )
        with self._transaction() as connection:
            connection.execute("INSERT INTO records VALUES (?,?,?,?,?,?,?,?,?,0)", row)

    def by_request(self, subscription: int, request_id: str) -> Kept | None:
        rows = self._read(
            "SELECT record, gross, info, request_id, content_type, provenance, body, again FROM records "
            "WHERE subscription = ? AND request_id = ?",
            (str(subscription), request_id),
        )
        for record, gross, info, *rest in rows:
            return Kept(UsageRecord.from_json(json.loads(record)), gross, json.loads(info), *rest)
        return None

    def count_again(self, subscription: int, request_id: str) -> None:
        """Note that a lost answer was made once more."""
        with self._transaction() as connection:
            connection.execute(
                "UPDATE records SET again = again + 1 WHERE subscription = ? AND request_id = ?",
                (str(subscription), request_id),
            )

    def records(self, subscription: int, since: int = 0, most: int = 1000) -> list[UsageRecord]:
        """At most `most` records from sequence number `since` on."""
        rows = self._read(
            "SELECT record FROM records WHERE subscription = ? AND seq >= ? ORDER BY seq LIMIT ?",
            (str(subscription), since, most),
        )
        return [UsageRecord.from_json(json.loads(row[0])) for row in rows]

    def each_record(self) -> Iterator[tuple[UsageRecord, int]]:
        """All records in the order of their logs, each with its gross units; for rebuilding at start."""
        for record, gross in self._read("SELECT record, gross FROM records ORDER BY subscription, seq"):
            yield UsageRecord.from_json(json.loads(record)), gross

    # vouchers

    def add_voucher(self, voucher: KeptVoucher) -> None:
        row = (
            str(voucher.subscription),
            str(voucher.units),
            voucher.usage_root,
            voucher.size,
            voucher.signer,
            voucher.signature,
            voucher.meter_signature,
            time.time_ns() // 1_000_000,
        )
        with self._transaction() as connection:
            connection.execute(
                "INSERT OR IGNORE INTO vouchers (subscription, units, usage_root, size, signer, signature, "
                "meter_signature, accepted_ms) VALUES (?,?,?,?,?,?,?,?)",
                row,
            )

    def vouchers(self, since: int = 0) -> list[KeptVoucher]:
        """The newest voucher of each subscription and signer among rows after `since`, by row."""
        rows = self._read(
            "SELECT subscription, units, usage_root, size, signer, signature, meter_signature, id FROM vouchers "
            "WHERE id IN (SELECT id FROM (SELECT id, max(size) FROM vouchers WHERE id > ? "
            "GROUP BY subscription, signer)) ORDER BY id",
            (since,),
        )
        return [KeptVoucher(int(row[0]), int(row[1]), *row[2:]) for row in rows]

    # ended sessions

    def end(self, subscription: int, reason: str) -> None:
        with self._transaction() as connection:
            row = (str(subscription), reason, time.time_ns() // 1_000_000)
            connection.execute("INSERT OR REPLACE INTO ended VALUES (?, ?, ?)", row)

    def reopen(self, subscription: int) -> None:
        with self._transaction() as connection:
            connection.execute("DELETE FROM ended WHERE subscription = ?", (str(subscription),))

    def ended(self) -> dict[int, str]:
        return {int(row[0]): row[1] for row in self._read("SELECT subscription, reason FROM ended")}

    def _read(self, query: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._connection.execute(query, values).fetchall()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")
