"""How a function lets MSMF hear of what happened, without anybody waiting for it.

Used by the doors of VMOF and MMF. What comes within a moment is told in one call: at ten purchases a second a call for
each would cost more than the purchases' own. Where MSMF does not answer the engine keeps at it, also over a restart; a
crash in that moment may lose a notice, never a decision (docs/decisions/0032, 0044).
"""

import threading
import time
from collections.abc import Sequence
from concurrent.futures import Executor
from hashlib import sha256
from typing import Any

from orchestrator.errors import TryLater
from orchestrator.instances.repeats import patient, run_once
from orchestrator.instances.transact import durable
from orchestrator.requirements import MOST_NOTICES, FunctionCall, Notice

GATHERING_S = 0.1
"""How long a notice waits for others, seconds."""


class Teller:
    """The notices of one function on their way. Make it once, before the engine is launched."""

    def __init__(self, function: str, msmf: FunctionCall, threads: Executor) -> None:
        self._msmf = msmf
        self._threads = threads
        self._patiently = durable(f"{function}.tell", self._tell_patiently)
        self._lock = threading.Lock()
        self._waiting: list[dict[str, Any]] = []

    def tell(self, key: str, notices: Sequence[Notice]) -> None:
        """Take these; told again under the same key they change nothing."""
        told = [{**one.to_json(), "key": f"{key}/{number}"} for number, one in enumerate(notices)]
        with self._lock:
            first = not self._waiting
            self._waiting += told
        if first and told:
            self._threads.submit(self._gather)

    def _gather(self) -> None:
        time.sleep(GATHERING_S)
        with self._lock:
            told, self._waiting = self._waiting, []
        for first in range(0, len(told), MOST_NOTICES):
            self._send(told[first : first + MOST_NOTICES])

    def _send(self, notices: list[dict[str, Any]]) -> None:
        key = sha256("\n".join(one["key"] for one in notices).encode()).hexdigest()
        try:
            self._post(key, notices)
        except TryLater:
            run_once(key, self._patiently, key, notices)

    def _tell_patiently(self, key: str, notices: list[dict[str, Any]]) -> None:
        patient(self._post, key, notices)

    def _post(self, key: str, notices: list[dict[str, Any]]) -> None:
        self._msmf.post("/notices", {"notices": notices}, key)
