"""How a function lets MSMF hear of what happened, without anybody waiting for it.

Used by the doors of VMOF and MMF and by MMF's keeper. What comes within a moment is told in one call: at ten purchases
a second a call for each would cost more than the purchases' own. Where MSMF does not answer the engine keeps at it
until it does, also over a restart; a crash in that moment may lose a notice, never a decision (docs/decisions/0032,
0044). What MSMF refuses is logged, and keeps back nothing else.
"""

import threading
import time
from collections.abc import Sequence
from concurrent.futures import Executor
from hashlib import sha256
from typing import Any

import structlog

from orchestrator.errors import PeerRefused, TryLater
from orchestrator.instances.repeats import start_once
from orchestrator.instances.transact import durable
from orchestrator.requirements import MOST_NOTICES, FunctionCall, Notice

GATHERING_S = 0.25
"""How long a notice waits for others, seconds."""
AWAY_S = 1.0
"""How long MSMF is left alone when it did not answer, seconds."""
log = structlog.get_logger("telling")


class Teller:
    """The notices of one function on their way. Make it once, before the engine is launched."""

    def __init__(self, function: str, msmf: FunctionCall, threads: Executor) -> None:
        self._msmf = msmf
        self._threads = threads
        self._patiently = durable(f"{function}.tell", self._tell_patiently)
        self._lock = threading.Lock()
        self._waiting: list[dict[str, Any]] = []
        self._asking = threading.Lock()
        """while MSMF is away one call asks for all, however many wait"""
        self._closed = threading.Event()

    def tell(self, key: str, notices: Sequence[Notice]) -> None:
        """Take these, kept by MSMF as `key/0`, `key/1`, …; told again under the same key they change nothing."""
        told = [{**one.to_json(), "key": f"{key}/{number}"} for number, one in enumerate(notices)]
        with self._lock:
            first = not self._waiting
            self._waiting += told
        if first and told:
            self._threads.submit(self._gather)

    def close(self) -> None:
        """Leave what MSMF has not taken yet to the next start."""
        self._closed.set()

    def _gather(self) -> None:
        time.sleep(GATHERING_S)
        with self._lock:
            told, self._waiting = self._waiting, []
        for first in range(0, len(told), MOST_NOTICES):
            self._send(told[first : first + MOST_NOTICES])

    def _send(self, notices: list[dict[str, Any]]) -> None:
        key = _call_key(notices)
        try:
            self._post(key, notices)
        except TryLater:
            start_once(key, self._patiently, key, notices)

    def _tell_patiently(self, key: str, notices: list[dict[str, Any]]) -> None:
        """Until MSMF has answered. When this is closed it stops as in a crash, so that the engine recovers it."""
        while not self._closed.is_set():
            with self._asking:
                try:
                    return self._post(key, notices)
                except TryLater:
                    self._closed.wait(AWAY_S)
        raise SystemExit

    def _post(self, key: str, notices: list[dict[str, Any]]) -> None:
        """Where MSMF refuses one it keeps none of the call: then each is told alone."""
        try:
            self._msmf.post("/notices", {"notices": notices}, key)
        except PeerRefused as refusal:
            if len(notices) == 1:
                log.error("notice.refused", key=notices[0]["key"], cause=str(refusal))
                return
            for one in notices:
                self._post(_call_key([one]), [one])


def _call_key(notices: Sequence[dict[str, Any]]) -> str:
    return sha256("\n".join(one["key"] for one in notices).encode()).hexdigest()
