"""MMF's background work: moves running instances where a better packing lets in what was refused for want of room.

A look reads the pool, searches for a bounded time outside of any turn (orchestrator.placement.repack), and only where
moves bring more than they cost starts a durable workflow: wave by wave it checks in the pool's turn that all still
fits, starts the new instances, gives them all uses in one transaction, and stops the old ones. Every repack is kept
with its objective before and after, bound and gap.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Annotated, Any

import sqlalchemy as sa
import structlog
from fastapi import Query

from orchestrator.instances import take_turn
from orchestrator.instances.door import Door, Tell
from orchestrator.instances.models import instances_named, sockets_of
from orchestrator.instances.repeats import run_once
from orchestrator.instances.transact import durable, read, snapshot, step, transact
from orchestrator.mmf import drain
from orchestrator.mmf.ending import finish
from orchestrator.mmf.repack_view import pool_state, state_around
from orchestrator.mmf.starter import Starter, specs_of
from orchestrator.mmf.workflows import MmfDeps
from orchestrator.placement.repack import Migration, Repack, fits, repack
from orchestrator.resources import repacks as kept
from orchestrator.runtime.port import InstanceSpec

SEARCH_S = 4.0
"""Wall-clock seconds that one search may take: with a look a minute at most 7 % of a core."""
log = structlog.get_logger("mmf")


class Repacking:
    """The looks and their workflow, registered with the engine when made: make it once, before it is launched."""

    def __init__(self, deps: MmfDeps, tell: Tell) -> None:
        self._deps = deps
        self._tell = tell
        self._starter = Starter(deps.runtime)
        self.carry_out = durable("mmf.repack", self._carry_out)

    def look(self) -> str:
        """One search, and its moves carried out; answers the repack's id, empty where everything stays."""
        deps = self._deps
        if read(deps.reading, kept.under_way):
            return ""
        pool = snapshot(deps.reading, pool_state, deps.models, deps.topology, deps.clock())
        found = repack(pool, SEARCH_S)
        if not found.waves:
            return ""
        repack_id = f"repack-{deps.clock_ms()}"
        log.info("repack.begun", repack=repack_id, before=found.before, after=found.after, bound=found.bound)
        waves = [[asdict(move) for move in wave] for wave in found.waves]
        run_once(repack_id, self.carry_out, repack_id, _decision(found), waves)
        return repack_id

    def _carry_out(self, repack_id: str, decision: dict[str, Any], waves: list[list[dict[str, str]]]) -> str:
        """Why it was given up; empty where all was moved."""
        self._change(_begin, repack_id, decision)
        cause = ""
        for wave in waves:
            cause = self._move(repack_id, wave)
            if cause:
                break
        self._change(_end, repack_id, cause)
        return cause

    def _move(self, repack_id: str, wave: list[dict[str, str]]) -> str:
        begun = self._change(_begin_wave, repack_id, wave)
        if begun["cause"]:
            return str(begun["cause"])
        started = step("start", self._start, begun["specs"])
        if started["failed"]:
            self._change(_give_up, begun["moved"])
            return "; ".join(started["failed"].values())
        switched = self._change(_switch, repack_id, begun["moved"], started["sockets"])
        idle = switched["idle"]
        self._tell(f"{repack_id}:{','.join(sorted(begun['moved']))}", drain.migrated(switched["moves"], "repack"))
        if idle:
            step("part", self._part, idle)
            step("stop", self._starter.down, idle)
            self._change(_finish, idle)
        return ""

    def _part(self, idle: list[str]) -> None:
        self._deps.part(read(self._deps.reading, sockets_of, idle))

    def _start(self, specs: list[dict[str, Any]]) -> dict[str, dict[str, str]]:
        started = self._starter.up([InstanceSpec.of(spec) for spec in specs])
        return {"sockets": started.sockets, "failed": started.failed}

    def _change(self, change: Callable[..., Any], *args: Any) -> Any:
        return transact(self._deps.datasource, change, self._deps, *args)


def repacking_routes(door: Door, deps: MmfDeps) -> Repacking:
    """Add the route and register the workflow; before the engine is launched."""

    @door.app.get("/repacks")
    async def of_subscription(subscription_id: Annotated[str, Query(alias="subscriptionId")]) -> dict[str, Any]:
        return {"repacks": await door.run(read, deps.reading, kept.repacks_of, subscription_id)}

    return Repacking(deps, door.tell)


def _decision(found: Repack) -> dict[str, Any]:
    return {
        "objectiveBefore": found.before,
        "objective": found.after,
        "bound": found.bound,
        "gap": found.gap,
        "admits": list(found.admits),
    }


def _begin(rows: sa.Connection, deps: MmfDeps, repack_id: str, decision: dict[str, Any]) -> None:
    kept.begin_repack(rows, repack_id, decision, deps.clock())


def _begin_wave(rows: sa.Connection, deps: MmfDeps, repack_id: str, wave: list[dict[str, str]]) -> dict[str, Any]:
    """The new instances and how they are to run; or, nothing changed, why the wave cannot be any more."""
    take_turn(rows, "pool")
    moves = tuple(Migration(**move) for move in wave)
    names = [move.instance_id for move in moves]
    if not fits(state_around(rows, deps.models, deps.topology, names), moves):
        return {"cause": "what was to be moved, or the room for it, has changed since the search"}
    targets = {move.instance_id: move.target for move in moves}
    wanted = [
        drain.Move(one, drain.tenants_of(rows, one), targets[one.instance_id]) for one in instances_named(rows, names)
    ]
    moved = drain.begin(rows, deps.models, deps.topology, wanted, repack_id, deps.clock())
    kept.set_moving(rows, repack_id, moved)
    specs = specs_of(rows, deps.models, instances_named(rows, moved.values()))
    return {"cause": "", "moved": moved, "specs": [asdict(spec) for spec in specs]}


def _give_up(rows: sa.Connection, deps: MmfDeps, moved: dict[str, str]) -> None:
    take_turn(rows, "pool")
    drain.give_up(rows, moved, deps.clock())


def _switch(
    rows: sa.Connection, deps: MmfDeps, repack_id: str, moved: dict[str, str], sockets: dict[str, str]
) -> dict[str, Any]:
    """The instances to be stopped, and what was moved."""
    for turn in ("ar_vr", "digital_twin", "pool"):
        take_turn(rows, turn)
    idle = drain.switch(rows, moved, sockets, deps.clock())
    moves = drain.moves_of(rows, {old: new for old, new in moved.items() if old in idle})
    kept.add_moves(rows, repack_id, moves)
    return {"idle": idle, "moves": moves}


def _finish(rows: sa.Connection, deps: MmfDeps, idle: Sequence[str]) -> None:
    finish(rows, idle, deps.clock())


def _end(rows: sa.Connection, deps: MmfDeps, repack_id: str, cause: str) -> None:
    kept.end_repack(rows, repack_id, deps.clock(), cause)
