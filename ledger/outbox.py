"""What a sender writes down before it sends: idempotency key → nonce, signed transactions, hashes (SQLite).

Called by the sender only. A row stands on disk (synchronous=FULL) before its transaction leaves, so a process that is
killed at any instruction finds, under the same key, the same transaction again. Rows are kept apart by genesis hash
and account: one file may serve several chains and keys. Processes that send from one key share one file: `exclusive`
lets one of them at a time take a nonce and hand it to the node.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import RLock

_SCHEMA = """
CREATE TABLE IF NOT EXISTS sends (
  genesis TEXT NOT NULL, account TEXT NOT NULL, key TEXT NOT NULL,
  fingerprint BLOB NOT NULL, description TEXT NOT NULL, nonce INTEGER NOT NULL, gas INTEGER NOT NULL,
  PRIMARY KEY (genesis, account, key), UNIQUE (genesis, account, nonce)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS attempts (
  ordinal INTEGER PRIMARY KEY, genesis TEXT NOT NULL, account TEXT NOT NULL, key TEXT NOT NULL,
  nonce INTEGER NOT NULL, tx_hash TEXT NOT NULL, raw BLOB NOT NULL, max_fee TEXT NOT NULL, tip TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS attempts_of_send ON attempts (genesis, account, key);
CREATE TABLE IF NOT EXISTS cancellations (tx_hash TEXT PRIMARY KEY) WITHOUT ROWID;
"""
_OWN = "genesis = ? AND account = ?"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One signed transaction; fees in wei for each unit of gas.

    `raw` is empty where only a remote signer's node has it; `cancels`: it does nothing but take the call's nonce.
    """

    nonce: int
    tx_hash: str
    raw: bytes
    max_fee: int
    tip: int
    cancels: bool = False


@dataclass(frozen=True, slots=True)
class Send:
    """One call that was promised to go out once, and everything signed for it, oldest first."""

    key: str
    fingerprint: bytes
    description: str
    nonce: int
    gas: int
    attempts: tuple[Attempt, ...]

    @property
    def newest(self) -> Attempt:
        return self.attempts[-1]

    @property
    def cancelled(self) -> bool:
        """Whether an empty transaction was sent for its present nonce; the first one may be mined all the same."""
        return any(attempt.cancels and attempt.nonce == self.nonce for attempt in self.attempts)


class Outbox:
    """One account's rows on one chain. Without a path the rows live in memory. Thread-safe."""

    def __init__(self, path: Path | None, genesis: str, account: str) -> None:
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
        self._own = (genesis, account)
        self._lock = RLock()
        self._base = sqlite3.connect(path or ":memory:", timeout=30.0, isolation_level=None, check_same_thread=False)
        self._base.execute("PRAGMA journal_mode=WAL")
        self._base.execute("PRAGMA synchronous=FULL")
        self._base.executescript(_SCHEMA)
        self._gate = (
            None if path is None else os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        )
        self._inside = 0

    def close(self) -> None:
        """May be repeated."""
        with self._lock:
            self._base.close()
            if self._gate is not None:
                os.close(self._gate)
                self._gate = None

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """No other thread and no other process on this file is inside; re-entrant. It falls with its process."""
        with self._lock:
            if self._gate is not None and not self._inside:
                fcntl.flock(self._gate, fcntl.LOCK_EX)
            self._inside += 1
            try:
                yield
            finally:
                self._inside -= 1
                if self._gate is not None and not self._inside:
                    fcntl.flock(self._gate, fcntl.LOCK_UN)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything inside is written together or not at all; other processes on the file wait."""
        with self._lock:
            self._base.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._base.execute("ROLLBACK")
                raise
            self._base.execute("COMMIT")

    def find(self, key: str) -> Send | None:
        sql = f"SELECT key, fingerprint, description, nonce, gas FROM sends WHERE {_OWN} AND key = ?"  # noqa: S608
        with self._lock:
            row = self._base.execute(sql, (*self._own, key)).fetchone()
            if row is None:
                return None
            name, fingerprint, description, nonce, gas = row
            return Send(name, fingerprint, description, nonce, gas, self._attempts(key))

    def unmined(self, count: int) -> list[Send]:
        """Sends whose nonce is not used on the chain, where `count` nonces are; lowest nonce first."""
        sql = f"SELECT key FROM sends WHERE {_OWN} AND nonce >= ? ORDER BY nonce"  # noqa: S608
        with self._lock:
            keys = [row[0] for row in self._base.execute(sql, (*self._own, count))]
            return [send for send in map(self.find, keys) if send]

    def add(self, send: Send) -> None:
        sql = "INSERT INTO sends VALUES (?, ?, ?, ?, ?, ?, ?)"
        with self._lock:
            values = (send.key, send.fingerprint, send.description, send.nonce, send.gas)
            self._base.execute(sql, (*self._own, *values))
            for attempt in send.attempts:
                self.add_attempt(send.key, attempt)

    def add_attempt(self, key: str, attempt: Attempt) -> None:
        sql = (
            "INSERT INTO attempts (genesis, account, key, nonce, tx_hash, raw, max_fee, tip) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
        )
        fees = (str(attempt.max_fee), str(attempt.tip))
        with self._lock:
            self._base.execute(sql, (*self._own, key, attempt.nonce, attempt.tx_hash, attempt.raw, *fees))
            if attempt.cancels:
                self._base.execute("INSERT OR IGNORE INTO cancellations VALUES (?)", (attempt.tx_hash,))

    def renumber(self, key: str, nonce: int) -> None:
        with self._lock:
            self._base.execute(f"UPDATE sends SET nonce = ? WHERE {_OWN} AND key = ?", (nonce, *self._own, key))  # noqa: S608

    def forget(self, key: str) -> None:
        """For a send that the node refused at the door: it never was on its way."""
        with self.transaction():
            self._base.execute(f"DELETE FROM attempts WHERE {_OWN} AND key = ?", (*self._own, key))  # noqa: S608
            self._base.execute(f"DELETE FROM sends WHERE {_OWN} AND key = ?", (*self._own, key))  # noqa: S608

    def _attempts(self, key: str) -> tuple[Attempt, ...]:
        cancels = "tx_hash IN (SELECT tx_hash FROM cancellations)"
        sql = f"SELECT nonce, tx_hash, raw, max_fee, tip, {cancels} FROM attempts WHERE {_OWN} AND key = ? ORDER BY ordinal"  # noqa: S608, E501
        rows = self._base.execute(sql, (*self._own, key))
        return tuple(
            Attempt(nonce, tx_hash, raw, int(fee), int(tip), bool(off)) for nonce, tx_hash, raw, fee, tip, off in rows
        )
