"""MMF's door for the global controller's designs: instances that run before anybody asks, and stay while somebody may.

A warm instance is a shared one of a cluster that is kept without users until a UTC second. Purchases find it running
and reuse it (orchestrator.placement.greedy). A design renews, starts and ends in one durable workflow; what no design
renews any more the keeper ends. Where its room is wanted now, it goes at once: demand goes before forecast.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from math import inf
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import Path
from pydantic import Field

from orchestrator.instances import ModelMove, ModelState, take_turn
from orchestrator.instances.door import CHANGING, Door, IdempotencyKey
from orchestrator.instances.models import (
    STANDING,
    ModelInstance,
    instance,
    instances,
    instances_named,
    keep_warm,
    move_instance,
)
from orchestrator.instances.transact import durable, step, transact
from orchestrator.mmf.catalogue import view
from orchestrator.mmf.ending import finish
from orchestrator.mmf.sizes import create
from orchestrator.mmf.starter import Starter, specs_of
from orchestrator.mmf.workflows import MmfDeps
from orchestrator.notices import NoticeKind
from orchestrator.placement import greedy
from orchestrator.requirements import Decision, Notice, OfferRequest, RoleRequirement, ServiceType, Shape
from orchestrator.resources import Isolation, ResourceVector
from orchestrator.resources.pool import allocate, free_instance
from orchestrator.resources.reservations import expire
from orchestrator.resources.supplied import on_the_move
from orchestrator.runtime.port import InstanceSpec
from trust.openapi import problems


class WarmRequest(Shape):
    """What a cluster is to have running until the next designs, for users or for nobody yet."""

    models: dict[str, Annotated[int, Field(ge=0, le=1000)]]
    """model → instances; a model that is not named is kept for nobody"""
    until: int = Field(ge=0, lt=1 << 53)
    """UTC seconds"""


class Warming:
    """The workflows, registered with the engine when made: make it once, before it is launched."""

    def __init__(self, deps: MmfDeps) -> None:
        self._deps = deps
        self._starter = Starter(deps.runtime)
        self.warm = durable("mmf.warm", self._warm)
        self.make_room = durable("mmf.make_room", self.make_room_now)

    def _warm(self, key: str, cluster: str, document: dict[str, Any]) -> dict[str, Any]:
        """{"kept", "started", "ended": instances, "short": model → what kept the next one from being started}."""
        planned = self._change(_planned, key, cluster, document)
        self._end(planned["ended"])
        started: dict[str, str] = {}
        if planned["specs"]:
            outcome = step("start", self._start, planned["specs"])
            started = outcome["sockets"]
            self._change(_started, started, sorted(outcome["failed"]))
        return {
            "kept": planned["kept"],
            "started": sorted(started),
            "ended": planned["ended"],
            "short": planned["short"],
        }

    def make_room_now(self) -> list[str]:
        """End all that is warm and has no users, inside a workflow; answers those instances."""
        ended: list[str] = self._change(_cooled)
        self._end(ended)
        return ended

    def _end(self, idle: list[str]) -> None:
        if idle:
            step("stop", self._starter.down, idle)
            self._change(_finished, idle)

    def _start(self, specs: list[dict[str, Any]]) -> dict[str, dict[str, str]]:
        started = self._starter.up([InstanceSpec.of(spec) for spec in specs])
        return {"sockets": started.sockets, "failed": started.failed}

    def _change(self, change: Callable[..., Any], *args: Any) -> Any:
        return transact(self._deps.datasource, change, self._deps, *args)


def warming_routes(door: Door, deps: MmfDeps) -> Warming:
    """Add the route and register the workflows; before the engine is launched."""
    warming = Warming(deps)

    @door.app.put("/warm/{cluster}", responses=problems(*CHANGING))
    async def warm(cluster: Annotated[ServiceType, Path()], wanted: WarmRequest, key: IdempotencyKey) -> dict[str, Any]:
        answer = await door.once(key, warming.warm, key, cluster, wanted.to_json())
        running = [Notice(kind=NoticeKind.MODEL_RUNNING, subject=one) for one in answer["started"]]
        door.tell(key, [*running, *(Notice(kind=NoticeKind.MODEL_STOPPED, subject=one) for one in answer["ended"])])
        return answer

    return warming


def end_idle(rows: sa.Connection, now: int) -> list[str]:
    """Take from the pool's rows what is warm past its time and has no users; answers what is to be stopped."""
    idle = [one.instance_id for one in instances(rows, [ModelState.RUNNING]) if one.is_idle(now)]
    for instance_id in idle:
        move_instance(rows, instance_id, ModelMove.STOP, now)
    return idle


