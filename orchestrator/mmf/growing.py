"""MMF's door for what local controllers ask for: a running instance scaled up within the pool, and held there.

It grows at once, beside its users. Held for less again, it shrinks with the next user that leaves: VMOF then shares
anew, so that no grant is of what is there no more.
"""

from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import Path
from pydantic import Field

from orchestrator.errors import OrchestratorError
from orchestrator.instances import ModelState, take_turn
from orchestrator.instances.door import CHANGING, Door, IdempotencyKey
from orchestrator.instances.models import ModelInstance, instance, instances_named, set_least_scale
from orchestrator.instances.transact import durable, step, transact
from orchestrator.mmf.catalogue import option
from orchestrator.mmf.sizes import scale
from orchestrator.mmf.starter import Starter, specs_of
from orchestrator.mmf.warming import Warming
from orchestrator.mmf.workflows import MmfDeps
from orchestrator.notices import NoticeKind
from orchestrator.placement.greedy import lacking
from orchestrator.requirements import Lack, Notice, Shape
from orchestrator.resources import ResourceVector
from orchestrator.resources.pool import rooms
from orchestrator.resources.reservations import expire, kept_for
from orchestrator.runtime.port import InstanceSpec
from trust.openapi import problems


class UnknownInstance(OrchestratorError):
    """No model instance of this id runs."""

    code = "unknown_instance"
    status = 404
    title = "No model instance of this id runs"


class ScaleRequest(Shape):
    """How many times its first size an instance is to have at least."""

    scale: int = Field(ge=1, le=1000)


class Growing:
    """The workflow, registered with the engine when made: make it once, before it is launched."""

    def __init__(self, deps: MmfDeps, warming: Warming) -> None:
        self._deps = deps
        self._warming = warming
        self._starter = Starter(deps.runtime)
        self.scale = durable("mmf.scale", self._scale)

    def _scale(self, instance_id: str, least: int) -> dict[str, Any]:
        """{"scale": as it is now, "grown": whether it was less, "short": what more was lacking}, or a problem."""
        done = self._change(_scaled, instance_id, least)
        if done["short"] and self._warming.make_room_now():
            done = self._change(_scaled, instance_id, least)
        if done["specs"]:
            step("start", self._start, done["specs"])  # one that fails the keeper tries again
        return {name: done[name] for name in ("scale", "grown", "short")}

    def _start(self, specs: list[dict[str, Any]]) -> dict[str, str]:
        return self._starter.up([InstanceSpec.of(spec) for spec in specs]).failed

    def _change(self, change: Callable[..., Any], *args: Any) -> Any:
        return transact(self._deps.datasource, change, self._deps, *args)


def growing_routes(door: Door, deps: MmfDeps, warming: Warming) -> None:
    """Add the route and register the workflow; before the engine is launched."""
    growing = Growing(deps, warming)

    @door.app.put("/models/{instanceId}/scale", responses=problems(*CHANGING, UnknownInstance))
    async def grow(
        instance_id: Annotated[str, Path(alias="instanceId")], wanted: ScaleRequest, key: IdempotencyKey
    ) -> dict[str, Any]:
        answer = await door.once(key, growing.scale, instance_id, wanted.scale)
        if answer["scale"] == 0:
            raise UnknownInstance(f"{instance_id} does not run here. GET /models shows what does.")
        if answer["grown"]:
            detail = {"scale": answer["scale"]}
            door.tell(key, [Notice(kind=NoticeKind.MODEL_RUNNING, subject=instance_id, detail=detail)])
        return answer


def _scaled(rows: sa.Connection, deps: MmfDeps, instance_id: str, least: int) -> dict[str, Any]:
    """Held at that scale, and scaled up as far as there is room; a scale of 0 says that it does not run."""
    take_turn(rows, "pool")
    expire(rows, deps.clock())
    one = instance(rows, instance_id)
    if one is None or one.supply or one.state is not ModelState.RUNNING:
        return {"scale": 0, "grown": False, "short": [], "specs": []}
    before = one.scale
    short: tuple[Lack, ...] = ()
    aim = min(least, option(deps.models[one.model]).max_scale)
    while one.scale < aim and not short:
        short = _lacks(rows, deps, one)
        if not short:
            scale(rows, deps.models[one.model], instance_id, +1, deps.clock())
            (one,) = instances_named(rows, [instance_id])
    set_least_scale(rows, instance_id, min(aim, one.scale))
    if aim < least and not short:
        short = (Lack(kind="state", name="scale", needed=least, available=aim),)
    grown = one.scale > before
    specs = specs_of(rows, deps.models, [one]) if grown else []
    return {
        "scale": one.scale,
        "grown": grown,
        "short": [lack.to_json() for lack in short],
        "specs": [asdict(spec) for spec in specs],
    }


def _lacks(rows: sa.Connection, deps: MmfDeps, one: ModelInstance) -> tuple[Lack, ...]:
    """What the instance's site lacks for it to be larger by its first size."""
    free = next(site.free for site in rooms(rows, []) if site.node_id == one.node_id)
    kept = kept_for(rows, one.cluster, deps.clock()).get(one.node_id, ResourceVector())
    return lacking(ResourceVector.of(deps.models[one.model].consumes), free + kept)
