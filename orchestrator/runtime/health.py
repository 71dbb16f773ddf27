"""Asks providers' own programs, as their manifests say, whether they still serve, and ends those that do not.

`sandbox` tells it whom to ask; a thread for each asks. Whoever missed too often in a row is killed, why is told to
`on_sick` before: the keeper starts it anew, as it does whatever has died. It starts nothing itself.
"""

import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.models.manifests import HealthCheck
from orchestrator.runtime import unix_http
from orchestrator.runtime.processes import ProcessId, send

Sick = Callable[[str, str, str], None]
"""(instance, reason, detail), called just before the process is killed."""


@dataclass(frozen=True)
class _Asked:
    process: ProcessId
    ended: threading.Event


@dataclass
class HealthWatch:
    """Asks any number of instances."""

    on_sick: Sick
    _asked: dict[str, _Asked] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def watch(self, instance_id: str, process: ProcessId, socket: Path, check: HealthCheck) -> None:
        """Ask this process from now on; one that is asked already is asked as before."""
        with self._lock:
            known = self._asked.get(instance_id)
            if known is not None and known.process == process:
                return
            if known is not None:
                known.ended.set()
            asked = _Asked(process, threading.Event())
            self._asked[instance_id] = asked
        work = (instance_id, asked, socket, check)
        threading.Thread(target=self._ask, args=work, name=f"health-{instance_id}", daemon=True).start()

    def forget(self, instance_id: str) -> None:
        with self._lock:
            known = self._asked.pop(instance_id, None)
        if known is not None:
            known.ended.set()

    def let_go(self) -> None:
        """Forget all."""
        for instance_id in list(self._asked):
            self.forget(instance_id)

    def _ask(self, instance_id: str, asked: _Asked, socket: Path, check: HealthCheck) -> None:
        missed = 0
        while missed < check.failures:
            if asked.ended.wait(check.interval_s) or not asked.process.alive():
                return
            fault = fault_of(socket, check)
            missed = missed + 1 if fault else 0
        if asked.process.alive() and not asked.ended.is_set():
            self.on_sick(instance_id, "health", f"GET {check.path} missed {missed} times in a row, last: {fault}")
            send(asked.process, signal.SIGKILL)


def fault_of(socket: Path, check: HealthCheck) -> str:
    """What is wrong with the answer; empty where it is 200 in time."""
    try:
        status = unix_http.status_of(socket, check.path, check.timeout_s)
    except OSError as cause:
        return str(cause) or type(cause).__name__
    return "" if status == 200 else f"status {status}"
