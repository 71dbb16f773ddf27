"""usage.db: routes, records, answers to repeat, signed vouchers, ended sessions. One writer: this process.

What tells of money (records, vouchers) lies open and stays. What tells of users (routes, measurements, request ids,
answers) is sealed (`sealing.py`) and can be erased; records, roots and proofs do not change by that.

SQLite in WAL mode with synchronous=FULL: a voucher that has left the process names a Merkle root, and a record lost to
a power cut after that would make the log contradict what both sides signed. The extra fsync costs a millisecond or two
per use, under the link's own time. All methods but `known_now` block briefly: call them through `asyncio.to_thread`.
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

from ledger.measured import Measured
from ledger.usage_log import UsageRecord
from orchestrator.gateway.errors import LogBroken
from orchestrator.gateway.frames import measured
from orchestrator.gateway.pass_rows import TABLES as _PASS_TABLES
from orchestrator.gateway.pass_rows import PassRows
from orchestrator.gateway.sealing import (
    ROUTE_DAY,
    DataKeys,
    day_of,
    pseudonym,
    seal,
    seal_json,
    unseal,
    unseal_json,
)

_TABLES = """
CREATE TABLE IF NOT EXISTS routes (subscription TEXT PRIMARY KEY, sealed BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS records (
    subscription TEXT NOT NULL, seq INTEGER NOT NULL, record TEXT NOT NULL, gross INTEGER NOT NULL,
    day INTEGER NOT NULL, request_hash BLOB NOT NULL, pseudonym TEXT NOT NULL, facts BLOB, body BLOB,
    again INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (subscription, seq), UNIQUE (subscription, pseudonym));
CREATE INDEX IF NOT EXISTS records_by_request ON records (subscription, request_hash);
CREATE INDEX IF NOT EXISTS records_kept_by_day ON records (day) WHERE facts IS NOT NULL;
CREATE TABLE IF NOT EXISTS vouchers (
    id INTEGER PRIMARY KEY AUTOINCREMENT, subscription TEXT NOT NULL, units TEXT NOT NULL, usage_root BLOB NOT NULL,
    size INTEGER NOT NULL, signer TEXT NOT NULL, signature BLOB NOT NULL, meter_signature BLOB NOT NULL,
    accepted_ms INTEGER NOT NULL, UNIQUE (subscription, size, signer));
CREATE TABLE IF NOT EXISTS ended (subscription TEXT PRIMARY KEY, reason TEXT NOT NULL, at_ms INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""

_QUALITY = """
SELECT COUNT(*), COALESCE(SUM(i > 0), 0), COALESCE(SUM(i > 0 AND i < ?), 0), COALESCE(SUM(i), 0) FROM (
    SELECT CAST(json_extract(record, '$.immersion') AS INTEGER) AS i FROM records
    WHERE subscription BETWEEN ? AND ? AND length(subscription) = ?)
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
    passes: tuple[str, ...] = ()
    """the pass that it was used by, and those that it was made of; for `add` only, with the use's `proof`"""
    proof: str = ""


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


@dataclass(frozen=True)
class Quality:
    """What one plan's records say; immersion in thousandths, `total` its sum over those that measured it."""

    records: int
    measured: int
    under: int
    total: int


class UsageStore:
    """The gateway's one database connection; its lock makes each method one transaction.

    `key` is the home's behaviour key. `LogBroken` for a file of an earlier layout, `BehaviourKeyUnfit` where the key
    is not the file's.
    """

    def __init__(self, path: Path, key: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=10)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=FULL")
        self._connection.execute("PRAGMA secure_delete=ON")
        _require_sealed(self._connection, path)
        self._connection.executescript(_TABLES + _PASS_TABLES)
        self._keys = DataKeys(self._connection, key)
        self.passes = PassRows(self._transaction, self._read)

    def close(self) -> None:
        self._connection.close()

    def bound_to(self, chain: str) -> str:
        """The chain (genesis hash) that this store belongs to: the first one that it was opened for."""
        with self._transaction() as connection:
            connection.execute("INSERT OR IGNORE INTO meta VALUES ('chain', ?)", (chain,))
            return str(connection.execute("SELECT value FROM meta WHERE name = 'chain'").fetchone()[0])

    # routes

    def put_routes(self, documents: Iterable[tuple[int, str]]) -> None:
        with self._transaction() as connection:
            connection.executemany(
                "INSERT OR REPLACE INTO routes VALUES (?, ?)", [self._sealed(*one) for one in documents]
            )

    def _sealed(self, subscription: int, document: str) -> tuple[str, bytes]:
        key = self._keys.of(subscription, ROUTE_DAY)
        return str(subscription), seal(key, f"{subscription}/route", document.encode())

    def delete_route(self, subscription: int) -> None:
        with self._transaction() as connection:
            connection.execute("DELETE FROM routes WHERE subscription = ?", (str(subscription),))
            self._keys.destroy_route(subscription)

    def routes(self) -> list[str]:
        """The route documents."""
        with self._lock:
            rows = self._connection.execute("SELECT subscription, sealed FROM routes").fetchall()
            return [self._route(int(subscription), sealed) for subscription, sealed in rows]

    def _route(self, subscription: int, sealed: bytes) -> str:
        return unseal(self._keys.of(subscription, ROUTE_DAY), f"{subscription}/route", sealed).decode()

    # records

    def add(self, kept: Kept) -> None:
        """Commit one record with its answer: after this returns, the record stands."""
        subscription, seq = int(kept.record.subscription_id), kept.record.seq
        facts = {"info": kept.info, "type": kept.content_type, "provenance": kept.provenance, "id": kept.request_id}
        with self._transaction() as connection:
            day = day_of(kept.record.end_millis)
            key = self._keys.of(subscription, day)
            row = (
                str(subscription),
                seq,
                json.dumps(kept.record.to_json()),
                kept.gross,
                day,
                kept.record.request_hash,
                pseudonym(key, kept.request_id),
                seal_json(key, _place(subscription, seq, "facts"), facts),
                None if kept.body is None else seal(key, _place(subscription, seq, "body"), kept.body),
            )
            connection.execute("INSERT INTO records VALUES (?,?,?,?,?,?,?,?,?,0)", row)
            if kept.passes:
                self.passes.spend(connection, subscription, seq, kept.passes, kept.gross, kept.proof)

    def known(self, subscription: int, request_id: str, request_hash: bytes) -> tuple[Kept | None, int | None]:
        """What is known of a request: the use that had its id, while its behaviour is kept; else the sequence number
        of the record of this very request, where its behaviour was erased."""
        with self._lock:
            return self._known(subscription, request_id, request_hash)

    def known_now(
        self, subscription: int, request_id: str, request_hash: bytes
    ) -> tuple[Kept | None, int | None] | None:
        """As `known`, but None where it would wait for a commit: a read is sooner done than handed to a thread."""
        if not self._lock.acquire(blocking=False):
            return None
        try:
            return self._known(subscription, request_id, request_hash)
        finally:
            self._lock.release()

    def _known(self, subscription: int, request_id: str, request_hash: bytes) -> tuple[Kept | None, int | None]:
        kept = self._by_request(subscription, request_id)
        return kept, None if kept else self._erased(subscription, request_hash)

    def _by_request(self, subscription: int, request_id: str) -> Kept | None:
        names = [pseudonym(key, request_id) for key in self._keys.living(subscription).values()]
        row = self._connection.execute(
            "SELECT record, gross, facts, body, again FROM records WHERE subscription = ? AND pseudonym IN "
            "(SELECT value FROM json_each(?))",
            (str(subscription), json.dumps(names)),
        ).fetchone()
        return self._kept(subscription, row) if row else None

    def _kept(self, subscription: int, row: tuple[Any, ...]) -> Kept:
        record, gross, facts, body, again = UsageRecord.from_json(json.loads(row[0])), *row[1:]
        key = self._keys.of(subscription, day_of(record.end_millis))
        known = unseal_json(key, _place(subscription, record.seq, "facts"), facts)
        return Kept(
            record=record,
            gross=gross,
            info=known["info"],
            request_id=known["id"],
            content_type=known["type"],
            provenance=known["provenance"],
            body=None if body is None else unseal(key, _place(subscription, record.seq, "body"), body),
            again=again,
        )

    def count_again(self, record: UsageRecord) -> None:
        """Note that a lost answer was made once more."""
        with self._transaction() as connection:
            connection.execute(
                "UPDATE records SET again = again + 1 WHERE subscription = ? AND seq = ?",
                (str(record.subscription_id), record.seq),
            )

    def records(self, subscription: int, since: int = 0, most: int = 1000) -> list[UsageRecord]:
        """At most `most` records from sequence number `since` on."""
        rows = self._read(
            "SELECT record FROM records WHERE subscription = ? AND seq >= ? ORDER BY seq LIMIT ?",
            (str(subscription), since, most),
        )
        return [UsageRecord.from_json(json.loads(row[0])) for row in rows]

    def measured(self, subscription: int, since: int = 0, most: int = 1000) -> dict[int, Measured]:
        """Sequence number → what its immersion was computed from, of those `records` that have it and keep it."""
        with self._lock:
            rows = self._connection.execute(
                "SELECT record, gross, facts, NULL, again FROM (SELECT * FROM records WHERE subscription = ? AND "
                "seq >= ? ORDER BY seq LIMIT ?) WHERE facts IS NOT NULL",
                (str(subscription), since, most),
            ).fetchall()
            kept = [self._kept(subscription, row) for row in rows]
        return {each.record.seq: measured(each.info) for each in kept if each.record.immersion}

    def quality(self, plan: int, floor_milli: int) -> Quality:
        """Of all records of a plan's subscriptions: how many, and what Meta-Immersion was measured."""
        with self._lock:
            told = [
                self._connection.execute(_QUALITY, (floor_milli, first, last, len(first))).fetchone()
                for first, last in _ids_of(plan)
            ]
        return Quality(*(sum(column) for column in zip(*told, strict=True)))

    def each_record(self) -> Iterator[tuple[UsageRecord, int]]:
        """All records in the order of their logs, each with its gross units; for rebuilding at start."""
        for record, gross in self._read("SELECT record, gross FROM records ORDER BY subscription, seq"):
            yield UsageRecord.from_json(json.loads(record)), gross

    # erasure

    def erase(self, subscription: int) -> int:
        """Forget a subscription's behaviour for good; of how many records. Its route stays while it is served."""
        with self._transaction() as connection:
            self._keys.destroy(subscription)
            changed = connection.execute(
                "UPDATE records SET facts = NULL, body = NULL WHERE subscription = ? AND facts IS NOT NULL",
                (str(subscription),),
            ).rowcount
        self._truncate_wal()
        return changed

    def erase_before(self, day: int) -> int:
        """Forget all behaviour of days before `day` for good; of how many records."""
        with self._transaction() as connection:
            self._keys.destroy_before(day)
            changed = connection.execute(
                "UPDATE records SET facts = NULL, body = NULL WHERE facts IS NOT NULL AND day < ?", (day,)
            ).rowcount
        self._truncate_wal()
        return changed

    def _erased(self, subscription: int, request_hash: bytes) -> int | None:
        row = self._connection.execute(
            "SELECT seq FROM records WHERE subscription = ? AND request_hash = ? AND facts IS NULL",
            (str(subscription), request_hash),
        ).fetchone()
        return int(row[0]) if row else None

    def _truncate_wal(self) -> None:
        """Pages as they were before lie in the write-ahead log until it is cut."""
        with self._lock:
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

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
                self._keys.drop_known()
                raise
            self._connection.execute("COMMIT")


def _place(subscription: int, seq: int, column: str) -> str:
    return f"{subscription}/{seq}/{column}"


def _require_sealed(connection: sqlite3.Connection, path: Path) -> None:
    """`LogBroken` for a file of before behaviour was sealed; nothing is touched."""
    columns = {row[1] for row in connection.execute("PRAGMA table_info(records)")}
    if "info" in columns:
        raise LogBroken(
            f"{path} was written by an earlier version, which kept users' behaviour in the clear. Nothing was touched: "
            "settle its vouchers with that version, then move the file away and start again."
        )


def _ids_of(plan: int) -> list[tuple[str, str]]:
    """The plan's subscription ids as ranges of decimal text of one length each, so that text order is their order."""
    first, last = str(plan << 32), str((plan + 1 << 32) - 1)
    if len(first) == len(last):
        return [(first, last)]
    return [(first, "9" * len(first)), ("1" + "0" * (len(last) - 1), last)]
