"""Brings model instances up in the runtime and down again, several at once. It changes no rows; MMF's workflows and
keeper call it. Every call may be repeated."""

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import sqlalchemy as sa

from orchestrator.instances.models import ModelInstance
from orchestrator.mmf.catalogue import supplies
from orchestrator.models.manifests import Manifest
from orchestrator.resources import ResourceVector
from orchestrator.resources.pool import held_on_sites
from orchestrator.runtime.errors import RuntimeFault
from orchestrator.runtime.port import InstanceSpec, Runtime

AT_ONCE = 1 + (os.cpu_count() or 1)
"""Instances of one share that are brought up side by side; more only take the processor from each other."""

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

    def up(self, specs: Sequence[InstanceSpec], running: Collection[str] = ()) -> Started:
        """Start, adopt or reconfigure these until each answers, or has failed; of those that are `running` one that
        does is not waited for."""
        known = {spec.instance_id: self._runtime.regrant(spec) for spec in specs if spec.instance_id in running}
        rest = [spec for spec in specs if known.get(spec.instance_id) is None]
        outcomes = dict(zip((spec.instance_id for spec in rest), _at_once(self._ensure, rest), strict=True))
        return Started(
            sockets={name: str(socket) for name, socket in known.items() if socket}
            | {name: socket for name, (socket, _) in outcomes.items() if socket},
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


def specs_of(rows: sa.Connection, models: Mapping[str, Manifest], ones: Sequence[ModelInstance]) -> list[InstanceSpec]:
    """How instances are to run now: granted what they and their shares hold, and what they supply."""
    held = held_on_sites(rows, [one.instance_id for one in ones])
    return [
        InstanceSpec(
            instance_id=one.instance_id,
            program=models[one.model].program,
            grant=_grant(models[one.model], one, held.get(one.instance_id, ResourceVector())).amounts(),
            memory_mib=models[one.model].memory_mib,
            own=models[one.model].own,
            site=one.node_id,
        )
        for one in ones
    ]


def _grant(manifest: Manifest, one: ModelInstance, held: ResourceVector) -> ResourceVector:
    """What it holds of its node; of what it makes into its own supply that supply, not both."""
    if one.supply:
        return ResourceVector.of(manifest.supplies)
    own = supplies(manifest) * one.scale
    return held - held.only(own) + own


def _at_once(work: Callable[[T], R], things: Sequence[T]) -> list[R]:
    if len(things) < 2:
        return [work(one) for one in things]
    with ThreadPoolExecutor(min(len(things), AT_ONCE), thread_name_prefix="models") as threads:
        return list(threads.map(work, things))
