"""Seen proofs, in one SQLite file that all processes of a home share: a proof passes once, also across restarts.

Called by the gate after everything else about a proof is good, so that strangers cannot fill it. A proof older than
the allowed skew is refused for its time, so its row may go. After a power cut (not a kill) the last rows may be
missing: WAL with synchronous=NORMAL; the 30 s of a proof's life bound what that is worth.
"""

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from trust.errors import ReplayStoreBusy

KEEP_S = 120  # four times the allowed skew: both ends of it, and clocks that step
PURGE_EVERY_S = 30
BUSY_TIMEOUT_S = 1.0

_SCHEMA = """
CREATE TABLE IF NOT EXISTS seen_proof (proof BLOB PRIMARY KEY, forget_at INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS seen_proof_forget_at ON seen_proof (forget_at);
"""


def name_of(jkt: str, jti: str) -> bytes:
    """32 bytes, whatever a client put into its jti."""
    return sha256(f"{jkt}\0{jti}".encode()).digest()


class SeenProofs(Protocol):
    """What the gate asks of a store: this one, or `trust.replay_postgresql` where a house has several hosts."""

    @property
    def is_remote(self) -> bool:
        """Whether an answer takes a network's time, so that no event loop may wait for it."""

    def is_first(self, jkt: str, jti: str, now: float) -> bool:
        """Marks the proof as seen; False when it was seen before, by any process. Thread-safe."""

    def close(self) -> None:
        """Gives the store back."""


class ReplayStore:
    """Thread-safe; close it, or use it as a context manager."""

    is_remote = False

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._purged_at = 0.0
        self._db = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
        with self._named_errors():
            self._switch_to_wal()
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._db.executescript(_SCHEMA)

    def _switch_to_wal(self) -> None:
        """Two programs that open a new file at once: the switch, unlike statements, does not wait for the other."""
        until = time.monotonic() + BUSY_TIMEOUT_S
        while True:
            try:
                self._db.execute("PRAGMA journal_mode=WAL")
                return
            except sqlite3.OperationalError:
                if time.monotonic() >= until:
                    raise
                time.sleep(0.01)

    def is_first(self, jkt: str, jti: str, now: float) -> bool:
        """Marks the proof as seen; False when it was seen before, by any process."""
        proof = name_of(jkt, jti)
        with self._lock, self._named_errors():
            self._purge(now)
            cursor = self._db.execute("INSERT OR IGNORE INTO seen_proof VALUES (?, ?)", (proof, int(now) + KEEP_S))
            return cursor.rowcount == 1

    def __len__(self) -> int:
        with self._lock, self._named_errors():
            return int(self._db.execute("SELECT count(*) FROM seen_proof").fetchone()[0])

    def close(self) -> None:
        with self._lock:
            self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _purge(self, now: float) -> None:
        if abs(now - self._purged_at) >= PURGE_EVERY_S:
            self._purged_at = now
            self._db.execute("DELETE FROM seen_proof WHERE forget_at < ?", (int(now),))

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            raise ReplayStoreBusy(f"The replay store cannot be written: {error}.") from error
