"""A worker's hold on its executor id, and on the lead: locks of a PostgreSQL session that lives as the worker does.

`app` takes one before anything else. Under PostgreSQL the session is a connection of its own: when the process dies,
the server drops its locks; when it is stopped (SIGSTOP, a frozen machine) it no longer calls, and the server ends its
session after `SILENCE_S`. A worker that finds its session gone ends itself at once: others may have its work. On
SQLite there is one worker and nothing to hold.
"""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from typing import Protocol

import sqlalchemy as sa
import structlog

from orchestrator.errors import ExecutorTaken, StoreUnusable

SILENCE_S = 5.0
"""How long the server waits for a call until it ends the session: longer than any honest pause of a busy worker."""
BEAT_S = 0.5
"""Pause between calls, seconds. A takeover takes the silence, a look (1 s) and the engine's queue (1 s): under 10 s."""
PATIENCE_S = 1.5
"""How long a starting worker asks for its id: a takeover may hold it for a moment, a dead session for as long."""
OLDEST_SERVER = 140_000
"""`server_version_num` of the first PostgreSQL with `idle_session_timeout`."""
LEAD = "lead"

log = structlog.get_logger("tenure")


class Tenure(Protocol):
    """What a worker holds."""

    @property
    def leads(self) -> bool:
        """Whether this worker runs listener, dispatch, reconciliation and settlement."""

    def close(self) -> None:
        """Give everything back."""


class Alone:
    """The only worker there can be: SQLite's."""

    leads = True

    def close(self) -> None:
        """Nothing is held."""


def end_process() -> None:
    """What a worker without its id does: end, with nothing finished and nothing handed back."""
    os._exit(1)


class SharedTenure:
    """The hold of one of several workers on one PostgreSQL database."""

    def __init__(self, url: str, executor_id: str, on_loss: Callable[[], None] = end_process) -> None:
        """Take the id, or raise ExecutorTaken; from then on keep it."""
        self.executor_id = executor_id
        self._on_loss = on_loss
        self._mutex = threading.Lock()
        self._stop = threading.Event()
        self._leads = threading.Event()
        self._engine = sa.create_engine(
            url,
            poolclass=sa.NullPool,
            isolation_level="AUTOCOMMIT",
            connect_args={"connect_timeout": 5, "application_name": f"s4m {executor_id}"[:63]},
        )
        self._session = self._open(url)
        self._held_until = 0.0
        try:
            self._take()
        except BaseException:
            self.close()
            raise
        for work in (self._beat_on, self._watch):
            threading.Thread(target=work, name=f"tenure-{work.__name__}", daemon=True).start()

    @property
    def leads(self) -> bool:
        """Whether this worker has the lead and may act on it."""
        return self._leads.is_set()

    def try_to_lead(self) -> bool:
        """Take the lead if it is free; whoever has it keeps it to its end. True on becoming the leader by this call."""
        if self._leads.is_set():
            return False
        return self._locked(LEAD)

    def begin_to_lead(self) -> None:
        """Act on the lead from now on: whoever led before can do no more harm."""
        self._leads.set()
        log.info("lead.taken", executor=self.executor_id)

    @contextmanager
    def vacancy(self, executor_id: str) -> Iterator[bool]:
        """Whether nobody alive holds this id; while inside nobody else can take it."""
        if not self._locked(executor_id):
            yield False
            return
        try:
            yield True
        finally:
            with self._mutex:
                self._session.execute(_UNLOCK, {"key": _key(executor_id)})

    def close(self) -> None:
        """End the session and with it all locks."""
        self._stop.set()
        with self._mutex:
            self._session.close()
        self._engine.dispose()

    def _open(self, url: str) -> sa.Connection:
        try:
            return self._engine.connect()
        except sa.exc.SQLAlchemyError as cause:
            self._engine.dispose()
            shown = sa.make_url(url).render_as_string()
            raise StoreUnusable(f"{shown} does not answer: {cause}. Is the server running?") from cause

    def _take(self) -> None:
        version = int(self._session.scalar(sa.text("SHOW server_version_num")) or 0)
        if version < OLDEST_SERVER:
            raise StoreUnusable(f"PostgreSQL 14 or newer is needed; this server is {version // 10_000}. Upgrade it.")
        silence_ms = int(SILENCE_S * 1000)
        self._session.execute(sa.text(f"SET idle_session_timeout = {silence_ms}"))  # safe: sql — our own number
        until = time.monotonic() + PATIENCE_S
        while not self._locked(self.executor_id):
            if time.monotonic() > until:
                raise ExecutorTaken(
                    f"A live worker of this database holds the executor id {self.executor_id}. "
                    "Give each worker an S4M_EXECUTOR_ID of its own, or stop the other one first."
                )
            time.sleep(0.1)
        self._beat()

    def _locked(self, name: str) -> bool:
        with self._mutex:
            return bool(self._session.scalar(_LOCK, {"key": _key(name)}))

    def _beat(self) -> None:
        called = time.monotonic()
        with self._mutex:
            self._session.execute(sa.text("SELECT 1"))
        self._held_until = called + SILENCE_S

    def _beat_on(self) -> None:
        while not self._stop.wait(BEAT_S):
            try:
                self._beat()
            except (sa.exc.SQLAlchemyError, OSError) as cause:
                self._lose(str(cause))
                return

    def _watch(self) -> None:
        """A call that hangs is no answer either, and a process that was stopped for long must not go on."""
        while not self._stop.wait(BEAT_S / 2):
            if time.monotonic() > self._held_until:
                self._lose(f"the server gave no answer for {SILENCE_S:g} s, or this process was stopped as long")
                return

    def _lose(self, why: str) -> None:
        if self._stop.is_set():
            return
        log.critical(
            "tenure.lost",
            executor=self.executor_id,
            error=why,
            remedy="this worker ends; another one takes its work over, or it does when it is started again",
        )
        self._on_loss()


def _key(name: str) -> int:
    """The advisory lock of an executor id, or of the lead: 64 bits, signed."""
    kind = "lead" if name is LEAD else f"executor:{name}"
    return int.from_bytes(sha256(f"slicing4meta:{kind}".encode()).digest()[:8], "big", signed=True)


_LOCK = sa.text("SELECT pg_try_advisory_lock(:key)")
_UNLOCK = sa.text("SELECT pg_advisory_unlock(:key)")
