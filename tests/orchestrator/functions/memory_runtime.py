"""The runtime port in memory: the outside of the functions, for a test that wants thousands of starts, some failing."""

import threading
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

from orchestrator.runtime.errors import InstanceConflict, RuntimeFault
from orchestrator.runtime.folder import InstanceFolder
from orchestrator.runtime.port import InstanceSpec, Observation, RunState


class DomainDown(RuntimeFault):
    code = "domain_down"


class MemoryRuntime:
    """Keeps what runs in a dictionary. `failing` is how many of the next fresh starts fail; `down`, where not empty,
    why nothing can be had of it now."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._running: dict[str, Observation] = {}
        self._lock = threading.Lock()
        self.failing = 0
        self.down = ""

    def ensure(self, spec: InstanceSpec) -> Observation:
        self._answer(spec.instance_id)
        with self._lock:
            known = self._running.get(spec.instance_id)
            fresh = known is None or known.state is not RunState.RUNNING
            if fresh and self.failing:
                self.failing -= 1
                raise RuntimeFault(f"{spec.instance_id} does not answer. This start was to fail.")
            if known is not None and not fresh and known.program != spec.program:
                raise InstanceConflict(f"{spec.instance_id} runs {known.program}; delete it first.")
            socket = self._home / spec.instance_id
            seen = Observation(spec.instance_id, spec.program, RunState.RUNNING, socket, 1, 0.0, 0, dict(spec.grant))
            self._running[spec.instance_id] = seen
            return seen

    def regrant(self, spec: InstanceSpec) -> Path | None:
        with self._lock:
            known = self._running.get(spec.instance_id)
            if self.down or known is None or known.state is not RunState.RUNNING or known.program != spec.program:
                return None
            self._running[spec.instance_id] = replace(known, grant=dict(spec.grant))
            return known.socket

    def observe(self) -> tuple[Observation, ...]:
        self._answer()
        with self._lock:
            return tuple(self._running.values())

    def closed(self, sites: Collection[str]) -> Mapping[str, str]:
        return dict.fromkeys(sites, self.down) if self.down else {}

    def bounds(self) -> Mapping[str, str]:
        return {"all": "nothing runs: what is kept in memory is only said to"}

    def delete(self, instance_id: str) -> None:
        self._answer(instance_id)
        with self._lock:
            self._running.pop(instance_id, None)

    def kill(self, instance_id: str) -> None:
        """As if its process had died."""
        with self._lock:
            self._running[instance_id] = replace(self._running[instance_id], state=RunState.DEAD, pid=None)

    def delete_all(self) -> None:
        with self._lock:
            self._running.clear()

    def _answer(self, instance_id: str = "any") -> None:
        InstanceFolder.of(self._home, instance_id)
        if self.down:
            raise DomainDown(self.down)
