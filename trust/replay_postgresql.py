"""Seen proofs on PostgreSQL: the store of a house whose programs run on several hosts (`trust.replay` is one home's).

One connection a process, opened anew when it was lost. Commits are not waited for on disk, as in SQLite's WAL: after
a power cut of the server the last rows may be missing, and the 30 s of a proof's life bound what that is worth.
"""

import threading
from contextlib import suppress

import psycopg

from trust.errors import ReplayStoreBusy
from trust.replay import KEEP_S, PURGE_EVERY_S, name_of

CONNECT_TIMEOUT_S = 2
STATEMENT_TIMEOUT_MS = 1_000
_LOCK = 7_305_115_105  # advisory lock of whoever makes the table: several programs may start at once

_SCHEMA = f"""
BEGIN;
SELECT pg_advisory_xact_lock({_LOCK});
CREATE TABLE IF NOT EXISTS trust_seen_proof (proof bytea PRIMARY KEY, forget_at bigint NOT NULL);
CREATE INDEX IF NOT EXISTS trust_seen_proof_forget_at ON trust_seen_proof (forget_at);
COMMIT;
"""


class PostgresqlReplayStore:
    """Thread-safe; close it at the end. ReplayStoreBusy where the server does not answer."""

    is_remote = True

    def __init__(self, url: str) -> None:
        self._url = url.replace("+psycopg", "", 1)
        self._lock = threading.Lock()
        self._purged_at = 0.0
        self._closed = False
        self._connection: psycopg.Connection[tuple[int]] | None = None
        with self._lock:
            self._connected().execute(_SCHEMA)

    def is_first(self, jkt: str, jti: str, now: float) -> bool:
        """Marks the proof as seen; False when it was seen before, by any process of any host."""
        with self._lock:
            if self._closed:
                raise ReplayStoreBusy("The replay store is closed: the program is stopping.")
            try:
                rows = self._connected()
                self._purge(rows, now)
                return self._insert(rows, name_of(jkt, jti), int(now) + KEEP_S)
            except psycopg.Error as error:
                self._drop()
                raise ReplayStoreBusy(f"The replay store cannot be written: {type(error).__name__}.") from error

    def close(self) -> None:
        with self._lock:
            self._closed = True
            self._drop()

    def _insert(self, rows: "psycopg.Connection[tuple[int]]", proof: bytes, forget_at: int) -> bool:
        done = rows.execute("INSERT INTO trust_seen_proof VALUES (%s, %s) ON CONFLICT DO NOTHING", (proof, forget_at))
        return done.rowcount == 1

    def _purge(self, rows: "psycopg.Connection[tuple[int]]", now: float) -> None:
        if abs(now - self._purged_at) >= PURGE_EVERY_S:
            self._purged_at = now
            rows.execute("DELETE FROM trust_seen_proof WHERE forget_at < %s", (int(now),))

    def _connected(self) -> "psycopg.Connection[tuple[int]]":
        if self._connection is None or self._connection.closed:
            options = f"-c synchronous_commit=off -c statement_timeout={STATEMENT_TIMEOUT_MS}"
            self._connection = psycopg.connect(
                self._url, autocommit=True, connect_timeout=CONNECT_TIMEOUT_S, options=options
            )
        return self._connection

    def _drop(self) -> None:
        if self._connection is not None:
            with suppress(psycopg.Error):
                self._connection.close()
            self._connection = None