def warm_and_unused(rows: sa.Connection, now: int) -> list[str]:
    """Instances that run for nobody yet."""
    running = instances(rows, [ModelState.RUNNING])
    return [one.instance_id for one in running if one.shares == 0 and one.warm_until > now]


def _planned(rows: sa.Connection, deps: MmfDeps, key: str, cluster: ServiceType, document: dict[str, Any]) -> Any:
    """What is renewed, what is to be started and how, what is to be ended, and what there is no room for."""
    wanted, now = WarmRequest.model_validate(document), deps.clock()
    take_turn(rows, "pool")
    expire(rows, now)
    standing = _shared(rows, cluster)
    kept = [name for model, count in wanted.models.items() for name in _foremost(standing, model, count)]
    over = {one.instance_id for one in standing if one.warm_until > now} - set(kept)
    keep_warm(rows, over, now)
    keep_warm(rows, kept, wanted.until)
    created: list[str] = []
    short: dict[str, Any] = {}
    for model, count in sorted(wanted.models.items()):
        missing = count - sum(one.model == model for one in standing)
        made, decision = _created(rows, deps, cluster, model, [f"{key}/{number}" for number in range(missing)])
        created += made
        if decision is not None:
            short[model] = [lack.to_json() for lacks in decision.needed.values() for lack in lacks]
    keep_warm(rows, created, wanted.until)
    specs = specs_of(rows, deps.models, instances_named(rows, created))
    return {
        "kept": kept,
        "ended": end_idle(rows, now),
        "specs": [asdict(spec) for spec in specs],
        "short": short,
    }


def _shared(rows: sa.Connection, cluster: ServiceType) -> list[ModelInstance]:
    """A cluster's instances that any of its purchases may share."""
    _, moving = on_the_move(rows)
    return [
        one
        for one in instances(rows)
        if not one.supply
        and one.isolation is Isolation.SHARED
        and one.cluster == cluster
        and one.instance_id not in moving
    ]


def _foremost(standing: Sequence[ModelInstance], model: str, count: int) -> list[str]:
    """Those of a model to be kept: the most used, then the oldest."""
    mine = [one for one in standing if one.model == model]
    mine.sort(key=lambda one: (-one.shares, one.created_at, one.instance_id))
    return [one.instance_id for one in mine[:count]]


def _created(
    rows: sa.Connection, deps: MmfDeps, cluster: ServiceType, model: str, seeds: Sequence[str]
) -> tuple[list[str], Decision | None]:
    """New instances, planned, each where it and a share fit; and the decision of the first that fits nowhere."""
    manifest = deps.models.get(model)
    share = ResourceVector.of(manifest.per_share) if manifest else ResourceVector()
    role = RoleRequirement(role="ahead", model=model, resources=share, latency_ms=inf)
    request = OfferRequest(
        subscription_id="0", msi="", cluster=cluster, isolation=Isolation.SHARED, roles=(role,), access=deps.site
    )
    made: list[str] = []
    for seed in seeds:
        there = view(rows, deps.models, request, deps.topology, deps.clock())
        decision = greedy(request, replace(there, instances={}), seed)
        if not decision.feasible or manifest is None:
            return made, decision
        own = create(rows, manifest, request, decision.placements[0], deps.clock())
        allocate(rows, [own], request.cluster, deps.clock())
        made.append(decision.placements[0].instance)
    return made, None


def _started(rows: sa.Connection, deps: MmfDeps, sockets: Mapping[str, str], failed: Sequence[str]) -> None:
    """What came up runs; what did not goes, unless a purchase has it and sees to it."""
    take_turn(rows, "pool")
    now = deps.clock()
    for name, socket in sockets.items():
        one = instance(rows, name)
        if one is not None and one.state in STANDING:
            move_instance(rows, name, ModelMove.START, now, socket)
    for name in failed:
        one = instance(rows, name)
        if one is not None and one.state is ModelState.PLANNED and one.shares == 0:
            move_instance(rows, name, ModelMove.FAIL, now)
            free_instance(rows, name)


def _cooled(rows: sa.Connection, deps: MmfDeps) -> list[str]:
    take_turn(rows, "pool")
    now = deps.clock()
    keep_warm(rows, warm_and_unused(rows, now), now)
    return end_idle(rows, now)


def _finished(rows: sa.Connection, deps: MmfDeps, idle: Sequence[str]) -> None:
    finish(rows, idle, deps.clock())
