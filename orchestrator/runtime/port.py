"""The port to whatever runs model instances: six verbs, all idempotent, all synchronous, safe to call from threads.

MMF calls it; `sandbox.SandboxRuntime` fills it on one machine, `domains.Domains` for a topology whose sites have
runtimes of their own. It knows programs and processes, not MSIs, money or tenants. What goes wrong is a RuntimeFault.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from orchestrator.models.manifests import HealthCheck, OwnProgram


class RunState(StrEnum):
    RUNNING = "running"
    DEAD = "dead"


@dataclass(frozen=True)
class InstanceSpec:
    """What to run. `program` is a module for `python -m`, unless it is a provider's `own`; `grant` the resources given
    to the instance."""

    instance_id: str
    program: str
    grant: Mapping[str, int]
    memory_mib: int
    nice: int = 5
    own: OwnProgram | None = None
    site: str = ""
    """where it is to run; empty: wherever the house's own models run"""

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> "InstanceSpec":
        """From what `asdict` made of one, through JSON or not: an intent's file, a workflow's kept step."""
        own = fields.get("own")
        if own is None:
            return cls(**fields)
        program = OwnProgram(own["sha256"], tuple(own["command"]), HealthCheck(**own["health"]))
        return cls(**{**fields, "own": program})


@dataclass(frozen=True)
class Observation:
    """What really runs. A dead instance keeps its directory until it is ensured again or deleted."""

    instance_id: str
    program: str
    state: RunState
    socket: Path
    pid: int | None
    cpu_seconds: float
    rss_bytes: int
    grant: Mapping[str, int]
    last_death: str = ""
    """why the runtime last ended it for passing a bound (memory: held 130 MiB of 128 MiB)"""
    deaths: int = 0
    """how often that was"""


class Runtime(Protocol):
    def ensure(self, spec: InstanceSpec) -> Observation:
        """Starts, adopts, restarts or reconfigures until the instance answers healthily with this spec."""

    def regrant(self, spec: InstanceSpec) -> Path | None:
        """Where one answers that runs already: held to this grant from now on, its program told of it in a moment. None
        where it does not run like that: `ensure` it. Never waits for a program."""

    def observe(self) -> tuple[Observation, ...]:
        """All instances this runtime has a record of, dead ones included."""

    def closed(self, sites: Collection[str]) -> Mapping[str, str]:
        """Of these sites those where nothing can be started now, each with cause and remedy. Never waits for long."""

    def bounds(self) -> Mapping[str, str]:
        """What holds an instance to its grant here: a word for each thing that is bounded."""

    def delete(self, instance_id: str) -> None:
        """Ends the instance and removes what it left; an unknown id is no error."""
