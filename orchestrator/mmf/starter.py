"""Brings model instances up in the runtime and down again, several at once. It changes no rows; MMF's workflows and
keeper call it. Every call may be repeated."""

from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import sqlalchemy as sa

from orchestrator.instances.models import ModelInstance
from orchestrator.mmf.catalogue import supplies
from orchestrator.models.manifests import Manifest
from orchestrator.resources import RESOURCES, ResourceVector
from orchestrator.resources.pool import ALLOCATIONS
from orchestrator.runtime.errors import RuntimeFault
from orchestrator.runtime.port import InstanceSpec, Runtime

AT_ONCE = 8
"""Instances of one share that are brought up side by side."""

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Started:
    """What came of bringing several instances up: the sockets of those that answer, the causes of those that do not."""

    sockets: dict[str, str]
    failed: dict[str, str]


class Starter:
    """Ensures and deletes instances in the runtime."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    def up(self, specs: Sequence[InstanceSpec]) -> Started:
        """Start, adopt or reconfigure these until each answers, or has failed."""
        outcomes = dict(zip((spec.instance_id for spec in specs), _at_once(self._ensure, specs), strict=True))
        return Started(
            sockets={name: socket for name, (socket, _) in outcomes.items() if socket},
            failed={name: cause for name, (socket, cause) in outcomes.items() if not socket},
        )

    def down(self, instance_ids: Collection[str]) -> None:
        """End these; one that is not there is no error."""
        _at_once(self._runtime.delete, sorted(set(instance_ids)))

    def _ensure(self, spec: InstanceSpec) -> tuple[str, str]:
        try:
            return str(self._runtime.ensure(spec).socket), ""
        except RuntimeFault as fault:
            return "", f"{fault.code}: {fault}"


def spec_of(rows: sa.Connection, manifest: Manifest, one: ModelInstance) -> InstanceSpec:
    """How an instance is to run now: granted what it and its shares hold, and what it supplies."""
    return InstanceSpec(
        instance_id=one.instance_id,
        program=manifest.program,
        grant=_grant(rows, one, manifest).amounts(),
        memory_mib=manifest.memory_mib,
    )


def _grant(rows: sa.Connection, one: ModelInstance, manifest: Manifest) -> ResourceVector:
    if one.supply:
        return ResourceVector.of(manifest.supplies)
    held = (ALLOCATIONS.c.instance_id == one.instance_id) & (ALLOCATIONS.c.node_id != one.instance_id)
    sums = [sa.func.coalesce(sa.func.sum(ALLOCATIONS.c[name]), 0) for name in RESOURCES]
    row = rows.execute(sa.select(*sums).where(held)).one()
    return ResourceVector(*(int(amount) for amount in row)) + supplies(manifest) * one.scale


def _at_once(work: Callable[[T], R], things: Sequence[T]) -> list[R]:
    if len(things) < 2:
        return [work(one) for one in things]
    with ThreadPoolExecutor(min(len(things), AT_ONCE), thread_name_prefix="models") as threads:
        return list(threads.map(work, things))
