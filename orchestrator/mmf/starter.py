"""Brings model instances up in the runtime and down again, several at once. It changes no rows; MMF's workflows and
keeper call it. Every call may be repeated."""

from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import sqlalchemy as sa
from dbos import SQLAlchemyDatasource

from orchestrator.instances.models import STANDING, ModelInstance, instance
from orchestrator.instances.transact import read
from orchestrator.mmf.catalogue import supplies
from orchestrator.models.manifests import Manifest
from orchestrator.resources import RESOURCES, ResourceVector
from orchestrator.resources.pool import ALLOCATIONS
from orchestrator.runtime.errors import RuntimeFault
from orchestrator.runtime.port import InstanceSpec, Runtime

AT_ONCE = 8
"""Instances of one share that are brought up side by side."""

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Started:
    """What came of bringing several instances up: the sockets of those that answer, the causes of those that do not."""

    sockets: dict[str, str]
    failed: dict[str, str]


class Starter:
    """Ensures and deletes instances as their rows say."""

    def __init__(self, datasource: SQLAlchemyDatasource, runtime: Runtime, models: Mapping[str, Manifest]) -> None:
        self._datasource = datasource
        self._runtime = runtime
        self._models = models

    def up(self, instance_ids: Collection[str]) -> Started:
        """Start, adopt or reconfigure these until each answers, or has failed."""
        ids = sorted(set(instance_ids))
        outcomes = dict(zip(ids, _at_once(self._ensure, ids), strict=True))
        return Started(
            sockets={name: socket for name, (socket, _) in outcomes.items() if socket},
            failed={name: cause for name, (socket, cause) in outcomes.items() if not socket},
        )

    def down(self, instance_ids: Collection[str]) -> None:
        """End these; one that is not there is no error."""
        _at_once(self._runtime.delete, sorted(set(instance_ids)))

    def spec(self, rows: sa.Connection, one: ModelInstance) -> InstanceSpec:
        """How an instance is to run now: granted what it and its shares hold, and what it supplies."""
        manifest = self._models[one.model]
        return InstanceSpec(
            instance_id=one.instance_id,
            program=manifest.program,
            grant=_grant(rows, one, manifest).amounts(),
            memory_mib=manifest.memory_mib,
        )

    def _ensure(self, instance_id: str) -> tuple[str, str]:
        wanted = read(self._datasource, self._wanted, instance_id)
        if wanted is None:
            return "", f"{instance_id} was let go while it was being started"
        try:
            return str(self._runtime.ensure(wanted).socket), ""
        except RuntimeFault as fault:
            return "", f"{fault.code}: {fault}"

    def _wanted(self, rows: sa.Connection, instance_id: str) -> InstanceSpec | None:
        one = instance(rows, instance_id)
        return self.spec(rows, one) if one is not None and one.state in STANDING else None


def _grant(rows: sa.Connection, one: ModelInstance, manifest: Manifest) -> ResourceVector:
    if one.supply:
        return ResourceVector.of(manifest.supplies)
    held = (ALLOCATIONS.c.instance_id == one.instance_id) & (ALLOCATIONS.c.node_id != one.instance_id)
    sums = [sa.func.coalesce(sa.func.sum(ALLOCATIONS.c[name]), 0) for name in RESOURCES]
    row = rows.execute(sa.select(*sums).where(held)).one()
    return ResourceVector(*(int(amount) for amount in row)) + supplies(manifest) * one.scale


def _at_once(work: Callable[[str], R], ids: Collection[str]) -> list[R]:
    if len(ids) < 2:
        return [work(one) for one in ids]
    with ThreadPoolExecutor(min(len(ids), AT_ONCE), thread_name_prefix="models") as threads:
        return list(threads.map(work, ids))
