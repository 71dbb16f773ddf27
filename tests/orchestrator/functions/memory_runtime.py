"""The runtime port in memory: the outside of the functions, for a test that wants thousands of starts, some failing."""

import threading
from dataclasses import replace
from pathlib import Path

from orchestrator.runtime.errors import RuntimeFault
from orchestrator.runtime.port import InstanceSpec, Observation, RunState


class MemoryRuntime:
    """Keeps what runs in a dictionary. `failing` is how many of the next fresh starts fail."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._running: dict[str, Observation] = {}
        self._lock = threading.Lock()
        self.failing = 0

    def ensure(self, spec: InstanceSpec) -> Observation:
        with self._lock:
            known = self._running.get(spec.instance_id)
            fresh = known is None or known.state is not RunState.RUNNING
            if fresh and self.failing:
                self.failing -= 1
                raise RuntimeFault(f"{spec.instance_id} does not answer. This start was to fail.")
            socket = self._home / spec.instance_id
            seen = Observation(spec.instance_id, spec.program, RunState.RUNNING, socket, 1, 0.0, 0, dict(spec.grant))
            self._running[spec.instance_id] = seen
            return seen

    def observe(self) -> tuple[Observation, ...]:
        with self._lock:
            return tuple(self._running.values())

    def delete(self, instance_id: str) -> None:
        with self._lock:
            self._running.pop(instance_id, None)

    def kill(self, instance_id: str) -> None:
        """As if its process had died."""
        with self._lock:
            self._running[instance_id] = replace(self._running[instance_id], state=RunState.DEAD)

    def delete_all(self) -> None:
        with self._lock:
            self._running.clear()
